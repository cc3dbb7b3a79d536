# SPDX-License-Identifier: Apache-2.0
"""Datagrams to systemd, read back by a socket in its place."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefw import systemd
from livefw.activation.actor import Actor
from livefw.activation.history.announce import SystemJournal
from livefw.activation.history.journal import Head, RowKind
from livefw.activation.history.writer import Announcement, RowStatus
from livefw.activation.outcome import Outcome
from livefw.providers.base import Reason


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        yield server


def fields(datagram: bytes) -> dict[str, str]:
    """Read the native protocol (systemd, journal-native-protocol): name, length, value."""
    found = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        length = int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8 : 8 + length].decode()
        assert rest[8 + length : 9 + length] == b"\n"
        datagram = rest[9 + length :]
    return found


def test_an_entry_arrives_whole_whatever_it_holds(journald: socket.socket, tmp_path: Path) -> None:
    text = "one\ntwo=\x1b[0m\n"
    assert systemd.log("done", priority=5, fields={"LIVEFW_LOG": text}, path=str(tmp_path / "socket"))
    assert fields(journald.recv(100_000)) == {
        "MESSAGE": "done",
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "livefw",
        "LIVEFW_LOG": text,
    }


PRIORITIES = {  # syslog(3): notice, warning, error
    Outcome.ACTIVATED: "5",
    Outcome.STAGED: "5",
    Outcome.CANCELLED: "5",
    Outcome.REFUSED: "4",
    Outcome.FAILED: "3",
    Outcome.UNKNOWN: "3",
}


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_can_be_searched_for(journald: socket.socket, tmp_path: Path, outcome: Outcome) -> None:
    announce = SystemJournal(Actor("root", "alice", "cli"), path=str(tmp_path / "socket"))
    receipt = RowStatus("a1", Head(2, "f" * 64))
    announce(Announcement("lfa:x", outcome, Reason("some-code", "why"), "AUTH_ERROR", receipt, state="/var/lib/x"))
    assert fields(journald.recv(100_000)) == {
        "MESSAGE": f"lfa:x: {outcome}: why; id a1",
        "MESSAGE_ID": "7b0d9b3ce2f14d0f8a52c5d1f3a6e94b",
        "PRIORITY": PRIORITIES[outcome],
        "SYSLOG_IDENTIFIER": "livefw",
        "LIVEFW_COMPONENT": "lfa:x",
        "LIVEFW_OUTCOME": outcome,
        "LIVEFW_CODE": "some-code",
        "LIVEFW_FIRMWARE_CODE": "AUTH_ERROR",
        "LIVEFW_ACTIVATION": "a1",
        "LIVEFW_HEAD": f"2:{'f' * 64}",
        "LIVEFW_STATE": "/var/lib/x",
        "LIVEFW_ACTOR": "root (logged in as alice)",
        "LIVEFW_MISHAPS": "",
        "LIVEFW_NOT_RECORDED": "",
    }


@pytest.mark.parametrize(
    ("kind", "ident"),
    [(RowKind.STAGED, "0c9e3b1f6a7d4e2f9b5d84a1c2e7f360"), (RowKind.SET_ASIDE, "5d1f0a9c7e3b4861a2c4d7f8b96e0315")],
)
def test_what_is_no_activation_has_an_id_of_its_own(
    journald: socket.socket, tmp_path: Path, kind: RowKind, ident: str
) -> None:
    announce = SystemJournal(Actor("root", "", "cli"), path=str(tmp_path / "socket"))
    announce(Announcement("", None, Reason("some-code", "why"), None, RowStatus("", None), kind=kind))
    found = fields(journald.recv(100_000))
    assert (found["MESSAGE"], found["MESSAGE_ID"], found["PRIORITY"]) == ("why", ident, "3")
    assert {found[f"LIVEFW_{name}"] for name in ("OUTCOME", "FIRMWARE_CODE", "HEAD")} == {""}


def test_what_is_not_recorded_and_what_failed_beside_it_is_announced(journald: socket.socket, tmp_path: Path) -> None:
    announce = SystemJournal(Actor("root", "", "cli"), path=str(tmp_path / "socket"))
    receipt = RowStatus("a1", None, "the disk has died")
    mishaps = (Reason("unseen", "it cannot be looked at"), Reason("not-measured", "no meter"))
    announce(Announcement("lfa:x", Outcome.ACTIVATED, Reason("some-code", "why"), None, receipt, mishaps=mishaps))
    found = fields(journald.recv(100_000))
    assert found["MESSAGE"] == "lfa:x: activated: why; not recorded: the disk has died; id a1"
    assert (found["LIVEFW_NOT_RECORDED"], found["LIVEFW_MISHAPS"]) == ("the disk has died", "unseen not-measured")
    assert found["LIVEFW_HEAD"] == ""


def test_no_descriptor_for_it_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)
    assert not systemd.log("done", priority=5, fields={}, path=str(tmp_path / "socket"))


def test_a_long_value_is_cut_and_not_lost(journald: socket.socket, tmp_path: Path) -> None:
    assert systemd.log("done", priority=5, fields={"LIVEFW_LOG": "x" * 10_000_000}, path=str(tmp_path / "socket"))
    assert len(fields(journald.recv(1_000_000))["LIVEFW_LOG"]) == 30_000


def test_no_journal_is_no_obstacle(tmp_path: Path) -> None:
    assert not systemd.log("done", priority=5, fields={}, path=str(tmp_path / "nothing"))


def test_readiness(journald: socket.socket, tmp_path: Path) -> None:
    assert systemd.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "socket")})
    assert journald.recv(100) == b"READY=1"
    assert not systemd.notify("READY=1", {})
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": "relative"})
