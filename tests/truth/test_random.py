# SPDX-License-Identifier: Apache-2.0
"""Histories by chance: faults, engines that die, and others who act beside the engine; nothing untrue may be told.

`make test` plays a few hundred with a fixed seed. `make soak` plays with a fresh one until its time is up, with
``LIVEFW_SOAK`` seconds and ``LIVEFW_SEED``. The smallest history that fails is printed as a row for `FOUND`.
"""

import os
import time
from itertools import count
from pathlib import Path
from random import Random

import pytest

from livefw.activation.engine import Point
from livefw.activation.history.journal import Journal
from livefw.activation.history.verify import verify_chain

from .chance import draw, shrink, source
from .conftest import Tally
from .world import NOBODY_LIVES, PLATFORMS, RMM_GUID, SCP_GUID, Act, Fault, History, Setup, Told, Turn, play

SECONDS = float(os.environ.get("LIVEFW_SOAK", "0"))
SEED = os.environ.get("LIVEFW_SEED", "1")
HISTORIES = 40
"""In each part, unless it runs against the clock."""

GRID_ONE, GRID_TWO = PLATFORMS["grid"][:2]
FOUND = (
    # each CPU activates by itself: one failed, the others did not, and the flag never clears
    History(
        Setup("grid", "v3", "never clears"),
        (Turn(GRID_ONE, faults=(Fault("notify-refused", 1),)),),
    ),
    # the same, and no line of the log can be taken for this component's
    History(
        Setup("grid", "v1", "never clears"),
        (Turn(GRID_ONE, faults=(Fault("notify-refused", 2), Fault("cancel-refused", 1))),),
    ),
    # ... or the driver was unloaded, and prints none
    History(
        Setup("grid", "nv3", "tells nothing"),
        (Turn(GRID_TWO, faults=(Fault("endless-activate", 1),), acts=(Act("driver anew", 1),)),),
    ),
    # the last line is of another writer's PRIME
    History(
        Setup("grid", "v3", "tells nothing"),
        (Turn(GRID_TWO, faults=(Fault("notify-refused", 2),), acts=(Act("second writer", 0, Point.ASKED),)),),
    ),
    # the log tells of our failure and of another writer's success
    History(
        Setup("vera", "v3", "tells nothing"),
        (Turn(SCP_GUID, "7.8", acts=(Act("second writer", 1, Point.CHECKED),), dies_at=Point.ASKED),),
    ),
    # v1: the other's success stands before our failure, which is answered as a success
    History(
        Setup("fvp", "v1", "tells nothing"),
        (Turn(RMM_GUID, "7.8", acts=(Act("second writer", 1, Point.CHECKED),)),),
    ),
    # the only lines are that it took too long, and that something without a name was cancelled
    History(
        Setup("grid", "v2", "never clears"),
        (Turn(GRID_ONE, faults=(Fault("endless-prime"),), dies_at=Point.ANSWERED),),
    ),
    # firmware that told no version shows one that was not announced, and somebody takes the image back
    History(
        Setup("fvp", "v3", "released"),
        (
            Turn(
                RMM_GUID,
                faults=(Fault("secondary-refuses", 1), Fault("garbage-versions")),
                acts=(Act("withdraw", 1, Point.ASKED),),
            ),
        ),
    ),
    # a driver that could not read its list again shows no version; loaded anew, it shows the one that was activated
    History(
        Setup("fvp", "nv3", "never clears", together=True),
        (
            Turn(RMM_GUID, "7.8", faults=(Fault("absurd-count", 1),)),
            Turn(RMM_GUID, "7.8", acts=(Act("driver anew", 1, point=Point.CHECKED),)),
        ),
    ),
)
"""Histories of which something untrue was once told, made as small as they can be."""


def wrong(history: History, directory: Path) -> list[Told]:
    """What is untrue of what was told, each in a directory that nobody has used."""
    return [told for told in play(history, directory) if told.untrue]


@pytest.mark.parametrize("history", FOUND)
def test_what_was_found_stays_mended(history: History, tmp_path: Path) -> None:
    told = play(history, tmp_path)
    assert [each for each in told if each.untrue] == []
    assert len(told) == len(history.turns)


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("part", range(int(os.environ.get("LIVEFW_PARTS", "8"))))
def test_nothing_untrue_is_told(part: int, tmp_path: Path, tally: Tally) -> None:
    end = time.monotonic() + SECONDS
    fresh = (tmp_path / f"again-{number}" for number in count())
    for number in count():
        if time.monotonic() >= end if SECONDS else number >= HISTORIES:
            break
        history = draw(Random(f"{SEED}/{part}/{number}"))
        told = play(history, tmp_path / "all")
        names = [fault.name for turn in history.turns for fault in turn.faults]
        for each in told:
            tally(history.setup.firmware, next((name for name in names if name in NOBODY_LIVES), ""), each)
        if any(each.untrue for each in told):
            small = shrink(history, lambda less: bool(wrong(less, next(fresh))))
            pytest.fail(f"seed {SEED}, part {part}, history {number}:\n{source(small)}\n{wrong(small, next(fresh))}")
    journal = Journal.open_to_read(str(tmp_path / "all/state"))
    assert journal
    assert verify_chain(journal).flaws == []
    journal.close()
