# SPDX-License-Identifier: Apache-2.0
"""What leaves this repository: the Debian package that builds the plugin, and the patches for a merge request."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..daemon.conftest import CHECKOUT, need
from .conftest import PLUGIN, SOURCE

UPSTREAM = SOURCE / "source"
CHECKS = ("check-source.py", "check-quirks.py", "check-license.py")


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    need("dpkg-deb", "dpkg")
    folder = tmp_path_factory.mktemp("deb")
    run(CHECKOUT / "packaging/build-fwupd-plugin-deb.sh", folder)
    (made,) = folder.glob("livefw-fwupd-plugin_*_all.deb")
    return made


def test_the_package_builds_and_removes_the_module(deb: Path, module: Path, tmp_path: Path) -> None:
    """For an fwupd that is there already, in a folder; the source of fwupd is the one that tests have."""
    assert "EXPERIMENTAL" in run("dpkg-deb", "--field", deb, "Description")
    assert "/usr/libexec/fwupd" in run("dpkg-deb", "--info", deb, "triggers")
    root, cache, installed = tmp_path / "root", tmp_path / "cache", tmp_path / "installed"
    run("dpkg-deb", "-x", deb, root)
    cache.mkdir()
    (cache / "fwupd").symlink_to(SOURCE)
    environment = {
        "LIVEFW_PLUGIN_SHARE": str(root / "usr/share/livefw-fwupd-plugin"),
        "LIVEFW_PLUGIN_CACHE": str(cache),
        "LIVEFW_PLUGIN_STATE": str(tmp_path / "state"),
        "DESTDIR": str(installed),
        "PYTHON": sys.executable,
    }
    build = root / "usr/lib/livefw-fwupd-plugin/build"
    run(build, **environment)
    (made,) = installed.rglob("*.so")
    assert (made.name, made.parent.name[:6]) == ("libfu_plugin_arm_lfa.so", "fwupd-")
    before = made.stat().st_mtime_ns
    run(build, **environment)  # nothing to do
    assert made.stat().st_mtime_ns == before
    run(build, "remove", **environment)
    assert [*installed.rglob("*.so")] == []


def test_the_patches_apply(module: Path, tmp_path: Path) -> None:
    need("patch", "patch")
    made = run(CHECKOUT / "contrib/fwupd/patches.py", UPSTREAM, tmp_path).split()
    assert len(made) == 2
    for each in made:
        run("patch", "-p1", "--dry-run", "-d", UPSTREAM, "-i", each)
    plugin = Path(made[0]).read_text()
    for line in ("+  'arm-lfa': false,", "+    rw_directories += '-/sys/firmware/lfa'", "+plugins/arm-lfa/ @livefw"):
        assert line in plugin
    assert "FU_ARM_LFA_FWUPD_2_1" not in plugin
    assert all(f"/plugins/arm-lfa/{each.relative_to(PLUGIN)}" in plugin for each in PLUGIN.rglob("*.*"))


def test_fwupds_own_checks_find_nothing(module: Path, tmp_path: Path) -> None:
    """They look at files below the directory that they are run in, and name what they dislike."""
    folder = tmp_path / "plugins/arm-lfa"
    folder.mkdir(parents=True)
    for each in [*PLUGIN.glob("*.[ch]"), *PLUGIN.glob("*.quirk")]:
        (folder / each.name).write_text(each.read_text())
    files = sorted(str(each.relative_to(tmp_path)) for each in folder.iterdir())
    for check in CHECKS:
        chosen = [each for each in files if each.endswith(".quirk") == (check == "check-quirks.py")]
        done = subprocess.run(
            ["python3", UPSTREAM / "contrib/ci" / check, *chosen],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_built_by_fwupd_is_what_is_there() -> None:
    build = (PLUGIN / "meson.build").read_text()
    assert {each.name for each in PLUGIN.glob("*.c")} == {each for each in build.split("'") if each.endswith(".c")}
