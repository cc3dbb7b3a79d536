# SPDX-License-Identifier: Apache-2.0
"""NVMe/TCP as a host speaks it: the handshake, queues, data in the capsule and by R2T, events, and what is refused."""

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pytest

from livefw.abi import nvme
from livefw.abi.nvme import AdminCommand, CommitAction
from livefw.machine.nvme.controller import IoOpcode, Property
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.machine.nvme.tcp import MOST_PDU_BYTES, ProtocolError, Target, TcpQueue, serve
from livefw.providers.fake import FakeClock

IC_REQUEST = struct.pack("<BBBBIHBBI112x", 0, 0, 128, 0, 128, 0, 0, 0, 0)
SPEC = DriveSpec()


class Pdu(NamedTuple):
    kind: int
    header: bytes
    data: bytes


def pdus(raw: bytes) -> Iterator[Pdu]:
    while raw:
        kind, _, header, offset, size = struct.unpack_from("<BBBBI", raw)
        yield Pdu(kind, raw[8:header], raw[offset:size] if offset else b"")
        raw = raw[size:]


def capsule(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<BBBBI", 4, 0, 72, 72 if data else 0, 72 + len(data)) + command + data


def sqe(cid: int, made: AdminCommand, *, inline: bool = True) -> bytes:
    kind = 0x01 if inline else 0x5A
    head = struct.pack("<BBHI16xQI3xB", made.opcode, 0x40, cid, made.nsid, 0, made.length, kind)
    return head + struct.pack("<6I", made.cdw10, made.cdw11, made.cdw12, made.cdw13, 0, 0)


def fabrics(cid: int, kind: int, offset: int = 0, value: int = 0, length: int = 0, qid: int = 0) -> bytes:
    words = struct.pack("<HHI", 0, qid, 0) if kind == 1 else struct.pack("<IIQ", 0, offset, value)
    return (struct.pack("<BBHB27xI3xB", 0x7F, 0x40, cid, kind, length, 0x01) + words).ljust(64, b"\0")


def connect(cid: int, qid: int = 0, cntlid: int = 0xFFFF, nqn: str = SPEC.subnqn) -> bytes:
    data = (bytes(16) + struct.pack("<H", cntlid)).ljust(256, b"\0") + nqn.encode().ljust(256, b"\0") + bytes(512)
    return capsule(fabrics(cid, 1, length=1024, qid=qid), data)


class Host:
    """A host on one queue."""

    def __init__(self, target: Target, qid: int = 0, cntlid: int = 0xFFFF) -> None:
        self.connection = TcpQueue(target)
        assert [each.kind for each in self.send(IC_REQUEST)] == [1]
        (answer,) = self.send(connect(1, qid, cntlid))
        self.connected = answer

    def send(self, data: bytes) -> list[Pdu]:
        self.connection.received(data)
        return list(pdus(self.connection.due()))

    def ask(self, made: AdminCommand, data: bytes = b"", cid: int = 5) -> tuple[int, bytes]:
        """Status and data of a command; its own data are in the capsule."""
        found = self.send(capsule(sqe(cid, made), data))
        back = b"".join(each.data for each in found if each.kind == 7)
        (answer,) = (each for each in found if each.kind == 5)
        (status,) = struct.unpack_from("<H", answer.header, 14)
        return status >> 1, back


@pytest.fixture
def target() -> Target:
    return Target(Subsystem(SPEC, FakeClock().now))


def clock_of(target: Target) -> FakeClock:
    clock: FakeClock = target.subsystem.now.__self__  # type: ignore[attr-defined]
    return clock


def test_host_finds_the_controller_and_its_firmware(target: Target) -> None:
    host = Host(target)
    assert struct.unpack("<QHHHH", host.connected.header) == (1, 0, 0, 1, 0)
    (answer,) = host.send(capsule(fabrics(2, 4, Property.VS)))
    assert struct.unpack_from("<Q", answer.header) == (0x10400,)
    host.send(capsule(fabrics(3, 0, Property.CC, 0x460001)))
    (answer,) = host.send(capsule(fabrics(4, 4, Property.CSTS)))
    assert struct.unpack_from("<Q", answer.header) == (1,)
    status, data = host.ask(nvme.identify_controller())
    assert (status, nvme.ControllerIdentity.decode(data).firmware) == (0, "1.0")
    assert host.ask(AdminCommand(0x80))[0] == 1


def test_firmware_is_updated_in_the_capsule_and_by_r2t(target: Target) -> None:
    host, image = Host(target), SPEC.image("2.0", size=16384)
    assert host.ask(nvme.firmware_download(0, 4096), image[:4096])[0] == 0
    (ready,) = host.send(capsule(sqe(8, nvme.firmware_download(4096, 12288), inline=False)))
    assert (ready.kind, struct.unpack_from("<HHII", ready.header)) == (9, (8, 8, 0, 12288))
    first, second = image[4096:12288], image[12288:]
    assert host.send(struct.pack("<BBBBIHHII4x", 6, 0, 24, 24, 24 + 8192, 8, 8, 0, 8192) + first) == []
    (answer,) = host.send(struct.pack("<BBBBIHHII4x", 6, 4, 24, 24, 24 + 4096, 8, 8, 8192, 4096) + second)
    assert struct.unpack_from("<HH", answer.header, 12) == (8, 0)
    assert host.ask(nvme.firmware_commit(2, CommitAction.REPLACE))[0] == 0
    host.send(capsule(sqe(20, AdminCommand(0x0C))))
    host.send(capsule(sqe(21, AdminCommand(0x09, cdw10=0x0B, cdw11=0x200))))
    found = host.send(capsule(sqe(22, nvme.firmware_commit(2, CommitAction.ACTIVATE))))
    assert [struct.unpack("<QHHHH", each.header)[::3] for each in found] == [(0, 22), (0x030102, 20)]
    clock_of(target).sleep(1)
    assert nvme.ControllerIdentity.decode(host.ask(nvme.identify_controller())[1]).firmware == "2.0"


def test_io_of_a_queue_waits_for_the_end_of_an_activation(target: Target) -> None:
    admin = Host(target)
    io = Host(target, 1, 1)
    assert io.connection.is_io
    write = AdminCommand(IoOpcode.WRITE, 1, 512, 3)
    assert io.ask(write, b"x" * 512) == (0, b"")
    admin.ask(nvme.firmware_download(0, 8192), SPEC.image("2.0"))
    admin.ask(nvme.firmware_commit(2, CommitAction.REPLACE))
    admin.ask(nvme.firmware_commit(2, CommitAction.ACTIVATE))
    assert io.send(capsule(sqe(6, AdminCommand(IoOpcode.READ, 1, 512, 3)))) == []
    clock_of(target).sleep(1)
    assert admin.send(b"") == []
    assert [each.data[:1] for each in io.send(b"")] == [b"x", b""]


def test_namespaces_of_two_drives_have_identifiers_of_their_own() -> None:
    """Linux otherwise refuses the second one: "globally duplicate IDs for nsid 1"."""
    found = set()
    for serial in ("LFW0001", "LFW0002"):
        host = Host(Target(Subsystem(replace(SPEC, serial=serial), FakeClock().now)))
        _, namespace = host.ask(AdminCommand(0x06, 1, 4096))
        _, descriptors = host.ask(AdminCommand(0x06, 1, 4096, cdw10=3))
        assert descriptors[:4] + namespace[104:120] == descriptors[:20]
        found.add(namespace[104:120])
    assert len(found) == 2


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (connect(1, nqn="nqn.2026-11.org.example:other"), 0x182),
        (connect(1, qid=1, cntlid=7), 0x184),
        (connect(1, cntlid=7), 0x182),
    ],
)
def test_connection_to_what_is_not_there_is_refused(target: Target, data: bytes, status: int) -> None:
    connection = TcpQueue(target)
    connection.received(IC_REQUEST + data)
    _, answer = pdus(connection.due())
    assert struct.unpack_from("<H", answer.header, 14) == (status << 1,)


