# SPDX-License-Identifier: Apache-2.0
"""Since when an image is pending: recorded once, by the first program that sees it, and kept."""

import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from livefw.activation.actor import Actor
from livefw.activation.history.journal import HistoryRow, Journal, RowKind
from livefw.activation.history.origin import Origin
from livefw.activation.history.seal import Seal
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.paths import Paths
from livefw.activation.pending import recorder
from livefw.activation.pending.known import PendingPlace
from livefw.providers.base import Component, Cost, Version
from livefw.providers.lfa.fake import RMM
from livefw.providers.lfa.tree import ROOT

STRANGER = 4001
DAY_NS = 86_400 * 10**9
FIRMWARE = f"{ROOT}/{RMM}"


def rows(root: Any) -> list[HistoryRow]:
    """All rows of its history about what is pending, oldest first."""
    journal = Journal.open_to_read(root.environment["LIVEFW_STATE"])
    if journal is None:
        return []
    with closing(journal):
        return [row for row in journal.rows() if row.kind is RowKind.PENDING]


def told(root: Any) -> list[tuple[object, object]]:
    return [(row.body["pending"], row.body["pending_version"]) for row in rows(root)]


def since(root: Any, *words: str) -> Any:
    (component,) = root.run("--json", *(words or ("list",))).json["components"]
    return component["pending_since"]


def write(root: Any, **attributes: str) -> None:
    for name, text in attributes.items():
        root.file(f"{FIRMWARE}/{name}").write_text(f"{text}\n")


def stage(root: Any, version: str) -> None:
    write(root, pending_version=version, activation_pending="1")


def unstage(root: Any) -> None:
    write(root, pending_version="0", activation_pending="0")


def recorded(root: Any, ago: timedelta, version: str = "1.2") -> None:
    """Record that an image became pending then."""
    then = time.time_ns() - int(ago.total_seconds() * 1e9)
    with closing(Journal.open(root.environment["LIVEFW_STATE"], wall_ns=lambda: then)) as journal:
        journal.note(RowKind.PENDING, f"lfa:{RMM}", {"name": "TF-RMM", "pending": True, "pending_version": version})


@pytest.mark.parametrize(
    ("words", "seen_by"),
    [(("list",), "cli"), (("plan",), "cli"), (("show", "tf-rmm"), "cli")],
)
def test_the_first_program_that_sees_an_image_records_it_once(ready: Any, words: tuple[str, ...], seen_by: str) -> None:
    for _ in range(2):
        assert ready.run(*words).code == 0
    (row,) = rows(ready)
    assert (row.body["seen_by"], row.body["name"], row.body["pending"]) == (seen_by, "TF-RMM", True)
    assert row.body["pending_version"] == "1.2"
    assert row.component == f"lfa:{RMM}"


def test_an_activation_records_what_it_sees_before_it_asks(ready: Any) -> None:
    assert ready.run("activate", "tf-rmm", "--ignore", "nonsense").code == 2
    assert rows(ready) == []
    assert ready.run("activate", "tf-rmm", "--measure", "off").code in (1, 6)  # nobody behind plain files does anything
    assert told(ready) == [(True, "1.2")]


