# SPDX-License-Identifier: Apache-2.0
"""The source archive, and livefw as packagers install it."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ..daemon.conftest import CHECKOUT, need, once
from ..daemon.conftest import folder as folder
from ..daemon.conftest import package as package
from ..daemon.conftest import packages as packages
from ..daemon.conftest import planted as planted

PACKAGING = CHECKOUT / "packaging"


def run(*words: str | Path, **more: object) -> str:
    """What a program prints; if it fails, the test fails with all that it said."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return str(done.stdout)


def install(action: str, *words: str, python: str | Path = sys.executable) -> list[str]:
    """Run packaging/install.py; the lines that it prints."""
    return run(python, "-B", PACKAGING / "install.py", action, *words).splitlines()


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive of the checkout, made once in a run of the tests."""

    def build(folder: Path) -> None:
        run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=CHECKOUT)

    (made,) = once(tmp_path_factory, "sdist", build).glob("*.tar.gz")
    return made


@pytest.fixture(scope="session")
def cockpit_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package of the page for Cockpit, built once in a run of the tests."""
    need("node", "nodejs")
    need("npm", "npm")

    def build(folder: Path) -> None:
        run(PACKAGING / "build-cockpit-deb.sh", folder)

    (made,) = once(tmp_path_factory, "cockpit", build).glob("cockpit-livefw_*_all.deb")
    return made


@pytest.fixture
def sources(sdist: Path, folder: Path) -> Path:
    """The source archive, unpacked."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.glob("livefw-*")
    return top


__all__ = ["CHECKOUT", "PACKAGING", "install", "need", "once", "run"]
