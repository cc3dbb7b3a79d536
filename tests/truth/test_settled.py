# SPDX-License-Identifier: Apache-2.0
"""An engine dies at each point, under each fault, and the next one settles what it left: nothing untrue is told.

`make test` has each driver on each firmware, with each fault and each point, on one of two components in turn; `make
soak` on both.
"""

from itertools import product
from pathlib import Path

import pytest

from livefw.activation.engine import Point
from livefw.machine.faults import FAULTS

from .conftest import Tally
from .world import MEETINGS, NOT_TOLD, RMM_GUID, SCP_GUID, Fault, History, Setup, Told, Turn, in_turn, play

DEATHS = (Point.INTENDED, Point.ASKED, Point.JUDGED, Point.RECORDED)
"""Before the first nothing is written; what lies between two of them leaves the same behind."""
COMPONENTS = (RMM_GUID, SCP_GUID)
CASES = [(*meeting, guid) for meeting in MEETINGS for guid in COMPONENTS]
ENDS = [*product((None, *FAULTS), DEATHS)]


@pytest.mark.parametrize(("firmware", "driver", "component"), CASES, ids=["-".join(case) for case in CASES])
def test_what_a_dead_engine_left_is_settled_truly(
    firmware: str, driver: str, component: str, tmp_path: Path, tally: Tally
) -> None:
    untrue: list[tuple[str, History, Told]] = []
    settled = 0
    for name, dies_at in in_turn(ENDS, (firmware, driver), COMPONENTS.index(component), of=len(COMPONENTS)):
        times = None if name and name.startswith("endless") else 1  # once is not endless
        turn = Turn(component, faults=(Fault(name, times),) if name else (), dies_at=dies_at)
        history = History(Setup("vera", driver, firmware), (turn,))
        for told in play(history, tmp_path):
            tally(firmware, name or "", told)
            settled += told.settled
            if told.untrue or told.outcome == NOT_TOLD:
                untrue.append((told.untrue or told.code, history, told))
    assert untrue == []
    assert settled > len(FAULTS)
