# SPDX-License-Identifier: Apache-2.0
"""Every driver version, every kind of firmware and every fault, once, through the engine; nothing untrue may be told.

What the outcome is measured against is what really took over (`MemoryPlatform.commits`), and that nothing is dead.
`make test` has each driver on each firmware, with each fault for ever, once and twice, on one of three machines in
turn; `make soak` on each.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from livefw.activation.engine import Point
from livefw.machine.faults import FAULTS, FaultSite
from livefw.machine.files import MachineFiles

from .conftest import Tally
from .world import MEETINGS, NOT_TOLD, RMM_GUID, SCP_GUID, Fault, History, Setup, Told, Turn, in_turn, play

PLACES = {"rmm of fvp": ("fvp", RMM_GUID), "rmm of vera": ("vera", RMM_GUID), "scp of vera": ("vera", SCP_GUID)}
LIE_OF_THE_FIRMWARE = ("secondary-refuses",)
"""The new RMM dies on a second CPU while the first says SUCCESS: nothing that can be read shows it."""


def faults() -> Iterator[tuple[Fault, ...]]:
    """None, and each alone: for ever, once, twice. One that sits in an image cannot happen more often."""
    yield ()
    for name, fault in FAULTS.items():
        for times in (None,) if fault.where is FaultSite.IMAGE else (None, 1, 2):
            yield (Fault(name, times),)


CASES = [(*meeting, place) for meeting in MEETINGS for place in PLACES]


@pytest.mark.parametrize(("firmware", "driver", "place"), CASES, ids=["-".join(case) for case in CASES])
def test_nothing_untrue_is_told(firmware: str, driver: str, place: str, tmp_path: Path, tally: Tally) -> None:
    platform, component = PLACES[place]
    untrue: list[tuple[str, History, Told]] = []
    for injected in in_turn([*faults()], (firmware, driver), [*PLACES].index(place), of=len(PLACES)):
        history = History(Setup(platform, driver, firmware), (Turn(component, faults=injected),))
        for told in play(history, tmp_path):
            tally(firmware, injected[0].name if injected else "", told)
            if told.untrue or told.outcome == NOT_TOLD:
                untrue.append((told.untrue or told.code, history, told))
            if injected and injected[0].name in LIE_OF_THE_FIRMWARE and told.truth.dead and told.outcome != "unknown":
                untrue.append(("no evidence can show it, and it is told", history, told))
    assert untrue == []


def denied(*_: object) -> list[bytes]:
    """A log that nobody may read: dmesg_restrict, a container."""
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize(("firmware", "driver"), MEETINGS)
def test_without_a_log_that_can_be_read_nothing_untrue_is_told(
    firmware: str, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MachineFiles, "records", denied)
    untrue: list[tuple[History, Told]] = []
    for name in (None, "notify-refused", "busy", "activation-failed", "auth-error", "secondary-refuses"):
        for times, component in product((None, 1), (RMM_GUID, SCP_GUID)):
            turn = Turn(component, faults=(Fault(name, times),) if name else ())
            history = History(Setup("vera", driver, firmware), (turn, turn._replace(dies_at=Point.JUDGED)))
            untrue += [(history, told) for told in play(history, tmp_path) if told.untrue]
    assert untrue == []
