# SPDX-License-Identifier: Apache-2.0
"""Somebody else's firmware, through somebody else's gdbstub: QEMU, a model, or a debug probe (GDB remote protocol).

Python sets the registers of halted CPUs, has them execute one SMC each, and reads what came back. Four instructions
of memory and the registers are borrowed from the guest, and given back at the end.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple, Self

from livefw.abi.smccc import COUNT, Exit, Registers, Restart
from livefw.errors import MechanismFailed, TransportError, UsageError

_SMC, _LOOP = 0xD400_0003, 0x1400_0000
_CODE = struct.pack("<4I", _SMC, _LOOP, _LOOP, _LOOP)
_RETURNED, _RESTARTED = 4, 8
"""Where in the borrowed memory a CPU is after its SMC, and where one restarts."""

_PC, _PSTATE = 32 * 8, 33 * 8
_CORE = 33 * 8 + 4
"""x0 to x30, SP and PC in 64 bits, PSTATE in 32: the start of every AArch64 stub's register packet."""

_MASKED = 0x3C0
_ANSWER_S = 10.0
_MOMENT_S = 0.05
_QUIET_S = 0.2
_MOST_PACKET = 1 << 20
"""Characters of a packet, with its run-lengths undone; the longest that is read, registers, has a few thousand."""
_MOST_CPUS = 4096
"""Each is asked for its registers. A stub that never ends its list would be asked for ever."""


class Gdb:
    """A connection to a stub; every CPU is halted while it talks."""

    def __init__(self, address: str) -> None:
        """Connect to ``HOST:PORT`` or ``unix:PATH``; `UsageError` if it is neither, `TransportError` without answer."""
        self._socket = _connect(address)
        self._buffer = bytearray()
        self._acknowledges = True
        try:
            # A stub may tell of the halt that a connection means, before it answers anything.
            self.ask("?")
            for _ in range(_MOST_CPUS):
                if self.receive(_QUIET_S) is None:
                    break
            else:
                raise TransportError("the stub's reply does not end")
            self._acknowledges = self.ask("QStartNoAckMode") != "OK"
        except BaseException:
            self._socket.close()
            raise

    def ask(self, packet: str) -> str:
        """One question, one answer; `TransportError` if none comes."""
        self.send(packet)
        answer = self.receive(_ANSWER_S)
        if answer is None:
            raise TransportError(f"the stub did not answer {packet[:40]!r}")
        return answer

    def must(self, packet: str) -> None:
        """A request that has to succeed; `MechanismFailed`."""
        answer = self.ask(packet)
        if answer != "OK":
            raise MechanismFailed(f"the stub refused {packet[:40]!r}: {answer or 'not supported'}")

    def send(self, packet: str) -> None:
        """A packet whose answer comes when it comes."""
        self._write(f"${packet}#{sum(packet.encode()) & 0xFF:02x}".encode())

    def interrupt(self) -> None:
        """Halt whatever runs; the stop is to be received."""
        self._write(b"\x03")

    def receive(self, seconds: float) -> str | None:
        """The next packet of the stub, or None if none comes in time; `TransportError` for one that is too long."""
        deadline = time.monotonic() + seconds
        while True:
            start, end = self._buffer.find(b"$"), self._buffer.find(b"#")
            if 0 <= end < start:
                del self._buffer[: end + 1]
                continue
            if (end if 0 <= start < end else len(self._buffer)) - start - 1 > _MOST_PACKET:
                raise _too_long()
            if 0 <= start < end and len(self._buffer) >= end + 3:
                body = bytes(self._buffer[start + 1 : end])
                del self._buffer[: end + 3]
                if self._acknowledges:
                    self._write(b"+")
                return _expand(body)
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return None
            except OSError as error:
                raise TransportError(f"the stub has disconnected: {error.strerror}", errno=error.errno) from error
            if not data:
                raise TransportError("the stub has disconnected")
            self._buffer += data

    def threads(self) -> list[str]:
        """Names of the CPUs, in the stub's order; `MechanismFailed` for more than any machine has."""
        found: list[str] = []
        answer = self.ask("qfThreadInfo")
        while answer.startswith("m"):
            found += answer[1:].split(",")
            if len(found) > _MOST_CPUS:
                raise MechanismFailed(f"the stub reports more than {_MOST_CPUS} CPUs")
            answer = self.ask("qsThreadInfo")
        return found

    def close(self) -> None:
        """Let everything run on, and hang up."""
        with contextlib.suppress(TransportError):
            self.ask("D")
        self._socket.close()

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise TransportError(f"the stub has disconnected: {error.strerror}", errno=error.errno) from error


class _Cpu(NamedTuple):
    thread: str
    registers: bytes
    """As they were found."""