@pytest.mark.parametrize(
    "data",
    [
        IC_REQUEST + IC_REQUEST,
        capsule(bytes(64)),
        IC_REQUEST + capsule(sqe(1, nvme.identify_controller())),
        IC_REQUEST + capsule(fabrics(1, 4)),
        struct.pack("<BBBBI", 4, 0, 72, 0, MOST_PDU_BYTES + 1),
        struct.pack("<BBBBI", 4, 0, 72, 0, 8),
        struct.pack("<BBBBI", 0, 0, 4, 0, 128),
        IC_REQUEST + struct.pack("<BBBBIHHII4x", 6, 4, 24, 24, 28, 8, 8, 0, 4) + b"abcd",
        IC_REQUEST + connect(1) + capsule(sqe(8, nvme.firmware_download(0, 1 << 30), inline=False)),
        IC_REQUEST
        + connect(1)
        + capsule(sqe(8, nvme.firmware_download(0, 8), inline=False))
        + struct.pack("<BBBBIHHII4x", 6, 4, 24, 24, 28, 8, 8, 0, 4)
        + b"abcd",
    ],
)
def test_what_a_host_may_not_send_ends_the_connection(target: Target, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        TcpQueue(target).received(data)


def test_dead_controller_never_answers(target: Target) -> None:
    host = Host(target)
    target.subsystem.dead = True
    assert host.send(capsule(sqe(5, nvme.identify_controller()))) == []


def test_dead_drive_takes_no_host_that_connects_anew(target: Target) -> None:
    """Its kernel gives it up after two attempts; an answer to this one only would cost it a minute each time."""
    target.subsystem.dead = True
    with pytest.raises(ProtocolError):
        Host(target)


def test_subsystem_is_served_on_loopback() -> None:
    async def talk() -> tuple[bytes, int]:
        target = Target(Subsystem(SPEC, asyncio.get_running_loop().time))
        server = await asyncio.start_server(partial(serve, target), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(IC_REQUEST + connect(1) + capsule(sqe(2, nvme.identify_controller())))
            told = await reader.readexactly(128 + 24 + 24 + 4096 + 24)
            count = len(target.controllers)
            writer.close()
            await writer.wait_closed()
            while target.controllers:
                await asyncio.sleep(0)
        return told, count

    told, count = asyncio.run(talk())
    assert count == 1
    assert nvme.ControllerIdentity.decode([*pdus(told)][2].data).model == SPEC.model
