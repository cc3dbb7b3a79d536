# SPDX-License-Identifier: Apache-2.0
"""What comes to a modelled machine from outside: requests of a kernel, of clients, of a stub, of a monitor."""

import errno
import gzip
import json
import os
import struct
import tempfile
from collections.abc import Iterator

from livefw.abi.guid import RMM
from livefw.abi.smccc import Registers
from livefw.conformance.gdb import Gdb, GdbCaller
from livefw.errors import MechanismFailed, TransportError, UsageError
from livefw.firmware.spec import ComponentKind, ComponentSpec
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import PAGE_SIZE
from livefw.machine.config import MachineConfig
from livefw.machine.control import answer
from livefw.machine.fuse import abi
from livefw.machine.fuse.abi import IN_HEADER, Opcode
from livefw.machine.fuse.server import FuseServer, Owner
from livefw.machine.machine import Machine
from livefw.machine.nvme import tcp
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.machine.qemu import fdt, kernel_file
from livefw.machine.qemu.frames import Decoder, Frame, Type

from .target import Target, words

_CONFIG = MachineConfig(
    name="fuzz",
    cpus=2,
    components=(
        ComponentSpec(guid=str(RMM.guid), kind=ComponentKind.RMM, current_version="1.2", pending_version="1.3"),
    ),
)


def _booted() -> Machine:
    machine = Machine(_CONFIG)
    machine.boot()
    return machine


# The kernel, by FUSE.


