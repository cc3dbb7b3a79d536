# SPDX-License-Identifier: Apache-2.0
"""The suite through a gdbstub: our own monitor as somebody else's firmware, and stubs that are none."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livefw.abi.lfa import Function
from livefw.cli.main import main
from livefw.conformance.gdb import Gdb, GdbCaller
from livefw.conformance.run import CheckVerdict, run
from livefw.errors import LivefwError, MechanismFailed, TransportError
from livefw.machine.qemu.guest import GuestMachine

Start = Callable[..., GuestMachine]


@pytest.mark.parametrize(("profile", "cpus"), [("tfa-2.14", 1), ("tfa-2026", 2), ("bet1", 4)])
def test_foreign_firmware_passes(start: Start, tmp_path: Path, profile: str, cpus: int) -> None:
    path = tmp_path / "gdb"
    machine = start(profile, cpus=cpus, gdb=f"unix:{path},server=on,wait=off")
    with GdbCaller(f"unix:{path}") as caller:
        assert caller.cpus == cpus
        results = list(run(caller, profile=profile))
    assert [result for result in results if result.verdict is CheckVerdict.FAILED] == []
    missing = {result.check.name for result in results if result.verdict is CheckVerdict.NOT_APPLICABLE}
    alone = {result.check.name for result in results if result.check.cpus > cpus}
    spoiled = [result.check.name for result in results if result.check.spoils][1:]
    assert missing == {"prime: before any inventory", *spoiled} | alone
    # What was borrowed was given back: the guest runs on.
    assert machine.caller.call(0, Function.VERSION)[0] == 0x1_0000
    assert machine.bridge.problems == []


def test_another_version_is_told(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gdb"
    start("tfa-2.15", cpus=2, gdb=f"unix:{path},server=on,wait=off")
    assert main(["--json", "conformance", "--gdb", f"unix:{path}", "--agent", "tfa-2026"]) == 1
    counts = json.loads(capsys.readouterr().out)["conformance"][0]["counts"]
    assert counts["failed"] > 5


Stub = Callable[[dict[str, bytes]], str]


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A stub that has one answer for each beginning of a packet, and hangs up at any other."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, answers: dict[str, bytes]) -> None:
        link, _ = listener.accept()
        with link, contextlib.suppress(ConnectionError):  # of who hears no more of a long answer
            while data := link.recv(65536):
                for packet in data.split(b"$")[1:]:
                    body = next((told for word, told in answers.items() if packet.startswith(word.encode())), None)
                    if body is None:
                        return
                    link.sendall(b"+$" + body + b"#%02x" % (sum(body) & 0xFF))

    def make(answers: dict[str, bytes]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        thread = threading.Thread(target=serve, args=(listener, answers))
        thread.start()
        threads.append(thread)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield make
    for thread in threads:
        thread.join(20)
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({}, TransportError),
        ({"?": b"T05", "q": b"l", "Q": b""}, MechanismFailed),
        ({"?": b"T05", "q": b"l", "Q": b"", "D": b"OK"}, MechanismFailed),
        ({"?": b"T05", "Q": b"", "q": b"l", "D": b"E01"}, MechanismFailed),
    ],
)
def test_a_stub_without_cpus_is_an_error(stub: Stub, answers: dict[str, bytes], error: type[LivefwError]) -> None:
    with pytest.raises(error):
        GdbCaller(stub(answers))


MIB = 1 << 20


@pytest.mark.parametrize(
    ("answer", "length"),
    [
        (b"x" * MIB, MIB),
        (b"x" * (MIB + 1), None),
        (b"x" + b"*~" * (MIB // 97) + b"y" * (MIB % 97 - 1), MIB),
        (b"x" + b"*~" * (MIB // 97) + b"y" * (MIB % 97), None),
    ],
    ids=["plain", "one more", "run-lengths", "one more by run-lengths"],
)
def test_a_packet_has_a_megabyte_at_most(stub: Stub, answer: bytes, length: int | None) -> None:
    """GDB's own documentation, "Overview": ``*~`` is 97 more of the character before it."""
    gdb = Gdb(stub({"?": b"T05", "Q": b"", "v": answer, "D": b"OK"}))
    try:
        if length is None:
            with pytest.raises(TransportError, match="has more than 1048576 characters"):
                gdb.ask("vCont?")
        else:
            assert len(gdb.ask("vCont?")) == length
    finally:
        gdb.close()


@pytest.mark.parametrize("noise", [b"+", b"x", b"#"])
def test_what_is_no_packet_at_all_has_an_end_too(noise: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def flood() -> None:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                while not over.is_set():
                    link.sendall(noise * 65536)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            with pytest.raises(TransportError, match="has more than"):
                Gdb(f"127.0.0.1:{listener.getsockname()[1]}")
        finally:
            over.set()
            thread.join()


def test_a_stub_that_tells_of_halts_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def flood() -> None:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                while True:
                    link.sendall(b"$T05#b9" * 9362)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            with pytest.raises(TransportError, match="reply does not end"):
                Gdb(f"127.0.0.1:{listener.getsockname()[1]}")
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("first", "next_", "count"),
    [(4096, b"l", 4096), (4097, b"l", None), (4095, b"m1", None)],
    ids=["as many", "one more", "without end"],
)
def test_a_stub_has_4096_cpus_at_most(stub: Stub, first: int, next_: bytes, count: int | None) -> None:
    names = b"m" + b",".join(b"%x" % number for number in range(first))
    gdb = Gdb(stub({"?": b"T05", "Q": b"", "qf": names, "qs": next_, "D": b"OK"}))
    try:
        if count is None:
            with pytest.raises(MechanismFailed, match="more than 4096 CPUs"):
                gdb.threads()
        else:
            assert len(gdb.threads()) == count
    finally:
        gdb.close()


def test_an_address_that_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--gdb", "nowhere", "--agent", "bet1"]) == 2
    assert main(["conformance", "--gdb", "localhost:1"]) == 2
    assert main(["conformance", "--gdb", "unix:/none", "--agent", "bet1"]) == 1
    assert "what is expected" in capsys.readouterr().err
