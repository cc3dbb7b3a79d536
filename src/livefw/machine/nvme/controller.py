# SPDX-License-Identifier: Apache-2.0
"""One controller of a modelled subsystem: its registers, its admin commands, its I/O. It is sans-IO, too.

What Linux asks of a controller over fabrics is answered as the Base Specification says; anything else is an invalid
opcode or field, as it is for a simple drive.
"""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from livefw.abi import nvme
from livefw.abi.nvme import AdminOpcode, LogPage, NvmeStatus
from livefw.machine.nvme.subsystem import Subsystem

BLOCK = 512
BLOCKS = 1 << 15
"""Of the one namespace: 16 MiB, which are kept as far as they were written."""
_MOST_EVENTS = 4
_READY, _PAUSED, _SHUTDOWN_DONE = 0x01, 0x20, 0x08
_CAP = 127 | 1 << 16 | 20 << 24 | 1 << 37
"""128 entries in a queue, contiguous queues, 10 s to be ready, NVM command set."""
_VERSION = 0x00010400
_ACTIVATION_STARTING = LogPage.SLOTS << 16 | 0x01 << 8 | 0x02
"""Notice (2h), Firmware Activation Starting (01h), log page 03h."""


class Property(IntEnum):
    """Registers that Property Get and Set of NVMe over fabrics reach."""

    CAP = 0x00
    VS = 0x08
    CC = 0x14
    CSTS = 0x1C


class IoOpcode(IntEnum):
    """Commands of an I/O queue."""

    FLUSH = 0x00
    WRITE = 0x01
    READ = 0x02
    WRITE_ZEROES = 0x08
    DATASET_MANAGEMENT = 0x09


class Submission(NamedTuple):
    """A command as it arrives: its identifier, six of its dwords, and the bytes that came with it."""

    cid: int
    opcode: int
    nsid: int
    cdw10: int
    cdw11: int
    cdw12: int
    length: int
    data: bytes = b""


