# SPDX-License-Identifier: Apache-2.0
"""``make install``: what goes where, and that it runs from there."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import livefw
from livefw.cli.verbs import VERBS

from .conftest import CHECKOUT, PACKAGING, install, need, run

PLACES = ("PREFIX=/usr", "LIBRARYDIR=/usr/lib/python3/dist-packages")
AS_DEBIAN = (*PLACES, "UNITDIR=/lib/systemd/system", "ZSHDIR=/usr/share/zsh/vendor-completions")
"""Where packaging/debian/rules puts them."""
PROGRAMS = {"/bin/livefw", "/bin/livefwd", "/libexec/livefw/wait-for-activation"}
VERSIONS = {f"Metadata-Version: 2.{minor}" for minor in range(4, 7)}
DEBIANS_OWN = {
    f"/usr/share/doc/{name}/{file}" for name in ("livefw", "livefw-doc") for file in ("changelog", "copyright")
}


def _tree(top: Path) -> dict[str, int]:
    """Everything below a folder but byte code, with its mode."""
    return {
        f"/{path.relative_to(top)}": stat.S_IMODE(path.lstat().st_mode)
        for path in top.rglob("*")
        if "__pycache__" not in path.parts
    }


def _make(target: str, *words: str, umask: int = 0o022) -> None:
    run("make", "--silent", target, f"PYTHON={sys.executable}", *words, cwd=CHECKOUT, umask=umask)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """livefw in a prefix of its own below a folder, for all to look at; that prefix."""
    folder = tmp_path_factory.mktemp("installed")
    _make("install", f"DESTDIR={folder}", "PREFIX=/opt/livefw", umask=0o077)
    return folder / "opt/livefw"


def test_installed_command_runs_from_where_it_is(installed: Path, planted: Path) -> None:
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": "/nowhere", "LIVEFW_STATE": str(planted / "state")}
    assert run(installed / "bin/livefw", "--version", env=clean) == f"livefw {livefw.__version__}\n"
    listed = json.loads(run(installed / "bin/livefw", "--root", planted, "--json", "list", env=clean))
    assert {each["name"] for each in listed["components"]} == {"TF-RMM", "SCP"}
    assert (installed / "bin/livefw").read_text(encoding="utf-8").startswith(f"#!{sys.executable} -I\n")


def test_installed_daemon_and_its_processes_run_from_where_they_are(
    installed: Path, folder: Path, planted: Path
) -> None:
    """Jobs are processes of their own, with the modules of the daemon."""
    clean = {"PATH": os.environ["PATH"], "LIVEFW_RUNTIME_DIR": str(folder), "LIVEFW_STATE": str(folder / "state")}
    path = folder / "s"
    words = [f"{installed}/bin/livefwd", "--root", f"{planted}", "--socket", f"{path}", "--bus", "", "--measure", "off"]
    with subprocess.Popen(words, env=clean, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            while not path.exists() and daemon.poll() is None:
                pass
            command = [f"{installed}/bin/livefw", "--json", "activate", "--all", "--yes"]
            asking = clean | {"LIVEFW_SOCKET": str(path)}
            done = subprocess.run(command, env=asking, capture_output=True, text=True, check=False)
        finally:
            daemon.terminate()
    (result,) = json.loads(done.stdout)["results"]
    assert result["outcome"] in ("unknown", "failed", "activated"), done  # files of a disk: nothing answers the write


def test_packages_wait_for_an_activation(installed: Path, folder: Path) -> None:
    """None runs below this root; the modules are found from where the program is."""
    waits = [installed / "libexec/livefw/wait-for-activation"]
    assert run(*waits, env={"PATH": os.environ["PATH"], "LIVEFW_RUNTIME_DIR": str(folder)}) == ""


def test_modes_do_not_depend_on_the_umask(installed: Path) -> None:
    modes = _tree(installed)
    folders = {mode for path, mode in modes.items() if (installed / path[1:]).is_dir()}
    programs = {path for path, mode in modes.items() if mode == 0o755 and not (installed / path[1:]).is_dir()}
    assert (folders, programs) == ({0o755}, PROGRAMS)
    assert set(modes.values()) == {0o755, 0o644}


def test_unit_and_programs_name_each_other(installed: Path) -> None:
    unit = (installed / "lib/systemd/system/livefwd.service").read_text(encoding="utf-8")
    assert "\nExecStart=/opt/livefw/bin/livefwd " in unit
    assert "/usr/bin" not in unit


def test_modules_are_compiled_for_where_they_will_be(installed: Path) -> None:
    (library,) = installed.glob("lib/*/*/livefw")
    compiled = list(library.rglob("*.pyc"))
    assert len(compiled) == len(list(library.rglob("*.py"))) > 100
    (one,) = (library / "__pycache__").glob("errors.*.pyc")
    assert os.fsencode(f"/{library.relative_to(installed.parents[1])}/errors.py") in one.read_bytes()
    assert os.fsencode(installed) not in one.read_bytes()


def test_uninstall_removes_what_install_put_there_and_nothing_else(installed: Path, folder: Path) -> None:
    installed = shutil.copytree(installed, folder / "opt/livefw", symlinks=True)
    foreign = [installed / "bin/other", installed / "share/man/man1/other.1", installed / "share/doc/livefw/note"]
    for file in foreign:
        file.touch()
    _make("uninstall", f"DESTDIR={folder}", "PREFIX=/opt/livefw")
    assert {path for path in installed.rglob("*") if not path.is_dir()} == set(foreign)
    assert not list(installed.glob("lib/*/*/livefw*"))
    assert not (installed / "share/licenses/livefw").exists()


def test_list_names_what_is_installed(folder: Path) -> None:
    install("install", f"DESTDIR={folder}", *PLACES)
    there = {path for path in _tree(folder) if not (folder / path[1:]).is_dir()}
    assert set(install("list", *PLACES)) == there


def test_packages_share_no_file() -> None:
    parts = [install("list", package, *PLACES) for package in ("livefw", "livefw-doc")]
    assert all(parts)
    assert sorted(parts[0] + parts[1]) == sorted(set(install("list", *PLACES)))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["PREFX=/usr"], "PREFX=/usr: names are DESTDIR, PREFIX"),
        (["PREFIX=usr"], "absolute path"),
        (["BYTECODE=maybe"], "BYTECODE is yes or no"),
    ],
    ids=["unknown name", "relative", "neither yes nor no"],
)
def test_mistakes_are_refused(words: list[str], why: str) -> None:
    command = [sys.executable, "-B", str(PACKAGING / "install.py"), "list", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, why in done.stderr) == (1, True), done.stderr


def test_metadata_is_that_of_the_wheel(folder: Path) -> None:
    """But for the version of the specification, which each release of hatchling chooses."""
    install("install", f"DESTDIR={folder}", *PLACES, "BYTECODE=no")
    (ours,) = folder.glob("usr/lib/python3/dist-packages/livefw-*.dist-info")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=CHECKOUT)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "zipfile", "-e", wheel, folder / "wheel")
    (theirs,) = folder.glob("wheel/*.dist-info")
    assert ours.name == theirs.name
    for name in ("METADATA", "entry_points.txt"):
        found, wanted = ((each / name).read_text(encoding="utf-8").strip() for each in (ours, theirs))
        fields, expected = ({*text.partition("\n\n")[0].splitlines()} - VERSIONS for text in (found, wanted))
        assert fields == expected
        assert found.partition("\n\n")[2] == wanted.partition("\n\n")[2]


def test_debian_package_has_the_same_files(packages: Path) -> None:
    """But for the text of the licence, which Debian has in one place."""
    listed = dict[str, str]()
    for package in packages.glob("*.deb"):
        for line in run("dpkg-deb", "-c", package).splitlines():
            mode, *_, path = line.split(maxsplit=5)
            if not mode.startswith("d"):
                listed[path.removeprefix(".").removesuffix(".gz")] = mode
    licence = "/usr/share/licenses/livefw/LICENSE"
    assert listed.keys() - DEBIANS_OWN == set(install("list", *AS_DEBIAN, python="/usr/bin/python3")) - {licence}
    assert {path for path, mode in listed.items() if "x" in mode} == {f"/usr{path}" for path in PROGRAMS}


def test_debian_package_runs_debians_interpreter(packages: Path, tmp_path: Path) -> None:
    (package,) = packages.glob("livefw_*.deb")
    run("dpkg-deb", "-x", package, tmp_path)
    for path in PROGRAMS:
        assert (tmp_path / f"usr{path}").read_bytes() == (PACKAGING / "bin" / Path(path).name).read_bytes()


def test_every_verb_is_completed(installed: Path) -> None:
    places = ("share/bash-completion/completions/livefw", "share/zsh/site-functions/_livefw")
    for path in (*places, "share/fish/vendor_completions.d/livefw.fish"):
        text = (installed / path).read_text(encoding="utf-8")
        assert [verb for verb in VERBS if verb not in text] == []


def test_metainfo_is_that_of_appstream() -> None:
    need("appstreamcli", "appstream")
    run("appstreamcli", "validate", "--no-net", PACKAGING / "org.livefw.livefw.metainfo.xml")
