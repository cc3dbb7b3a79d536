# SPDX-License-Identifier: Apache-2.0
"""Pages of a history hold what a walk through all of it finds, whatever is asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.records import COMPONENTS, START_NS, age, fill
from hypothesis import given, settings
from hypothesis import strategies as st

from livefw.activation.history import schema
from livefw.activation.history.journal import ENDINGS, Activation, Journal, RowKind
from livefw.activation.history.verify import verify_chain

KEYS = ("lfa:a", "lfa:b", "tdx:module")
STEPS = st.lists(
    st.tuples(st.sampled_from([*ENDINGS, RowKind.REFUSAL]), st.sampled_from(KEYS), st.integers(0, 9), st.booleans())
)
ASKED = st.fixed_dictionaries(
    {
        "components": st.none() | st.sets(st.sampled_from([*KEYS, "lfa:none"])),
        "since_ns": st.none() | st.integers(0, 10),
        "until_ns": st.none() | st.integers(0, 10),
    }
)


def pages(journal: Journal, limit: int, **asked: object) -> Iterator[Activation]:
    before = None
    while True:
        page = journal.page(limit, before=before, **asked)  # type: ignore[arg-type]
        assert len(page.activations) <= limit
        yield from page.activations
        before = page.before
        if before is None:
            return


def write(journal: Journal, steps: list[tuple[RowKind, str, int, bool]], times: list[int]) -> None:
    for kind, key, time_ns, is_ended in steps:
        times.append(time_ns)
        if kind not in ENDINGS:
            journal.note(kind, key, {})
            continue
        activation = journal.begin(key, {}, kind=kind)
        if is_ended:
            times.append(time_ns)
            journal.end(activation, key, {}, kind=ENDINGS[kind])


def expected(journal: Journal, asked: dict[str, object]) -> list[Activation]:
    rows = list(journal.rows())
    since, until, wanted = asked["since_ns"], asked["until_ns"], asked["components"]
    first = min((e.sequence for e in rows if since is None or e.time_ns >= since), default=len(rows) + 1)  # type: ignore[operator]
    last = max((e.sequence for e in rows if until is None or e.time_ns <= until), default=0)  # type: ignore[operator]
    return [
        each
        for each in reversed(journal.activations())
        if first <= each.first_row.sequence <= last and (wanted is None or each.first_row.component in wanted)  # type: ignore[operator]
    ]


@settings(max_examples=settings().max_examples // 2, deadline=None)
@given(steps=STEPS, asked=ASKED, limit=st.integers(1, 5))
def test_all_pages_together_are_what_was_asked_for(
    steps: list[tuple[RowKind, str, int, bool]],
    asked: dict[str, object],
    limit: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("history")
    times: list[int] = []
    journal = Journal.open(str(folder), wall_ns=lambda: times.pop(0))
    write(journal, steps, times)
    assert list(pages(journal, limit, **asked)) == expected(journal, asked)
    assert journal.components() == sorted({step[1] for step in steps})
    journal.close()


@pytest.mark.parametrize("number", range(1, schema.VERSION))
def test_a_history_of_an_older_livefw_is_read_as_it_is_and_written_with_the_index(tmp_path: Path, number: int) -> None:
    fill(tmp_path, 20)
    journal = Journal.open(str(tmp_path))
    unfinished = journal.begin(KEYS[0], {})
    told = journal.page(7, before=30), journal.page(3, since_ns=START_NS), journal.unfinished()
    journal.close()
    age(tmp_path, number)
    old = Journal.open_to_read(str(tmp_path))
    assert old is not None
    assert (old.page(7, before=30), old.page(3, since_ns=START_NS), old.unfinished()) == told
    old.close()
    new = Journal.open(str(tmp_path))
    assert (new.page(7, before=30), new.page(3, since_ns=START_NS), new.unfinished()) == told
    new.end(unfinished, KEYS[0], {})
    assert new.unfinished() == []
    assert verify_chain(new).flaws == []
    new.close()


def test_a_page_reads_no_more_than_it_gives(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, which are the same on every computer."""
    steps = {}
    for count in (500, 5_000):
        fill(tmp_path / str(count), count)
        journal = Journal.open_to_read(str(tmp_path / str(count)))
        assert journal is not None
        taken = [0]

        def step(taken: list[int] = taken) -> int:
            taken[0] += 1
            return 0

        journal._connection.set_progress_handler(step, 1)
        for asked in ({}, {"before": 200}, {"components": [*COMPONENTS][:1]}, {"components": [*COMPONENTS, "x:none"]}):
            assert len(journal.page(20, **asked).activations) == 20
        assert journal.unfinished() == []
        assert journal.latest(RowKind.STAGED) is None
        assert len(journal.recent(next(iter(COMPONENTS)), RowKind.OUTCOME, limit=10)) == 10
        assert len(journal.components()) == len(COMPONENTS)
        steps[count] = taken[0]
        journal.close()
    assert steps[5_000] < steps[500] * 1.5
