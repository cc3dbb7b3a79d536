# SPDX-License-Identifier: Apache-2.0
"""A damaged history in the daemon's faces: an error that names the place, and everything else goes on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.records import fill, tamper

from livefw.activation import figures
from livefw.activation.actor import Actor
from livefw.activation.engine import Host
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.assemble import Where
from livefw.daemon import reconcile
from livefw.daemon.answers import questions
from livefw.daemon.answers.questions import Question
from livefw.daemon.fwupd import history
from livefw.daemon.hosts import Hosts
from livefw.errors import TransportError
from livefw.providers.fake import FakeClock, FakeFiles

PAGE = 4096


def page(folder: Path) -> None:
    with open(folder / "history.db", "r+b") as file:
        for number in range(1, os.path.getsize(file.name) // PAGE):
            file.seek(number * PAGE)
            file.write(b"\xff" * 64)


def header(folder: Path) -> None:
    with open(folder / "history.db", "r+b") as file:
        file.write(b"nothing of that")


def table(folder: Path) -> None:
    tamper(folder, "DROP INDEX entry_time; DROP TABLE unfinished")


def shape(folder: Path) -> None:
    tamper(folder, 'UPDATE entry SET body = \'{"outcome": 5, "cost": {}, "seconds": "x"}\' WHERE sequence > 30')


@pytest.mark.parametrize("damage", [page, header, table, shape])
def test_a_damaged_history_is_an_error_that_names_it(tmp_path: Path, damage: object) -> None:
    fill(tmp_path, 20)
    assert callable(damage)
    damage(tmp_path)
    clock = FakeClock()
    places = Paths(str(tmp_path), str(tmp_path / "lock"), str(tmp_path), str(tmp_path))
    host = Host(FakeFiles({}, clock), (), clock, places, DEFAULT, Actor("root", "", "test"))
    for question in (history.recent, reconcile.unfinished):
        assert "damaged" in _error(question, host) or damage is shape
    assert figures.collect(host, version="1", settings_valid=True).consistent is False
    codes = []
    for asked in (Question("history", ("", "")), Question("verify")):
        told = questions.answer(Hosts(Where("/", str(tmp_path))), asked)
        assert isinstance(told, bytes), told
        assert b"defect" not in told
        codes.append(int.from_bytes(told[-4:], "little"))  # the last of the body: ssi
    assert codes[1] == 1
    assert codes[0] == 1 or damage in (table, shape)  # a page that needs neither index nor notes


def _error(question: Callable[[Host], object], host: Host) -> str:
    """What it says; ``damaged`` also where it has not looked at what is."""
    try:
        question(host)
    except TransportError as error:
        return error.message
    return "damaged, and not seen"
