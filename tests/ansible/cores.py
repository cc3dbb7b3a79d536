# SPDX-License-Identifier: Apache-2.0
"""The releases of ansible-core that the collection is for, and the Pythons of this machine."""

import os
import subprocess
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE") or Path.home() / ".cache/livefw")
CORES = {"2.19": CACHE / "redfish", "2.21": CACHE / "ansible"}
"""The two newest releases, and the environments that have them, made by ``scripts/setup.sh environments``."""
TARGETS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
"""The Pythons of the machines that the modules run on."""


def has(core: str) -> bool:
    """Whether a release of ansible-core is here. The newer one needs a newer Python than some machines have."""
    return any(CORES[core].glob(f"lib/python3*/site-packages/ansible_core-{core}.*"))


def programs(core: str) -> Path:
    """The programs of such a release."""
    if not (CORES[core] / "pins").exists():
        pytest.skip(f"ansible-core {core} is missing; scripts/setup.sh environments installs it for the tests")
    if not has(core):
        pytest.xfail(f"no Python here is new enough for ansible-core {core}")
    return CORES[core] / "bin"


def library(core: str) -> Path:
    """The directory that Python imports such a release from."""
    (found,) = programs(core).parent.glob("lib/python3*/site-packages")
    return found


def python_of(core: str) -> str:
    """The version of the Python that it runs with, such as "3.11"."""
    return library(core).parent.name.removeprefix("python")


def pythons() -> dict[str, Path]:
    """The interpreters of targets that are here. Those of a version manager themselves: its shims may only say no."""
    found = {}
    for version in TARGETS:
        managed = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python{version}"))
        for each in (*managed[-1:], *(Path(folder, f"python{version}") for folder in ("/usr/local/bin", "/usr/bin"))):
            if each.exists():
                found[version] = each
                break
    return found


def oldest_python() -> tuple[str, Path]:
    """The oldest one, and its version."""
    return next(iter(pythons().items()))


def run(command: list[str], *, environment: dict[str, str], folder: Path, code: int = 0) -> str:
    """Run a program to its end, and return what it printed."""
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
