# SPDX-License-Identifier: Apache-2.0
"""The Debian package of the driver, and DKMS itself with what is in it, for the kernels of the test cache."""

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import CHECKOUT, PACKAGING, need, once, run

CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE", Path.home() / ".cache/livefw"))
CROSS = {
    "ARCH": "arm64",
    "CROSS_COMPILE": "aarch64-linux-gnu-",
    # As if they were words of its command line, so that they win.
    "MAKEFLAGS": "-- CC=aarch64-linux-gnu-gcc CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_PAHOLE_VERSION=0"
    " CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT= CC_FLAGS_FTRACE=",
}
"""DKMS is made for the machine that it runs on; its make takes these from the environment."""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked."""
    need("dh_dkms", "dh-dkms")
    need("dkms", "dkms")

    def build(folder: Path) -> None:
        run(PACKAGING / "build-dkms-deb.sh", folder)
        (deb,) = folder.glob("livefw-dkms_*_all.deb")
        run("dpkg-deb", "-x", deb, folder / "root")

    return once(tmp_path_factory, "dkms", build) / "root"


@pytest.fixture
def headers() -> list[Path]:
    found = sorted(CACHE.glob("driver/root/usr/src/linux-headers-*-cloud-arm64"))
    if not found:
        missing = CACHE / "driver/unavailable"
        if missing.exists():
            pytest.xfail(missing.read_text(encoding="utf-8").strip())
        pytest.skip("no headers of an arm64 kernel in the test cache; make packages")
    return found


def test_package_is_the_sources_and_what_they_say(package: Path) -> None:
    (folder,) = package.glob("usr/src/livefw-*")
    sources = {path.name for path in (CHECKOUT / "dkms").iterdir() if path.suffix in {".c", ".h"}}
    assert {path.name for path in folder.iterdir()} == sources | {"Kbuild", "dkms.conf"}
    assert f'PACKAGE_VERSION="{folder.name.removeprefix("livefw-")}"' in (folder / "dkms.conf").read_text()
    assert {path.name for path in (package / "usr/share/doc/livefw-dkms").iterdir()} == {
        "changelog.gz",
        "copyright",
        "lfa.rst.gz",
        "sysfs-firmware-lfa.gz",
    }
    assert "livefw_lfa" in (package / "usr/lib/modules-load.d/livefw-dkms.conf").read_text()


def dkms(package: Path, headers: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    (source,) = package.glob("usr/src/livefw-*")
    words = ["dkms", "build", source.name.replace("-", "/", 1), "-a", "aarch64", "--kernelsourcedir", headers]
    words += ["-k", headers.name.removeprefix("linux-headers-"), "--dkmstree", folder, "--sourcetree", source.parent]
    environment = dict(os.environ) | CROSS
    return subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_dkms_builds_it_for_each_kernel(package: Path, headers: list[Path], tmp_path: Path) -> None:
    for kernel in headers:
        done = dkms(package, kernel, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("livefw/*/*/aarch64/module/livefw_lfa.ko*"))) == len(headers)


@pytest.mark.parametrize("option", ["m", "y"])
def test_a_kernel_with_a_driver_of_its_own_is_left_alone(
    package: Path, headers: list[Path], tmp_path: Path, option: str
) -> None:
    """77 is DKMS's exit code for BUILD_EXCLUSIVE."""
    own = tmp_path / headers[0].name
    own.mkdir()
    for path in headers[0].iterdir():
        (own / path.name).symlink_to(path)
    config = (own / ".config").read_text(encoding="utf-8")
    (own / ".config").unlink()
    (own / ".config").write_text(f"{config}CONFIG_ARM_LFA={option}\n", encoding="utf-8")
    (tmp_path / "tree").mkdir()
    done = dkms(package, own, tmp_path / "tree")
    assert done.returncode == 77, done.stdout + done.stderr
    assert not list(tmp_path.glob("tree/**/livefw_lfa.ko*"))
