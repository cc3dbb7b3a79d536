# SPDX-License-Identifier: Apache-2.0
"""A whole machine on a store: what an administrator sees of a staged, a tampered and a rolled-back image."""

import io
from pathlib import Path

import pytest

from livefw.abi.guid import BL31, RMM
from livefw.abi.version import ComponentVersion
from livefw.firmware.image import build, note, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.errors import StoreError
from livefw.firmware.image.store import Store
from livefw.firmware.spec import ComponentKind, ComponentSpec
from livefw.firmware.store_platform import open_platform
from livefw.machine.config import MachineConfig
from livefw.machine.files import MachineFiles
from livefw.machine.machine import Machine

KEYS = build.generate(CCA)
PLACE = f"/sys/firmware/lfa/{RMM.guid}"
CONFIG = MachineConfig(
    name="signed",
    description="RMM and BL31 from a store",
    cpus=4,
    agent="bet1",
    driver="v3",
    components=(ComponentSpec(str(BL31.guid), ComponentKind.BL31), ComponentSpec(str(RMM.guid), ComponentKind.RMM)),
)


def package(version: str, counter: int) -> bytes:
    images = {RMM.guid: note.append(b"RMM" * 99, ComponentVersion.parse(version)), BL31.guid: b"BL31"}
    return ImageSigner(CCA, KEYS, dict.fromkeys(Counter, counter)).package(images)


class Server:
    """The machine, its store, and its files."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(Folder(str(folder)))
        self.machine = Machine(CONFIG, images=open_platform(CONFIG.all_components, str(folder)))
        self.machine.boot()
        self._files = MachineFiles(self.machine)

    def read(self, name: str) -> str:
        return self._files.read(f"{PLACE}/{name}").decode().strip()

    def activate(self) -> int:
        """The errno of the write; 0 if it succeeded."""
        write = self._files.start_write(f"{PLACE}/activate", b"1\n")
        assert write.wait(60)
        return write.error or 0

    @property
    def log(self) -> str:
        return "\n".join(record.text for record in self.machine.os.log)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    Store.create(Folder(str(tmp_path)), io.BytesIO(package("2.0", 5)))
    (tmp_path / trust.NAME).write_text(trust.dumps(ImageSigner(CCA, KEYS).anchor()))
    return Server(tmp_path)


def test_staged_package_is_pending_activated_and_boots_next_time(server: Server, tmp_path: Path) -> None:
    assert (server.read("current_version"), server.read("activation_pending")) == ("2.0", "0")
    server.store.stage(io.BytesIO(package("2.1", 6)))
    assert (server.read("activation_pending"), server.read("pending_version")) == ("1", "2.1")
    assert server.activate() == 0
    assert (server.read("current_version"), server.read("activation_pending")) == ("2.1", "0")
    assert Server(tmp_path).read("current_version") == "2.1"
    assert server.store.non_volatile().ccafw == 6


@pytest.mark.parametrize(
    "bad",
    [package("2.1", 6).replace(b"RMMRMM", b"RMMrmm", 1), package("2.1", 4)],
    ids=["tampered", "rolled back"],
)
def test_refused_package_leaves_the_machine_as_it_was(server: Server, tmp_path: Path, bad: bytes) -> None:
    server.store.stage(io.BytesIO(bad))
    assert server.read("activation_pending") == "1"
    assert server.activate() != 0
    assert "LFA_AUTH_ERROR" in server.log
    assert (server.read("current_version"), server.read("activation_pending")) == ("2.0", "1")
    assert Server(tmp_path).read("current_version") == "2.0"


def test_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=trust.NAME):
        open_platform(CONFIG.all_components, str(tmp_path))
