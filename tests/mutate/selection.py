# SPDX-License-Identifier: Apache-2.0
"""What is mutated, and which tests have to notice."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[2]
SOURCES = "src/livefw"

PACKAGES: dict[str, tuple[str, ...]] = {
    "activation": ("activation/**/*.py", "keeper.py", "programs.py"),
    "firmware": ("firmware/**/*.py",),
    "providers": ("providers/**/*.py", "files/*.py"),
    "dbus": ("dbus/*.py",),
    "archive": ("archive/*.py",),
}
"""Files below `SOURCES` by the name under which their figure is told."""


class Tests(NamedTuple):
    """Files and folders below tests/, nearest first: those of the subject itself, and those further off that use it.

    What is joined by ``+`` is tried in one process.
    """

    near: str
    wide: str


_ROOT = "activation cli truth"
_DOCUMENTS = "gates/test_engine_document.py+gates/test_mechanisms_document.py+gates/test_outcomes_document.py"
TESTS: dict[str, Tests] = {
    "activation/": Tests("activation+truth/test_table.py", f"redfish inband tdx cli truth {_DOCUMENTS} daemon"),
    "keeper": Tests("activation", f"cli redfish {_DOCUMENTS} daemon"),
    "programs": Tests("activation", f"cli redfish {_DOCUMENTS} daemon"),
    "firmware/": Tests("firmware kernel", f"image machine conformance {_ROOT}"),
    "firmware/image/": Tests("image", f"machine {_ROOT}"),
    "firmware/store_platform": Tests("image firmware", f"machine {_ROOT}"),
    "firmware/tdx_": Tests("tdx", f"machine {_ROOT}"),
    "providers/": Tests("providers inband tdx redfish", f"{_ROOT} {_DOCUMENTS} machine daemon"),
    "files/": Tests("providers inband nvme", f"{_ROOT} {_DOCUMENTS} machine daemon"),
    "providers/lfa/": Tests("providers", f"{_ROOT} {_DOCUMENTS} machine daemon"),
    "providers/redfish/": Tests("redfish", f"{_ROOT} {_DOCUMENTS} daemon"),
    "providers/tdx/": Tests("tdx", f"{_ROOT} {_DOCUMENTS} daemon"),
    "providers/microcode/": Tests("inband", f"{_ROOT} {_DOCUMENTS} daemon"),
    "providers/pfrut/": Tests("inband", f"{_ROOT} {_DOCUMENTS} daemon"),
    "providers/sfs/": Tests("inband", f"{_ROOT} {_DOCUMENTS} daemon"),
    "providers/nvme/": Tests("nvme", f"{_ROOT} {_DOCUMENTS} daemon"),
    "dbus/": Tests("dbus", f"daemon/test_service.py+daemon/test_hostile.py+daemon/test_rights.py daemon {_ROOT}"),
    "archive/": Tests("archive", "activation daemon image cli"),
}
"""By the beginning of a file's path below `SOURCES`; the longest counts."""
NEVER = {"daemon/test_systemd.py", "daemon/test_package.py", "nvme/test_kernel.py"}
"""A virtual machine or a Debian package: minutes for each mutant, for the same code in another place."""


def sources(packages: list[str]) -> Iterator[tuple[str, str]]:
    """Package and path below the checkout of each file."""
    for package in packages:
        for pattern in PACKAGES[package]:
            for path in sorted((CHECKOUT / SOURCES).glob(pattern)):
                yield package, str(path.relative_to(CHECKOUT))


def _files(names: str) -> Iterator[str]:
    for name in names.split("+"):
        path = CHECKOUT / "tests" / name
        for file in [path] if path.suffix else sorted(path.rglob("test_*.py")):
            if str(file.relative_to(CHECKOUT / "tests")) not in NEVER:
                yield str(file.relative_to(CHECKOUT))


@cache
def _imported(file: str) -> frozenset[str]:
    """Modules that a file imports, and what it imports from them as if each were a module."""
    found = set()
    for node in ast.walk(ast.parse((CHECKOUT / file).read_bytes())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{alias.name}" for alias in names)}
    return frozenset(found)


class Batches(NamedTuple):
    """Test files in the order in which they are tried, each batch in one process."""

    near: list[list[str]]
    wide: list[list[str]]


@cache
def batches(source: str) -> Batches:
    """For one source: name by name, and of a folder first what imports the source."""
    below = source.removeprefix(SOURCES + "/")
    names = TESTS[max((start for start in TESTS if below.startswith(start)), key=len)]
    module = "livefw." + below.removesuffix(".py").replace("/", ".")
    near, wide = ([list(_files(name)) for name in side.split()] for side in names)
    seen: set[str] = set()
    found: tuple[list[list[str]], list[list[str]]] = [], []
    for files, side in [*((files, found[0]) for files in near), *((files, found[1]) for files in wide)]:
        left = [file for file in files if file not in seen]
        nearest = [file for file in left if module in _imported(file)]
        side += [batch for batch in (nearest, [file for file in left if file not in nearest]) if batch]
        seen |= set(left)
    return Batches(*found)
