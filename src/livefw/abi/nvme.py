# SPDX-License-Identifier: Apache-2.0
"""NVMe as far as firmware is concerned: commands, log pages, status codes, and the ioctl of Linux that carries them.

Sources: NVM Express Base Specification 2.0 (Identify Controller, Get Log Page, Firmware Image Download, Firmware
Commit); Linux ``include/uapi/linux/nvme_ioctl.h``. All numbers are little-endian.
"""

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple, Self

ADMIN_COMMAND = 0xC0484E41
"""``NVME_IOCTL_ADMIN_CMD``. It returns the status of the command, an errno if the command never got an answer."""
IDENTIFY_BYTES = 4096
SLOT_LOG_BYTES = 512
HEALTH_BYTES = 512
HISTORY_BYTES = 4096
PAGE_BYTES = 4096
"""Unit of FWUG, and of MDTS with the smallest memory page that there is."""
MOST_SLOTS = 7
ALL_NAMESPACES = 0xFFFFFFFF


class AdminOpcode(IntEnum):
    """Commands of the admin queue."""

    GET_LOG_PAGE = 0x02
    IDENTIFY = 0x06
    SET_FEATURES = 0x09
    GET_FEATURES = 0x0A
    ASYNC_EVENT = 0x0C
    FIRMWARE_COMMIT = 0x10
    FIRMWARE_DOWNLOAD = 0x11
    KEEP_ALIVE = 0x18


class LogPage(IntEnum):
    """Identifiers of log pages."""

    HEALTH = 0x02
    SLOTS = 0x03
    OCP_ACTIVATIONS = 0xC2
    """Firmware activation history (OCP Datacenter NVMe SSD Specification, FWUP-1)."""


class CommitAction(IntEnum):
    """What Firmware Commit does with an image that was downloaded, or is in a slot."""

    REPLACE = 0
    REPLACE_AND_ARM = 1
    """It takes effect at the next reset."""
    ARM = 2
    ACTIVATE = 3
    """Without a reset."""


class FirmwareUpdates(IntFlag):
    """FRMW, without the number of slots (bits 3:1)."""

    SLOT_1_READ_ONLY = 0x01
    WITHOUT_RESET = 0x10
    OVERLAP_DETECTED = 0x20


class CriticalWarning(IntFlag):
    """The first byte of the health log."""

    SPARE_LOW = 0x01
    TEMPERATURE = 0x02
    UNRELIABLE = 0x04
    READ_ONLY = 0x08
    BACKUP_FAILED = 0x10
    MEMORY_READ_ONLY = 0x20


class NvmeStatus(IntEnum):
    """Status code type (bits 10:8) and status code (7:0) of what firmware commands are answered with."""

    SUCCESS = 0x000
    INVALID_OPCODE = 0x001
    INVALID_FIELD = 0x002
    DATA_TRANSFER_ERROR = 0x004
    INTERNAL_ERROR = 0x006
    ABORT_REQUESTED = 0x007
    COMMAND_SEQUENCE_ERROR = 0x00C
    OPERATION_DENIED = 0x015
    SANITIZE_IN_PROGRESS = 0x01D
    COMMAND_INTERRUPTED = 0x021
    MEDIA_NOT_READY = 0x024
    INVALID_FIRMWARE_SLOT = 0x106
    INVALID_FIRMWARE_IMAGE = 0x107
    NEEDS_CONVENTIONAL_RESET = 0x10B
    NEEDS_SUBSYSTEM_RESET = 0x110
    NEEDS_CONTROLLER_RESET = 0x111
    MAXIMUM_TIME_VIOLATION = 0x112
    ACTIVATION_PROHIBITED = 0x113
    OVERLAPPING_RANGE = 0x114
    BOOT_PARTITION_PROHIBITED = 0x11E


