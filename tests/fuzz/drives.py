# SPDX-License-Identifier: Apache-2.0
"""What a drive answers, what the kernel shows of it and of what is built on it, and what tools print of that."""

from livefw.abi import nvme
from livefw.abi.nvme import AdminOpcode, LogPage
from livefw.activation.checks.table import CHECKS
from livefw.files.protocol import DeviceCall, DeviceReply
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.providers.fake import FakeClock, FakeFiles
from livefw.providers.nvme.provider import NvmeProvider
from livefw.providers.nvme.record import RecordMark

from .target import SEPARATOR, Target, parts, words

_PLACE = "/sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0"
_BLOCK = f"{_PLACE}/nvme0n1"
_MD = "/sys/devices/virtual/block/md0"
_LINKS = {
    "/sys/class/nvme/nvme0": "../../devices/pci0000:00/0000:01:00.0/nvme/nvme0",
    "/sys/class/block/nvme0n1": "../../devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1",
    "/sys/class/block/md0": "../../devices/virtual/block/md0",
    f"{_BLOCK}/holders/md0": "../../md0",
    f"{_MD}/slaves/nvme0n1": "../../nvme0n1",
}
_SPEC = DriveSpec(versions=("1.0", "2.0"))
_MARK = RecordMark("-", -1, {"livefw_modelled_NVMe_LFW0001": 0})
_FILES = {
    f"{_PLACE}/model": _SPEC.model.encode(),
    f"{_PLACE}/serial": _SPEC.serial.encode(),
    f"{_PLACE}/firmware_rev": b"1.0",
    f"{_PLACE}/state": b"live",
    f"{_PLACE}/transport": b"pcie",
    f"{_BLOCK}/dev": b"259:0",
    f"{_BLOCK}/inflight": b"0 1",
    f"{_MD}/md/level": b"raid1",
    f"{_MD}/md/degraded": b"0",
    f"{_MD}/md/sync_action": b"idle",
    f"{_MD}/md/dev-nvme0n1/state": b"in_sync",
    f"{_MD}/dm/name": b"ceph--1-osd--block--ad1e9f3c--6e1f--4a58--9d3f--0f6f2a5c7b11",
    "/var/lib/ceph/osd/ceph-7/fsid": b"ad1e9f3c-6e1f-4a58-9d3f-0f6f2a5c7b11",
    "/proc/1/mountinfo": b"30 23 9:0 / /srv rw - ext4 /dev/md0 rw",
    "/run/udev/data/b259:0": b"E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank",
}
_OTHERS = ("tool", "mark", "log", "identify", "slots", "health", "history")


class _Drive:
    """Answers with the parts of the input, filled up with zeros to their sizes."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = answers

    def call(self, call: DeviceCall) -> DeviceReply:
        command = nvme.AdminCommand.decode(call.data)
        pages = {LogPage.SLOTS: "slots", LogPage.HEALTH: "health", LogPage.OCP_ACTIVATIONS: "history"}
        name = "identify" if command.opcode == AdminOpcode.IDENTIFY else pages[LogPage(command.cdw10 & 0xFF)]
        given, end = self._answers[name], b""
        if name == "history":  # without its last bytes it is no history, and nothing of it is read
            end = nvme.encode_history(())[-16:]
        data = given[: command.length - len(end)].ljust(command.length - len(end), b"\0") + end
        return DeviceReply(0, call.data, 0, data)


def _drive(data: bytes) -> object:
    given = dict(zip((*_FILES, *_OTHERS), parts(data, len(_FILES) + len(_OTHERS)), strict=True))
    files = FakeFiles({path: given[path] for path in _FILES})
    files.links |= _LINKS
    files.devices["/dev/nvme0"] = _Drive(given)
    files.log = [line + b"\n" for line in given["log"].split(b"\n")]
    provider = NvmeProvider(files, FakeClock())
    printed = given["tool"].decode("utf-8", "replace")
    provider.tool = lambda _: printed
    found = provider.discover().components
    names = {check.name for check in CHECKS}
    told: list[object] = [found, provider.mark()]
    for each in found:
        assert each.pending is not None or each.reasons
        assert {hazard.code for hazard in each.hazards} <= names
        assert all(value >= -273 for _, value in each.readings)
        told += [provider.inspect(each.id), provider.recall(each.id, given["mark"].decode("utf-8", "replace"))]
    return told


_STATUS = b""" state: ONLINE
config:
\tNAME STATE
\ttank ONLINE
\t  mirror-0 ONLINE
\t    /dev/nvme0n1 ONLINE
errors: No known data errors
"""


def _seed() -> bytes:
    drive = Subsystem(_SPEC, FakeClock().now)
    record = nvme.ActivationRecord(1, 2, 3, "1.0", "2.0", 2, 3, 0)
    answers = (
        bytes(drive.identity(1).encode()).rstrip(b"\0"),
        drive.slot_log().encode().rstrip(b"\0"),
        drive.health().encode().rstrip(b"\0"),
        nvme.encode_history((record,))[:72],
    )
    log = b"3,7,1,-;nvme nvme0: Fw activation timeout, reset controller"
    return SEPARATOR.join((*_FILES.values(), _STATUS, str(_MARK).encode(), log, *answers))


TARGETS = (
    Target(
        "nvme-drive",
        _drive,
        lambda: (_seed(),),
        words=(SEPARATOR, *words("live dead raid1 idle in_sync zfs_member ONLINE mirror-0 E:ID_FS_TYPE=")),
        growth=512,
    ),
)
