# SPDX-License-Identifier: Apache-2.0
"""The source archive: complete, with nothing foreign in it, and tested where there is no git and no network."""

import os
import subprocess
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

from ..gates.conftest import source_files
from .conftest import CHECKOUT, run

PART = (
    "tests/abi",
    "tests/gates/test_house.py",
    "tests/gates/test_documents.py",
    "tests/gates/test_wheel.py::test_wheel_has_all_files_of_the_package_and_no_other",
    "tests/packaging/test_sdist.py::test_archive_is_all_that_belongs_to_the_sources",
    "tests/cli/test_mistakes.py",
    "tests/redfish/test_settings.py",
)
"""Tests that read the documents, the sources and packaging/, build, ask git and talk over loopback."""


def _members(archive: Path) -> dict[str, int]:
    """The files of a source archive, below its top, with their modes."""
    with tarfile.open(archive) as opened:
        return {each.name.partition("/")[2]: each.mode for each in opened.getmembers() if not each.isdir()}


def test_archive_is_all_that_belongs_to_the_sources(sdist: Path, tmp_path: Path) -> None:
    assert _members(sdist).keys() - {"PKG-INFO"} == source_files(CHECKOUT, tmp_path)


def test_git_tracks_nothing_that_the_archive_lacks(sdist: Path) -> None:
    if not (CHECKOUT / ".git").exists():
        pytest.skip("these sources are not a checkout of git")
    tracked = run("git", "ls-files", "-z", cwd=CHECKOUT).split("\0")
    there = {name for name in filter(None, tracked) if (CHECKOUT / name).is_file()}
    assert there - _members(sdist).keys() == set()


def test_programs_in_the_archive_can_be_run(sdist: Path) -> None:
    """A checkout may have been made with any umask, but git keeps this bit."""
    executable = {name for name, mode in _members(sdist).items() if mode & 0o100}
    assert {"scripts/setup.sh", "packaging/bin/livefw", "packaging/debian/rules", ".ci/run"} <= executable


def environment(folder: Path, sources: Path) -> Path:
    """A virtual environment with these sources and all that is installed for tests; its interpreter."""
    made, usual = folder / "env", Path(sysconfig.get_path("scripts"))
    venv.EnvBuilder(symlinks=True).create(made)
    (found,) = made.glob("lib/python*/site-packages")
    # A plain path: the .pth files in there, which name the checkout, are not read.
    (found / "tests.pth").write_text(f"{sources / 'src'}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for name in ("livefw", "livefwd"):
        program = made / "bin" / name
        _, _, rest = (usual / name).read_text(encoding="utf-8").partition("\n")
        program.write_text(f"#!{made}/bin/python\n{rest}", encoding="utf-8")
        program.chmod(0o755)
    return made / "bin/python"


@pytest.mark.timeout(300)
def test_tests_pass_without_git_and_network(folder: Path, sources: Path) -> None:
    """In a network namespace of its own, with loopback and nothing else."""
    apart = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    up = 'ip link set lo up && exec "$@"'
    if subprocess.run([*apart, up, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here, or ip is missing; on Debian: apt-get install iproute2")
    python = environment(folder, sources)
    seen = run(python, "-c", "import livefw; print(livefw.__file__)", cwd=folder).strip()
    assert seen.startswith(str(sources))
    words = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder / 't'}", *PART]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    said = run(*apart, up, "sh", *words, cwd=sources, env=clean)
    assert " passed" in said