STATUS_NAMES = {
    NvmeStatus.SUCCESS: "Successful Completion",
    NvmeStatus.INVALID_OPCODE: "Invalid Command Opcode",
    NvmeStatus.INVALID_FIELD: "Invalid Field in Command",
    NvmeStatus.DATA_TRANSFER_ERROR: "Data Transfer Error",
    NvmeStatus.INTERNAL_ERROR: "Internal Error",
    NvmeStatus.ABORT_REQUESTED: "Command Abort Requested",
    NvmeStatus.COMMAND_SEQUENCE_ERROR: "Command Sequence Error",
    NvmeStatus.OPERATION_DENIED: "Operation Denied",
    NvmeStatus.SANITIZE_IN_PROGRESS: "Sanitize In Progress",
    NvmeStatus.COMMAND_INTERRUPTED: "Command Interrupted",
    NvmeStatus.MEDIA_NOT_READY: "Admin Command Media Not Ready",
    NvmeStatus.INVALID_FIRMWARE_SLOT: "Invalid Firmware Slot",
    NvmeStatus.INVALID_FIRMWARE_IMAGE: "Invalid Firmware Image",
    NvmeStatus.NEEDS_CONVENTIONAL_RESET: "Firmware Activation Requires Conventional Reset",
    NvmeStatus.NEEDS_SUBSYSTEM_RESET: "Firmware Activation Requires NVM Subsystem Reset",
    NvmeStatus.NEEDS_CONTROLLER_RESET: "Firmware Activation Requires Controller Level Reset",
    NvmeStatus.MAXIMUM_TIME_VIOLATION: "Firmware Activation Requires Maximum Time Violation",
    NvmeStatus.ACTIVATION_PROHIBITED: "Firmware Activation Prohibited",
    NvmeStatus.OVERLAPPING_RANGE: "Overlapping Range",
    NvmeStatus.BOOT_PARTITION_PROHIBITED: "Boot Partition Write Prohibited",
}
"""As the specification calls them."""
_STATUS_BITS = 0x7FF
"""Without More, Do Not Retry and the retry delay."""


def status_of(value: int) -> int:
    """Type and code of a status as the ioctl returns it."""
    return value & _STATUS_BITS


def status_name(code: int) -> str:
    """The specification's name of a status, or its number."""
    return STATUS_NAMES[NvmeStatus(code)] if code in STATUS_NAMES else f"status {code:#05x}"


_PASSTHROUGH = struct.Struct("<BBHIIIQQII6III")
PASSTHROUGH_BYTES = _PASSTHROUGH.size
POINTER_AT = 24
"""Where the address of the data is in ``struct nvme_passthru_cmd``."""


class AdminCommand(NamedTuple):
    """``struct nvme_passthru_cmd``, without the address of the data; ``timeout_ms`` 0 is the kernel's own."""

    opcode: int
    nsid: int = 0
    length: int = 0
    cdw10: int = 0
    cdw11: int = 0
    cdw12: int = 0
    cdw13: int = 0
    timeout_ms: int = 0

    def encode(self) -> bytes:
        """The 72 bytes."""
        words = (self.cdw10, self.cdw11, self.cdw12, self.cdw13, 0, 0)
        return _PASSTHROUGH.pack(self.opcode, 0, 0, self.nsid, 0, 0, 0, 0, 0, self.length, *words, self.timeout_ms, 0)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """ValueError for another size."""
        if len(data) != PASSTHROUGH_BYTES:
            raise ValueError(f"a command has {PASSTHROUGH_BYTES} bytes, not {len(data)}")
        opcode, _, _, nsid, _, _, _, _, _, length, *words = _PASSTHROUGH.unpack(data)
        cdw10, cdw11, cdw12, cdw13, _, _, timeout_ms, _ = words
        return cls(opcode, nsid, length, cdw10, cdw11, cdw12, cdw13, timeout_ms)


def identify_controller() -> AdminCommand:
    """Identify, CNS 01h."""
    return AdminCommand(AdminOpcode.IDENTIFY, length=IDENTIFY_BYTES, cdw10=1)


def get_log_page(page: LogPage, size: int) -> AdminCommand:
    """The start of a log page; ``size`` is a multiple of four."""
    dwords = size // 4 - 1
    return AdminCommand(AdminOpcode.GET_LOG_PAGE, ALL_NAMESPACES, size, (dwords & 0xFFFF) << 16 | page, dwords >> 16)