class _Served(FuseServer):
    """One without a device: what is sent is kept."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.tree, machine.runner, device=-1, owner=Owner(0, 0))
        self.sent: list[bytes] = []

    def _send(self, message: bytes) -> None:
        self.sent.append(message)

    def take(self, request: bytes) -> list[bytes]:
        """What is sent for one request."""
        self._buffer[: len(request)] = request
        self.sent = []
        self._dispatch(abi.FuseRequest.decode(self._buffer))
        return self.sent


def _fuse(data: bytes) -> object:
    """Requests as they lie one behind the other, each as long as it says. The kernel is answered once or not at all."""
    machine = _booted()
    server = _Served(machine)
    told = []
    try:
        for request in _requests(data):
            sent = server.take(request)
            assert len(sent) <= 1
            for reply in sent:
                length, error, unique = abi.OUT_HEADER.unpack_from(reply)
                assert (length, unique) == (len(reply), abi.FuseRequest.decode(bytearray(request)).unique)
                assert -4096 < error <= 0
                told.append((error, length))
    finally:
        server.close()
        machine.close()
    return told


def _requests(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + IN_HEADER.size <= len(data) and at < 2048:
        size = max(struct.unpack_from("=I", data, at)[0] % 512, IN_HEADER.size)
        request = bytearray(data[at : at + size])
        struct.pack_into("=I", request, 0, len(request))
        yield bytes(request)
        at += size


def _asked(opcode: int, body: bytes = b"", *, node: int = 1, unique: int = 2) -> bytes:
    return IN_HEADER.pack(IN_HEADER.size + len(body), opcode, unique, node, 0, 0, 0, 0) + body


def _fuse_seeds() -> Iterator[bytes]:
    begin = _asked(Opcode.INIT, abi.INIT_IN.pack(7, 31, 0, 8))
    walk = b"".join(
        _asked(Opcode.LOOKUP, name + b"\0", node=node) for node, name in enumerate(b"sys firmware lfa".split(), 1)
    )
    walk += _asked(Opcode.LOOKUP, str(RMM.guid).encode() + b"\0", node=4)
    walk += _asked(Opcode.LOOKUP, b"activate\0", node=5) + _asked(Opcode.LOOKUP, b"name\0", node=5)
    opened = _asked(Opcode.OPEN, abi.OPEN_IN.pack(1, 0), node=6) + _asked(Opcode.OPEN, abi.OPEN_IN.pack(0, 0), node=7)
    write = _asked(Opcode.WRITE, abi.WRITE_IN.pack(2, 0, 2, 0, 0, 0, 0) + b"1\n", node=6)
    read = _asked(Opcode.READ, abi.READ_IN.pack(3, 0, 100, 0), node=7)
    yield begin + walk + opened + write + read + _asked(Opcode.INTERRUPT, struct.pack("=Q", 2), unique=3)
    listed = _asked(Opcode.OPENDIR, abi.OPEN_IN.pack(0, 0), node=5) + _asked(
        Opcode.READDIR, abi.READ_IN.pack(2, 0, 300, 0), node=5
    )
    yield begin + walk + listed + _asked(Opcode.RELEASEDIR, struct.pack("=Q", 2)) + _asked(Opcode.STATFS)
    rest = (
        _asked(Opcode.GETATTR, node=5)
        + _asked(Opcode.SETATTR, bytes(88), node=7)
        + _asked(Opcode.FORGET, struct.pack("=Q", 1), node=7)
    )
    rest += (
        _asked(Opcode.BATCH_FORGET, struct.pack("=IIQQ", 1, 0, 6, 1)) + _asked(Opcode.LISTXATTR, bytes(8)) + _asked(9)
    )
    yield walk + rest + _asked(Opcode.CREATE, b"x\0") + _asked(Opcode.DESTROY) + _asked(Opcode.RELEASE, bytes(8))


# Clients of the control socket.


def _control(data: bytes) -> object:
    """Lines of one client. Whatever it sends is answered, and never by a defect of ours."""
    machine = _booted()
    told = []
    try:
        for line in data.split(b"\n")[:8]:
            document = json.loads(answer(machine, line))
            assert document.get("error", {}).get("kind") != "internal", document
            told.append(str(document.get("error", sorted(document))))
    finally:
        machine.close()
    return told


_CONTROL = b"""{"command": "stage", "component": "rmm", "version": "1.4"}
{"command": "fault", "fault": {"name": "false-success", "times": 1}}
{"command": "clear"}
{"command": "log"}
{"command": "trace", "since": 0}
{"command": "cpu", "cpu": 1, "action": "off"}
{"command": "show"}
{"command": "notify"}
{"command": "reload"}
"""


# The monitor in QEMU, and a stub of GDB.


def _frames(data: bytes) -> object:
    """However the bytes are cut, the frames are the same, and each is what its bytes say."""
    whole, single = Decoder(), Decoder()
    found = list(whole.feed(data))
    assert found == [frame for at in range(len(data)) for frame in single.feed(data[at : at + 1])]
    assert whole.dropped == single.dropped
    assert all(frame.encode() in data for frame in found)
    return found, whole.dropped


def _frame_seeds() -> Iterator[bytes]:
    yield Frame(Type.CALL, 1, 2, {0: 1, 17: 2}).encode() + Frame(Type.PING).encode()
    yield b"\xa5\xa5" + Frame(Type.PANIC, 0, 1, {0: 1 << 63, 3: 5}).encode()


class _Stub:
    """The socket of a stub that has said all that it will say, a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size
        self.sent = b""

    def settimeout(self, _: float) -> None: ...

    def recv(self, _: int) -> bytes:
        piece, self._data = self._data[: self._size], self._data[self._size :]
        return piece

    def sendall(self, data: bytes) -> None:
        self.sent += data


class _Stubbed(Gdb):
    def __init__(self, stub: _Stub) -> None:
        self._socket = stub  # type: ignore[assignment]  # as much of a socket as is asked for
        self._buffer = bytearray()
        self._acknowledges = True


def _gdb(data: bytes) -> object:
    """Whatever the stub says, and however it is cut, its packets are the same; what is told is bounded."""
    found = [_packets(data, size) for size in (max(len(data), 1), 1)]
    assert found[0] == found[1]
    assert sum(map(len, found[0])) <= 230 * len(data) + 1
    return found[0]


def _packets(data: bytes, size: int) -> list[str]:
    gdb = _Stubbed(_Stub(data, size))
    found: list[str] = []
    try:
        while (packet := gdb.receive(60.0)) is not None:
            found.append(packet)
    except TransportError:
        return found
    return found


