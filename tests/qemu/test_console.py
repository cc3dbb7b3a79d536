# SPDX-License-Identifier: Apache-2.0
"""What comes over a guest's console: guests that do not do as they are told, and what is typed and printed.

No QEMU runs here; its sockets are ours.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import BinaryIO

import pytest

from livefw.abi.smccc import COUNT, Registers
from livefw.errors import MechanismFailed, Refused, UsageError
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.qemu import guest, machine
from livefw.machine.qemu.frames import Decoder, Frame, Type
from livefw.machine.qemu.guest import PSCI_AFFINITY_INFO, PSCI_CPU_OFF, PSCI_CPU_ON, GuestCaller
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import NOTIFICATION_INTID, QemuConfig

Answers = Callable[[Frame], list[bytes]]
ENTRY = 0x4020_0000
MINUS_2 = (1 << 64) - 2


def on(cpu: int) -> bytes:
    """A CPU of the guest starts."""
    return Frame(Type.ON, cpu, 0, {0: cpu, 1: ENTRY}).encode()


def reply(asked: Frame, x0: int = 0) -> bytes:
    """Its call returns."""
    return Frame(Type.REPLY, asked.cpu, 0, {0: x0, COUNT: 5}).encode()


def obeys(asked: Frame) -> list[bytes]:
    """A guest as it should be, with two CPUs."""
    told = {PSCI_CPU_ON: [on(1)], PSCI_AFFINITY_INFO: []}.get(asked.words.get(0, 0), [])
    return [reply(asked, 1 if asked.words.get(0) == PSCI_AFFINITY_INFO else 0), *told]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for for long."""
    monkeypatch.setattr(guest, "_START_S", 0.2)


@pytest.fixture
def begin() -> Iterator[Callable[..., GuestCaller]]:
    """A caller, and a guest at the other end that says something first and then answers."""
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(console: socket.socket, first: bytes, answers: Answers | None) -> None:
        decoder = Decoder()
        with closing(console), suppress(OSError):
            console.sendall(first)
            while answers and (data := console.recv(65536)):
                for frame in decoder.feed(data):
                    for each in answers(frame):
                        console.sendall(each)

    def make(
        first: bytes, answers: Answers | None = obeys, *, cpus: int = 1, renew: Callable[[], None] | None = None
    ) -> GuestCaller:
        ours, theirs = socket.socketpair()
        ends.append(ours)
        threads.append(threading.Thread(target=serve, args=(theirs, first, answers)))
        threads[-1].start()
        return GuestCaller(ours, cpus=cpus, renew=renew)

    yield make
    for end in ends:
        end.close()
    for thread in threads:
        thread.join()


Begin = Callable[..., GuestCaller]


def silent(_: Frame) -> list[bytes]:
    return []


def refuses(asked: Frame) -> list[bytes]:
    return [reply(asked, MINUS_2)]


def never_starts(asked: Frame) -> list[bytes]:
    return [reply(asked)]


@pytest.mark.parametrize(
    ("first", "answers", "text"),
    [
        (b"", silent, "CPU 0 of the guest does not start; the last line on its console: nothing"),
        (b"boot\r\nno kernel\r\n \r\n", silent, "does not start; the last line on its console: no kernel"),
        (b"x" * 5000 + b"\n\xff end", silent, "the last line on its console: \ufffd end"),
        (on(0), refuses, "CPU 1 of the guest cannot be turned on: CPU_ON returns -2"),
        (on(0), never_starts, "CPU 1 of the guest does not start"),
        (on(0), silent, "CPU 0 of the guest did not return: None"),
        (on(0), lambda _: [on(0)], "CPU 0 of the guest did not return: Restart"),
        (b"", None, "the machine has stopped"),
    ],
)
def test_a_guest_that_does_not_start_is_told(begin: Begin, first: bytes, answers: Answers | None, text: str) -> None:
    with pytest.raises(MechanismFailed, match=text):
        begin(first, answers, cpus=2)


def test_what_is_no_answer_ends_no_call(begin: Begin) -> None:
    noise = Frame(Type.PING, 0, 0).encode() + Frame(Type.STATE, 0, 0, {0: 1}).encode()
    caller = begin(noise + on(0), lambda asked: [noise, b"noise", *([reply(asked, 7)] if asked.words.get(1) else [])])
    caller.begin(0, Registers(1))
    assert caller.stays(0)
    assert caller.call(0, 1, 1)[0] == 7
    assert caller.ticks == {0: 5}


def test_a_cpu_goes_off_when_the_others_see_it(begin: Begin) -> None:
    looks: list[int] = []

    def answers(asked: Frame) -> list[bytes]:
        if asked.words.get(0) == PSCI_CPU_OFF:
            return []
        looks.append(asked.words.get(0, 0))
        return [reply(asked, 1 if len(looks) > 3 else 0)]

    caller = begin(on(0) + on(1), answers)
    caller.turn_off(1)
    assert looks == [PSCI_AFFINITY_INFO] * 4


def test_a_cpu_that_does_not_go_off_is_told(begin: Begin) -> None:
    caller = begin(on(0), lambda asked: [reply(asked, 0)] if asked.cpu == 0 else [])
    with pytest.raises(MechanismFailed, match="CPU 1 of the guest does not turn off"):
        caller.turn_off(1)


