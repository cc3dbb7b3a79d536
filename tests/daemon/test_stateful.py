# SPDX-License-Identifier: Apache-2.0
"""Clients that do anything in any order: each call is answered once, and the daemon stays what it was.

`make properties` runs this with many more examples.
"""

import os
import random
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from livefw.dbus import server, wire
from livefw.dbus.wire import Message, MessageType, Variant

from .conftest import FWUPD, OWN, Daemon, Serve
from .enemy import PEER, Raw, claim, descriptors, raw, receive

GROWTH_KIB = 32 * 1024
IDENT = "f" * 40
OURS = ("/org/livefw", OWN)
FWUPDS = ("/", FWUPD)
CALLS: list[tuple[tuple[str, str], str, str, tuple[Any, ...]]] = [
    (FWUPDS, "GetDevices", "", ()),
    (FWUPDS, "GetReleases", "s", (IDENT,)),
    (FWUPDS, "GetUpgrades", "s", ("\x1b[2J",)),
    (FWUPDS, "GetHistory", "", ()),
    (FWUPDS, "GetPlugins", "", ()),
    (FWUPDS, "GetHostSecurityAttrs", "", ()),
    (FWUPDS, "Activate", "s", (IDENT,)),
    (FWUPDS, "SetHints", "a{ss}", ({"locale": "C"},)),
    (FWUPDS, "SetFeatureFlags", "t", (2**64 - 1,)),
    (FWUPDS, "Inhibit", "s", ("",)),
    (FWUPDS, "Nonsense", "", ()),
    (OURS, "List", "", ()),
    (OURS, "Show", "as", (["6"] * 3,)),
    (OURS, "Plan", "asas", ([], [])),
    (OURS, "Plan", "s", ("",)),
    (OURS, "History", "ss", ("x", "1d")),
    (OURS, "HistoryBefore", "ssx", ("", "", -(2**63))),
    (OURS, "ReportAs", "assss", ([], "", "", "\x1b[2J")),
    (OURS, "Verify", "", ()),
    (OURS, "Policy", "", ()),
    (OURS, "Cancel", "sa{sv}", ("none", {"reason": Variant("u", 0)})),
    (OURS, "Activate", "asa{sv}", (["none"], {"reason": Variant("u", 0)})),
    (OURS, "Watch", "b", (True,)),
    (("/", PEER), "Ping", "", ()),
    (("/nowhere", "a.b"), "C", "", ()),
    (("/", "org.freedesktop.DBus.Properties"), "GetAll", "s", (FWUPD,)),
    (("/", "org.freedesktop.DBus.Introspectable"), "Introspect", "", ()),
]
WITH_FILES: list[tuple[str, str, tuple[Any, ...]]] = [
    ("Install", "sha{sv}", ("*", 0, {})),
    ("GetDetails", "h", (0,)),
    ("GetDevices", "", ()),
]
FILES = ["/", "/dev/null", "/dev/zero", "/etc/hostname", "/proc/self/maps"]


class Client:
    """A client, with the serial numbers of what it waits for."""

    def __init__(self, client: Raw) -> None:
        self.socket = client
        self.serial = 0
        self.waiting: set[int] = set()
        self.half = b""

    def ask(self, place: tuple[str, str], member: str, signature: str, body: tuple[Any, ...], **more: Any) -> bytes:
        """A call as bytes, which is waited for."""
        self.serial += 1
        if not more.get("flags"):
            self.waiting.add(self.serial)
        path, interface = place
        message = Message(MessageType.CALL, self.serial, body, signature, path=path, interface=interface, member=member)
        return wire.encode(message._replace(**more))


