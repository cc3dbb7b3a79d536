# SPDX-License-Identifier: Apache-2.0
"""Nothing to do is an answer and no event: plan and activate agree on it, and a nightly run adds no row."""

from typing import Any, NamedTuple

import pytest

from livefw.errors import ExitCode
from livefw.providers.lfa.fake import RMM, FakeLfa


class Case(NamedTuple):
    """A machine, a request, and its exit code; ``rows`` is how many the request adds to the history."""

    texts: dict[str, str]
    words: tuple[str, ...]
    code: ExitCode
    rows: int = 0


IDLE = {"activation_pending": "0", "current_version": "1.1"}
CASES = {
    "up to date": Case(IDLE, (RMM,), ExitCode.NOTHING_TO_DO),
    "by a pattern": Case(IDLE, ("lfa:*",), ExitCode.NOTHING_TO_DO),
    "all": Case(IDLE, ("--all",), ExitCode.NOTHING_TO_DO),
    "what is asked for runs": Case(IDLE, (RMM, "--to", "1.1"), ExitCode.NOTHING_TO_DO),
    "what is asked for is nowhere": Case(IDLE, (RMM, "--to", "1.2"), ExitCode.REFUSED, rows=1),
    "another one is pending": Case({"pending_version": "1.3"}, (RMM, "--to", "1.2"), ExitCode.REFUSED, rows=1),
    "it is blocked as well": Case({**IDLE, "may_reset_cpu": "1"}, (RMM,), ExitCode.NOTHING_TO_DO),
    "it is blocked": Case({"may_reset_cpu": "1"}, (RMM,), ExitCode.REFUSED, rows=1),
}


def rows(root: Any) -> int:
    done = root.run("--json", "history")
    return len(done.json["history"]) if done.code == ExitCode.DONE else 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_plan_and_activate_agree(planted: Any, case: Case) -> None:
    bench = FakeLfa()
    bench.add(**case.texts)
    root = planted(bench)
    assert root.run("activate", "--dry-run", *case.words).code == case.code
    if "--to" not in case.words:
        assert root.run("plan", *(word for word in case.words if word != "--all")).code == case.code
    assert rows(root) == 0
    assert [root.run("activate", *case.words).code for _ in range(3)] == [case.code] * 3
    assert rows(root) == 3 * case.rows


@pytest.mark.fuse
def test_what_was_done_is_more_than_what_had_not_to_be(vera: Any) -> None:
    """A second component that is up to date does not make the request one without anything to do."""
    up_to_date, ready = "0509b633", "tf-rmm"
    assert vera.run("plan", up_to_date, ready).code == ExitCode.DONE
    done = vera.run("--json", "activate", up_to_date, ready)
    assert sorted(each["outcome"] for each in done.json["results"]) == ["activated", "refused"]
    assert done.code == ExitCode.DONE
    assert rows(vera) == 1
