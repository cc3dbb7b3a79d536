# SPDX-License-Identifier: Apache-2.0
"""Who knocks and runs away: the line at the door gets no longer for the others, and no place is taken."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from livefw.dbus import server
from livefw.dbus.loop import Loop

from .conftest import Serve
from .enemy import PING, claim, raw, receive, somebody

KNOCK = """
import socket, sys
while True:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(sys.argv[1])
"""


def test_who_knocks_and_runs_keeps_nobody_out(planted: Path, serve: Serve) -> None:
    daemon = serve(planted)
    with somebody(KNOCK, daemon.path) as knocking:
        assert [daemon.call("List")[2] for _ in range(20)] == [0] * 20
        knocking.kill()


def knock_and_run(path: str, count: int) -> None:
    for _ in range(count):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_who_has_run_takes_nobodys_place(planted: Path, serve: Serve) -> None:
    """They are all in line, and gone, when the daemon comes to them: the one who is slow to say who it is stays."""
    daemon = serve(planted, changed={"dbus.server.CLIENTS_LIMIT": 3})
    with raw(daemon) as slow:
        daemon.call("List")  # by now the slow one is in
        daemon.popen.send_signal(signal.SIGSTOP)
        knock_and_run(daemon.path, 20)
        daemon.popen.send_signal(signal.SIGCONT)
        slow.sendall(b"\0AUTH EXTERNAL " + claim(os.geteuid()) + b"\r\nBEGIN\r\n")
        assert slow.recv(100).startswith(b"OK ")
        slow.sendall(PING)
        receive(slow, 1)
    assert "its place is needed" not in daemon.log.read_text()


class Counting(Loop):
    """A loop that counts how often it has called back for the line at the door, and stops once somebody is in."""

    turns = 0
    door: server.Server | None = None

    def watch(self, target: Any, read: Any, **more: Any) -> None:
        door = isinstance(target, socket.socket) and target.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

        def counted() -> None:
            self.turns += 1
            read()
            if self.door and self.door.clients:
                self.stop()

        super().watch(target, counted if door else read, **more)


@pytest.mark.parametrize("gone", [0, 1, 63, 64, 500])
def test_the_line_at_the_door_is_let_in_many_at_a_time(folder: Path, gone: int) -> None:
    """Those who are in are served between two turns: one at a time, who knocks and runs would be the only one heard."""
    path = str(folder / "door")
    loop = Counting()
    dispatcher: Any = None  # nobody says anything
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as honest:
        listener.bind(path)
        listener.listen(1000)
        knock_and_run(path, gone)
        honest.connect(path)
        loop.door = server.Server(listener, loop, dispatcher, come=lambda: None, left=lambda _: None)
        loop.run()
        assert len(loop.door.clients) == 1
        assert loop.turns == gone // 64 + 1
        loop.door.close()
    loop.close()