class Strangers(RuleBasedStateMachine):
    """What strangers may do."""

    clients = Bundle("clients")

    def __init__(self, daemon: Daemon, files: int) -> None:
        super().__init__()
        self.daemon = daemon
        self.files = files
        self.known = daemon.client()
        self.all: list[Client] = []

    @rule(target=clients, pieces=st.integers(1, 60), more=st.booleans())
    def comes(self, pieces: int, more: bool) -> Client:
        made = Client(raw(self.daemon))
        data = b"\0AUTH EXTERNAL " + claim(os.geteuid()) + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
        data += made.ask(*CALLS[0]) if more else b""
        for at in range(0, len(data), pieces):
            made.socket.sendall(data[at : at + pieces])
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += made.socket.recv(1)
        self.all.append(made)
        return made

    @rule(said=st.sampled_from([b"", b"\0", b"\0AUTH EXTERNAL 30\r\n", b"\0BEGIN\r\n", b"l" * 600]))
    def passes_by(self, said: bytes) -> None:
        with raw(self.daemon) as client, suppress(OSError):
            client.sendall(said)

    @rule(client=clients, which=st.lists(st.sampled_from(CALLS), min_size=1, max_size=40), flags=st.integers(0, 1))
    def asks(self, client: Client, which: list[tuple[tuple[str, str], str, str, tuple[Any, ...]]], flags: int) -> None:
        if not client.half:
            client.socket.sendall(b"".join(client.ask(*each, flags=flags) for each in which))

    @rule(client=clients, which=st.sampled_from(CALLS), share=st.floats(0.01, 0.99))
    def begins_to_ask(self, client: Client, which: Any, share: float) -> None:
        if not client.half:
            data = client.ask(*which)
            cut = max(1, int(len(data) * share))
            client.socket.sendall(data[:cut])
            client.half = data[cut:]

    @rule(client=clients)
    def ends_asking(self, client: Client) -> None:
        client.socket.sendall(client.half)
        client.half = b""

    @rule(client=clients, which=st.sampled_from(WITH_FILES), path=st.sampled_from(FILES), count=st.integers(1, 3))
    def sends_files(self, client: Client, which: Any, path: str, count: int) -> None:
        if not client.half:
            data = client.ask(FWUPDS, *which, fds=count)
            file = os.open(path, os.O_RDONLY)
            socket.send_fds(client.socket, [data], [file] * count)
            os.close(file)

    @rule(client=clients)
    def reads(self, client: Client) -> None:
        if client.half:
            return
        for answer in receive(client.socket, len(client.waiting)):
            client.waiting.remove(answer.reply_serial)  # KeyError: answered twice, or not asked for

    @rule(client=consumes(clients), seed=st.integers(0, 2**32))
    def talks_nonsense(self, client: Client, seed: int) -> None:
        chance = random.Random(seed)
        data = bytearray(client.ask(*chance.choice(CALLS)))
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(OSError):
            client.socket.sendall(data)
        self.goes(client)

    @rule(client=consumes(clients))
    def goes(self, client: Client) -> None:
        self.all.remove(client)
        client.socket.close()

    @invariant()
    def others_are_served(self) -> None:
        self.known.send(Message(MessageType.CALL, 1, path="/", interface=PEER, member="Ping"))
        assert self.known.receive().type is MessageType.RETURN

    def teardown(self) -> None:
        self.known.close()
        try:
            for client in self.all:
                client.socket.settimeout(20)
                client.socket.sendall(client.half)
                client.half = b""
                self.reads(client)
        finally:
            for client in self.all:
                client.socket.close()
        while len(descriptors(self.daemon)) > self.files:
            assert self.daemon.call("List")[2] == 0


@pytest.mark.hypothesis
def test_strangers(planted: Path, serve: Serve, request: pytest.FixtureRequest) -> None:
    daemon = serve(planted, "--log-level", "warning")
    assert server.CLIENTS_LIMIT > 50  # the steps of an example: nobody has to go
    daemon.call("List")
    before, files = daemon.memory_kib(), len(descriptors(daemon))
    thorough = request.config.getoption("--hypothesis-profile") in ("properties", "soak")
    chosen = settings() if thorough else settings(max_examples=40)
    machine: Any = lambda: Strangers(daemon, files)  # noqa: E731 - hypothesis says that it wants a class
    run_state_machine_as_test(machine, settings=settings(chosen, stateful_step_count=30))
    assert daemon.memory_kib() - before < GROWTH_KIB
    log = daemon.log.read_text()
    assert ("defect" not in log, "Traceback" not in log) == (True, True), log[-2000:]
