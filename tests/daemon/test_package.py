# SPDX-License-Identifier: Apache-2.0
"""The Debian package: built from the checkout, installed where nothing else is, and started there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import livefw
from livefw.daemon import service
from livefw.daemon.authority import RIGHTS
from livefw.dbus.client import Client, MethodCall

from .conftest import CACHE, CHECKOUT, OWN

pytestmark = pytest.mark.timeout(300)
PACKAGING = CHECKOUT / "packaging"
CHROOT = CACHE / "chroot"


@pytest.mark.parametrize("name", ["livefw", "livefwd"])
def test_nothing_is_imported_from_where_the_environment_says(tmp_path: Path, name: str) -> None:
    """sudo may keep HOME, and Python looks for modules below it before it looks for ours."""
    (tmp_path / "livefw").mkdir()
    (tmp_path / "livefw/__init__.py").write_text("raise SystemExit('somebody else')\n")
    script = PACKAGING / "bin" / name
    _, *options = script.read_text(encoding="ascii").partition("\n")[0].split()
    done = subprocess.run(
        [sys.executable, *options, script, "--version"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, "somebody else" in done.stderr) == (0, False), done


def _run(*words: str | Path, **more: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **more})
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_unit_passes_options_that_there_are() -> None:
    unit = (PACKAGING / "systemd/livefwd.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=/usr/bin/livefwd (.*)$", unit, re.MULTILINE)
    assert command is not None
    service.parser().parse_args(command[1].split())
    assert f"ListenStream={service.SOCKET}" in (PACKAGING / "systemd/livefwd.socket").read_text(encoding="utf-8")


def test_polkit_knows_the_actions() -> None:
    told = (PACKAGING / "polkit/org.livefw.policy").read_text(encoding="utf-8")
    assert re.findall(r'<action id="(.*)">', told) == [right.action for right in RIGHTS]


def test_versions_agree() -> None:
    assert f"livefw ({livefw.__version__})" in (PACKAGING / "debian/changelog").read_text(encoding="utf-8")
    metainfo = (PACKAGING / "org.livefw.livefw.metainfo.xml").read_text(encoding="utf-8")
    assert f'version="{livefw.__version__}"' in metainfo


def test_package_has_the_whole_product(package: Path) -> None:
    listed = _run("dpkg-deb", "-c", package)
    for path in ("lib/systemd/system/livefwd.socket", "usr/bin/livefwd", "usr/share/man/man8/livefwd.8.gz"):
        assert f" ./{path}\n" in listed
    modules = {str(path.relative_to(CHECKOUT / "src")) for path in (CHECKOUT / "src/livefw").rglob("*.py")}
    assert [each for each in modules if f"/dist-packages/{each}\n" not in listed] == []
    assert "__pycache__" not in listed


@pytest.fixture
def chroot(package: Path, folder: Path) -> Iterator[Path]:
    """A Debian with python3 and systemd and nothing else, in which the package is installed for one test."""
    if os.geteuid() != 0 or not (CHROOT / "usr/bin/python3").exists():
        pytest.skip("there is no clean Debian to install into; as root: scripts/setup.sh packages")
    shutil.copy(package, CHROOT / "livefw.deb")
    inside = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    _run("chroot", CHROOT, "dpkg", "-i", "/livefw.deb", **inside)
    yield CHROOT
    _run("chroot", CHROOT, "dpkg", "-P", "livefw", **inside)


def test_installed_daemon_starts_in_a_clean_debian(chroot: Path, planted: Path) -> None:
    root = chroot / "tree"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(planted, root)
    clean = {"PYTHONPATH": "", "LIVEFW_STATE": "/tmp/state", "PATH": "/usr/sbin:/usr/bin:/bin"}
    listed = _run("chroot", chroot, "livefw", "--root", "/tree", "list", **clean)
    assert "TF-RMM" in listed
    path = chroot / "run/livefw/fwupd.sock"
    words = ["chroot", str(chroot), "livefwd", "--root", "/tree", "--bus", "", "--measure", "off"]
    with subprocess.Popen(words, env={**os.environ, **clean}, stderr=subprocess.PIPE) as process:
        try:
            while not path.exists() and process.poll() is None:
                pass
            with Client(str(path), timeout=30) as client:
                assert "TF-RMM" in client.call(MethodCall("/org/livefw", OWN, "List"))[1]
        finally:
            process.terminate()
    assert process.returncode == 0
    assert re.search(r"^livefw:", (chroot / "etc/group").read_text(encoding="ascii"), re.MULTILINE)
    shutil.rmtree(root)
