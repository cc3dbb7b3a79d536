# SPDX-License-Identifier: Apache-2.0
"""Redfish: whatever goes wrong in a BMC, no outcome of the engine contradicts what its firmware really runs.

The model is asked for that, and never the provider. Each case stages and activates, and stages and cancels, through
the engine, with the fault in each act; after each the BMC recovers, time passes, and the next engine settles what was
left open.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.activation.engine import ActivationRequest
from livefw.activation.events import Finished, Steps, drain
from livefw.activation.images.target import StagingRequest
from livefw.activation.inventory.guids import instance, made_guid
from livefw.activation.outcome import Outcome, Result
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.errors import LivefwError
from livefw.machine.bmc.faults import FAULTS
from livefw.machine.bmc.firmware import Pattern
from livefw.providers.base import ImagePackage

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
SUCCESS = frozenset({Outcome.ACTIVATED, Outcome.STAGED})
FAILURE = frozenset({Outcome.FAILED, Outcome.REFUSED, Outcome.CANCELLED})


class Told(NamedTuple):
    """What the engine said of one act, and what was true in the end: that it was done, or at least something of it."""

    act: str
    outcome: str
    code: str
    done: bool
    touched: bool

    @property
    def untrue(self) -> bool:
        if self.act == "cancel":
            claims, denies = self.outcome == Outcome.CANCELLED, self.outcome in (Outcome.FAILED, Outcome.REFUSED)
        else:
            claims, denies = self.outcome in SUCCESS, self.outcome in FAILURE
        return (claims and not self.done) or (denies and self.touched)


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
        self.key = f"redfish:rack/{self.ident}"
        self.results: list[Result] = []
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

    def put(self) -> None:
        """Have the image wait, without the engine."""
        self.bench.stage(self.ident, f"version={NEW}".encode())

    def break_down(self) -> None:
        self.bench.model.faults = self.lacks | self.fault

    def recover(self) -> None:
        """The BMC is itself again, and whatever still went on has ended."""
        self.bench.model.faults = self.lacks
        self.bench.clock.sleep(3600)
        self.bench.model.advance()

    def truth(self, act: str) -> tuple[bool, bool]:
        """Whether the act was done, and whether something of it was."""
        waits, runs = self.waits, self.runs
        if act == "cancel":
            return not waits and not runs, not waits
        return (waits, waits or runs) if act == "stage" else (runs, runs)

    def stage(self) -> None:
        guid = made_guid(instance("redfish", f"rack/{self.ident}"))
        about = Metainfo("org.example.fw", "Example", (guid,), NEW, "pmfw.bin", summary="For tests")
        package = ImagePackage("pmfw.cab", cab.write(CabImage(about, f"version={NEW}".encode())))
        with self.told("stage"):
            self.follow(self.world.engine().stage(StagingRequest(package, self.key)))

    def activate(self) -> None:
        with self.told("activate"):
            self.follow(self.world.engine().activate(ActivationRequest((self.key,))))

    def cancel(self) -> None:
        with self.told("cancel"):
            self.follow(self.world.engine().cancel(self.key, reason=""))

    def follow(self, steps: Steps[Finished]) -> None:
        (attempt,) = drain(steps).attempts
        self.results.append(attempt.result)

    @contextmanager
    def told(self, act: str) -> Iterator[None]:
        """Note what the engine says of an act, and what the next one finds out of what was left open."""
        self.break_down()
        try:
            yield
        except LivefwError as error:
            outcome, code = "raised", type(error).__name__
        else:
            result = self.results.pop()
            outcome, code = str(result.outcome), result.why.code
        self.recover()
        self.said.append(Told(act, outcome, code, *self.truth(act)))
        with self.world.engine().open() as run:
            self.said += [Told(act, str(each.outcome), each.why.code, *self.truth(act)) for each in run.settled]


def play(fault: str, pattern: Pattern, lacks: tuple[str, ...], folder: Path) -> list[Told]:
    """Stage and activate, and stage and cancel; where the fault did not let the image get so far, it is put there."""
    cases = []
    for act in (Case.activate, Case.cancel):
        case = Case(fault, pattern, lacks, folder / act.__name__)
        cases.append(case)
        case.stage()
        if not case.waits and not case.runs:
            case.put()
        # Nothing is done with an image that was not held, and nothing cancelled where nothing waits.
        if not case.runs and (case.waits or act is Case.activate):
            act(case)
        assert case.bench.web.sessions == 0, "a session was left behind"
    return [told for case in cases for told in case.said]


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
