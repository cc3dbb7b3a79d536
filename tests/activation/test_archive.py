# SPDX-License-Identifier: Apache-2.0
"""Older rows move into a file of their own, which the chain goes on from; killed anywhere, none is lost or doubled."""

import os
import sqlite3
from collections import Counter
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from bench.records import COMPONENTS, START_NS, fill, rewrite, tamper

from livefw.activation import row_bodies
from livefw.activation.history import archive, opening
from livefw.activation.history.archive import ArchiveStep, Cut
from livefw.activation.history.damaged import Damaged
from livefw.activation.history.journal import Activation, Journal, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.cli.main import main
from livefw.errors import NothingToDo, UsageError

COUNT = 5_000
KEY = next(iter(COMPONENTS))


class Killed(BaseException):
    """An end in the middle."""


def run(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, str]:
    (folder / "root").mkdir(exist_ok=True)
    code = main(["--root", str(folder / "root"), *words, "--state", str(folder)])
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.fixture(autouse=True)
def lock_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "run"))


def every_row(folder: Path) -> Counter[tuple[int, str]]:
    """Rows of the history and of all files beside it, by number and hash."""
    found: Counter[tuple[int, str]] = Counter()
    for path in folder.glob("history*.db"):
        with closing(sqlite3.connect(path)) as connection:
            base = connection.execute("SELECT sequence FROM base").fetchone()[0]
            query = "SELECT sequence, hash FROM entry WHERE sequence > ?"
            found.update(connection.execute(query, (base,)).fetchall())
    return found


def test_checks_that_look_back_and_what_is_unfinished_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, COUNT)
    with closing(Journal.open(str(tmp_path))) as journal:
        left_open = journal.begin("foreign:open", {"name": "open"})
        rare = journal.begin("lfa:rare", {"name": "rare"})
        journal.end(rare, "lfa:rare", {"outcome": "failed", "seconds": 3.0})
        for _ in range(10):
            journal.end(journal.begin(KEY, {"name": "TF-0"}), KEY, {"outcome": "activated", "seconds": 1.0})
        before = {
            key: (row_bodies.past_attempts(journal, key), row_bodies.last_failure(journal, key))
            for key in (KEY, "lfa:rare")
        }
        rows = every_row(tmp_path)
    code, told = run(capsys, tmp_path, "history", "--archive", "--keep", "5")
    assert code == 0, told
    with closing(Journal.open(str(tmp_path))) as journal:
        assert {
            key: (row_bodies.past_attempts(journal, key), row_bodies.last_failure(journal, key)) for key in before
        } == before
        assert [entry.activation for entry in journal.unfinished()] == [left_open]
        assert journal.base().sequence > 2 * COUNT
        journal.end(left_open, "foreign:open", {"outcome": "unknown"})
        assert journal.unfinished() == []
        assert journal.latest(RowKind.ARCHIVED)
    now = every_row(tmp_path)
    assert rows <= now
    assert max(now.values()) == 1
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 0, told
    assert "in 2 files: consistent" in told
    assert run(capsys, tmp_path, "history")[0] == 0
    archive = next(tmp_path.glob("history-*.db"))
    assert f"change {COUNT - 1}," in run(capsys, tmp_path, "history", "--file", str(archive))[1]
    assert run(capsys, tmp_path, "history", "--file", str(archive), "--verify")[0] == 0


def test_archives_follow_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 40)
    for keep in (30, 20, 10):
        assert run(capsys, tmp_path, "history", "--archive", "--keep", str(keep))[0] == 0
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 0, told
    assert "in 4 files: consistent" in told
    middle = sorted(tmp_path.glob("history-*.db"))[1]
    middle.rename(tmp_path / "elsewhere.db")
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 0
    assert "not proven: rows 21 to 42 are in files that are not here" in told
    assert "in 4 files" in run(capsys, tmp_path, "history", "--verify", "--archive", str(tmp_path / "elsewhere.db"))[1]


@pytest.mark.parametrize("step", ArchiveStep)
def test_killed_anywhere_nothing_is_lost_or_doubled(
    tmp_path: Path, step: ArchiveStep, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 50)
    rows = every_row(tmp_path)

    def die(reached: ArchiveStep) -> None:
        if reached is step:
            raise Killed

    with closing(Journal.open(str(tmp_path))) as journal, pytest.raises(Killed):
        journal.archive(Cut(10), at=die)
    shown = {each.first_row.sequence for each in whole(tmp_path)}
    assert shown == set(range(1, 101, 2)) or step is ArchiveStep.REMOVED
    assert run(capsys, tmp_path, "history", "--verify")[0] == 0
    with closing(Journal.open(str(tmp_path))) as journal:
        journal.note(RowKind.REFUSAL, KEY, {})
    run(capsys, tmp_path, "history", "--archive", "--keep", "10")
    now = every_row(tmp_path)
    assert rows <= now
    assert max(now.values()) == 1
    assert not [*tmp_path.glob("*.partial")]
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 0, told
    assert len([*tmp_path.glob("history-*.db")]) == (2 if step is ArchiveStep.REMOVED else 1)


