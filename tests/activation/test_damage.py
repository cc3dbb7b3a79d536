# SPDX-License-Identifier: Apache-2.0
"""A damaged history is named by row or page in every face, and never written: it is kept, and a new one goes on."""

import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from bench.records import COMPONENTS, fill, rewrite, tamper

from livefw.activation.history.journal import Head, Journal, JournalUnavailable, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.cli.main import main

PAGE = 4096
ROWS = 60
BOOT = "b-1"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("sound")
    fill(folder, ROWS // 2)
    journal = Journal.open(str(folder))
    journal.begin(next(iter(COMPONENTS)), {"name": "TF-0"})
    journal.close()
    return (folder / "history.db").read_bytes()


def page(number: int, data: bytes | None = None) -> Callable[[bytearray], None]:
    def damage(content: bytearray) -> None:
        new = random.Random(number).randbytes(PAGE) if data is None else data * PAGE
        content[number * PAGE : (number + 1) * PAGE] = new[:PAGE]

    return damage


def byte(seed: int) -> Callable[[bytearray], None]:
    def damage(content: bytearray) -> None:
        source = random.Random(seed)
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)

    return damage


def cut(share: float) -> Callable[[bytearray], None]:
    def damage(content: bytearray) -> None:
        del content[int(len(content) * share) :]

    return damage


def garbage(content: bytearray) -> None:
    content[:] = b"not a database at all, sorry" * 400


def header(content: bytearray) -> None:
    content[:16] = b"SQLite format 4\0"


DAMAGES: dict[str, Callable[[bytearray], None]] = {
    **{f"page {number + 1} random": page(number) for number in range(28)},
    **{f"page {number + 1} zero": page(number, b"\0") for number in range(28)},
    **{f"byte {seed}": byte(seed) for seed in range(60)},
    **{f"cut at {share}": cut(share) for share in (0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
    "not a database": garbage,
    "another header": header,
}


def ask(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, str]:
    """What the command says, which is never that it has a defect."""
    for key, name in COMPONENTS.items():
        component = folder / "root/sys/firmware/lfa" / key.partition(":")[2]
        if not component.exists():
            component.mkdir(parents=True)
            shown = {"name": name, "activation_capable": "1", "activation_pending": "1", "activate": ""}
            for file, text in shown.items():
                (component / file).write_text(f"{text}\n")
    boot = folder / "root/proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True, exist_ok=True)
    boot.write_text(f"{BOOT}\n")
    code = main(["--root", str(folder / "root"), *words, "--state", str(folder)])
    told = capsys.readouterr()
    assert "defect" not in told.out + told.err
    assert "Traceback" not in told.out + told.err
    if "--json" in words:
        # There is no infinity in JSON, whatever Python reads (RFC 8259, section 6). By a decoder of its own, and not by
        # json.loads, whose documents tests/conftest.py holds against the schema: the rows of a damaged history may have
        # any shape.
        decoder = json.JSONDecoder(parse_constant=lambda name: pytest.fail(name))
        assert decoder.decode(told.out)["schema"] == "livefw/1"
    return code, told.out + told.err


@pytest.fixture(autouse=True)
def lock_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "run"))


def sound_by_sqlite(content: bytes, copy: Path) -> bool:
    """Whether SQLite itself finds nothing wrong with the file, and its last row is the one that is noted."""
    copy.write_bytes(content)
    try:
        with closing(sqlite3.connect(copy)) as connection:
            noted = connection.execute("SELECT sequence, hash FROM head").fetchall()
            last = connection.execute("SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1").fetchall()
            return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and noted == last
    except sqlite3.DatabaseError:
        return False


