# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm: the daemon stays small, serves others, and lets a running activation alone."""

import os
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from livefw.daemon import server, wire
from livefw.daemon.client import Call, CallFailed, Client
from livefw.daemon.wire import Message, MessageType, Variant
from livefw.machine.config import MachineConfig, load
from livefw.machine.machine import Machine

from .conftest import FWUPD, OWN, Daemon, Serve

ROUNDS = int(os.environ.get("LIVEFW_FUZZ_ROUNDS", "400"))
GROWTH_KIB = 24 * 1024
"""What all attacks together may add; one that works adds this much within seconds."""


def _raw(daemon: Daemon) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(daemon.path)
    client.settimeout(10)
    return client


def _in(daemon: Daemon) -> socket.socket:
    """A client that has authenticated and talks bytes."""
    client = _raw(daemon)
    client.sendall(
        b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
    )
    answer = b""
    while answer.count(b"\r\n") < 2:
        answer += client.recv(100)
    return client


def _call(member: str, signature: str = "", *body: Any, interface: str = FWUPD, path: str = "/", **more: Any) -> bytes:
    message = Message(MessageType.CALL, 1, body, signature, path=path, interface=interface, member=member, **more)
    return wire.encode(message)


def _lets_go(client: socket.socket) -> bool:
    """Whether the daemon has ended the connection, possibly after answers."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


ENDED = {
    "wrong first byte": b"AUTH EXTERNAL 30\r\n",
    "message instead of authentication": _call("GetDevices"),
    "endless line": b"\0AUTH " + b"A" * 100_000,
}


@pytest.mark.parametrize("name", ENDED)
def test_authentication_is_not_put_off(name: str, planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with _raw(daemon) as client:
        with suppress(BrokenPipeError):
            client.sendall(ENDED[name])
        assert _lets_go(client)
    assert daemon.call("List")[2] == 0


MALFORMED = {
    "declared above the limit": struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 1 << 27, 1, 0),
    "no byte order": b"x" + _call("GetDevices")[1:],
    "version 2": _call("GetDevices")[:3] + b"\2" + _call("GetDevices")[4:],
    "no such type": b"l\x09" + _call("GetDevices")[2:],
    "serial number 0": _call("GetDevices")[:8] + bytes(4) + _call("GetDevices")[12:],
    "descriptors that are not there": _call("Install", "sha{sv}", "*", 0, {}, fds=3),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_messages_end_the_connection(name: str, planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with _in(daemon) as client:
        client.sendall(MALFORMED[name])
        assert _lets_go(client)
    assert daemon.call("List")[2] == 0


def test_wrong_types_are_answered_for_every_method(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    wrong = ("a{sv}", {"x": Variant("v", Variant("s", "deep"))})
    with daemon.client() as client:
        for interface, path, members in (
            (FWUPD, "/", ("GetDevices", "Activate", "Install", "SetHints", "SetFeatureFlags", "GetDetails")),
            (OWN, "/org/livefw", ("List", "Plan", "Activate", "History", "Watch")),
            ("org.freedesktop.DBus.Properties", "/", ("Get", "GetAll", "Set")),
        ):
            for member in members:
                if (interface, member) == (FWUPD, "SetHints"):
                    continue
                with pytest.raises(CallFailed, match="takes"):
                    client.call(Call(path, interface, member, wrong[0], (wrong[1],)))


def _descriptors(folder: Path) -> Iterator[tuple[str, int]]:
    yield "directory", os.open(folder, os.O_RDONLY)
    reading, writing = os.pipe()
    yield "pipe", reading
    os.close(writing)
    yield "device without end", os.open("/dev/zero", os.O_RDONLY)
    sealed = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    yield "empty memfd", sealed
    growing = os.open(folder / "growing", os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(growing, 1 << 40)
    yield "file of a terabyte", growing
    yield "write only", os.open(folder / "growing", os.O_WRONLY)


def test_descriptors_of_any_kind_are_refused_and_closed(planted: Path, serve: Serve, folder: Path) -> None:
    daemon = serve(planted)
    held = f"/proc/{daemon.popen.pid}/fd"
    with _in(daemon) as client:
        client.sendall(_call("GetPlugins"))
        assert client.recv(4096)  # its own looks at the machine are over
        before = {fd: os.readlink(f"{held}/{fd}") for fd in os.listdir(held)}
        for name, descriptor in _descriptors(folder):
            socket.send_fds(client, [_call("Install", "sha{sv}", "*", 8, {}, fds=1)], [descriptor])
            os.close(descriptor)
            assert b"NotSupported" in client.recv(4096), name  # nothing here takes images: it is not even read
        client.sendall(_call("Ping", interface="org.freedesktop.DBus.Peer"))
        assert client.recv(4096)  # the call before it is over with all that belongs to it
        assert {fd: os.readlink(f"{held}/{fd}") for fd in os.listdir(held)} == before
    assert daemon.call("List")[2] == 0


def test_descriptors_belong_to_the_message_they_come_with(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    wrong = [
        ("half a message", b"l", 2),
        ("more than a process may pass on", b"l", 100),
        ("a whole message and half another", _call("GetDevices", fds=1) + b"l", 1),
        ("a message that does not know of them", _call("GetDevices"), 1),
    ]
    for name, data, count in wrong:
        with _in(daemon) as client, open(os.devnull, "rb") as file:
            socket.send_fds(client, [data], [file.fileno()] * count)
            assert _lets_go(client), name
    with _raw(daemon) as client, open(os.devnull, "rb") as file:
        socket.send_fds(client, [b"\0AUTH"], [file.fileno()])
        assert _lets_go(client)
    assert daemon.call("List")[2] == 0


def test_what_comes_before_a_message_with_descriptors_is_answered(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with _in(daemon) as client, open(os.devnull, "rb") as file:
        ping = _call("Ping", interface="org.freedesktop.DBus.Peer")
        for first in (ping, _call("GetDevices")):
            client.sendall(first * 20)
            socket.send_fds(client, [_call("Install", "sha{sv}", "*", 8, {}, fds=1)], [file.fileno()])
            client.sendall(ping)
            answers = _receive(client, 22)
            assert [each.error_name.rpartition(".")[2] for each in answers if each.error_name] == ["NotSupported"]


def _receive(client: socket.socket, count: int) -> list[Message]:
    found: list[Message] = []
    buffer = b""
    while len(found) < count:
        size = wire.message_size(buffer[:16], limit=8 << 20)
        if size is None or len(buffer) < size:
            data = client.recv(65536)
            assert data, f"{len(found)} of {count} answers"
            buffer += data
        else:
            found.append(wire.decode(buffer[:size]))
            buffer = buffer[size:]
    return found


def test_descriptors_nobody_wants_are_thrown_away(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    held = f"/proc/{daemon.popen.pid}/fd"
    with _in(daemon) as client, open(os.devnull, "rb") as file:
        client.sendall(_call("Ping", interface="org.freedesktop.DBus.Peer"))
        assert client.recv(4096)
        before = len(os.listdir(held))
        signal = wire.encode(Message(MessageType.SIGNAL, 1, path="/", interface="a.b", member="C", fds=5))
        for _ in range(300):
            socket.send_fds(client, [signal], [file.fileno()] * 5)
            socket.send_fds(client, [_call("Ping", interface="org.freedesktop.DBus.Peer", fds=3)], [file.fileno()] * 3)
            assert client.recv(4096)
            assert len(os.listdir(held)) == before


def test_a_hundred_clients_and_some_that_are_silent(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with ExitStack() as stack:
        talking = [stack.enter_context(daemon.client()) for _ in range(100)]
        silent = [stack.enter_context(_raw(daemon)) for _ in range(server.CLIENTS_LIMIT)]
        assert len(silent) == server.CLIENTS_LIMIT
        answers = [client.call(Call("/", FWUPD, "GetDevices"))[0] for client in talking]
        assert {len(answer) for answer in answers} == {3}
        assert daemon.call("List")[2] == 0


def test_who_does_not_read_is_let_go(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    before = daemon.memory_kib()
    question = _call("Introspect", interface="org.freedesktop.DBus.Introspectable")
    with _in(daemon) as client, suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        client.settimeout(5)
        for _ in range(20_000):
            client.sendall(question)
    assert daemon.call("List")[2] == 0
    assert daemon.memory_kib() - before < GROWTH_KIB


def test_many_questions_at_once_are_answered_in_turn(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with _in(daemon) as greedy:
        greedy.sendall(b"".join(_call("GetDevices") for _ in range(500)))
        started = time.monotonic()
        assert daemon.call("List")[2] == 0
        assert time.monotonic() - started < 5


def _noise(chance: random.Random, good: list[bytes]) -> bytes:
    """Bytes near to what a client would send."""
    data = bytearray(chance.choice(good))
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(data[: chance.randrange(len(data))])
    if kind == 1:
        return chance.randbytes(chance.randrange(1, 300))
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 8, 16, 127, 128, 255, chance.randrange(256)))
    return bytes(data) if kind == 2 else bytes(data) + bytes(chance.choice(good))


def test_noise(planted: Path, serve: Serve) -> None:
    daemon = serve(planted, "--log-level", "error")
    daemon.call("List")
    before = daemon.memory_kib()
    seed = int(os.environ.get("LIVEFW_FUZZ_SEED", "5"))
    chance = random.Random(seed)
    good = [
        _call("GetDevices"),
        _call("GetReleases", "s", "0" * 40),
        _call("SetHints", "a{ss}", {"locale": "C"}),
        _call("Activate", "s", "f" * 40),
        _call("Install", "sha{sv}", "*", 0, {"reason": Variant("s", "x"), "install-flags": Variant("t", 1)}),
        _call("GetAll", "s", FWUPD, interface="org.freedesktop.DBus.Properties"),
        _call("Plan", "asas", ["x"], ["load"], interface=OWN, path="/org/livefw"),
        b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n",
    ]
    for turn in range(ROUNDS):
        with _in(daemon) if turn % 4 else _raw(daemon) as client, suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(_noise(chance, good))
            if turn % 50 == 0:
                assert daemon.call("List")[2] == 0, f"seed {seed}, round {turn}"
    assert daemon.popen.poll() is None, f"seed {seed}"
    assert daemon.call("List")[2] == 0
    assert daemon.memory_kib() - before < GROWTH_KIB
    assert "defect" not in daemon.log.read_text()


@pytest.mark.fuse
def test_activation_goes_on_among_enemies(
    mounted: Callable[[MachineConfig], tuple[Machine, Path]], serve: Serve
) -> None:
    _, root = mounted(load("vera"))
    daemon = serve(root)
    with daemon.client() as watcher, daemon.client() as dying, ExitStack() as stack:
        watcher.call(Call("/org/livefw", OWN, "Watch", "b", (True,)))
        dying.send(
            Message(MessageType.CALL, 1, ([], {}), "asa{sv}", path="/org/livefw", interface=OWN, member="Activate")
        )
        _until(watcher, "begins")
        dying.close()
        for attack in MALFORMED.values():
            stack.enter_context(_in(daemon)).sendall(attack)
        devices = daemon.call("GetDevices", interface=FWUPD)[0]
        ident = next(each["DeviceId"].value for each in devices if each["Flags"].value & 1 << 20)
        with pytest.raises(CallFailed) as caught:
            daemon.call("Activate", "s", ident, interface=FWUPD)
        assert caught.value.name == "org.freedesktop.fwupd.Busy"
        _until(watcher, "end")
    history = daemon.call("History", "ss", "", "")[0]
    assert '"activated"' in history
    assert daemon.call("Verify")[2] == 0


def _until(client: Client, event: str) -> None:
    while f'"event": "{event}"' not in str(client.receive().body):
        pass