def whole(folder: Path) -> list[Activation]:
    with closing(Journal.open(str(folder))) as journal:
        return [*journal.walk()]


def test_a_file_that_was_half_written_is_begun_anew(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    target = tmp_path / "mine.db"

    def die(reached: ArchiveStep) -> None:
        if reached is ArchiveStep.NAMED:
            raise Killed

    with closing(Journal.open(str(tmp_path))) as journal, pytest.raises(Killed):
        journal.archive(Cut(5), file=str(target), at=die)
    target.chmod(0o600)
    target.write_bytes(target.read_bytes()[:5000])
    with closing(Journal.open(str(tmp_path))) as journal:
        with pytest.raises(UsageError, match="there already"):
            journal.archive(Cut(5), file=str(target))
        assert journal.base().sequence == 0
        assert journal.archive(Cut(5)).last.sequence == 30
        assert verify_chain(journal).flaws == []


TAMPERED = {
    "a row of the archive": ("history-", "UPDATE entry SET body = '{}' WHERE sequence = 5"),
    "its end": ("history-", "DELETE FROM entry WHERE sequence > 70"),
    "a row that stayed": ("history.db", "UPDATE entry SET body = '{}' WHERE sequence = 75"),
    "a row that stayed taken away": ("history.db", "DELETE FROM entry WHERE sequence IN (75, 76)"),
    "where the chain goes on from": ("history.db", "UPDATE base SET hash = replace(hash, 'a', 'b')"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_changed_afterwards_is_found(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 50)
    run(capsys, tmp_path, "history", "--archive", "--keep", "10")
    prefix, statements = TAMPERED[name]
    path = next(path for path in tmp_path.glob("history*.db") if path.name.startswith(prefix))
    path.chmod(0o600)
    moved = tmp_path / "moved"
    moved.mkdir()
    path.rename(moved / "history.db")
    tamper(moved, statements)
    (moved / "history.db").rename(path)
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 1
    assert "NOT consistent" in told


def test_an_archive_that_cannot_be_read_is_a_flaw_and_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 50)
    run(capsys, tmp_path, "history", "--archive", "--keep", "10")
    path = next(tmp_path.glob("history-*.db"))
    path.chmod(0o600)
    path.write_bytes(b"nothing of that" * 1000)
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 1
    assert "its header is not a database header" in told
    assert "NOT consistent, 1 flaw" in told


def test_an_archive_that_was_written_anew_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 50)
    run(capsys, tmp_path, "history", "--archive", "--keep", "10")
    path = next(tmp_path.glob("history-*.db"))
    path.chmod(0o600)
    moved = tmp_path / "moved"
    moved.mkdir()
    path.rename(moved / "history.db")
    rewrite(moved, lambda row: row.__setitem__(5, row[5].replace("activated", "failed")))
    (moved / "history.db").rename(path)
    code, told = run(capsys, tmp_path, "history", "--verify")
    assert code == 1
    assert "does not continue its archive" in told


def test_what_was_changed_before_is_not_hidden_in_an_archive(tmp_path: Path) -> None:
    fill(tmp_path, 50)
    tamper(tmp_path, "UPDATE entry SET body = '{}' WHERE sequence = 5")
    with closing(Journal.open(str(tmp_path))) as journal:
        with pytest.raises(Damaged, match="row 5"):
            journal.archive(Cut(10))
        assert journal.base().sequence == 0
        with pytest.raises(NothingToDo):
            journal.archive(Cut(50))
        assert journal.archive(Cut(48)).last.sequence == 4


def test_by_age(tmp_path: Path) -> None:
    fill(tmp_path, 50)
    with closing(Journal.open(str(tmp_path))) as journal:
        made = journal.archive(Cut(1, START_NS + 41 * 10**9))
        assert made.last.sequence == 40
        assert journal.archive(Cut(1, 2**62)).last.sequence == 101


def test_while_somebody_has_the_machine_nothing_is_archived(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from livefw.activation.lock.machine_lock import Lock
    from livefw.activation.paths import paths_for

    fill(tmp_path, 50)
    (tmp_path / "root").mkdir()
    with Lock.acquire(paths_for(str(tmp_path / "root"), state=str(tmp_path)).lock):
        assert run(capsys, tmp_path, "history", "--archive", "--keep", "1")[0] == 4
    assert not [*tmp_path.glob("history-*.db")]


MISTAKES = (
    ("--archive", "--file", "x"),
    ("--keep", "5"),
    ("--archive", "--keep", "5", "--older", "1d"),
    ("--older", "1d"),
    ("--archive", "--older", "soon"),
    ("--limit", "0"),
    ("--limit", "-1"),
)


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_what_cannot_be_meant(tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 5)
    try:
        code, _ = run(capsys, tmp_path, "history", *words)
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2


def test_what_is_unfinished_stays_however_much_came_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_KEPT_EACH", 1)
    with closing(Journal.open(str(tmp_path))) as journal:
        left_open = journal.begin(KEY, {"n": 0})
        for number in range(5):
            journal.end(journal.begin(KEY, {"n": number}), KEY, {"outcome": "activated"})
        made = journal.archive(Cut(1))
        assert made.kept == 3
        assert [entry.activation for entry in journal.unfinished()] == [left_open]
        assert [each.first_row.body.get("n") for each in journal.walk(components=[KEY])] == [4, 3, 0]
        assert verify_chain(journal).flaws == []


def test_rows_that_are_missing_are_not_hidden_in_an_archive(tmp_path: Path) -> None:
    """Whoever takes some away can write the chain anew, but not the numbers."""
    fill(tmp_path, 50)
    tamper(tmp_path, "DELETE FROM entry WHERE sequence IN (5, 6)")
    rewrite(tmp_path, lambda _: None)
    with closing(Journal.open(str(tmp_path))) as journal:
        with pytest.raises(Damaged, match="row 7"):
            journal.archive(Cut(10))
        assert journal.base().sequence == 0


@pytest.mark.parametrize("kind", ["pipe", "device", "file"])
def test_only_a_regular_file_is_opened_as_a_history(tmp_path: Path, kind: str) -> None:
    """A pipe would keep us waiting for ever."""
    path = "/dev/null" if kind == "device" else str(tmp_path / "history.db")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "file":
        Path(path).touch()
    with nullcontext() if kind == "file" else pytest.raises(OSError, match="it is no regular file"):
        opening.regular(path, os.O_RDWR)


_ORDER = "a( a) b( s( s) r c( d( d) c) b) u( e( v( e) q"
"""Rows in their order: the beginning and the end of an activation, or one that stands alone; ``c`` is settled after
``d``, as by a later run, and ``u`` and ``v`` are unfinished."""


def in_order(folder: Path) -> tuple[dict[str, set[int]], set[str]]:
    """Write them, a second apart; the rows of each activation, and those without an end."""
    seconds = iter(range(100))
    rows: dict[str, set[int]] = {}
    known: dict[str, str] = {}
    with closing(Journal.open(str(folder), wall_ns=lambda: START_NS + next(seconds) * 10**9)) as journal:
        for number, word in enumerate(_ORDER.split(), 1):
            kind = RowKind.STAGING if word[0] == "s" else RowKind.INTENT
            match word[1:]:
                case "(":
                    known[word[0]] = journal.begin(f"lfa:{word[0]}", {}, kind=kind)
                case ")":
                    ending = RowKind.STAGED if kind is RowKind.STAGING else RowKind.OUTCOME
                    journal.end(known[word[0]], f"lfa:{word[0]}", {"outcome": "failed"}, kind=ending)
                case _:
                    journal.note(RowKind.REFUSAL, f"lfa:{word}", {})
            rows.setdefault(word[0], set()).add(number)
    return rows, {word for word in known if f"{word})" not in _ORDER}


@pytest.mark.parametrize("split", range(len(_ORDER.split()) + 1))
def test_an_activation_is_archived_whole_or_not_at_all(tmp_path: Path, split: int) -> None:
    """The reader of an archive would take an intent without its outcome for one that is unfinished to this day."""
    rows, unfinished = in_order(tmp_path)
    with closing(Journal.open(str(tmp_path))) as journal:
        archived: set[int] = set()
        refused = ""
        try:
            made = journal.archive(Cut(1, START_NS + split * 10**9))
        except NothingToDo as nothing:
            refused = nothing.message
        else:
            archived = {*range(made.first, made.last.sequence + 1)}
        undivided = (n for n in range(split, -1, -1) if all(max(its) <= n or min(its) > n for its in rows.values()))
        assert ("row 1 ended later" in refused) is (split > 0 and not archived)
        assert archived == {*range(1, next(undivided) + 1)}
        kept = {entry.sequence for entry in journal.rows()}
        assert all(rows[name] <= kept for name in unfinished)
        assert {entry.component for entry in journal.unfinished()} == {f"lfa:{name}" for name in unfinished}
        assert verify_chain(journal).flaws == []
