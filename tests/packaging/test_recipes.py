# SPDX-License-Identifier: Apache-2.0
"""Recipes for other distributions than Debian: run by their own tools, they package what the one table names."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

import livefw

from .conftest import CHECKOUT, PACKAGING, install, need, once, run

pytestmark = pytest.mark.timeout(300)
SYSTEM = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
"""Recipes run the system's own interpreter."""
MODULES = "/usr/lib/python3/dist-packages"
"""Where Debian's interpreter, with which the recipes are run here, looks for modules."""
PLACES = ("PREFIX=/usr", f"LIBRARYDIR={MODULES}")


def _plain(path: str) -> str:
    """A path as the table has it."""
    return path.removesuffix(".gz") if path.startswith("/usr/share/man/") else path


def _debians_python() -> str:
    if not Path(MODULES).is_dir():
        pytest.skip("/usr/bin/python3 is not Debian's")
    return "/usr/bin/python3"


@pytest.fixture(scope="module")
def rpms(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages that the spec makes, by name. There is no database of what is installed, so nothing is required."""
    _debians_python()
    need("rpmbuild", "rpm")

    def build(folder: Path) -> None:
        words = [
            "rpmbuild",
            "-bb",
            "--nodeps",
            "--define",
            f"_topdir {folder}",
            "--define",
            f"_sourcedir {sdist.parent}",
        ]
        run(*words, PACKAGING / "rpm/livefw.spec", env=SYSTEM | {"HOME": str(folder)})

    made = once(tmp_path_factory, "rpm", build).glob("RPMS/noarch/*.rpm")
    return {path.name.partition(f"-{livefw.__version__}")[0]: path for path in made}


@pytest.mark.parametrize("package", ["livefw", "livefw-doc"])
def test_rpm_has_the_files_of_the_table(rpms: dict[str, Path], package: str) -> None:
    listed = run("rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\\n]", rpms[package]).splitlines()
    files = {line.split()[1]: line.split()[0] for line in listed if not line.startswith("d")}
    found = {_plain(path) for path in files if "__pycache__" not in path}
    assert found == set(install("list", package, *PLACES))
    programs = {path for path, mode in files.items() if "x" in mode}
    assert programs == {path for path in found if "/bin/" in path or "/libexec/" in path}


def test_rpm_asks_for_an_interpreter_and_waits_for_activations(rpms: dict[str, Path]) -> None:
    assert "/usr/bin/python3" in run("rpm", "-qp", "--requires", rpms["livefw"]).splitlines()
    assert run("rpm", "-qp", "--scripts", rpms["livefw"]).count("|| /usr/libexec/livefw/wait-for-activation") == 2


def test_rpmlint_finds_nothing(rpms: dict[str, Path]) -> None:
    """What it is not asked stands in livefw.rpmlintrc, with the reasons; a line there that hides nothing fails."""
    need("rpmlint", "rpmlint")
    said = run("rpmlint", "-r", PACKAGING / "rpm/livefw.rpmlintrc", *rpms.values(), PACKAGING / "rpm/livefw.spec")
    assert "0 errors, 0 warnings" in said


def test_rpm_is_installed_runs_and_is_erased(rpms: dict[str, Path], folder: Path, planted: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may install into another root")
    top = folder / "system"
    top.mkdir()
    there = ["rpm", "--root", str(top), "--dbpath", "/var/lib/rpm"]
    run(*there, "--install", "--nodeps", "--noscripts", *rpms.values())
    assert run(*there, "--verify", "--nodeps", "--noscripts", *rpms) == ""
    # Without -I, by which it would look for modules below / only.
    command = [_debians_python(), f"{top}/usr/bin/livefw", "--root", f"{planted}", "--json", "list"]
    listed = json.loads(run(*command, env=SYSTEM | {"PYTHONPATH": f"{top}{MODULES}", "PYTHONDONTWRITEBYTECODE": "1"}))
    assert {each["name"] for each in listed["components"]} == {"TF-RMM", "SCP"}
    run(*there, "--erase", "--nodeps", "--noscripts", *rpms)
    assert [path for path in top.rglob("*") if "livefw" in path.name] == []


@pytest.fixture(scope="module")
def arch(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that makepkg makes; it refuses to be run by root, and asks for pacman."""
    python = _debians_python()
    for program, package in (("makepkg", "makepkg"), ("fakeroot", "fakeroot"), ("bsdtar", "libarchive-tools")):
        need(program, package)

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as name:  # where others may go, unlike below pytest's own folders
            work = Path(name)
            shutil.copytree(PACKAGING / "arch", work, dirs_exist_ok=True)
            shutil.copy(sdist, work)
            (work / "bin").mkdir()
            (work / "bin/python").symlink_to(python)
            apart = []
            if os.geteuid() == 0:
                for path in (work, *work.iterdir()):
                    os.chown(path, 65534, 65534)
                apart = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            own = {"PATH": f"{work / 'bin'}:{SYSTEM['PATH']}", "PACMAN": "true", "PKGEXT": ".pkg.tar", "HOME": name}
            run(*apart, "makepkg", "--nodeps", "--noconfirm", "--nocolor", cwd=work, env=SYSTEM | own)
            for package in work.glob("*.pkg.tar"):
                shutil.copy(package, folder)

    return once(tmp_path_factory, "arch", build)


@pytest.mark.parametrize("package", ["livefw", "livefw-doc"])
def test_arch_package_has_the_files_of_the_table(arch: Path, package: str) -> None:
    with tarfile.open(arch / f"{package}-{livefw.__version__}-1-any.pkg.tar") as archive:
        found = {_plain(f"/{each.name}") for each in archive.getmembers() if not each.isdir()}
    own = {path for path in found if path.startswith("/.")}
    assert own >= {"/.PKGINFO"}
    compiled = {path for path in found if "__pycache__" in path}
    assert found - own - compiled == set(install("list", package, *PLACES, "LIBEXECDIR=/usr/lib"))
    assert ("/.INSTALL" in own) is bool(compiled) is (package == "livefw")


def test_shell_of_the_recipes_is_clean() -> None:
    need("shellcheck", "shellcheck")
    scripts = [PACKAGING / name for name in ("arch/PKGBUILD", "arch/livefw.install", "build-deb.sh")]
    run("shellcheck", *scripts, *(PACKAGING / "debian" / name for name in ("prerm", "postrm")))


STUBS = """
let
  lib = {{ cleanSource = path: toString path; licenses.asl20.spdxId = "Apache-2.0"; platforms.linux = [ "linux" ]; }};
  libraries = {{ msgspec = "msgspec"; cryptography = "cryptography"; }};
  pkgs = libraries // {{ buildPythonApplication = given: given; }};
  python3 = {{ sitePackages = "lib/python3.12/site-packages"; inherit pkgs; }};
in import {recipe} {{ inherit lib python3; }}
"""
"""What the recipe takes from nixpkgs, which is not at hand: it is evaluated, and its one step of its own is run."""


def test_nix_recipe_installs_the_files_of_the_table(folder: Path) -> None:
    program = need("nix-instantiate", "nix-bin")
    (folder / "stubs.nix").write_text(STUBS.format(recipe=PACKAGING / "nix"), encoding="utf-8")
    own = SYSTEM | {"HOME": str(folder), "NIX_STATE_DIR": f"{folder}/state", "NIX_CONF_DIR": str(folder)}
    words = [program, "--store", "dummy://", "--eval", "--strict", "--json", f"{folder}/stubs.nix"]
    recipe = json.loads(run(*words, env=own))
    assert (recipe["version"], recipe["meta"]["license"]["spdxId"]) == (livefw.__version__, "Apache-2.0")
    assert Path(recipe["src"]) == CHECKOUT
    out, doc = folder / "out", folder / "doc"
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    step = f"runHook() {{ :; }}\nset -eu\n{recipe['installPhase']}"
    outputs = {"PATH": f"{folder / 'bin'}:{SYSTEM['PATH']}", "out": str(out), "doc": str(doc)}
    run("bash", "-c", step, cwd=CHECKOUT, env=SYSTEM | outputs)
    found = {str(path) for top in (out, doc) for path in top.rglob("*") if path.is_file()}
    library = f"LIBRARYDIR={out}/lib/python3.12/site-packages"
    wanted = install("list", "livefw", f"PREFIX={out}", library)
    assert found == {
        *wanted,
        *install("list", "livefw-doc", f"PREFIX={out}", library, f"DOCDIR={doc}/share/doc/livefw"),
    }
    assert run(out / "bin/livefw", "--version") == f"livefw {livefw.__version__}\n"


def test_nix_recipe_without_what_it_takes_is_refused(folder: Path) -> None:
    """The stubs would otherwise prove nothing."""
    program = need("nix-instantiate", "nix-bin")
    stubs = STUBS.format(recipe=PACKAGING / "nix").replace("sitePackages", "sitePackage")
    (folder / "stubs.nix").write_text(stubs, encoding="utf-8")
    own = SYSTEM | {"HOME": str(folder), "NIX_STATE_DIR": f"{folder}/state", "NIX_CONF_DIR": str(folder)}
    words = [program, "--store", "dummy://", "--eval", "--strict", "--json", str(folder / "stubs.nix")]
    done = subprocess.run(words, env=own, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "sitePackages" in done.stderr
