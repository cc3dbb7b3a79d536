# SPDX-License-Identifier: Apache-2.0
"""What is published: the wheel, installed where nothing else is."""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import livefw

pytestmark = pytest.mark.timeout(600)  # makes a virtual environment and installs into it


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """A wheel of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The ``livefw`` program of an environment that has the wheel and its dependencies, and nothing else.

    The dependencies come from the folder that the set-up of the Makefile filled; without it, as pip is set up.
    """
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    stored = Path(sys.prefix, "wheels")
    source = ["--no-index", "--find-links", str(stored)] if stored.is_dir() else []
    subprocess.run([folder / "bin/pip", "install", "-q", *source, wheel], check=True, capture_output=True)
    return folder / "bin/livefw"


@pytest.fixture
def command(installed: Path, tmp_path: Path, run: Callable[..., str]) -> Callable[..., str]:
    """Run the installed program outside the checkout."""
    return lambda *arguments: run(installed, *arguments, cwd=tmp_path)


def test_wheel_has_all_files_of_the_package_and_no_other(wheel: Path, checkout: Path) -> None:
    package = checkout / "src/livefw"
    expected = {
        f"livefw/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected


def test_wheel_ships_platforms(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {f"livefw/machine/platforms/{name}.toml" for name in ("vera", "fvp", "grid")} <= set(names)


def test_installed_command_tells_its_version(command: Callable[..., str]) -> None:
    assert command("--version").strip() == f"livefw {livefw.__version__}"


def test_installed_demo_activates(command: Callable[..., str]) -> None:
    assert "activated" in command("demo")