class Completion(NamedTuple):
    """What a command ends with."""

    cid: int
    status: int = NvmeStatus.SUCCESS
    result: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Controller:
    """Registers and queues of one controller. What it completes later comes from `due`; queue 0 is the admin queue."""

    subsystem: Subsystem
    cntlid: int = 1
    cc: int = 0
    keep_alives: int = 0
    event_mask: int = 0
    _events: deque[int] = field(default_factory=deque)
    """Asynchronous Event Requests that wait for an event, by their identifiers."""
    _paused: dict[int, deque[Submission]] = field(default_factory=dict)
    """I/O commands that wait for the end of an activation, by their queue."""
    _announced: deque[Completion] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.subsystem.on_activation.append(self.announce)

    def close(self) -> None:
        """It is gone: nothing is announced to it any more."""
        self.subsystem.on_activation.remove(self.announce)

    def get_property(self, offset: int) -> int:
        """A register; 0 for one that there is not."""
        if offset == Property.CSTS:
            ready = _READY if self.cc & 1 else 0
            stopped = _SHUTDOWN_DONE if self.cc >> 14 & 3 else 0
            return ready | stopped | (_PAUSED if self.subsystem.paused else 0)
        registers: dict[int, int] = {Property.CAP: _CAP, Property.VS: _VERSION, Property.CC: self.cc}
        return registers.get(offset, 0)

    def set_property(self, offset: int, value: int) -> None:
        """CC; clearing its bit EN is a controller level reset."""
        if offset == Property.CC:
            if self.cc & 1 and not value & 1:
                self.subsystem.reset()
                self._events.clear()
            self.cc = value & 0xFFFFFFFF

    def admin(self, command: Submission) -> Completion | None:
        """Answer an admin command; None if it is answered later, or never by a controller that is dead."""
        if self.subsystem.dead:
            return None
        cid = command.cid
        match command.opcode:
            case AdminOpcode.IDENTIFY:
                return self._identify(command)
            case AdminOpcode.GET_LOG_PAGE:
                return self._log_page(command)
            case AdminOpcode.FIRMWARE_DOWNLOAD if self.subsystem.spec.has_firmware_commands:
                wanted = (command.cdw10 + 1) * 4
                if len(command.data) != wanted:
                    return Completion(cid, NvmeStatus.INVALID_FIELD)
                return Completion(cid, self.subsystem.download(command.cdw11 * 4, command.data))
            case AdminOpcode.FIRMWARE_COMMIT if self.subsystem.spec.has_firmware_commands:
                return self._commit(command)
            case AdminOpcode.ASYNC_EVENT:
                if len(self._events) >= _MOST_EVENTS:
                    return Completion(cid, 0x105)  # Asynchronous Event Request Limit Exceeded
                self._events.append(cid)
                return None
            case AdminOpcode.KEEP_ALIVE:
                self.keep_alives += 1
                return Completion(cid)
            case AdminOpcode.SET_FEATURES | AdminOpcode.GET_FEATURES:
                return self._feature(command)
        return Completion(cid, NvmeStatus.INVALID_OPCODE)

    def io(self, command: Submission, queue: int = 1) -> Completion | None:
        """Answer an I/O command; while an activation is under way it waits, and comes from `due` afterwards."""
        if self.subsystem.dead:
            return None
        if self.subsystem.paused:
            self._paused.setdefault(queue, deque()).append(command)
            return None
        return self._io(command)

    def due(self, queue: int = 0) -> Iterator[Completion]:
        """What has become complete on a queue; to be asked after each command, and at `Subsystem.resumes_at`."""
        waiting = self._paused.get(queue)
        while not queue and self._announced:
            yield self._announced.popleft()
        while waiting and not self.subsystem.paused:
            yield self._io(waiting.popleft())

    def announce(self) -> None:
        """Tell the host that an activation starts, if it has asked for events."""
        if self._events and self.event_mask & nvme.OAES_ACTIVATION and self.subsystem.announces:
            self._announced.append(Completion(self._events.popleft(), result=_ACTIVATION_STARTING))

    def _identify(self, command: Submission) -> Completion:
        if self.subsystem.identify_fails:
            return Completion(command.cid, NvmeStatus.INTERNAL_ERROR)
        match command.cdw10 & 0xFF:
            case 0x00 if command.nsid in (1, nvme.ALL_NAMESPACES):
                data = bytearray(4096)
                struct.pack_into("<QQQ", data, 0, BLOCKS, BLOCKS, 0)
                data[104:120] = self.subsystem.nguid
                struct.pack_into("<I", data, 128, 9 << 16)
            case 0x01:
                data = self._identify_controller()
            case 0x02:
                data = bytearray((b"\1\0\0\0" if command.nsid < 1 else b"").ljust(4096, b"\0"))
            case 0x03 if command.nsid == 1:
                data = bytearray((bytes([2, 16, 0, 0]) + self.subsystem.nguid).ljust(4096, b"\0"))
            case _:
                return Completion(command.cid, NvmeStatus.INVALID_FIELD)
        return Completion(command.cid, data=bytes(data))

    def _identify_controller(self) -> bytearray:
        """With what NVMe over fabrics needs besides the fields of `livefw.abi.nvme.ControllerIdentity`."""
        data = self.subsystem.identity(self.cntlid).encode()
        struct.pack_into("<I", data, 80, _VERSION)
        data[111], data[259], data[258] = 1, _MOST_EVENTS - 1, 3  # an I/O controller; limits of events and aborts
        struct.pack_into("<H", data, 320, 10)  # keep-alive in units of 100 ms
        data[512], data[513] = 0x66, 0x44
        struct.pack_into("<HI", data, 514, 128, 1)
        struct.pack_into("<I", data, 536, 1 << 20 | 1)
        struct.pack_into("<IIHBB", data, 1792, 4, 1, 0, 0, 1)  # no data inside the capsules of I/O commands
        return data

    def _log_page(self, command: Submission) -> Completion:
        subsystem = self.subsystem
        match command.cdw10 & 0xFF:
            case LogPage.SLOTS:
                data = subsystem.slot_log().encode()
            case LogPage.HEALTH:
                data = subsystem.health().encode()
            case LogPage.OCP_ACTIVATIONS if subsystem.spec.ocp:
                data = nvme.encode_history(tuple(subsystem.history))
            case page if page in (0x01, 0x04, 0x05):  # errors, changed namespaces, effects: nothing to tell
                data = bytes(4096)
            case _:
                return Completion(command.cid, 0x109)  # Invalid Log Page
        return Completion(command.cid, data=data)

    def _commit(self, command: Submission) -> Completion:
        slot, action = command.cdw10 & 7, command.cdw10 >> 3 & 7
        return Completion(command.cid, self.subsystem.commit(slot, action))

    def _feature(self, command: Submission) -> Completion:
        number = command.cdw10 & 0xFF
        setting = command.opcode == AdminOpcode.SET_FEATURES
        if number == 0x07:  # number of queues
            return Completion(command.cid, result=command.cdw11 if setting else 0)
        if number == 0x0B:  # asynchronous events
            self.event_mask = command.cdw11 if setting else self.event_mask
            return Completion(command.cid, result=self.event_mask)
        known = number in (0x06, 0x0F)  # write cache, keep-alive timer
        return Completion(command.cid, NvmeStatus.SUCCESS if known else NvmeStatus.INVALID_FIELD)

    def _io(self, command: Submission) -> Completion:
        start, count = command.cdw10 | command.cdw11 << 32, (command.cdw12 & 0xFFFF) + 1
        cid = command.cid
        if command.opcode == IoOpcode.FLUSH:
            return Completion(cid)
        if command.opcode not in set(IoOpcode):
            return Completion(cid, NvmeStatus.INVALID_OPCODE)
        if command.opcode == IoOpcode.DATASET_MANAGEMENT:
            return Completion(cid)
        if start + count > BLOCKS:
            return Completion(cid, 0x080)  # LBA Out of Range
        if command.opcode == IoOpcode.READ:
            empty = bytes(BLOCK)
            return Completion(cid, data=b"".join(self.subsystem.blocks.get(start + at, empty) for at in range(count)))
        if self.subsystem.read_only:
            return Completion(cid, 0x020)  # Namespace is Write Protected
        data = bytes(count * BLOCK) if command.opcode == IoOpcode.WRITE_ZEROES else command.data
        if len(data) != count * BLOCK:
            return Completion(cid, NvmeStatus.INVALID_FIELD)
        for at in range(count):
            self.subsystem.blocks[start + at] = data[at * BLOCK : (at + 1) * BLOCK]
        return Completion(cid)
