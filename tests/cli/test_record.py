# SPDX-License-Identifier: Apache-2.0
"""`livefw history` of rows of every kind, and `livefw show` beside it: what is told, and what cannot be asked."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.history.journal import Journal, RowKind

KEY = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
BEGUN = {"name": "TF-RMM", "current_version": "1.0", "pending_version": "1.2", "reason": "a test"}
SECOND = 1_000_000_000
Write = Callable[[Journal], object]


@contextmanager
def journal(root: Any, *times: int) -> Iterator[Journal]:
    """The history of a tree, in which each row is written at the next of these seconds."""
    left = iter(times)
    made = Journal.open(str(root.path.parent / "state"), wall_ns=lambda: next(left, 1_700_000_000) * SECOND)
    try:
        yield made
    finally:
        made.close()


def ended(**body: Any) -> Write:
    """An activation with its outcome."""
    return lambda made: made.end(made.begin(KEY, BEGUN), KEY, body)


def noted(kind: str, component: str = KEY, **body: Any) -> Write:
    """A row of its own; its kind may be one that this livefw does not know."""
    return lambda made: made.note(kind, component, body)  # type: ignore[arg-type]  # of another livefw


def staged(**body: Any) -> Write:
    begun = BEGUN | {"sha256": "0" * 64, "version": "1.3", "file": "rmm.bin"}
    return lambda made: made.end(made.begin(KEY, begun, kind=RowKind.STAGING), KEY, body, kind=RowKind.STAGED)


@pytest.mark.parametrize(
    ("write", "parts"),
    [
        (lambda made: made.begin(KEY, BEGUN), ["TF-RMM", " unfinished ", "1.0 -> 1.2?", " - "]),
        (ended(outcome="activated", current_version="1.2", seconds=2.54), [" activated ", "1.0 -> 1.2", " 2.5 s "]),
        (ended(outcome="unknown"), [" unknown ", "1.0 -> 1.2?"]),
        (ended(outcome="failed", firmware_code="LFA_BUSY"), ["failed (LFA_BUSY)", "1.0 (not 1.2)"]),
        (ended(outcome="refused", code="policy"), ["refused (policy)"]),
        (ended(outcome="failed", code="policy"), [" failed "]),
        (ended(outcome="activated", confirmed=False), ["activated (unconfirmed)"]),
        (ended(outcome="activated", reconciled=True), ["activated*", "* found out by a later run"]),
        (ended(outcome="activated", mishaps=[{"text": "the log is gone"}, 5]), ["row 2: besides: the log is gone"]),
        (ended(outcome="activated", mishaps="none"), [" activated "]),
        (staged(outcome="staged"), [" staged ", " 1.3 "]),
        (staged(outcome="failed"), ["stage: failed"]),
        (noted(RowKind.CANCELLATION, outcome="refused", code="no-cancel"), ["cancel: refused (no-cancel)"]),
        (noted(RowKind.SETTING, setting="auto_activate", value=True), ["set auto_activate to true"]),
        (noted(RowKind.SETTING, setting="auto_activate", value=False, trouble="EPERM"), ["to false failed: EPERM"]),
        (noted(RowKind.ARCHIVED, "", first=7, file="old.db"), ["(history)", "archived: rows from 7 on are in old.db"]),
        (noted(RowKind.ARCHIVED, ""), ["archived: rows from ? on are in ?"]),
        (noted(RowKind.SET_ASIDE, "", file="bad.db"), ["continues bad.db, which was damaged"]),
        (noted("dance"), ["dance (of another livefw)"]),
    ],
)
def test_every_row_is_told(ready: Any, write: Write, parts: list[str]) -> None:
    with journal(ready) as made:
        write(made)
    done = ready.run("history")
    assert done.code == 0, done.err
    for part in parts:
        assert part in done.out


def test_a_clock_that_went_back_is_told(ready: Any) -> None:
    with journal(ready, 1_700_000_000, 1_700_000_000, 1_600_000_000, 1_600_000_000) as made:
        for _ in range(2):
            ended(outcome="activated")(made)
    assert ready.run("history").out.count("the clock went back after 2023-11-1") == 1


def test_a_page_tells_where_the_next_one_begins(ready: Any) -> None:
    with journal(ready) as made:
        for reason in "abc":
            made.end(made.begin(KEY, BEGUN | {"reason": reason}), KEY, {"outcome": "failed"})
    first = ready.run("history", "--limit", "2")
    (before,) = [line.split()[-1] for line in first.out.splitlines() if line.startswith("older ones: livefw ")]
    second = ready.run("history", "--before", before)
    reasons = [[line.split()[-1] for line in page.out.splitlines() if "TF-RMM" in line] for page in (first, second)]
    assert [sorted(each) for each in reasons] == [["b", "c"], ["a"]]
    assert "older ones" not in second.out
    assert ready.run("--json", "history", "--limit", "2").json["before"] == int(before)
    for words in (("--limit", "5", "nobody"), ("nobody",)):
        for form in ((), ("--json",)):
            assert ready.run(*form, "history", *words).code == 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--head", "1:0"), "--head goes with --verify"),
        (("--keep", "5"), "--keep and --older go with --archive"),
        (("--older", "5d"), "--keep and --older go with --archive"),
        (("--verify", "--archive", "x", "--keep", "5"), "--keep and --older go with --archive"),
        (("--archive", "x", "--keep", "5", "--older", "5d"), "--keep or --older; not both"),
        (("--archive", "x", "--file", "y"), "--archive is of the history, and --file another one"),
        (("--archive", "x", "--archive", "y"), "one --archive makes one archive"),
        (("--limit", "0"), "is not a whole number of at least 1"),
        (("--limit", "-1"), "is not a whole number of at least 1"),
        (("--limit", "1" * 16), "is not a whole number of at least 1"),
        (("--limit", "\u0663"), "is not a whole number of at least 1"),
    ],
)
def test_what_cannot_be_meant_together_is_a_mistake(ready: Any, words: tuple[str, ...], text: str) -> None:
    with journal(ready) as made:
        ended(outcome="activated")(made)
    done = ready.run("history", *words)
    assert (done.code, text in done.err) == (2, True), done.err


COST = {"outcome": "activated", "cost": {"none": "of it"}}


@pytest.mark.parametrize(
    ("writes", "code", "text"),
    [
        ([], 3, "nothing of that was measured"),
        ([ended(outcome="activated"), lambda made: made.begin(KEY, BEGUN)], 3, "nothing of that was measured"),
        ([ended(**COST)], 1, "the history's measurement makes no sense"),
        ([ended(outcome="activated", cost="dear")], 3, "nothing of that was measured"),
    ],
)
def test_what_was_not_measured_is_not_drawn(ready: Any, writes: list[Write], code: int, text: str) -> None:
    with journal(ready) as made:
        for write in writes:
            write(made)
    done = ready.run("history", "--plot", "-")
    assert (done.code, text in done.err, done.out) == (code, True, ""), done.err


@pytest.mark.fuse
def test_a_picture_is_drawn_to_a_file_or_the_output(vera: Any, tmp_path: Path) -> None:
    assert vera.run("activate", "--all").code == 0
    with journal(vera) as made:
        ended(outcome="failed")(made)  # later ones without a measurement do not hide it
    drawn = vera.run("history", "--plot", "-")
    assert (drawn.code, drawn.out.startswith("<svg")) == (0, True)
    assert vera.run("history", "--plot", str(tmp_path / "cost.svg")).code == 0
    assert (tmp_path / "cost.svg").read_text() == drawn.out
    assert vera.run("history", "--plot", "/proc/none").code == 1


@pytest.mark.parametrize("there", [True, False])
def test_show_needs_no_history_and_reads_one_that_is_there(ready: Any, there: bool) -> None:
    if there:
        with journal(ready) as made:
            ended(outcome="failed")(made)
    done = ready.run("show", "tf-rmm")
    assert (done.code, "blocked by" in done.out) == (0, False)
    assert bool(re.search(r"last +failed, ", done.out)) is there


def test_show_goes_on_where_the_history_or_the_settings_cannot_be_read(ready: Any) -> None:
    whole = ready.run("show", "tf-rmm").out
    (ready.path.parent / "state").mkdir(exist_ok=True)
    (ready.path.parent / "state/history.db").write_bytes(b"no database at all, and long enough to be read" * 99)
    settings = ready.file("/etc/livefw/livefw.toml")
    settings.parent.mkdir(parents=True)
    settings.write_text("denny = []")
    done = ready.run("show", "tf-rmm")
    for before, now in (("never done here before", "the history of it"), ("nothing was done here yet", "the history")):
        whole = whole.replace(before, f"{now} cannot be read")
    whole = whole.replace(f"--root {ready.path}", f"--root {ready.path} --settings {settings.parent}")
    assert (done.code, done.out) == (0, whole)


PROBLEM = {"check": "window", "weight": "error", "text": "closed", "hint": "", "ignored": False}
STOP = {"cpus": "0", "longest_ns": 5, "baseline_ns": None, "gaps": [[0, 5]]}
MEASURED = {"source": "sampled", "seconds": 0.1, "rows": [STOP], "note": ""}


def identity(root: Any, *writes: Write) -> str:
    """The id of the last activation of a history with these rows."""
    with journal(root) as made:
        for write in writes:
            write(made)
        return next(made.walk()).first_row.activation


@pytest.mark.parametrize(
    ("write", "parts"),
    [
        (
            ended(
                outcome="failed", code="device", text="no", firmware_code="AUTH_ERROR", said="failed", log=["lfa: x"]
            ),
            [
                "outcome",
                "failed",
                "device",
                "AUTH_ERROR (-3)",
                "reply of the mechanism",
                "lfa: x",
                "a test",
            ],
        ),
        (lambda made: made.begin(KEY, BEGUN), ["no: it is unfinished", "1.2"]),
        (
            noted(RowKind.REFUSAL, outcome="refused", problems=[PROBLEM]),
            ["refused before anything was tried", "blocked", "window: closed"],
        ),
        (
            lambda made: made.end(
                made.begin(
                    KEY,
                    BEGUN
                    | {"ignored": [PROBLEM | {"check": "load", "text": "9", "ignored": True}], "warned": ["guests"]},
                ),
                KEY,
                {"outcome": "unknown", "reconciled": True, "mishaps": [{"code": "m", "text": "the disk"}]},
            ),
            ["ignored", "load: 9", "guests", "by a later run", "the disk (m)"],
        ),
        (staged(outcome="staged"), ["0" * 64, "rmm.bin", "staging of an image"]),
        (ended(outcome="activated", cost=MEASURED | {"seconds": -1}), ["makes no sense"]),
        (ended(outcome="activated", text="x" * 2000), ["shortened: text"]),
        (noted("pickled", outcome=["odd"], log="odd"), ["pickled"]),
        (
            noted(RowKind.SETTING, setting="auto_activate", value=False, trouble="EIO"),
            ["auto_activate", "false", "EIO"],
        ),
    ],
)
@pytest.mark.parametrize("digits", [4, 8, 16])
def test_all_of_one_activation_is_shown_by_its_id(ready: Any, write: Write, parts: list[str], digits: int) -> None:
    ident = identity(ready, ended(outcome="activated"), write)
    done = ready.run("history", ident[:digits].upper())
    assert done.code == 0, done.err
    assert [part for part in parts if part not in done.out] == [], done.out
    assert ident in done.out
    (one,) = ready.run("--json", "history", ident[:digits]).json["history"]
    assert one["activation"] == ident
    rows = [row for row in (one["intent"], one["outcome"]) if row]
    assert all(row["hash"] in done.out for row in rows)


def test_an_image_is_shown_with_the_activation_that_it_was_staged_for(ready: Any) -> None:
    """What was staged before another image took over has not been activated."""
    ident = identity(ready, staged(outcome="staged", pending_version="1.2"), ended(outcome="activated"))
    assert "0" * 64 in ready.run("history", ident).out
    for write in (ended(outcome="activated"), staged(outcome="staged", pending_version="7"), staged(outcome="failed")):
        ident = identity(ready, write, ended(outcome="failed"))
        assert "0" * 64 not in ready.run("history", ident).out


def test_a_component_goes_before_an_activation_with_the_same_digits(ready: Any) -> None:
    with journal(ready) as made:
        made.end(made.begin(KEY, BEGUN), KEY, {"outcome": "activated"})
        for activation in ("6c07aaaaaaaaaaaa", "6c0762aaaaaaaaaa", "77770000aaaaaaaa", "77770000bbbbbbbb"):
            made._append(RowKind.REFUSAL, activation, KEY, {"outcome": "refused"})
    assert len(ready.run("--json", "history", "6c07").json["history"]) == 5, "as before there were ids"
    (one,) = ready.run("--json", "history", "6c07a").json["history"]
    assert one["activation"] == "6c07aaaaaaaaaaaa"
    done = ready.run("history", "7777")
    assert (done.code, done.out) == (2, "")
    assert "several activations begin with 7777" in done.err
    assert "77770000aaaaaaaa, 77770000bbbbbbbb" in done.err


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("tf-rm", "did you mean TF-RMM?"),
        ("77770001", "did you mean 77770000?"),
        ("zz", "history lists"),
        ("777", ""),
    ],
)
def test_what_is_in_no_history_is_named(ready: Any, word: str, hint: str) -> None:
    with journal(ready) as made:
        made._append(RowKind.REFUSAL, "77770000aaaaaaaa", KEY, BEGUN)
    done = ready.run("history", word)
    assert (done.code, done.out) == (3, "")
    assert f"{word!r}" in done.err
    assert hint in done.err


def test_a_picture_is_drawn_of_one_activation(ready: Any) -> None:
    ident = identity(ready, ended(outcome="failed", firmware_code="BUSY", cost=MEASURED))
    identity(ready, ended(outcome="activated", current_version="1.2", cost=MEASURED))
    drawn = ready.run("history", ident[:6], "--plot", "-").out
    assert "TF-RMM: failed (BUSY)" in drawn
    assert ident[:8] in drawn
    assert "TF-RMM: activated" in ready.run("history", "--plot", "-").out
