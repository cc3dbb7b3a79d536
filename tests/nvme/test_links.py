# SPDX-License-Identifier: Apache-2.0
"""Links of sysfs in a real file system: asked for one at a time, and never followed out of the tree."""

import errno
from pathlib import Path

import pytest

from livefw.files.host import HostFiles
from livefw.files.links import resolve


def test_link_leads_to_the_directory_of_its_device(tmp_path: Path) -> None:
    device = tmp_path / "sys/devices/pci0000:00/nvme/nvme0"
    device.mkdir(parents=True)
    (device / "state").write_text("live\n")
    folder = tmp_path / "sys/class/nvme"
    folder.mkdir(parents=True)
    (folder / "nvme0").symlink_to("../../devices/pci0000:00/nvme/nvme0")
    (folder / "out").symlink_to("../../../../etc")
    (folder / "absolute").symlink_to("/sys/devices")
    (folder / "plain").mkdir()
    files = HostFiles(str(tmp_path))
    path = resolve(files, "/sys/class/nvme/nvme0")
    assert path == "/sys/devices/pci0000:00/nvme/nvme0"
    assert files.read(f"{path}/state") == b"live\n"
    assert resolve(files, "/sys/class/nvme/plain") == "/sys/class/nvme/plain"
    for name, error in {"out": errno.ELOOP, "absolute": errno.ELOOP, "nvme1": errno.ENOENT}.items():
        with pytest.raises(OSError, match=r"\d") as caught:
            resolve(files, f"/sys/class/nvme/{name}")
        assert caught.value.errno == error
    files.close()
