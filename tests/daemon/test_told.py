# SPDX-License-Identifier: Apache-2.0
"""What a job tells of an outcome that could not be written down, of what failed beside it, and of its own end."""

from pathlib import Path
from typing import Any

import pytest

from livefw.activation.engine import Attempt, Session
from livefw.activation.history.writer import RowStatus
from livefw.activation.outcome import Outcome, Result
from livefw.assemble import Where
from livefw.daemon.jobs import process
from livefw.daemon.jobs.events import log_line
from livefw.daemon.jobs.runner import JobRequest, message
from livefw.providers.base import Component, Cost, Reason
from livefw.providers.lfa.fake import RMM, FakeLfa

SETTLED: dict[str, Any] = {"event": "settled", "component": "lfa:x", "text": "why", "trouble": None, "mishaps": []}
LINES: list[tuple[dict[str, Any], str]] = [
    ({**SETTLED, "outcome": "activated"}, "lfa:x: activated, as was found out afterwards: why"),
    ({**SETTLED, "outcome": None}, "lfa:x: still unfinished, as was found out afterwards: why"),
    (
        {**SETTLED, "event": "attempt", "outcome": "failed", "trouble": "full", "mishaps": [{"text": "no meter"}]},
        "lfa:x: failed: why; not recorded: full; no meter",
    ),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_the_log_has_it(event: dict[str, Any], line: str) -> None:
    assert log_line(event) == line


COMPONENT = Component("lfa", RMM, "TF-RMM", None, None, None, Cost(None, None))
ATTEMPT = Attempt(
    Result(COMPONENT, Outcome.ACTIVATED, Reason("version-arrived", "it runs")),
    (),
    None,
    (),
    RowStatus("a1", None, "the disk has died"),
    (Reason("not-measured", "no meter"),),
)


@pytest.mark.parametrize("after_the_first", [True, False])
def test_a_client_hears_of_the_outcome_whatever_is_raised_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_the_first: bool
) -> None:
    """And where nothing has ended before it, of the error, and not that nobody knows."""
    bench = FakeLfa()
    bench.add()
    for path, data in bench.files.tree.items():
        file = tmp_path / "root" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def activates(*_: object, **__: object) -> Any:
        if after_the_first:
            yield ATTEMPT
        raise OSError(5, "Input/output error", "/x")

    monkeypatch.setattr(Session, "activate", activates)
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "run"))
    where = Where(str(tmp_path / "root"), str(tmp_path / "state"))
    told: list[dict[str, Any]] = []
    last = process.run(message(JobRequest((), "root", "dbus"), where, measure=False), told.append)
    assert last["document"]["error"]["message"] == "/x: Input/output error"
    events = [each for each in told if each["event"] == "attempt"]
    if not after_the_first:
        assert (last["exit_code"], events) == (1, [])
        return
    (result,) = last["document"]["results"]
    assert (result["outcome"], result["record"]["trouble"]) == ("activated", "the disk has died")
    assert [each["code"] for each in result["mishaps"]] == ["not-measured"]
    (event,) = events
    assert (event["trouble"], [each["code"] for each in event["mishaps"]]) == ("the disk has died", ["not-measured"])