def test_all_that_list_says_agrees_with_the_row(ready: Any) -> None:
    first = since(ready)
    (row,) = rows(ready)
    assert datetime.fromisoformat(first) == datetime.fromtimestamp(row.time_ns // 10**9).astimezone()
    assert since(ready) == since(ready, "show", "tf-rmm") == first
    (step,) = ready.run("--json", "plan").json["steps"]
    assert step["component"]["pending_since"] == first


@pytest.mark.parametrize("lost", ["nothing", "the file, as by a reboot", "the file's end", "its numbers"])
def test_restarts_and_reboots_do_not_start_it_anew(ready: Any, lost: str) -> None:
    first = since(ready)
    (file,) = Path(ready.environment["LIVEFW_RUNTIME_DIR"]).glob("*.pending")
    if lost == "the file, as by a reboot":
        file.unlink()
    elif lost == "the file's end":
        os.truncate(file, file.stat().st_size - 3)
    elif lost == "its numbers":
        file.write_text(file.read_text().replace("\t", "x\t"))
    assert since(ready) == first
    assert len(rows(ready)) == 1
    assert file.exists()


def test_another_image_starts_anew_and_none_ends_it(ready: Any) -> None:
    recorded(ready, timedelta(days=40))
    old = since(ready)
    stage(ready, "1.3")
    assert since(ready) > old
    unstage(ready)
    assert since(ready) is None
    assert since(ready) is None
    stage(ready, "1.3")
    assert since(ready) > old
    assert told(ready) == [(True, "1.2"), (True, "1.3"), (False, None), (True, "1.3")]


def test_what_cannot_be_read_is_no_change(ready: Any) -> None:
    first = since(ready)
    write(ready, activation_pending="garbage")
    assert since(ready) is None
    write(ready, activation_pending="1", pending_version="garbage\\xff" * 90)
    ready.file(f"{FIRMWARE}/pending_version").unlink()
    assert since(ready) == first
    stage(ready, "1.2")
    assert since(ready) == first
    assert len(rows(ready)) == 1


def test_a_month_is_said_in_words(ready: Any) -> None:
    recorded(ready, timedelta(days=31, hours=2))
    assert re.search(r"AGE +STATE +ID\n.* 31 d +ready ", ready.run("plan").out)
    assert re.search(r"AGE +STATE +ID\n.* 31 d +ready ", ready.run("list").out)
    assert re.search(r"  pending +1\.2, for 31 days\n", ready.run("show", "tf-rmm").out)


def test_a_clock_that_went_back_is_told(ready: Any) -> None:
    recorded(ready, timedelta(days=-40))
    shown = since(ready)
    assert datetime.fromisoformat(shown) > datetime.now().astimezone() + timedelta(days=39)
    for words in (("plan",), ("show", "tf-rmm")):
        out = ready.run(*words).out
        assert f"since {shown}, by a clock that has gone back since" in out
        assert "-39 " not in out


def test_the_history_shows_them_only_if_asked(ready: Any) -> None:
    since(ready)
    assert ready.run("history").code == 3
    assert ready.run("--json", "history").code == 3
    assert ready.run("history", "tf-rmm").code == 3
    unstage(ready)
    since(ready)
    heading, last, first = ready.run("history", "--pending").out.splitlines()
    assert heading.split() == ["WHEN", "NAME", "PENDING", "SEEN", "BY"]
    assert first.split()[1:] == ["TF-RMM", "1.2", "cli"]
    assert last.split()[1:] == ["TF-RMM", "no", "longer", "cli"]
    document = ready.run("--json", "history", "--pending", "tf-rmm").json
    assert [each["outcome"]["pending"] for each in document["history"]] == [False, True]
    older = f"older ones: livefw --root {ready.path} history --pending --limit 1 --before "
    assert ready.run("history", "--pending", "--limit", "1").out.splitlines()[-1].startswith(older)
    assert ready.run("history", "--pending", "nothing").code == 3
    for words in (("--verify",), ("--archive",), ("--plot", "x.svg")):
        assert ready.run("history", "--pending", *words).code == 2


def test_the_chain_holds_them_and_an_archive_keeps_what_holds(ready: Any) -> None:
    for days, version in ((9, "2.0"), (8, "1.2"), (7, "2.0"), (6, "1.2")):
        recorded(ready, timedelta(days=days), version)
    first = since(ready)
    assert ready.run("history", "--verify").code == 0
    assert ready.run("history", "--archive", "--older", "1d").code == 0
    shutil.rmtree(ready.environment["LIVEFW_RUNTIME_DIR"])
    assert since(ready) == first
    assert ready.run("history", "--verify").code == 0


def test_they_count_as_no_activation_when_an_archive_is_made(ready: Any) -> None:
    for number in range(4):
        stage(ready, f"2.{number}")
        since(ready)
    assert ready.run("activate", "tf-rmm", "--measure", "off").code != 0
    done = ready.run("history", "--archive", "--keep", "1")
    assert done.code == 0, done.err
    assert "rows 1 to 4 " in done.out


def kept(root: Any) -> list[tuple[str, int]]:
    """The files of its state, but for the empty ones that every writer locks and every reader of damage leaves."""
    found = [Path(folder, name) for folder, _, names in os.walk(root.environment["LIVEFW_STATE"]) for name in names]
    return sorted(
        (str(each), each.stat().st_size) for each in found if each.name not in (".writer", "history.db.suspected")
    )


def _no_history(root: Any) -> None:
    os.makedirs(root.environment["LIVEFW_STATE"])
    Path(root.environment["LIVEFW_STATE"], "history.db").write_bytes(b"x" * 5000)


def _open_to_others(root: Any) -> None:
    os.makedirs(root.environment["LIVEFW_STATE"])
    os.chmod(root.environment["LIVEFW_STATE"], 0o777)


def _a_folder(root: Any) -> None:
    os.makedirs(f"{root.environment['LIVEFW_STATE']}/history.db")


UNWRITABLE: dict[str, Callable[[Any], object]] = {
    "the state is a file": lambda root: Path(root.environment["LIVEFW_STATE"]).write_text("x"),
    "the history is a folder": _a_folder,
    "the history is no history": _no_history,
    "others may write the history": _open_to_others,
    "the run directory is a file": lambda root: Path(root.environment["LIVEFW_RUNTIME_DIR"]).write_text("x"),
}


@pytest.mark.parametrize("obstacle", UNWRITABLE.values(), ids=UNWRITABLE)
def test_who_cannot_record_can_still_look(ready: Any, obstacle: Callable[[Any], object]) -> None:
    obstacle(ready)
    before = kept(ready)
    done = ready.run("list")
    assert done.code == 0, done.err  # the history may be noted there, for the state of the component
    assert "1.2" in done.out
    assert kept(ready) == before or obstacle is UNWRITABLE["the run directory is a file"]


def test_a_full_disk_is_no_error(ready: Any) -> None:
    done = ready.run("list", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    assert (done.code, done.err) == (0, "")
    assert rows(ready) == []


def test_a_damaged_history_is_left_for_whoever_works(ready: Any) -> None:
    since(ready)
    history = Path(ready.environment["LIVEFW_STATE"]) / "history.db"
    history.write_bytes(history.read_bytes()[:3000] + b"\xff" * 9000)
    stage(ready, "1.3")
    assert ready.run("list").code == 0
    assert [each.name for each in history.parent.iterdir() if "damaged" in each.name] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_without_rights_reads_what_root_saw_and_records_nothing() -> None:
    with TemporaryDirectory(prefix="livefw-") as folder:  # in /tmp: the folders of a test are root's alone
        os.chmod(folder, 0o755)
        machine = Machine(Path(folder))
        machine.look(seen("a", "1"))
        os.chmod(machine.place.state, 0o750)
        stranger = machine.recorder._replace(may_record=True)

        def look() -> None:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            shown = [
                [each.component.pending_since_ns for each in stranger.observe(inventory(seen("a", version))).candidates]
                for version in ("1", "2")  # of the second, nobody has recorded anything
            ]
            assert shown == [[machine.now], [None]]

        child = multiprocessing.get_context("fork").Process(target=look)
        child.start()
        child.join()
        assert child.exitcode == 0
        assert machine.rows() == 1


def test_many_at_once_record_it_once(ready: Any) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert [done.code for done in pool.map(lambda _: ready.run("list"), range(6))] == [0] * 6
    assert len(rows(ready)) == 1


def test_nothing_is_made_where_nothing_is_pending(ready: Any) -> None:
    unstage(ready)
    assert ready.run("list").code == 0
    assert not os.path.exists(ready.environment["LIVEFW_STATE"])
    assert not os.path.exists(ready.environment["LIVEFW_RUNTIME_DIR"])


def test_a_list_that_has_nothing_to_record_loads_no_database(ready: Any) -> None:
    since(ready)
    command = [sys.executable, "-X", "importtime", *ready.command("list")[1:]]
    done = subprocess.run(command, env=ready.environment, capture_output=True, text=True, check=True)
    assert "livefw.activation.pending.known" in done.stderr
    assert "sqlite3" not in done.stderr
    assert ready.run("activate", "tf-rmm", "--measure", "off").code != 0
    done = subprocess.run(command, env=ready.environment, capture_output=True, text=True, check=True)
    assert "sqlite3" in done.stderr  # what the history says of the activation is part of the state


# What hostile firmware can do.


def seen(ident: str, version: str | None) -> Component:
    shown = Version(version) if version is not None else None
    return Component("lfa", ident, "", None, version is not None, shown, Cost(None, None))


def inventory(*components: Component) -> Inventory:
    provider: Any = None
    return Inventory(tuple(Candidate(provider, each) for each in components), ())


class Machine:
    """A recorder over a history of its own, with a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 40_000 * DAY_NS
        paths = Paths(str(folder / "state"), str(folder / "a.lock"), "", str(folder))
        self.place = PendingPlace(paths.state, str(folder / "a.pending"))
        self.recorder = recorder.recorder(
            paths,
            self.place,
            actor=Actor("root", "", "test"),
            seen_by="test",
            seal=lambda: None,
            machine=lambda: Origin(str(folder)),
            wall_ns=lambda: self.now,
        )

    def look(self, *components: Component) -> Inventory:
        self.now += 10**9
        return self.recorder.observe(inventory(*components))

    def rows(self) -> int:
        journal = Journal.open_to_read(self.place.state)
        assert journal
        with closing(journal):
            return sum(1 for row in journal.rows() if row.kind is RowKind.PENDING)


FLIPS: dict[str, Callable[[int], Component]] = {
    "on and off": lambda turn: seen("a", "1" if turn % 2 else None),
    "another version each time": lambda turn: seen("a", str(turn)),
}


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS)
def test_a_component_that_flips_cannot_fill_the_history(tmp_path: Path, flip: Callable[[int], Component]) -> None:
    machine = Machine(tmp_path)
    for turn in range(60):
        machine.look(flip(turn + 1), seen("other", "5"))
    assert machine.rows() == 20 + 1
    machine.now += 3 * DAY_NS
    for turn in range(60):
        machine.look(flip(turn + 1000), seen("other", "5"))
    assert machine.rows() == 40 + 1


def test_new_components_cannot_fill_the_history_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_MOST", ((1, 30), (30, 50)))
    machine = Machine(tmp_path)
    for day, most in enumerate((30, 50, 50)):
        for turn in range(4):
            machine.look(*(seen(f"{day}-{turn}-{number}", "1") for number in range(20)))
        assert machine.rows() == most
        machine.now += 2 * DAY_NS
    machine.look(seen("x" * 5000, "1"))
    assert machine.rows() == 50
    machine.now += 40 * DAY_NS
    machine.look(seen("late", "1"), seen("x" * 5000, "1"))
    assert machine.rows() == 51


def test_a_clock_that_was_far_ahead_does_not_stop_recording(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.now += 20_000 * DAY_NS
    for turn in range(60):
        machine.look(seen("a", str(turn)))
    machine.now -= 20_000 * DAY_NS
    machine.look(seen("a", "new"))
    assert machine.rows() == 21


HOSTILE = ("\n9\tx\tlfa:b", "\t\t\t", "\x1b[2J", "\udc80", "\u2028", "x" * 100_000, "")


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_version_is_itself_and_nothing_else(tmp_path: Path, text: str) -> None:
    machine = Machine(tmp_path)
    first = [each.component.pending_since_ns for each in machine.look(seen("a", text), seen("b", None)).candidates]
    again = [each.component.pending_since_ns for each in machine.look(seen("a", text), seen("b", None)).candidates]
    assert first == again
    assert again[0] is not None
    assert again[1] is None
    assert machine.rows() == 1


def test_a_sealed_history_gets_no_row_without_a_seal(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with closing(Journal.open(machine.place.state, seal=Seal.parse(b"0" * 64, file="k"))) as journal:
        journal.note(RowKind.SETTING, "lfa:a", {})
    assert machine.look(seen("a", "1")).candidates[0].component.pending_since_ns is None
    assert machine.rows() == 0


def test_looking_again_is_cheap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    machine.look(seen("a", "1"))
    monkeypatch.setattr(Journal, "open", classmethod(lambda *_, **__: pytest.fail("the history was opened")))
    monkeypatch.setattr(Journal, "open_to_read", classmethod(lambda *_, **__: pytest.fail("the history was opened")))
    machine.look(seen("a", "1"))