def _threads(data: bytes) -> object:
    gdb = _Stubbed(_Stub(data, 4096))
    return gdb.threads()


class _Calling(GdbCaller):
    """One that has found its CPUs."""

    def __init__(self, stub: _Stub) -> None:
        self._gdb = _Stubbed(stub)
        self._inside, self._ended, self._code = {0}, {}, 0x1000
        self.entry_point = self._code + 8


def _registers(data: bytes) -> object:
    """The registers of CPUs, as a stub tells them."""
    caller = _Calling(_Stub(data, 4096))
    caller._cpus = list(caller._look())
    for cpu in range(min(len(caller._cpus), 2)):
        caller.begin(cpu, Registers(*range(18)))
        caller._collect(cpu)
    return caller._cpus, caller._ended


def _stopped(pc: int) -> bytes:
    state = struct.pack("<33QI", *range(32), pc, 0x3C5)
    said = b"$OK#00$" + state.hex().encode() + b"#00"
    return b"$m1#00$l#00" + said + b"$OK#00" * 2 + said


def _kernel_writes(data: bytes) -> object:
    """What is written into files of the modelled kernel, read as an older and a newer kernel read it."""
    told: list[object] = []
    for kernel in (Kernel(release="6.1.0"), Kernel(release="7.2.0")):
        for read in (kernel.parse_bool, kernel.parse_loading):
            try:
                told.append(read(data[:PAGE_SIZE]))
            except OSError as error:
                told.append(errno.errorcode[error.errno or 0])
    return told


def _device_tree(data: bytes) -> object:
    """QEMU's own tree, to which something is added; what comes out is one again."""
    made = fdt.add(data, {"/a": {"b": "c", "d": (1, 2)}, "/cpus/cpu@*": {"e": b"f"}})
    assert fdt.add(made, {}) == fdt.add(fdt.add(made, {}), {})
    return len(made)


def _tree(*tokens: bytes) -> bytes:
    structure, names = b"".join(tokens) + struct.pack(">I", 9), b"reg\0"
    sizes = (40 + 16 + len(structure) + len(names), 56, 56 + len(structure), 40, 17, 16, 0, len(names), len(structure))
    return struct.pack(">10I", 0xD00DFEED, *sizes) + bytes(16) + structure + names


def _tree_seeds() -> Iterator[bytes]:
    end, value = struct.pack(">I", 2), struct.pack(">III", 3, 4, 0) + b"\0\0\0\1"
    cpus = struct.pack(">I", 1) + b"cpus\0\0\0\0" + struct.pack(">I", 1) + b"cpu@0\0\0\0" + value + end + end
    yield _tree(struct.pack(">I", 1) + bytes(4), value, cpus, struct.pack(">I", 4), end)


# A file that a user names as a kernel.


def _kernel_file(data: bytes) -> object:
    """It is booted as it is, or what is inside of it, or it is said in one line what it is."""
    path = os.path.join(tempfile.gettempdir(), f"livefw-fuzz-{os.getpid()}.kernel")  # the same each time
    try:
        with open(path, "wb") as file:
            file.write(data)
        inside = kernel_file.image(path)
        assert (data if inside is None else inside)[56:60] == b"ARM\x64"
        return inside is None
    except UsageError as error:
        return error.message.replace(path, "")
    finally:
        os.unlink(path)


def _kernel_file_seeds() -> Iterator[bytes]:
    kernel = bytes(56) + b"ARM\x64" + bytes(8)
    packed = gzip.compress(kernel, mtime=0)
    yield from (kernel, packed, packed[:-9], gzip.compress(b"text", mtime=0))
    for method in (b"gzip", b"zstd"):
        yield b"MZ\0\0zimg" + struct.pack("<2I", 64, len(packed)) + bytes(8) + method.ljust(40, b"\0") + packed
    yield b"\x7fELF" + bytes(14) + struct.pack("<H", 62)
    yield bytes(0x202) + b"HdrS"


