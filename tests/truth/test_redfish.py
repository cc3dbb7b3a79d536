# SPDX-License-Identifier: Apache-2.0
"""Redfish: whatever goes wrong in a BMC, no outcome of the engine contradicts what its firmware really runs.

The model is asked for that, and never the provider. Each case stages and activates through the engine, once with the
fault in both and once with it in the activation only; then the BMC recovers, time passes, and the next engine settles
what was left open.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.activation.engine import Order
from livefw.activation.identity import instance, made_guid
from livefw.activation.outcome import Outcome
from livefw.activation.target import Wish
from livefw.archive import cab
from livefw.archive.cab import Image
from livefw.archive.metainfo import Metainfo
from livefw.errors import LivefwError
from livefw.machine.bmc.faults import FAULTS
from livefw.machine.bmc.firmware import Pattern
from livefw.providers.base import Package

from ..redfish.conftest import Bench
from ..redfish.test_staging import World

OLD, NEW = "1.2.0", "1.9.0"
EQUIPMENT = {
    "measured": (),
    "plain": ("no-measurements", "one-bank"),
    "untold": ("no-measurements", "one-bank", "active-untold"),
}
"""What the BMC has to tell; most of today's are plain."""
LACKS = frozenset(name for names in EQUIPMENT.values() for name in names)
FAILED = (Outcome.FAILED, Outcome.REFUSED, Outcome.CANCELLED)


class Told(NamedTuple):
    """What the engine said of one act, and what was true of it in the end."""

    act: str
    outcome: str
    code: str
    true: bool

    @property
    def untrue(self) -> bool:
        return self.outcome in FAILED if self.true else self.outcome in (Outcome.ACTIVATED, Outcome.STAGED)


class Case:
    """One BMC, and all that was said of it."""

    def __init__(self, fault: str, pattern: Pattern, lacks: tuple[str, ...], folder: Path) -> None:
        self.fault = frozenset({fault} - LACKS - {""})
        self.lacks = frozenset({*lacks, *({fault} & LACKS)})
        settings = "patience = 60\n"
        self.bench = Bench(*self.lacks, pattern=pattern, settings=settings)
        self.bench.files.tree["/proc/sys/kernel/random/boot_id"] = b"5f3b2c1e-0000-4000-8000-000000000001\n"
        self.world = World(self.bench, folder)
        self.ident = "pmfw" if "one-bank" in self.lacks else "pmfw-a"
        self.said: list[Told] = []

    @property
    def waits(self) -> bool:
        """Whether the image waits, asked of the model: staged, or queued."""
        model = self.bench.model
        queued = any(firmware is model.firmware[0] for firmware, _ in model._waiting.values())
        return model.firmware[0].staged is not None or queued

    @property
    def runs(self) -> bool:
        return self.bench.running == NEW

    def break_down(self) -> None:
        self.bench.model.faults = self.lacks | self.fault

    def recover(self) -> None:
        """The BMC is itself again, and whatever still went on has ended."""
        self.bench.model.faults = self.lacks
        self.bench.clock.sleep(3600)
        self.bench.model.advance()

    def stage(self) -> None:
        guid = made_guid(instance("redfish", f"rack/{self.ident}"))
        about = Metainfo("org.example.fw", "Example", (guid,), NEW, "pmfw.bin", summary="For tests")
        package = Package("pmfw.cab", cab.write(Image(about, f"version={NEW}".encode())))
        key = f"redfish:rack/{self.ident}"
        try:
            with self.world.engine().open() as run:
                attempt = run.stage(Wish(package, key), watch=self.bench.watch)
            outcome, code = str(attempt.result.outcome), attempt.result.why.code
        except LivefwError as error:
            outcome, code = "raised", type(error).__name__
        self.recover()
        self.said.append(Told("stage", outcome, code, self.waits))
        self.settle("stage")

    def activate(self) -> None:
        key = f"redfish:rack/{self.ident}"
        try:
            with self.world.engine().open() as run:
                (attempt,) = run.activate(Order((key,)), watch=self.bench.watch)
            outcome, code = str(attempt.result.outcome), attempt.result.why.code
        except LivefwError as error:
            outcome, code = "raised", type(error).__name__
        self.recover()
        self.said.append(Told("activate", outcome, code, self.runs))
        self.settle("activate")

    def settle(self, act: str) -> None:
        """What the next engine finds out of what was left open."""
        with self.world.engine().open() as run:
            for each in run.settled:
                true = self.waits if act == "stage" else self.runs
                self.said.append(Told(f"settle {act}", str(each.outcome), each.why.code, true))


def play(fault: str, pattern: Pattern, lacks: tuple[str, ...], folder: Path) -> list[Told]:
    """With the fault in both acts; and again with it in the activation, if the image did not get so far."""
    case = Case(fault, pattern, lacks, folder)
    case.break_down()
    case.stage()
    if not case.waits:
        case.stage()
    case.break_down()
    case.activate()
    assert case.bench.web.sessions == 0 or case.fault & {"locked-out"}, "a session was left behind"
    return case.said


@pytest.mark.timeout(900)  # some hundred engines; a busy machine makes it slow, never red
@pytest.mark.parametrize("equipment", EQUIPMENT)
@pytest.mark.parametrize("pattern", Pattern)
def test_no_outcome_is_untrue_under_any_fault(pattern: Pattern, equipment: str, tmp_path: Path) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    untrue = []
    for fault in ("", *FAULTS):
        for told in play(fault, pattern, EQUIPMENT[equipment], tmp_path / (fault or "none")):
            counts[told.act, told.outcome] += 1
            if told.untrue:
                untrue.append(f"{fault or 'no fault'}: {told.act}: {told.outcome} ({told.code})")
    print(pattern, equipment, {f"{act}: {outcome}": count for (act, outcome), count in sorted(counts.items())})
    assert counts["stage", Outcome.STAGED] > 0 or pattern is Pattern.IMMEDIATE
    assert counts["activate", Outcome.ACTIVATED] > 0 or pattern is Pattern.IMMEDIATE or equipment == "untold"
    assert not untrue, "\n".join([f"{len(untrue)} outcomes are untrue", *untrue])