class GdbCaller:
    """CPUs of a stub that are at EL1 or EL2, as the conformance suite needs them; a context manager.

    They must run where addresses are physical ones, as boot loaders and bare-metal programs do. `MechanismFailed` if
    no CPU does.
    """

    def __init__(self, address: str) -> None:
        self._gdb = Gdb(address)
        try:
            self._cpus = [cpu for cpu in self._look() if _exception_level(cpu.registers) in (1, 2)]
            if not self._cpus:
                raise MechanismFailed("no CPU is at EL1 or EL2", hint="halt them in a boot loader or a bare program")
            (pc,) = struct.unpack_from("<Q", self._cpus[0].registers, _PC)
            self._code = pc & ~0xF
            self._before = self._gdb.ask(f"m{self._code:x},{len(_CODE):x}")
            self._gdb.must(f"M{self._code:x},{len(_CODE):x}:{_CODE.hex()}")
            for offset in (_RETURNED, _RESTARTED):
                self._gdb.must(f"Z0,{self._code + offset:x},4")
        except BaseException:
            self._gdb.close()
            raise
        self.cpus = len(self._cpus)
        self.entry_point = self._code + _RESTARTED
        self._inside: set[int] = set()
        self._ended: dict[int, Exit] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was borrowed. A CPU that is inside the firmware still stays there."""
        with contextlib.suppress(TransportError, MechanismFailed):
            for offset in (_RETURNED, _RESTARTED):
                self._gdb.must(f"z0,{self._code + offset:x},4")
            self._gdb.must(f"M{self._code:x},{len(_CODE):x}:{self._before}")
            for index, cpu in enumerate(self._cpus):
                if index not in self._inside:
                    self._write(cpu, cpu.registers)
        self._gdb.close()

    def fresh(self) -> bool:
        """Nobody can restart somebody else's firmware from here."""
        return False

    def begin(self, cpu: int, registers: Registers) -> None:
        """Set up a call; the CPU makes it as soon as somebody waits for one."""
        state = bytearray(self._cpus[cpu].registers)
        struct.pack_into(f"<{COUNT}Q", state, 0, *registers)
        struct.pack_into("<Q", state, _PC, self._code)
        (pstate,) = struct.unpack_from("<I", state, _PSTATE)
        struct.pack_into("<I", state, _PSTATE, pstate | _MASKED)
        self._write(self._cpus[cpu], bytes(state))
        self._inside.add(cpu)

    def stays(self, cpu: int) -> bool:
        """Whether the CPU is inside still after a moment."""
        return self.outcome(cpu, patience=_MOMENT_S) is None

    def outcome(self, cpu: int, *, patience: float) -> Exit | None:
        """Let all CPUs that are inside run until this one has come back; None if it has not in time."""
        deadline = time.monotonic() + patience
        while cpu in self._inside:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._gdb.send("vCont;" + ";".join(f"c:{self._cpus[each].thread}" for each in sorted(self._inside)))
            if self._gdb.receive(left) is None:
                self._gdb.interrupt()
                if self._gdb.receive(_ANSWER_S) is None:
                    raise TransportError("the stub does not halt its CPUs")
            for each in list(self._inside):
                self._collect(each)
        return self._ended.get(cpu)

    def _collect(self, cpu: int) -> None:
        state = self._read(self._cpus[cpu].thread)
        (pc,) = struct.unpack_from("<Q", state, _PC)
        words = struct.unpack_from(f"<{COUNT}Q", state)
        if _exception_level(state) not in (1, 2) or pc not in (self._code + _RETURNED, self.entry_point):
            return
        self._inside.discard(cpu)
        self._ended[cpu] = Registers(*words) if pc != self.entry_point else Restart(pc, words[0])

    def _look(self) -> Iterator[_Cpu]:
        for thread in self._gdb.threads():
            yield _Cpu(thread, self._read(thread))

    def _read(self, thread: str) -> bytes:
        self._gdb.must(f"Hg{thread}")
        answer = self._gdb.ask("g")
        try:
            state = bytes.fromhex(answer.replace("x", "0"))
        except ValueError:
            state = b""
        if len(state) < _CORE:
            raise MechanismFailed(f"CPU {thread} is not an AArch64 CPU, or the stub does not report it: {answer[:40]}")
        return state

    def _write(self, cpu: _Cpu, state: bytes) -> None:
        self._gdb.must(f"Hg{cpu.thread}")
        self._gdb.must(f"G{state.hex()}")


def _exception_level(state: bytes) -> int:
    (pstate,) = struct.unpack_from("<I", state, _PSTATE)
    level: int = pstate >> 2 & 3
    return level


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        if address.startswith("unix:"):
            with contextlib.ExitStack() as failed:
                link = failed.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                link.settimeout(_ANSWER_S)
                link.connect(address.removeprefix("unix:"))
                failed.pop_all()
                return link
        if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) <= 0xFFFF):
            raise UsageError(f"{address!r} is neither HOST:PORT nor unix:PATH")
        return socket.create_connection((host or "localhost", int(port)), timeout=_ANSWER_S)
    except OSError as error:
        raise TransportError(f"{address}: {error.strerror or error}", errno=error.errno) from error


def _expand(body: bytes) -> str:
    """Undo run-length encoding (``X*n``: X again, as often as n's code less 29)."""
    out = bytearray()
    index = 0
    while index < len(body):
        if body[index] == ord("*") and out and index + 1 < len(body):
            out += out[-1:] * (body[index + 1] - 29)
            index += 2
        else:
            out.append(body[index])
            index += 1
        if len(out) > _MOST_PACKET:
            raise _too_long()
    return out.decode("latin-1")


def _too_long() -> TransportError:
    return TransportError(f"a packet of the stub has more than {_MOST_PACKET} characters")
