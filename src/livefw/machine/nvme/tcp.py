# SPDX-License-Identifier: Apache-2.0
"""A subsystem over NVMe/TCP (NVM Express TCP Transport Specification 1.0), without digests and without TLS.

`TcpQueue` is sans-IO: bytes in, bytes out. `serve` gives each connection of a loopback socket one. Every controller
is made by the Connect command of an admin queue (the dynamic controller model); queues of it join by its id.
"""

import asyncio
import struct
from collections.abc import Iterator
from enum import IntEnum, IntFlag

from livefw.abi.nvme import NvmeStatus, text_of
from livefw.machine.nvme.controller import Completion, Controller, Submission
from livefw.machine.nvme.subsystem import Subsystem

MOST_PDU_BYTES = 1 << 20
"""A longer PDU is a protocol error: MAXH2CDATA below bounds what a host may send in one."""
_MAXH2CDATA = 0x20000
_HEADER = struct.Struct("<BBBBI")
_FABRICS = 0x7F
_IN_CAPSULE, _TRANSPORT_DATA = 0x01, 0x5A
"""SGL descriptor types: an offset into the capsule, or a transport data block, which is asked for by R2T."""
_CONNECT_BYTES = 1024
_CONNECT_INVALID_PARAMETERS = 0x182
_CONNECT_INVALID_HOST = 0x184
_ANY_CONTROLLER = 0xFFFF
_MOST_CONTROLLERS = 16
_LOOK_S = 0.25


class PduType(IntEnum):
    """Types of PDUs."""

    IC_REQUEST = 0x00
    IC_RESPONSE = 0x01
    H2C_TERMINATE = 0x02
    C2H_TERMINATE = 0x03
    COMMAND = 0x04
    RESPONSE = 0x05
    H2C_DATA = 0x06
    C2H_DATA = 0x07
    READY_TO_TRANSFER = 0x09


class PduFlag(IntFlag):
    """Flags of data PDUs."""

    LAST = 0x04


class FabricsType(IntEnum):
    """FCTYPE of a fabrics command."""

    PROPERTY_SET = 0x00
    CONNECT = 0x01
    PROPERTY_GET = 0x04


class ProtocolError(Exception):
    """The host sent what the transport does not allow; the connection ends."""


class Target:
    """A subsystem and the controllers that hosts have connected to."""

    def __init__(self, subsystem: Subsystem) -> None:
        self.subsystem = subsystem
        self.controllers: dict[int, Controller] = {}

    def connect(self, cntlid: int, qid: int, subnqn: str) -> Controller | None:
        """The controller of a new queue; None if there is no such subsystem or controller."""
        if subnqn != self.subsystem.spec.subnqn:
            return None
        if qid:
            return self.controllers.get(cntlid)
        if cntlid not in (_ANY_CONTROLLER, 0) or len(self.controllers) >= _MOST_CONTROLLERS:
            return None
        number = next(each for each in range(1, _MOST_CONTROLLERS + 1) if each not in self.controllers)
        made = self.controllers[number] = Controller(self.subsystem, number)
        return made

    def disconnect(self, controller: Controller) -> None:
        """The admin queue of a controller is gone, and so is the controller."""
        del self.controllers[controller.cntlid]
        controller.close()


