# SPDX-License-Identifier: Apache-2.0
"""What is installed to develop, build and test is pinned, by version and by the SHA-256 of every file."""

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

EXTRAS = {"run": [], "crypto": ["crypto"], "extras": ["crypto", "fwupd", "redfish", "tui"], "test": ["test"]}
EXTRAS |= {"peers": ["peers"], "fuzz": ["fuzz"], "docs": ["docs"]}
"""The extras of pyproject.toml that a file is for."""
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
_SHA256 = re.compile(r"--hash=sha256:[0-9a-f]{64}")


class Pin(NamedTuple):
    """One line of a file: what it pins, by how many hashes."""

    requirement: Requirement
    hashes: int


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _pins(path: Path) -> dict[str, list[Pin]]:
    """Pins by name; a name may have several, for different machines."""
    found: dict[str, list[Pin]] = {}
    text = re.sub(r"^ *#.*\n", "", path.read_text(encoding="ascii"), flags=re.MULTILINE).replace("\\\n", " ")
    for line in text.splitlines():
        wanted, *hashes = re.split(r"\s+(?=--hash=)", line.strip())
        assert all(_SHA256.fullmatch(each) for each in hashes), line
        requirement = Requirement(wanted)
        found.setdefault(_name(requirement.name), []).append(Pin(requirement, len(hashes)))
    return found


def _environment(python: str, machine: str) -> dict[str, str]:
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": machine}
    kind = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return linux | kind | {"python_version": python, "python_full_version": f"{python}.1"}


def _there(pins: list[Pin], environment: dict[str, str]) -> list[Pin]:
    def holds(marker: Marker | None) -> bool:
        return marker is None or marker.evaluate(environment)

    return [pin for pin in pins if holds(pin.requirement.marker)]


@pytest.fixture(scope="module")
def files(checkout: Path) -> dict[str, dict[str, list[Pin]]]:
    """Pins of each file, by its name."""
    return {path.stem: _pins(path) for path in sorted((checkout / "requirements").glob("*.txt"))}


def test_every_line_is_one_version_with_hashes(files: dict[str, dict[str, list[Pin]]]) -> None:
    loose = [
        (file, str(pin.requirement))
        for file, pins in files.items()
        for pin in chain.from_iterable(pins.values())
        if not re.fullmatch(r"==[^*,]+", str(pin.requirement.specifier)) or not pin.hashes or pin.requirement.url
    ]
    assert loose == []
    assert set(EXTRAS) | {"build", "lock", "source"} <= set(files)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_the_project_asks_for_is_pinned_once(
    files: dict[str, dict[str, list[Pin]]], checkout: Path, python: str, machine: str
) -> None:
    with (checkout / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    environment = _environment(python, machine)
    wanted = {
        name: [*project["project"]["dependencies"], *(line for extra in extras for line in _extra(project, extra))]
        for name, extras in EXTRAS.items()
    } | {"build": project["build-system"]["requires"]}
    for file, lines in wanted.items():
        for each in map(Requirement, lines):
            if each.marker is not None and not each.marker.evaluate(environment):
                continue  # not for this machine
            (pin,) = _there(files[file][_name(each.name)], environment)
            version = str(pin.requirement.specifier)[2:]
            assert each.specifier.contains(version), (file, str(each), version)


def _extra(project: dict[str, dict[str, dict[str, list[str]]]], extra: str) -> list[str]:
    return project["project"]["optional-dependencies"][extra]


def test_one_package_has_one_version_in_all_files(files: dict[str, dict[str, list[Pin]]]) -> None:
    versions: dict[str, set[str]] = {}
    for pins in files.values():
        for name, found in pins.items():
            versions.setdefault(name, set()).update(str(pin.requirement.specifier) for pin in found)
    several = {"ansible-core", "libvirt-python"}  # tests run with each
    assert {name for name, found in versions.items() if len(found) > 1} == several


def test_no_registry_is_named(checkout: Path) -> None:
    for path in (checkout / "requirements").iterdir():
        assert not re.search(r"://|index-url|find-links|trusted-host", path.read_text(encoding="ascii")), path


def test_the_set_up_installs_nothing_without_a_hash(checkout: Path) -> None:
    """Livefw itself apart, which comes from the checkout and from nowhere else."""
    for script in sorted((checkout / "scripts").iterdir()):
        text = script.read_text(encoding="utf-8").replace("\\\n", " ")
        calls = re.findall(r"""pip"? (?:install|wheel|download) .*""", text)
        calls = [each for each in calls if "--no-index" not in each and "lock.in" not in each]
        assert [each for each in calls if "--require-hashes" not in each] == []