def test_a_cold_boot_takes_another_agent_and_all_cpus_back(begin: Begin) -> None:
    assert begin(on(0)).fresh() is False
    renewed: list[str] = []
    caller = begin(on(0), silent, renew=lambda: renewed.append("agent"))
    assert caller.fresh() is True
    caller.begin(0, Registers(1))
    assert caller.stays(0)
    with pytest.raises(MechanismFailed, match="CPU 0 of the guest does not return"):
        caller.fresh()
    assert renewed == ["agent"] * 2


class Parts:
    """In the place of QEMU and of the bridge to its CPUs."""

    raised: list[int]
    problems: list[str]
    online: tuple[int, ...] = (0,)

    def __init__(self, *_: object, **__: object) -> None:
        self.console, self.guest = socket.socketpair()
        self.agent = object()
        self.raised, self.problems = [], ["a defect"]

    def raise_interrupt(self, number: int) -> None:
        self.raised.append(number)

    def wait(self, seconds: float) -> bool:
        return False

    def failure(self) -> str:
        return ""

    def close(self) -> None:
        self.console.close()
        self.guest.close()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[Parts]:
    """What a machine is made of, as soon as it has booted: QEMU and bridge."""
    made: list[Parts] = []

    def make(*_: object, **__: object) -> Parts:
        made.append(Parts())
        return made[-1]

    monkeypatch.setattr(machine, "Qemu", make)
    monkeypatch.setattr(machine, "Bridge", make)
    return made


def made(**more: object) -> QemuMachine:
    return QemuMachine(load("vera"), QemuConfig(kernel=__file__), **more)  # type: ignore[arg-type]  # as its caller has it


def test_a_machine_that_never_booted_has_nothing_and_ends(parts: list[Parts]) -> None:
    with closing(made()) as never:
        assert (never.online, never.problems, never.wait(0.0)) == ((), (), True)
        never.type(b"into the void")
        never.notify().wait()
    assert parts == []


def test_what_is_the_guests_own_is_refused_with_what_to_do(parts: list[Parts]) -> None:
    with closing(made()) as one:
        one.boot()
        for refuse in (one.unload_driver, one.load_driver, one.reload):
            with pytest.raises(Refused, match="the driver belongs to the guest's kernel"):
                refuse()
        for turn in (one.cpu_on, one.cpu_off):
            with pytest.raises(Refused, match="CPU 1 belongs to the guest's kernel"):
                turn(1)
        assert (one.online, one.problems, one.wait(0.0)) == ((0,), ("a defect",), False)
        one.notify().wait()
        assert [each.raised for each in parts] == [[], [NOTIFICATION_INTID]]


def test_faults_of_the_description_hold_from_the_start(parts: list[Parts]) -> None:
    for fault, starts in ((FaultRequest(name="busy"), 2), (FaultRequest(name="auth-error"), 2)):
        config = replace(load("vera"), faults=(fault,))
        with closing(QemuMachine(config, QemuConfig(kernel=__file__))) as one:
            if fault.name == "busy":
                assert one.boot()
            else:
                with pytest.raises(UsageError, match="needs a component"):
                    one.boot()
        assert len(parts) == starts


def test_a_person_types_and_the_guest_prints(parts: list[Parts]) -> None:
    keyboard, keys = os.pipe()
    shown, line = bytearray(), threading.Event()

    def screen(data: bytes) -> None:
        shown.extend(data)
        if b"second" in shown:
            line.set()

    with closing(made(screen=screen, keyboard=keyboard)) as one:
        one.boot()
        os.write(keys, b"ls\r")
        assert parts[0].guest.recv(100) == b"ls\r"
        one.type(b"pwd\r")
        assert parts[0].guest.recv(100) == b"pwd\r"
        os.close(keys)  # Ctrl-D: nobody types any more
        parts[0].guest.sendall(b"first\r\nsecond")
        assert line.wait(30)
        parts[0].guest.sendall(b" half\n")
        parts[0].guest.close()  # QEMU has gone: nothing more is read
        one._reader.join()  # type: ignore[union-attr]
        assert [record.text for record in one.os.log][-2:] == ["first", "second half"]
    os.close(keyboard)
    assert shown == b"first\r\nsecond half\n"


class Endless:
    """A console from which there is always more."""

    def __init__(self, file: BinaryIO) -> None:
        self.fileno = file.fileno

    def recv(self, size: int) -> bytes:
        return bytes(size)


def test_a_guest_that_prints_for_ever_is_cut_at_the_end() -> None:
    printed = bytearray()
    with closing(made(screen=printed.extend)) as one, open("/dev/zero", "rb") as zero:
        os.write(one._stop[1], b"x")
        one._read(Endless(zero))  # type: ignore[arg-type]  # as much of a socket as is asked for
    assert len(printed) == 1 << 20


def test_a_line_without_end_is_kept_as_its_last_4096_bytes(parts: list[Parts]) -> None:
    with closing(made()) as one:
        assert one._log_lines(b"x" * 4096) == b"x" * 4096
        assert one._log_lines(b"a" + b"x" * 4096) == b"x" * 4096
        assert one._log_lines(b"\xff\r\n") == b""
        assert [record.text for record in one.os.log][-1] == "\ufffd"