_CONNECT = bytes(16) + b"\xff\xff" + bytes(238) + DriveSpec().subnqn.encode().ljust(256, b"\0") + bytes(512)


def _capsule(
    opcode: int, *, length: int = 0, sgl: int = 1, at_40: bytes = b"", data: bytes = b"", kind: int = 0
) -> bytes:
    """A command of NVMe/TCP; what follows its first 40 bytes is given."""
    command = struct.pack("<BBHB27xI3xB", opcode, 0x40, 7, kind, length, sgl) + at_40.ljust(24, b"\0")
    return struct.pack("<BBBBI", 4, 0, 72, 72 if data else 0, 72 + len(data)) + command + data


def _nvme_tcp(data: bytes) -> object:
    """What a host sends on one queue, in two parts."""
    target = tcp.Target(Subsystem(DriveSpec(), lambda: 1000.0))
    connection, half = tcp.TcpQueue(target), len(data) // 2
    told = []
    for part in (data[:half], data[half:]):
        connection.received(part)
        told.append(connection.due())
    assert len(target.controllers) <= 1
    return [len(each) for each in told], target.subsystem.commits[:8], target.subsystem.slots


def _nvme_tcp_seeds() -> Iterator[bytes]:
    begun = struct.pack("<BBBBI", 0, 0, 128, 0, 128) + bytes(120) + _capsule(0x7F, length=1024, data=_CONNECT, kind=1)
    yield begun + _capsule(0x7F, at_40=struct.pack("<II", 0, 0x1C), kind=4) + _capsule(6, length=64, at_40=b"\1")
    image = DriveSpec().image("2.0", size=84)
    download = struct.pack("<II", len(image) // 4 - 1, 0)
    yield begun + _capsule(0x11, length=84, at_40=download, data=image) + _capsule(0x10, at_40=b"\2")
    more = struct.pack("<BBBBIHHII4x", 6, 4, 24, 24, 24 + len(image), 7, 7, 0, len(image)) + image
    yield begun + _capsule(0x11, length=84, sgl=0x5A, at_40=download) + more + _capsule(0x10, at_40=b"\x1a")


TARGETS = (
    Target("nvme-tcp", _nvme_tcp, _nvme_tcp_seeds, (tcp.ProtocolError,), growth=256),
    Target("fuse", _fuse, _fuse_seeds, words=words("sys firmware lfa activate name"), longest=2048),
    Target(
        "control",
        _control,
        lambda: (_CONTROL, *_CONTROL.splitlines()),
        words=words('"command" stage fault trace log cpu show'),
        longest=512,
    ),
    Target("monitor-frames", _frames, _frame_seeds, words=(b"\xa5",), longest=512),
    Target(
        "gdb-packets",
        _gdb,
        lambda: (b"+$m1,2#cf$l#6c", b"$0*\x7f#00$OK#9a"),
        words=(b"$", b"#00", b"*"),
        longest=300,
        growth=300,
    ),
    Target(
        "gdb-threads",
        _threads,
        lambda: (b"$mp1.1,p1.2#00$m3#00$l#00",),
        (TransportError,),
        words=(b"$m", b"#00"),
        longest=200,
    ),
    Target(
        "gdb-registers",
        _registers,
        lambda: (
            _stopped(0x1004),
            _stopped(0x1008),
            b"$m1#00$OK#00$" + b"0*\x7f" * 8 + b"#00$l#00",
            b"$m1#00$OK#00$E01#00",
        ),
        (TransportError, MechanismFailed),
        words=(b"$m", b"#00", b"$OK#00", b"xxxxxxxx"),
        longest=1500,
    ),
    Target("kernel-file", _kernel_file, _kernel_file_seeds, words=words("zimg gzip ARM\\x64 HdrS MZ"), longest=600),
    Target("kernel-writes", _kernel_writes, lambda: (b"1\n", b"on", b"-12x", b"of"), longest=32),
    Target(
        "device-tree", _device_tree, _tree_seeds, (fdt.DeviceTreeError,), words=(struct.pack(">I", 3),), longest=512
    ),
)
