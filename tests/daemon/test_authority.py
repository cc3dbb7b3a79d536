# SPDX-License-Identifier: Apache-2.0
"""How many questions polkit is asked at the same time, and about whom none can be asked."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.daemon import authority
from livefw.daemon.authority import ACTIVATE, QUESTIONS_LIMIT, Authority
from livefw.dbus.peer import Peer


class Connection(NamedTuple):
    """A client of the daemon, as far as it is asked about."""

    peer: Peer
    socket: socket.socket
    closed: bool = False


class Asked:
    """An authority, whose answers of polkit come into the loop when the test says so."""

    def __init__(self, bus: str, here: socket.socket) -> None:
        self.later: list[Callable[[], None]] = []
        self.told: list[tuple[int, str]] = []
        self._socket = here
        self._authority = Authority(group=None, bus=bus, soon=self.later.append)

    def ask(self, uid: int, **client: Any) -> str | None:
        """What a user is told at once; None if that comes later."""
        peer = Peer(os.getpid(), uid, frozenset(), client.pop("started", 5))
        connection: Any = Connection(peer, client.pop("socket", self._socket), **client)
        before = len(self.told)
        self._authority.ask(connection, ACTIVATE, lambda why: self.told.append((uid, why)), interactive=False)
        return self.told[-1][1] if len(self.told) > before else None

    def answer(self, count: int) -> None:
        """Let so many answers of polkit come."""
        while len(self.later) < count:
            pass
        for _ in range(count):
            self.later.pop(0)()


@pytest.fixture
def here() -> Iterator[socket.socket]:
    """A connection of our own, whose process the kernel knows."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        yield ours


BUSY = "polkit is being asked already"


def test_one_question_of_a_user_and_eight_of_all(tmp_path: Path, here: socket.socket) -> None:
    asked = Asked(str(tmp_path / "no bus"), here)
    assert asked.ask(1001) is None
    assert asked.ask(1001) == BUSY
    for uid in range(1002, 1001 + QUESTIONS_LIMIT):
        assert asked.ask(uid) is None
    assert (QUESTIONS_LIMIT, asked.ask(2000)) == (8, BUSY)
    asked.told.clear()
    asked.answer(QUESTIONS_LIMIT)
    assert {uid for uid, _ in asked.told} == {*range(1001, 1009)}
    assert all(why.startswith("polkit cannot be asked") for _, why in asked.told)
    assert asked.ask(1001) is None  # there is room again
    asked.answer(1)


@pytest.mark.parametrize("client", [{"started": 0}, {"closed": True}])
def test_who_cannot_be_named_to_polkit_is_not_asked_about(
    tmp_path: Path, here: socket.socket, client: dict[str, Any]
) -> None:
    asked = Asked(str(tmp_path / "no bus"), here)
    assert "may not activate firmware here" in str(asked.ask(1001, **client))
    assert asked.later == []


def test_a_client_that_the_kernel_knows_no_more(
    tmp_path: Path, here: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked(str(tmp_path / "no bus"), here)
    said = asked.ask(1001, socket=Gone())
    assert f"user 1001 may not: {said}" in caplog.text
    assert said == f"the calling process cannot be named to polkit: {os.strerror(errno.ESRCH)}"
    assert asked.ask(1001) is None  # no question is left open by it
    asked.answer(1)


class Gone:
    def getsockopt(self, level: int, option: int) -> int:
        raise OSError(errno.ESRCH, os.strerror(errno.ESRCH))


class Old:
    """A socket before Linux 6.5, which has no descriptor of a process to give."""

    def getsockopt(self, level: int, option: int) -> int:
        raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))


def test_before_linux_6_5_polkit_is_asked_without_a_descriptor(
    tmp_path: Path, here: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles: list[int | None] = []

    def check(bus: str, peer: Peer, handle: int | None, *_: object, **__: object) -> bool:
        handles.append(handle)
        return True

    monkeypatch.setattr(authority, "check", check)
    asked = Asked(str(tmp_path / "no bus"), here)
    assert asked.ask(1001, socket=Old()) is None
    asked.answer(1)
    assert (handles, asked.told) == ([None], [(1001, "")])