def firmware_download(offset: int, size: int) -> AdminCommand:
    """A piece of an image; both are multiples of four."""
    return AdminCommand(AdminOpcode.FIRMWARE_DOWNLOAD, length=size, cdw10=size // 4 - 1, cdw11=offset // 4)


def firmware_commit(slot: int, action: CommitAction, *, timeout_ms: int = 0) -> AdminCommand:
    """Commit to a slot; slot 0 lets the controller choose."""
    return AdminCommand(AdminOpcode.FIRMWARE_COMMIT, cdw10=slot | action << 3, timeout_ms=timeout_ms)


class ControllerIdentity(NamedTuple):
    """What Identify Controller says that matters here. Times are in units of 100 ms, 0 for not reported."""

    vendor: int
    serial: str
    model: str
    firmware: str
    mdts: int
    cntlid: int
    oaes: int
    oacs: int
    frmw: int
    mtfa: int
    fwug: int
    cmic: int
    subnqn: str
    wctemp: int = 0
    """Temperature in kelvin from which the drive is too hot; 0 for not reported."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """ValueError for another size."""
        _require(data, IDENTIFY_BYTES, "Identify Controller")
        (vendor,) = struct.unpack_from("<H", data)
        (cntlid,) = struct.unpack_from("<H", data, 78)
        (oaes,) = struct.unpack_from("<I", data, 92)
        (oacs,) = struct.unpack_from("<H", data, 256)
        wctemp, _, mtfa = struct.unpack_from("<HHH", data, 266)
        return cls(
            vendor=vendor,
            serial=text_of(data[4:24]),
            model=text_of(data[24:64]),
            firmware=text_of(data[64:72]),
            mdts=data[77],
            cntlid=cntlid,
            oaes=oaes,
            oacs=oacs,
            frmw=data[260],
            mtfa=mtfa,
            fwug=data[319],
            cmic=data[76],
            subnqn=text_of(data[768:1024]),
            wctemp=wctemp,
        )

    def encode(self) -> bytearray:
        """The 4096 bytes, with nothing but these fields, for a modelled controller."""
        data = bytearray(IDENTIFY_BYTES)
        struct.pack_into("<HH20s40s8s", data, 0, self.vendor, self.vendor, *map(_field, self[1:4], (20, 40, 8)))
        data[76:78] = self.cmic, self.mdts
        struct.pack_into("<H", data, 78, self.cntlid)
        struct.pack_into("<I", data, 92, self.oaes)
        struct.pack_into("<H", data, 256, self.oacs)
        data[260], data[319] = self.frmw, self.fwug
        struct.pack_into("<HHH", data, 266, self.wctemp, 0, self.mtfa)
        data[768:1024] = self.subnqn.encode().ljust(256, b"\0")
        return data

    @property
    def has_firmware_commands(self) -> bool:
        """OACS: Firmware Commit and Firmware Image Download."""
        return bool(self.oacs & OACS_FIRMWARE)

    @property
    def slots(self) -> int:
        """How many there are, 1 to 7."""
        return max(1, self.frmw >> 1 & 7)

    @property
    def updates(self) -> FirmwareUpdates:
        """What FRMW says besides the number of slots."""
        return FirmwareUpdates(self.frmw & 0x31)

    @property
    def announces_activation(self) -> bool:
        """OAES: an event says that an activation begins, upon which the host stops its I/O."""
        return bool(self.oaes & OAES_ACTIVATION)

    @property
    def is_shared(self) -> bool:
        """CMIC: the subsystem has several ports or controllers, of which other hosts may use some."""
        return bool(self.cmic & 0x07)

    @property
    def mtfa_s(self) -> float:
        """Longest time of an activation, in seconds; 0 if it is not reported."""
        return self.mtfa / 10

    @property
    def piece_bytes(self) -> int:
        """Bytes of one piece of a download, by FWUG, within MDTS; 4 KiB where FWUG says nothing (0) or any (FFh)."""
        wanted = PAGE_BYTES * (self.fwug if 0 < self.fwug < 0xFF else 1)
        # MDTS of 20 would be 4 GiB: more than FWUG can ask for.
        return min(wanted, PAGE_BYTES << self.mdts) if 0 < self.mdts < 20 else wanted


OACS_FIRMWARE = 0x0004
OAES_ACTIVATION = 0x0200
CMIC_CONTROLLERS = 0x02


class SlotLog(NamedTuple):
    """Firmware Slot Information: the running slot, the one at the next reset (0: the same), and what each holds."""

    running: int
    at_reset: int
    versions: tuple[str, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """ValueError for another size."""
        _require(data, SLOT_LOG_BYTES, "the firmware slot log")
        versions = tuple(text_of(data[at : at + 8]) for at in range(8, 8 + 8 * MOST_SLOTS, 8))
        return cls(data[0] & 7, data[0] >> 4 & 7, versions)

    def encode(self) -> bytes:
        """The 512 bytes; an empty slot is all zeros."""
        fields = b"".join(_field(each, 8) if each else bytes(8) for each in self.versions)
        return (bytes([self.running | self.at_reset << 4]) + bytes(7) + fields).ljust(SLOT_LOG_BYTES, b"\0")

    def version(self, slot: int) -> str:
        """What a slot holds; empty for nothing, and for a slot that cannot exist."""
        return self.versions[slot - 1] if 0 < slot <= len(self.versions) else ""


class HealthLog(NamedTuple):
    """SMART / Health Information. The temperature is in kelvin, the others are per cent."""

    warning: CriticalWarning
    temperature: int
    spare: int
    spare_threshold: int
    used: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """ValueError for another size."""
        _require(data, HEALTH_BYTES, "the health log")
        return cls(CriticalWarning(data[0] & 0x3F), int.from_bytes(data[1:3], "little"), *data[3:6])

    def encode(self) -> bytes:
        """The 512 bytes."""
        head = struct.pack("<BHBBB", self.warning, *self[1:])
        return head.ljust(HEALTH_BYTES, b"\0")


class ActivationRecord(NamedTuple):
    """An entry of OCP's history: when (ms since power-on), which slot, from and to which version, and how it ended."""

    number: int
    timestamp_ms: int
    cycles: int
    previous: str
    new: str
    slot: int
    action: int
    result: int

    def encode(self) -> bytes:
        """The 64 bytes."""
        return _RECORD.pack(
            1, 64, 0, self.number, self.timestamp_ms, self.cycles, *map(_field, (self.previous, self.new), (8, 8)),
            self.slot, self.action, self.result,
        )  # fmt: skip


_RECORD = struct.Struct("<BBHHQ8xQ8s8sBBH14x")
_MOST_RECORDS = 20
_HISTORY_GUID = bytes.fromhex("6d79 9a76 b4da f6a3 e24d b28a acf3 1cd1")
"""At the end of the page: it tells OCP's page C2h from a vendor's own."""


def encode_history(records: tuple[ActivationRecord, ...]) -> bytes:
    """OCP's page C2h with the last entries, oldest first."""
    kept = records[-_MOST_RECORDS:]
    body = bytes([LogPage.OCP_ACTIVATIONS, 0, 0, 0]) + struct.pack("<I", len(kept))
    body += b"".join(each.encode() for each in kept)
    return body.ljust(HISTORY_BYTES - 18, b"\0") + struct.pack("<H", 1) + _HISTORY_GUID


def decode_history(data: bytes) -> tuple[ActivationRecord, ...]:
    """The entries, oldest first. ValueError for another size, or where the page is not OCP's."""
    _require(data, HISTORY_BYTES, "the activation history")
    if data[-16:] != _HISTORY_GUID:
        raise ValueError("log page C2h is not OCP's activation history")
    count = min(int.from_bytes(data[4:8], "little"), _MOST_RECORDS)
    rows = (_RECORD.unpack_from(data, 8 + 64 * each) for each in range(count))
    return tuple(
        ActivationRecord(number, stamp, cycles, text_of(old), text_of(new), slot, action, result)
        for _, _, _, number, stamp, cycles, old, new, slot, action, result in rows
    )


def text_of(field: bytes) -> str:
    """ASCII that is filled up with spaces, or with zeros by controllers that know no better."""
    return field.partition(b"\0")[0].decode("ascii", "backslashreplace").strip()


def _field(text: str, size: int) -> bytes:
    return text.encode("ascii", "replace")[:size].ljust(size)


def _require(data: bytes, size: int, what: str) -> None:
    if len(data) != size:
        raise ValueError(f"{what} has {size} bytes, not {len(data)}")