class TcpQueue:
    """One queue. `received` takes what came from the host, `due` gives what is to be sent to it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._buffer = bytearray()
        self._ready = False
        self._controller: Controller | None = None
        self._qid: int | None = None
        self._out: list[bytes] = []
        self._writes: dict[int, tuple[bytes, bytearray]] = {}
        """Commands that wait for their data, by their identifiers."""

    @property
    def controller(self) -> Controller | None:
        """The one that the queue belongs to, after its Connect."""
        return self._controller

    @property
    def is_io(self) -> bool:
        """Whether it is an I/O queue."""
        return bool(self._qid)

    def received(self, data: bytes) -> None:
        """Take bytes. `ProtocolError` if they are none that a host may send."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, flags, header, offset, size = _HEADER.unpack_from(self._buffer)
            if not _HEADER.size <= header <= size <= MOST_PDU_BYTES or (offset and not header <= offset <= size):
                raise ProtocolError(f"a PDU of type {kind:#x} has {size} bytes, {header} of them header")
            if len(self._buffer) < size:
                return
            whole = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._pdu(kind, flags, whole[_HEADER.size : header], whole[offset:] if offset else b"")

    def due(self) -> bytes:
        """Everything that is to be sent now."""
        controller = self._controller
        for done in controller.due(self._qid or 0) if controller else ():
            self._complete(done)
        made, self._out = b"".join(self._out), []
        return made

    def _pdu(self, kind: int, flags: int, header: bytes, data: bytes) -> None:
        if kind == PduType.IC_REQUEST and not self._ready and len(header) == 120:
            if self._target.subsystem.dead:
                raise ProtocolError("nobody answers")  # a host that heard nothing would wait for a minute each time
            self._ready = True
            self._send(PduType.IC_RESPONSE, struct.pack("<HBBI112x", 0, 0, 0, _MAXH2CDATA))
        elif kind == PduType.COMMAND and self._ready and len(header) == 64:
            self._capsule(header, data)
        elif kind == PduType.H2C_DATA and len(header) == 16:
            self._more(flags, header, data)
        else:
            raise ProtocolError(f"a PDU of type {kind:#x} with a header of {len(header)} bytes is not expected")

    def _capsule(self, command: bytes, data: bytes) -> None:
        """A command; one whose data are not in the capsule is asked for them."""
        wanted, kind = struct.unpack_from("<I3xB", command, 32)
        to_controller = (command[4] if command[0] == _FABRICS else command[0]) & 3 == 1
        if kind == _TRANSPORT_DATA and to_controller and wanted:
            if wanted > MOST_PDU_BYTES:
                raise ProtocolError(f"a command sends {wanted} bytes")
            (cid,) = struct.unpack_from("<H", command, 2)
            self._writes[cid] = command, bytearray()
            self._send(PduType.READY_TO_TRANSFER, struct.pack("<HHII4x", cid, cid, 0, wanted))
        else:
            self._execute(command, data)

    def _more(self, flags: int, header: bytes, data: bytes) -> None:
        cid, _, offset, size = struct.unpack_from("<HHII", header)
        command, have = self._writes.get(cid, (b"", bytearray()))
        wanted = int.from_bytes(command[32:36], "little")
        if not command or offset != len(have) or size != len(data) or len(have) + size > wanted:
            raise ProtocolError(f"data of command {cid} are not those that were asked for")
        have += data
        if len(have) == wanted:
            del self._writes[cid]
            self._execute(command, bytes(have))
        elif flags & PduFlag.LAST:
            raise ProtocolError(f"data of command {cid} end too early")

    def _execute(self, command: bytes, data: bytes) -> None:
        opcode, cid, nsid = struct.unpack_from("<BxHI", command)
        if opcode == _FABRICS:
            self._complete(self._fabrics(command, cid, data))
            return
        if self._controller is None:
            raise ProtocolError("a command came before Connect")
        cdw10, cdw11, cdw12 = struct.unpack_from("<III", command, 40)
        (length,) = struct.unpack_from("<I", command, 32)
        asked = Submission(cid, opcode, nsid, cdw10, cdw11, cdw12, length, data)
        done = self._controller.io(asked, self._qid) if self._qid else self._controller.admin(asked)
        if done:
            self._complete(done, length)

    def _fabrics(self, command: bytes, cid: int, data: bytes) -> Completion:
        kind = command[4]
        offset, value = struct.unpack_from("<IQ", command, 44)
        if kind == FabricsType.CONNECT and self._controller is None and len(data) == _CONNECT_BYTES:
            (qid,) = struct.unpack_from("<H", command, 42)
            (cntlid,) = struct.unpack_from("<H", data, 16)
            self._controller = self._target.connect(cntlid, qid, text_of(data[256:512]))
            if self._controller is None:
                return Completion(cid, _CONNECT_INVALID_HOST if qid else _CONNECT_INVALID_PARAMETERS)
            self._qid = qid
            return Completion(cid, result=self._controller.cntlid)
        if self._controller is None or self._controller.subsystem.dead:
            raise ProtocolError("nobody answers")
        if kind == FabricsType.PROPERTY_GET:
            return Completion(cid, result=self._controller.get_property(offset))
        if kind == FabricsType.PROPERTY_SET:
            self._controller.set_property(offset, value)
            return Completion(cid)
        return Completion(cid, NvmeStatus.INVALID_OPCODE)

    def _complete(self, done: Completion, length: int | None = None) -> None:
        if done.data:
            data = done.data if length is None else done.data[:length].ljust(length, b"\0")
            self._send(PduType.C2H_DATA, struct.pack("<HHII4x", done.cid, 0, 0, len(data)), data, PduFlag.LAST)
        status = done.status << 1
        self._send(PduType.RESPONSE, struct.pack("<QHHHH", done.result, 0, self._qid or 0, done.cid, status))

    def _send(self, kind: PduType, header: bytes, data: bytes = b"", flags: int = 0) -> None:
        size = _HEADER.size + len(header)
        self._out.append(_HEADER.pack(kind, flags, size, size if data else 0, size + len(data)) + header + data)


async def serve(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection to its end, for `asyncio.start_server`."""
    connection, subsystem = TcpQueue(target), target.subsystem
    try:
        while True:
            for piece in _pieces(connection.due()):
                writer.write(piece)
                await writer.drain()
            resumes = subsystem.resumes_at
            patience = None if resumes is None else max(resumes - subsystem.now(), 0.0) + 0.001
            if len(target.controllers) > 1:  # an activation by another one is announced here, too
                patience = min(patience or _LOOK_S, _LOOK_S)
            try:
                data = await asyncio.wait_for(reader.read(1 << 16), patience)
            except TimeoutError:
                continue
            if not data:
                return
            connection.received(data)
    except (ProtocolError, ConnectionError):
        return
    finally:
        if connection.controller and not connection.is_io:
            target.disconnect(connection.controller)
        writer.close()


def _pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 1 << 16):
        yield data[at : at + (1 << 16)]