def looked_at(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """By every command that reads it."""
    for words in (["history"], ["--json", "history"], ["history", "tf-1", "--since", "2023-11-14"], ["plan"]):
        code, told = ask(capsys, folder, *words)
        assert code in (0, 1, 3), told


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_the_file_is_kept_as_it_is(
    tmp_path: Path, sound: bytes, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(sound)
    DAMAGES[name](content)
    file = tmp_path / "history.db"
    file.write_bytes(content)
    looked_at(capsys, tmp_path)
    code, told = ask(capsys, tmp_path, "history", "--verify")
    if "schema" in told:
        with pytest.raises(JournalUnavailable, match="schema"):
            Journal.open(str(tmp_path))
        assert file.read_bytes() == content  # another livefw may have written it
        return
    journal = Journal.open(str(tmp_path))
    journal.end(journal.begin("lfa:x", {}), "lfa:x", {"outcome": "failed"})
    aside = journal.set_aside
    assert verify_chain(journal).flaws == [] or aside is None
    journal.close()
    assert aside is not None or sound_by_sqlite(bytes(content), tmp_path / "copy.db"), told
    if aside is None:
        # Every page is whole, and what is wrong, if anything, is what a row says: the next look names it again.
        assert ask(capsys, tmp_path, "history", "--verify")[0] == code
        return
    assert code == 1
    assert (tmp_path / aside.file).read_bytes() == content
    assert ask(capsys, tmp_path, "history")[0] == 0
    assert aside.file in ask(capsys, tmp_path, "history")[1]
    code, told = ask(capsys, tmp_path, "history", "--verify")
    assert code == 0, told
    assert aside.file in told
    again = Journal.open(str(tmp_path))
    assert again.set_aside is None
    again.close()


def wrong_types(column: str, value: str, *, of: int = 4) -> Callable[[Path], None]:
    return lambda folder: tamper(folder, f"UPDATE entry SET {column} = {value} WHERE sequence = {of}")


def facts(**changes: Any) -> Callable[[Path], None]:
    """A row with other facts and a right hash."""

    def change(row: list[Any]) -> None:
        if row[0] in (3, 4, ROWS - 1, ROWS):
            row[5] = json.dumps(json.loads(row[5]) | changes)

    return lambda folder: rewrite(folder, change)


def body(text: str | bytes) -> Callable[[Path], None]:
    def change(row: list[Any]) -> None:
        if row[0] in (3, 4, ROWS - 1, ROWS):
            row[5] = text

    return lambda folder: rewrite(folder, change)


SHAPES: dict[str, Callable[[Path], None]] = {
    "time is text": wrong_types("time_ns", "'abc'"),
    "time is real": wrong_types("time_ns", "1e300"),
    "body is a blob": wrong_types("body", "x'ff00'"),
    "kind is a blob": wrong_types("kind", "x'ff00'"),
    "component is a blob": wrong_types("component", "x'ff'"),
    "hash is a number": wrong_types("hash", "5"),
    "text that is not UTF-8": wrong_types("body", "CAST(x'7bff7d' AS TEXT)"),
    "an activation's name that is not UTF-8": wrong_types("activation", "CAST(x'ff' AS TEXT)", of=3),
    "a component that is not UTF-8": wrong_types("component", "CAST(x'ff' AS TEXT)", of=3),
    "facts are no JSON": body("{"),
    "facts are a list": body("[1, 2]"),
    "facts are a number": body("5"),
    "facts nest without end": body("[" * 100_000),
    "actor is a text": facts(actor="root"),
    "actor has numbers": facts(actor={"user": 5}),
    "seconds are text": facts(seconds="long"),
    "seconds have no end": facts(seconds=1e300),
    "log is a number": facts(log=5),
    "ignored is a text": facts(ignored="x"),
    "outcome is a list": facts(outcome=["activated"]),
    "version is a table": facts(current_version={"a": 1}, pending_version=[]),
    "cost is nonsense": facts(cost={"rows": 5}),
    "boot is a number": facts(boot_id=5, mark=7),
    "name is a number": facts(name=5, reason=[]),
    "seconds are too many": facts(seconds=10**400),
    "a number without end": facts(size=10**400),
    "infinity": facts(cost={"rows": float("inf")}, size=float("nan")),
    "facts nest": body('{"size": ' + "[" * 900 + "]" * 900 + "}"),
    "aftermath is a list": facts(aftermath=[], boot_id=BOOT),
    "aftermath misses a list": facts(aftermath={"missing": []}, boot_id=BOOT),
    "aftermath misses numbers": facts(aftermath={"missing": {"lfa": 1}}, boot_id=BOOT),
    "aftermath misses keys": facts(aftermath={"missing": {"lfa": {"keys": 5}}}, boot_id=BOOT),
    "old versions are numbers": facts(aftermath={"old": 5}, boot_id=BOOT),
    "what lasts is a list": facts(lasting=["x"], boot_id=BOOT),
    "listed is a number": facts(listed=5, announced=[]),
    "file has no name": facts(sha256=5, file=None, version=3),
}


UNSEEN = frozenset(
    {
        *("hash is a number", "cost is nonsense", "file has no name"),
        *("an activation's name that is not UTF-8", "a component that is not UTF-8"),
    }
)
"""Of these there is nothing to say: they can be shown."""


@pytest.mark.parametrize("name", SHAPES)
def test_a_row_of_another_shape_is_shown_with_its_flaw_and_the_others_with_theirs(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, ROWS // 2)
    SHAPES[name](tmp_path)
    looked_at(capsys, tmp_path)
    code, told = ask(capsys, tmp_path, "history")
    assert code == 0
    assert told.count("TF-") >= ROWS // 2 - 2
    assert "row " in told or name in UNSEEN
    ask(capsys, tmp_path, "history", "--verify")
    ask(capsys, tmp_path, "history", "--plot", os.devnull)
    code, told = ask(capsys, tmp_path, "activate", "tf-0", "--measure", "off", "--yes")
    assert code in (0, 1, 4, 6), told
    assert "tf-0" in ask(capsys, tmp_path, "history", "--limit", "1")[1].lower()


def test_a_row_of_an_unknown_kind_is_shown_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 5)
    rewrite(tmp_path, lambda row: row.__setitem__(1, "future-kind" if row[0] == 4 else row[1]))
    tamper(tmp_path, "INSERT OR IGNORE INTO unfinished SELECT activation, sequence FROM entry WHERE sequence = 3")
    assert "future-kind" in ask(capsys, tmp_path, "--json", "history")[1]
    assert ask(capsys, tmp_path, "history", "--verify")[0] == 0


NOTES = {
    "head row": "DELETE FROM head",
    "head table": "DROP TABLE head",
    "head is text": "UPDATE head SET sequence = 'x'",
    "base row": "DELETE FROM base",
    "unfinished table": "DROP TABLE unfinished",
    "an index": "DROP INDEX entry_time",
    "a trigger of somebody's": "CREATE TRIGGER mine AFTER INSERT ON entry BEGIN DELETE FROM unfinished; END",
    "a trigger": "DROP TRIGGER entry_is_not_changed",
    "the end": "DELETE FROM entry WHERE sequence > 50",
}


@pytest.mark.parametrize("name", NOTES)
def test_what_is_missing_beside_the_rows_is_a_flaw(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, ROWS // 2)
    tamper(tmp_path, NOTES[name])
    looked_at(capsys, tmp_path)
    code, told = ask(capsys, tmp_path, "history", "--verify")
    assert code == 1
    assert "NOT consistent" in told
    journal = Journal.open(str(tmp_path))
    assert journal.set_aside is not None
    assert journal.head().sequence > 50 or journal.set_aside.head is None
    assert verify_chain(journal).flaws == []
    journal.close()


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"
OTHERS = "'refusal' AS kind, '' AS activation, 'x' AS component, i AS time_ns, '{}' AS body, '' AS hash, '' AS seal"
LONG = "printf('%.*c', {length}, 'x')"
PLAIN = (
    "CREATE TABLE entry (sequence INTEGER PRIMARY KEY, kind, activation, component, time_ns, body{made}, hash, seal)"
)
ROW = (
    "INSERT INTO entry (sequence, kind, activation, component, time_ns, hash, seal)"
    " VALUES (1, 'refusal', 'a', 'x', 1, '', '')"
)
FOREIGN: dict[str, tuple[str, ...]] = {
    "rows without end": (f"CREATE VIEW entry AS {NUMBERS} AS sequence, {OTHERS} FROM n",),
    "a head without end": (PLAIN.format(made=""), f"CREATE VIEW head AS {NUMBERS} AS sequence, '' AS hash FROM n"),
    "a gigabyte that is worked out": (PLAIN.format(made=f" AS ({LONG.format(length=900_000_000)})"), ROW),
    "ten megabytes": (PLAIN.format(made=""), ROW, f"UPDATE entry SET body = {LONG.format(length=10_000_000)}"),
    "tables of another program": ("CREATE VIRTUAL TABLE entry USING fts5(kind, activation, component, time_ns, body)",),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_history_that_somebody_else_has_made_neither_hangs_nor_fills_us(tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with closing(sqlite3.connect(state / "history.db", isolation_level=None)) as connection:
        for statement in (*FOREIGN[name], "CREATE TABLE base (one, sequence, hash)", "PRAGMA user_version = 3"):
            connection.execute(statement)
    file = ("--file", str(state / "history.db"))
    for words in (file, (*file, "--verify"), ("--state", str(state))):
        done = subprocess.run(
            [sys.executable, "-m", "livefw", "--root", str(tmp_path), "history", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20)),
        )
        assert done.returncode == 1, done
        assert "defect" not in done.stdout + done.stderr
        assert "history.db" in done.stderr or "NOT consistent" in done.stdout
    Journal.open(str(state)).close()


@pytest.mark.parametrize(
    ("number", "words"), [(99, "newer"), (-5, "no livefw writes"), (2**31 - 1, "no livefw writes"), (0, "no schema")]
)
def test_a_foreign_schema_is_refused_by_its_number(
    tmp_path: Path, number: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 3)
    connection = sqlite3.connect(tmp_path / "history.db")
    connection.execute(f"PRAGMA user_version = {number}")
    connection.close()
    before = (tmp_path / "history.db").read_bytes()
    for command in (["history"], ["history", "--verify"]):
        code, told = ask(capsys, tmp_path, *command)
        assert code == 1
        assert words in told
    with pytest.raises(JournalUnavailable, match=words):
        Journal.open(str(tmp_path))
    assert (tmp_path / "history.db").read_bytes() == before


def test_a_pipe_in_its_place_keeps_nobody_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "history.db")
    assert ask(capsys, tmp_path, "history")[0] == 1
    with pytest.raises(JournalUnavailable, match="regular"):
        Journal.open(str(tmp_path))


def test_damage_in_a_large_file_that_somebody_has_met_is_looked_for_before_the_next_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 2_000)
    file = tmp_path / "history.db"
    content = bytearray(file.read_bytes())
    page(len(content) // PAGE // 2)(content)
    file.write_bytes(content)
    assert ask(capsys, tmp_path, "--json", "history")[0] == 1
    journal = Journal.open(str(tmp_path))
    assert journal.set_aside is not None
    assert journal.set_aside.head == Head(4_000, journal.base().hash)
    journal.close()
    assert file.with_name(journal.set_aside.file).read_bytes() == content


def test_damage_that_is_met_while_writing_moves_the_file_and_not_the_row(tmp_path: Path) -> None:
    fill(tmp_path, 2_000)
    journal = Journal.open(str(tmp_path))
    kept = journal.begin("lfa:before", {})
    with open(tmp_path / "history.db", "r+b") as file:
        for number in range(1, os.path.getsize(file.name) // PAGE):
            file.seek(number * PAGE)
            file.write(b"\xff" * 64)
    other = Journal.open_to_read(str(tmp_path))
    assert other is not None
    assert journal.recent("lfa:none", RowKind.OUTCOME, limit=1) == []
    journal.end(kept, "lfa:before", {"outcome": "activated"})
    assert journal.set_aside is not None
    kinds = [entry.kind for entry in journal.rows()]
    assert kinds == [RowKind.SET_ASIDE, RowKind.OUTCOME]
    assert verify_chain(journal).flaws == []
    other.close()
    journal.close()


def test_another_writer_goes_on_in_the_new_file(tmp_path: Path) -> None:
    """An engine that is at work while somebody else finds the file damaged writes its outcome where it will be read."""
    fill(tmp_path, 5)
    engine = Journal.open(str(tmp_path))
    activation = engine.begin("lfa:a", {})
    tamper(tmp_path, "DELETE FROM head")
    finder = Journal.open(str(tmp_path))
    assert finder.set_aside is not None
    engine.end(activation, "lfa:a", {"outcome": "activated"})
    assert [entry.kind for entry in finder.rows()] == [RowKind.SET_ASIDE, RowKind.OUTCOME]
    engine.close()
    finder.note(RowKind.REFUSAL, "lfa:a", {})
    assert verify_chain(finder).flaws == []
    finder.close()


STEPS = ("link", "rename", "unlink")


@pytest.mark.parametrize("number", range(8))
def test_setting_aside_that_is_killed_anywhere_loses_nothing(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 5)
    tamper(tmp_path, "DELETE FROM head")
    content = (tmp_path / "history.db").read_bytes()
    left = [number]

    class Killed(BaseException):
        pass

    def dying(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def step(*arguments: Any, **named: Any) -> Any:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*arguments, **named)

        return step

    with monkeypatch.context() as patched:
        for name in STEPS:
            patched.setattr(os, name, dying(name))
        with suppress(Killed):
            Journal.open(str(tmp_path)).close()
    journal = Journal.open(str(tmp_path))
    assert [entry.kind for entry in journal.rows()] == [RowKind.SET_ASIDE]
    assert verify_chain(journal).flaws == []
    journal.close()
    kept = [path for path in tmp_path.glob("history.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))]
    assert kept
    assert all(path.read_bytes() == content for path in kept)


def test_who_activates_is_told_that_the_history_was_set_aside(
    tmp_path: Path, sound: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(sound)
    garbage(content)
    (tmp_path / "history.db").write_bytes(content)
    _, told = ask(capsys, tmp_path, "activate", "tf-0", "--measure", "off", "--yes")
    (kept,) = tmp_path.glob("history.db.damaged-*")
    assert f"it is kept as {kept}" in told
    assert kept.read_bytes() == content
    assert kept.name in ask(capsys, tmp_path, "history")[1]


def test_the_world_hears_of_a_history_that_was_set_aside(make: Any) -> None:
    bench = make("vera")
    bench.one("tf-rmm")
    tamper(Path(bench.paths.state), "DELETE FROM head")
    bench.announced.clear()
    with bench.engine().open() as running:
        assert running.set_aside
    (told,) = bench.announced
    assert (told.kind, told.outcome, told.why.code) == (RowKind.SET_ASIDE, None, "history-damaged")
    assert running.set_aside.file in told.why.text
    assert told.row.head
    assert told.state == os.path.realpath(bench.paths.state)
