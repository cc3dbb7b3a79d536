# SPDX-License-Identifier: Apache-2.0
"""One image handed over: what was answered is held against what is pending, and nothing is lost on the way."""

from collections.abc import Callable
from typing import Any, NamedTuple

import cabarchive
import pytest

from livefw.activation.engine import Attempt
from livefw.activation.events import Begun, Control, StillRunning, drain
from livefw.activation.history.journal import RowKind
from livefw.activation.images.target import StagingRequest
from livefw.activation.inventory.guids import instance, made_guid
from livefw.activation.outcome import Outcome
from livefw.errors import Interrupted, TransportError
from livefw.providers.base import Claim, ImagePackage, Reason, Reply

from .conftest import Bench, Make
from .stager import Stager


class World:
    """A machine with one mechanism that images are handed over to."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.control = Control()
        host = bench.host()
        self.stager = Stager(host.files, host.clock)
        bench.changes = {"providers": (*host.providers, self.stager)}

    def stage(self) -> Attempt:
        self.control = Control()
        steps = self.bench.engine().stage(
            StagingRequest(ImagePackage("image", b"x"), "stager:one"), control=self.control
        )
        (attempt,) = self.bench.watch.follow(steps, self.control).attempts
        return attempt

    def rows(self) -> list[tuple[RowKind, Any, Any]]:
        rows = self.bench.journal.rows()
        return [(row.kind, row.body.get("outcome"), row.body.get("code")) for row in rows]


@pytest.fixture
def world(make: Make) -> World:
    return World(make("vera"))


_WHY = Reason("no-room", "there is no room for it")


class Row(NamedTuple):
    """What the mechanism answers and shows, and what is told."""

    claim: Claim
    keeps: bool | None
    stays: bool
    outcome: Outcome
    code: str
    mishaps: tuple[str, ...] = ()


ACCEPTED, FAILED = Claim(Reply.ACCEPTED), Claim(Reply.FAILED, reason=_WHY)
ROWS = {
    "accepted, and pending": Row(ACCEPTED, True, True, Outcome.STAGED, "staged"),
    "accepted, and nothing pending": Row(ACCEPTED, False, True, Outcome.UNKNOWN, "not-pending"),
    "accepted, and gone": Row(ACCEPTED, True, False, Outcome.UNKNOWN, "vanished"),
    "accepted, and cannot be looked at": Row(ACCEPTED, None, True, Outcome.UNKNOWN, "unseen", ("unseen",)),
    "failed": Row(FAILED, False, True, Outcome.FAILED, "no-room"),
    "failed, and cannot be looked at": Row(FAILED, None, True, Outcome.FAILED, "no-room", ("unseen",)),
    "failed, and gone": Row(FAILED, False, False, Outcome.FAILED, "no-room"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_is_answered_is_held_against_what_is_seen(world: World, row: Row) -> None:
    world.stager.claim, world.stager.keeps, world.stager.stays = row.claim, row.keeps, row.stays
    attempt = world.stage()
    assert (attempt.result.outcome, attempt.result.why.code) == (row.outcome, row.code)
    assert tuple(each.code for each in attempt.mishaps) == row.mishaps
    assert world.rows() == [(RowKind.STAGING, None, None), (RowKind.STAGED, row.outcome, row.code)]
    assert [each.outcome for each in world.bench.announced] == [row.outcome]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
def test_an_interruption_after_the_first_byte_loses_nothing(world: World, error: type[BaseException]) -> None:
    """The mechanism goes on by itself: nobody knows how it ends, and the next engine finds out."""

    def interrupt(seconds: float) -> bool:
        raise error("now")

    world.bench.watch.tick = interrupt  # type: ignore[method-assign]
    with pytest.raises(error, match="now"):
        world.stage()
    assert world.rows() == [(RowKind.STAGING, None, None)]
    assert [each.outcome for each in world.bench.announced] == [Outcome.UNKNOWN]
    with world.bench.engine().open() as run:
        assert [(each.outcome, each.why.code) for each in run.settled] == [(Outcome.STAGED, "waits")]


def test_who_stops_after_the_first_byte_sees_the_end(world: World) -> None:
    """The progress of a mechanism at work is no place to say that nothing was started."""
    control = Control()
    steps = world.bench.engine().stage(StagingRequest(ImagePackage("image", b"x"), "stager:one"), control=control)
    next(event for event in steps if isinstance(event, StillRunning))
    control.stop()
    (attempt,) = drain(steps).attempts
    assert (attempt.result.outcome, attempt.mishaps) == (Outcome.STAGED, ())


def _left(error: BaseException) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        def leave(_: Begun) -> None:
            raise error

        world.bench.watch.on_begun = leave

    return prepare


def _stops(world: World) -> None:
    world.bench.watch.on_begun = lambda _: world.control.stop()


def _asked(error: BaseException) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        def stage() -> None:
            raise error

        world.stager.before = stage

    return prepare


NOT_ASKED: dict[str, tuple[Callable[[World], None], type[BaseException], Outcome, str]] = {
    "Ctrl-C": (_left(KeyboardInterrupt()), KeyboardInterrupt, Outcome.CANCELLED, "interrupted"),
    "who follows it fails": (_left(OSError(5, "odd")), OSError, Outcome.CANCELLED, "interrupted"),
    "who follows it stops it": (_stops, Interrupted, Outcome.CANCELLED, "interrupted"),
    "a path that is gone": (_asked(TransportError("gone")), TransportError, Outcome.REFUSED, "not-asked"),
    "a defect": (_asked(RuntimeError("odd")), RuntimeError, Outcome.REFUSED, "not-asked"),
    "a disk": (_asked(OSError(5, "odd")), OSError, Outcome.REFUSED, "not-asked"),
}


@pytest.mark.parametrize("row", NOT_ASKED.values(), ids=NOT_ASKED)
def test_what_ends_it_before_the_first_byte_is_written_down(
    world: World, row: tuple[Callable[[World], None], type[BaseException], Outcome, str]
) -> None:
    prepare, error, outcome, code = row
    prepare(world)
    with pytest.raises(error):
        world.stage()
    assert not world.stager.asked
    assert world.rows() == [(RowKind.STAGING, None, None), (RowKind.STAGED, outcome, code)]
    assert [each.outcome for each in world.bench.announced] == [outcome]


def test_nothing_is_staged_on_what_nobody_knows_the_end_of(world: World) -> None:
    world.bench.watch.patience = 0.0
    assert world.stage().row.open
    world.stager.keeps = None
    world.bench.watch.patience = float("inf")
    with world.bench.engine().open() as run:
        (found,) = run.settled
        assert (found.outcome, found.why.code) == (None, "not-settled")
        world.stager.asked = False  # it can be looked at again, and this engine has not found out
        (attempt,) = drain(run.stage(StagingRequest(ImagePackage("image", b"x"), "stager:one"))).attempts
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "not-settled")
    assert not world.stager.asked


def requiring(version: str) -> ImagePackage:
    """An archive whose image requires a version of the component."""
    archive = cabarchive.CabArchive()
    guid = made_guid(instance("stager", "one"))
    archive["firmware.bin"] = cabarchive.CabFile(b"x")
    archive["a.metainfo.xml"] = cabarchive.CabFile(
        f"""<component type="firmware"><id>a</id><provides><firmware type="flashed">{guid}</firmware></provides>
        <requires><firmware compare="ge" version="{version}"/></requires>
        <releases><release version="99"/></releases></component>""".encode()
    )
    return ImagePackage("x.cab", bytes(archive.save()))


def test_an_archive_whose_requirement_is_not_met_is_refused_unless_it_is_ignored(world: World) -> None:
    def stage(*ignore: str) -> Attempt:
        request = StagingRequest(requiring("98"), "stager:one", ignore=ignore)
        (attempt,) = world.bench.watch.follow(
            world.bench.engine().stage(request, control=Control()), Control()
        ).attempts
        return attempt

    refused = stage()
    assert (refused.result.outcome, refused.result.why.code) == (Outcome.REFUSED, "requirements")
    assert "the image requires firmware ge 98: " in refused.result.why.text
    assert stage("requirements").result.outcome is Outcome.STAGED
