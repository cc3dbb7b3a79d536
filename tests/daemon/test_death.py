# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in the middle of an activation: of the daemon, of the process that activates, of the one that writes."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from livefw.dbus.client import Client, MethodCall
from livefw.dbus.wire import Message, MessageType
from livefw.machine.config import MachineConfig, load
from livefw.machine.machine import Machine

from .conftest import OWN, Daemon, Serve

pytestmark = pytest.mark.fuse
Mounted = Callable[[MachineConfig], tuple[Machine, Path]]
_WATCH = MethodCall("/org/livefw", OWN, "Watch", "b", (True,))


def _begin(daemon: Daemon, client: Client) -> int:
    """Ask for an activation and wait until it runs; the number of the process that activates."""
    client.call(_WATCH)
    client.send(Message(MessageType.CALL, 1, ([], {}), "asa{sv}", path="/org/livefw", interface=OWN, member="Activate"))
    while '"event": "tick"' not in str(client.receive().body):
        pass
    return _child(daemon.popen.pid)


def _child(process: int) -> int:
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        return int(file.read().split()[0])


def _settled(daemon: Daemon) -> list[dict[str, object]]:
    """The history, when every intent in it has an outcome; asked for anew when something has happened."""
    with daemon.client() as client:
        client.call(_WATCH)
        while True:
            heard: list[Message] = []
            told = client.call(MethodCall("/org/livefw", OWN, "History", "ss", ("", "")), signal=heard.append)
            history = json.loads(told[0])["history"]
            if all(row["outcome"] for row in history):
                return [row["outcome"] for row in history]
            if not heard:
                client.receive()


@pytest.mark.parametrize("whom", ["daemon", "job", "writer", "both"])
def test_history_is_true_after_a_death(whom: str, mounted: Mounted, serve: Serve) -> None:
    _, root = mounted(load("vera"))
    daemon = serve(root)
    with daemon.client() as client:
        job = _begin(daemon, client)
        if whom == "writer":
            os.kill(_child(job), signal.SIGKILL)
        if whom in ("job", "both"):
            os.kill(job, signal.SIGKILL)
        if whom in ("daemon", "both"):
            daemon.end(signal.SIGKILL)
    # It tells what has become of the activation by itself, and not because it happens to look.
    again = daemon if whom in ("job", "writer") else serve(root, changed={"daemon.service.LOOK_EVERY_S": 1e4})
    outcomes = _settled(again)
    version = (root / "sys/firmware/lfa/6c0762a6-12f2-4b56-92cb-ba8f633606d9/current_version").read_text().strip()
    told = [each["outcome"] for each in outcomes if each["kind"] == "outcome"]
    assert len(told) == 1
    assert told[0] in (("activated", "unknown") if version == "1.1" else ("failed", "unknown"))
    assert again.call("Verify")[2] == 0
    if whom == "daemon":
        assert told == ["activated"]
