# SPDX-License-Identifier: Apache-2.0
"""Who looks on is told how long it has been, from the moment on at which the mechanism was asked."""

from typing import Any

import pytest

from livefw.activation.execution.mechanism import TICK
from livefw.machine.faults import FaultRequest

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"


@pytest.mark.parametrize("before", [0.0, 1_000.0])
@pytest.mark.parametrize(("patience", "looks"), [(float("inf"), None), (1.0, 4), (0.0, 1)])
def test_the_seconds_that_are_told_begin_with_the_request(
    make: Any, before: float, patience: float, looks: int | None
) -> None:
    bench = make("vera", faults=[FaultRequest(name="slow", component=RMM)])
    bench.host().clock.sleep(before)
    told: list[float] = []

    def tick(seconds: float) -> bool:
        told.append(seconds)
        return seconds < patience

    bench.watch.tick = tick
    result = bench.one("tf-rmm").result
    if looks:  # who detaches is shown one more event, at once, before the mechanism is given up
        assert told.pop() == told[-1]
    assert told == pytest.approx([TICK * number for number in range(1, len(told) + 1)])
    assert len(told) == looks if looks else len(told) > 4
    assert result.seconds == pytest.approx(told[-1], abs=TICK)
