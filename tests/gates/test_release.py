# SPDX-License-Identifier: Apache-2.0
"""What is published can be made again by anybody, to the byte, and says what is in it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import livefw

NO_DEBIAN = "dpkg-buildpackage or dh_python3 is missing; on Debian: apt-get install debhelper dh-python dpkg-dev"
pytestmark = pytest.mark.timeout(900)  # builds everything twice
SBOM = "livefw.cdx.json"


class Circumstances(NamedTuple):
    """Where and how a build is made; none of it may be seen in what comes out."""

    folder: str
    umask: int
    touched: int
    environment: dict[str, str]


HERE = Circumstances("here", 0o022, 1_700_000_000, {"LC_ALL": "C", "TZ": "UTC"})
THERE = Circumstances(
    "another/place with a longer name", 0o077, 1_100_000_000, {"LC_ALL": "C.UTF-8", "TZ": "Asia/Kolkata", "LANG": "tr"}
)


def _run(*words: str | Path, cwd: Path, umask: int = 0o022, **environment: str) -> str:
    done = subprocess.run(
        words, cwd=cwd, env=os.environ | environment, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def _copied(checkout: Path, target: Path, umask: int, touched: int) -> Path:
    """The files that git knows, as they are now, with the modes that a checkout under this umask gives them."""
    names = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=checkout).split("\0")
    for name in sorted(filter(None, names), key=lambda each: hashlib.sha256(f"{touched}{each}".encode()).digest()):
        source = checkout / name
        if source.is_file():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, file)
            file.chmod((0o777 if source.stat().st_mode & 0o100 else 0o666) & ~umask)
            os.utime(file, (touched, touched))
    return target


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Folders with what two builds in different circumstances made."""
    made = []
    for folder, umask, touched, environment in (HERE, THERE):
        base = tmp_path_factory.mktemp("build") / folder
        tree = _copied(checkout, base / "livefw", umask, touched)
        out = base / "out"
        out.mkdir()
        common = environment | {"SOURCE_DATE_EPOCH": "1763856000", "TMPDIR": str(out.parent)}
        _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=tree, umask=umask, **common)
        if shutil.which("dpkg-buildpackage") and shutil.which("dh_python3"):
            _run("sh", "packaging/build-deb.sh", out, cwd=tree, umask=umask, **common)
        made.append(out)
    yield made[0], made[1]
    for out in made:
        shutil.rmtree(out.parent)


@pytest.mark.parametrize("suffix", [".whl", ".tar.gz", ".deb"])
def test_two_builds_are_equal_to_the_byte(built: tuple[Path, Path], suffix: str) -> None:
    first, second = ([path for path in sorted(out.iterdir()) if path.name.endswith(suffix)] for out in built)
    if suffix == ".deb" and not first:
        pytest.skip(
            "dpkg-buildpackage or dh_python3 is missing; on Debian: apt-get install debhelper dh-python dpkg-dev"
        )
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) == 1
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in first] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in second
    ]


@pytest.fixture
def sbom(built: tuple[Path, Path]) -> str:
    """The SBOM in the wheel."""
    (wheel,) = built[0].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"livefw-{livefw.__version__}.dist-info/sboms/{SBOM}").decode()


def test_the_sbom_is_cyclonedx(sbom: str) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom)
    assert error is None, str(error)[:300]


def test_the_sbom_names_what_livefw_needs_and_nothing_else(sbom: str) -> None:
    found: dict[str, Any] = json.loads(sbom)
    scopes = {each["name"]: each["scope"] for each in found["components"]}
    assert {name for name, scope in scopes.items() if scope == "required"} == {"msgspec"}
    assert {"cabarchive", "cryptography", "prometheus-client", "redfish", "requests", "cffi"} <= scopes.keys()
    assert not {"pytest", "ruff", "binary-manager"} & scopes.keys()
    needs = {each["ref"]: each["dependsOn"] for each in found["dependencies"]}
    me = found["metadata"]["component"]["bom-ref"]
    assert any("redfish@" in ref for ref in needs[me])
    reached, left = {me}, [me]
    while left:
        for ref in needs[left.pop()]:
            if ref not in reached:
                reached.add(ref)
                left.append(ref)
    assert reached == {me, *(each["bom-ref"] for each in found["components"])}
    assert "timestamp" not in sbom


def test_the_debian_package_has_the_same_sbom(built: tuple[Path, Path], sbom: str, tmp_path: Path) -> None:
    packages = list(built[0].glob("*.deb"))
    if not packages:
        pytest.skip(
            "dpkg-buildpackage or dh_python3 is missing; on Debian: apt-get install debhelper dh-python dpkg-dev"
        )
    _run("dpkg-deb", "-x", packages[0], tmp_path, cwd=tmp_path)
    assert (tmp_path / "usr/share/doc/livefw" / SBOM).read_text(encoding="utf-8") == sbom
