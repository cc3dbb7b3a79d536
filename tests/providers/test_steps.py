# SPDX-License-Identifier: Apache-2.0
"""Requests in steps: each wait takes as long as it says, whatever it waits for."""

import pytest

from livefw.providers.base import Claim, Reply
from livefw.providers.fake import FakeClock, FakeFiles, FakeResult
from livefw.providers.steps import RunningSteps, Steps

DONE = Claim(Reply.ACCEPTED)
GIVEN_UP = Claim(Reply.LOST)


class Script:
    """Work that takes these steps: a pause in seconds, or a write that takes so long, None for ever."""

    def __init__(self, *steps: float | FakeResult) -> None:
        self.clock = FakeClock()
        self.touched = False
        self.closed = False
        self._steps = steps

    def steps(self) -> Steps:
        files = FakeFiles({"/x": b""}, self.clock)
        try:
            for step in self._steps:
                if isinstance(step, FakeResult):
                    files.answers["/x"] = [step]
                    self.touched = True
                    yield files.start_write("/x", b"")
                else:
                    yield step
        finally:
            self.closed = True
        return DONE

    def abandoned(self) -> Claim:
        return GIVEN_UP


KINDS: dict[str, tuple[float | FakeResult, ...]] = {
    "a pause": (10.0,),
    "a write": (FakeResult(0, 10.0),),
    "pauses": (4.0, 6.0),
    "a pause and a write": (5.0, FakeResult(0, 5.0)),
    "a write and a pause": (FakeResult(0, 5.0), 5.0),
    "nothing, often": (0.0, 0.0, 10.0, 0.0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("wait", "ends"), [(4.0, [4.0, 8.0, 10.0]), (3.5, [3.5, 7.0, 10.0]), (None, [10.0])])
def test_each_wait_takes_as_long_as_it_says(kind: str, wait: float | None, ends: list[float]) -> None:
    work = Script(*KINDS[kind])
    running = RunningSteps(work, work.clock)
    seen = []
    for end in ends:
        done = running.wait(wait)
        seen.append(work.clock.passed)
        assert done is (end == ends[-1])
    assert seen == pytest.approx(ends)
    assert running.claim == DONE
    assert work.closed


def test_a_wait_of_no_time_takes_none() -> None:
    for step in (10.0, FakeResult(0, 10.0), FakeResult(0, None)):
        work = Script(step)
        running = RunningSteps(work, work.clock)
        assert [running.wait(0.0), running.wait(0.0), work.clock.passed] == [False, False, 0.0]
        assert not work.closed
        with pytest.raises(ValueError, match="not ended"):
            _ = running.claim


@pytest.mark.parametrize("step", [10.0, FakeResult(0, 10.0)])
def test_what_is_given_up_is_closed_and_says_so_for_ever(step: float | FakeResult) -> None:
    work = Script(step)
    running = RunningSteps(work, work.clock)
    assert not running.wait(1.0)
    assert running.touched is isinstance(step, FakeResult)
    assert running.abandon() == running.claim == running.abandon() == GIVEN_UP
    assert work.closed
    assert running.wait(None)
    assert work.clock.passed == pytest.approx(1.0)
