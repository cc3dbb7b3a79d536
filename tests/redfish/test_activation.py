# SPDX-License-Identifier: Apache-2.0
"""Staging, activation and cancellation on a modelled BMC, in virtual time: both patterns, and every fault.

There is no independent service with Stage, Activate, Cancel or ComponentIntegrity (2026): what only our own model
checks says so in its name.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from livefw.activation.actor import Actor
from livefw.activation.engine import Engine, Host
from livefw.activation.events import Control, Event, Progressed, drain
from livefw.activation.images.target import StagingRequest
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.errors import Interrupted
from livefw.machine.bmc.faults import FAULTS
from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.model import Dropped
from livefw.providers.base import ImagePackage, Measured, Reply, Trust, Witness

Make = Callable[..., Any]

BOTH_STEPS = [Pattern.STAGE, Pattern.START, Pattern.BOTH]


@pytest.mark.parametrize("pattern", BOTH_STEPS)
@pytest.mark.parametrize("ident", ["pmfw-a", "tmpm"])
def test_without_peer_staged_image_is_activated(make: Make, pattern: Pattern, ident: str) -> None:
    bench = make(pattern=pattern)
    assert bench.component(ident).reasons[0].code == "not-pending"
    assert bench.stage(ident, b"version=7.0").reply is Reply.ACCEPTED
    assert bench.component(ident).pending
    assert bench.component(ident).reasons == ()
    result = bench.activate(ident)
    assert result.outcome is Outcome.ACTIVATED
    assert result.after
    assert result.after.current_version
    assert result.after.current_version.text == "7.0"
    assert result.claim
    assert "measurement" in result.claim.log[-1]
    assert bench.web.sessions == 0


def test_an_interruption_while_a_bmc_is_at_work_is_not_called_a_start_of_nothing(make: Make) -> None:
    """A Ctrl-C is heard at the next step, and the BMC tells many: the task is watched to its end all the same."""
    bench = make()
    assert bench.stage().reply is Reply.ACCEPTED
    steps: list[Event] = []

    def interrupts(event: Event, control: Control) -> None:
        if isinstance(event, Progressed):
            steps.append(event)
            if len(steps) > 1:  # the first is told before anything is asked
                control.stop()

    bench.watch.hear = interrupts
    result = bench.activate()
    assert (result.outcome, bench.running) == (Outcome.ACTIVATED, "1.9.0")
    assert len(steps) > 1


def test_key_stays_when_banks_change_places(make: Make) -> None:
    bench = make()
    for version in ("2.0", "3.0"):
        bench.stage(image=f"version={version}".encode())
        assert bench.activate().outcome is Outcome.ACTIVATED
        assert bench.running == version
    assert {each.id for each in bench.provider.discover().components} == {"rack/pmfw-a", "rack/tmpm", "rack/bios"}


def test_push_says_stage_and_names_one_target(make: Make) -> None:
    bench = make()
    bench.stage()
    (body,) = bench.posts("/update-multipart")
    form = re.search(rb'\{"Targets.*?\}', body)
    assert form
    assert json.loads(form[0]) == {
        "Targets": ["/redfish/v1/UpdateService/FirmwareInventory/pmfw-b"],
        "Stage": True,
    }


def test_progress_is_told_by_the_names_of_the_registry(make: Make) -> None:
    bench = make()
    bench.stage()
    texts = [each.text for each in bench.watch.told if each.text]
    assert texts == [
        "multipart push",
        "the image is being transferred to the component",
        "the component verifies the image",
        "the image is being installed",
        "the image is staged and pending activation",
    ]
    percents = [each.percent for each in bench.watch.told if each.percent is not None]
    assert percents == sorted(percents)


def test_simple_update_hands_over_a_uri(make: Make) -> None:
    bench = make()
    assert bench.stage(image=b"", uri="http://images.example/x.bin?version=5.0").reply is Reply.ACCEPTED
    assert json.loads(bench.posts("SimpleUpdate")[0])["ImageURI"] == "http://images.example/x.bin?version=5.0"


def test_service_that_cannot_hold_an_image_is_sent_nothing(make: Make) -> None:
    """It would ignore a parameter that it does not know, and install the image at once (bmcweb, 2026)."""
    bench = make(pattern=Pattern.IMMEDIATE)
    claim = bench.stage()
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.REFUSED, "no-staging")
    assert bench.posts("/update-multipart") == []


class Known(NamedTuple):
    """What a claim says under a fault, and whether the new version runs in the end."""

    reply: Reply
    code: str | None = None
    runs: bool = False
    measured: Measured = Measured.NOT
    at_work: bool = False


CHANGED, UNCHANGED = Measured.CHANGED, Measured.UNCHANGED
DONE = Known(Reply.ACCEPTED, None, True, CHANGED)
GONE = Known(Reply.LOST, "monitor-gone", True, CHANGED)
EXPECTED = {
    "verify-fails": DONE,
    "activate-fails": Known(Reply.FAILED, "activation-failed", measured=UNCHANGED),
    "activate-hangs": Known(Reply.LOST, "no-end", at_work=True),
    "reset-after-all": Known(Reply.FAILED, "reset-required", measured=UNCHANGED),
    "waits-for-reset": Known(Reply.FAILED, "reset-required", measured=UNCHANGED),
    "task-suspends": Known(Reply.LOST, "task-stopped", True, at_work=True),
    "false-success": Known(Reply.ACCEPTED, measured=UNCHANGED),
    "false-success-cleared": Known(Reply.ACCEPTED, measured=UNCHANGED),
    "false-failure": Known(Reply.FAILED, "activation-failed", True, CHANGED),
    "failure-cleared": Known(Reply.FAILED, "activation-failed", measured=UNCHANGED),
    "completed-critical": Known(Reply.FAILED, "task-failed", measured=UNCHANGED),
    "completed-warning": DONE,
    "answers-204": Known(Reply.ACCEPTED, measured=UNCHANGED),
    "answers-text": DONE,
    "refused-but-done": Known(Reply.DECLINED, "bad-request", True, CHANGED),
    "unauthorized-but-done": Known(Reply.DECLINED, "not-permitted", True, CHANGED),
    "error-but-done": Known(Reply.LOST, "service-broke", True, CHANGED),
    "gateway-but-done": Known(Reply.LOST, "service-broke", True, CHANGED),
    "dropped-but-done": Known(Reply.LOST, "broken", True, CHANGED),
    "false-staging": DONE,
    "refused-but-staged": DONE,
    "dropped-but-staged": DONE,
    "installs-at-once": DONE,
    "too-large": DONE,
    "false-cancel": DONE,
    "monitor-vanishes": Known(Reply.LOST, "monitor-gone", True),
    "monitor-once": DONE,
    "monitor-breaks": Known(Reply.LOST, "service-broke", True, CHANGED),
    "monitor-unauthorized": Known(Reply.LOST, "monitor-hidden", True, CHANGED),
    "monitor-pages": DONE,
    "task-deleted": GONE,
    "task-deleted-page": GONE,
    "no-location": DONE,
    "unfollowable": Known(Reply.LOST, "no-monitor", True),
    "session-expires": DONE,
    "locked-out": Known(Reply.LOST, "locked-out", True, at_work=True),
    "busy": Known(Reply.DECLINED, "busy", measured=UNCHANGED),
    "busy-page": Known(Reply.DECLINED, "busy", measured=UNCHANGED),
    "inventory-busy": DONE,
    "inventory-gone": DONE,
    "member-busy": DONE,
    "paged": DONE,
    "member-page": DONE,
    "optional-page": Known(Reply.ACCEPTED, None, True),
    "reboots": Known(Reply.LOST, "broken", at_work=True),
    "foreign-work": DONE,
    "measurement-stays": Known(Reply.ACCEPTED, None, True, UNCHANGED),
    "measurement-replayed": Known(Reply.ACCEPTED, None, True),
    "measurement-forged": Known(Reply.ACCEPTED, None, True),
    "no-measurements": Known(Reply.ACCEPTED, None, True),
    "one-bank": DONE,
    "active-untold": DONE,
}


def test_every_fault_has_a_row() -> None:
    assert EXPECTED.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", EXPECTED)
def test_without_peer_claim_says_what_is_known_under_every_fault(make: Make, fault: str) -> None:
    bench = make(pattern=Pattern.STAGE)
    assert bench.stage().reply is Reply.ACCEPTED
    bench.model.faults = frozenset({fault})
    bench.begin_anew()
    running = bench.provider.activate("rack/pmfw-a", bench.watch.progress)
    assert running.wait(None)
    claim = running.claim
    bench.clock.time += 3600
    bench.model.advance()
    known = Known(
        claim.reply, claim.reason and claim.reason.code, bench.running == "1.9.0", claim.measured, claim.at_work
    )
    assert known == EXPECTED[fault]
    assert (claim.trust, claim.witness) == (Trust.DOUBTFUL, Witness.NONE)
    assert claim.trust_reason
    assert len(bench.posts("SoftwareInventory.Activate")) == 1
    assert bench.web.sessions == 0


@pytest.mark.parametrize(
    ("fault", "said", "code"),
    [
        ("verify-fails", Reply.FAILED, "auth-failed"),
        ("false-staging", Reply.FAILED, "not-staged"),
        ("busy", Reply.DECLINED, "busy"),
        ("installs-at-once", Reply.LOST, "not-held"),
        ("busy-page", Reply.DECLINED, "busy"),
        ("too-large", Reply.DECLINED, "too-large"),
        ("refused-but-staged", Reply.ACCEPTED, None),
        ("dropped-but-staged", Reply.ACCEPTED, None),
        ("task-deleted", Reply.ACCEPTED, None),
        ("task-deleted-page", Reply.ACCEPTED, None),
        ("session-expires", Reply.ACCEPTED, None),
        ("locked-out", Reply.LOST, "locked-out"),
        ("unfollowable", Reply.LOST, "no-monitor"),
        ("monitor-vanishes", Reply.LOST, "monitor-gone"),
    ],
)
@pytest.mark.parametrize("pattern", BOTH_STEPS)
def test_staging_ends_as_the_inventory_shows(
    make: Make, pattern: Pattern, fault: str, said: Reply, code: str | None
) -> None:
    claim = make(fault, pattern=pattern).stage()
    assert (claim.reply, claim.reason and claim.reason.code) == (said, code)


def test_an_image_that_runs_already_is_not_held_by_the_word_of_its_task(make: Make) -> None:
    bench = make("installs-at-once", pattern=Pattern.START)
    assert bench.stage().holds == ""
    assert not bench.component().pending


def test_busy_bmc_refuses_and_the_image_stays(make: Make) -> None:
    bench = make()
    bench.stage()
    bench.model.faults = frozenset({"busy"})
    assert bench.activate().outcome is Outcome.REFUSED
    assert bench.component().pending


def test_same_version_is_no_success(make: Make) -> None:
    claim = make().stage(image=b"version=1.2.0")
    assert (claim.reply, claim.firmware_code) == (Reply.REFUSED, "UpdateSkippedSameVersion")
    assert claim.reason
    assert claim.reason.code == "already-installed"


# What StartUpdate would start beside.


def test_start_update_is_refused_while_foreign_work_is_queued(make: Make) -> None:
    bench = make("foreign-work", pattern=Pattern.START)
    bench.stage()
    result = bench.activate()
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, "foreign-work")
    assert bench.posts("StartUpdate") == []


def test_start_update_is_done_beside_foreign_work_if_the_settings_say_so(make: Make) -> None:
    bench = make("foreign-work", pattern=Pattern.START, settings="start-all = true\n")
    bench.stage()
    result = bench.activate()
    # The task says ResetRequired, for the BIOS of somebody else; and a queue does not tell which version waits in it.
    assert (result.outcome, result.why.code) == (Outcome.UNKNOWN, "changed-otherwise")
    assert result.claim.firmware_code == "ResetRequired"
    assert len(bench.posts("StartUpdate")) == 1


def test_foreign_work_does_not_stand_in_the_way_of_a_narrower_action(make: Make) -> None:
    bench = make("foreign-work", pattern=Pattern.BOTH)
    bench.stage()
    assert bench.activate().outcome is Outcome.ACTIVATED
    assert bench.posts("StartUpdate") == []


# What is not live.


@pytest.mark.parametrize(
    ("needs_reset", "settings", "code"),
    [(True, "", "reset-required"), (None, "", "reset-untold"), (True, "assume-live = true\n", "reset-required")],
)
def test_what_takes_a_reset_is_not_activated(make: Make, needs_reset: bool | None, settings: str, code: str) -> None:
    bench = make(firmware=[Firmware("mcu", "MCU", "/redfish/v1/Systems/1", needs_reset=needs_reset)], settings=settings)
    bench.stage("mcu")
    result = bench.activate("mcu")
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, code)


def test_what_does_not_say_is_activated_if_the_settings_say_so(make: Make) -> None:
    firmware = [Firmware("mcu", "MCU", "/redfish/v1/Systems/1", needs_reset=None)]
    bench = make(firmware=firmware, settings="assume-live = true\n")
    bench.stage("mcu")
    assert bench.activate("mcu").outcome is Outcome.ACTIVATED


# Attestation.


@pytest.mark.parametrize(
    ("fault", "measured", "words"),
    [
        ("", Measured.CHANGED, "measurement 1 has changed"),
        ("measurement-stays", Measured.UNCHANGED, "no measurement has changed"),
        ("measurement-replayed", Measured.NOT, "after: it does not contain our nonce: it was made for another request"),
        ("measurement-forged", Measured.NOT, "before: the signature is invalid"),
    ],
)
def test_without_peer_measurements_before_and_after(make: Make, fault: str, measured: Measured, words: str) -> None:
    bench = make()
    bench.stage()
    bench.model.faults = frozenset({fault}) - {""}
    claim = bench.activate().claim
    assert claim
    assert claim.measured is measured
    assert words in claim.log[-1]
    nonces = [json.loads(body)["Nonce"] for body in bench.posts("SPDMGetSignedMeasurements")]
    assert len(set(nonces)) == 2


# Cancel, and giving up.


@pytest.mark.parametrize("pattern", BOTH_STEPS)
def test_without_peer_staged_image_is_cancelled(make: Make, pattern: Pattern) -> None:
    bench = make(pattern=pattern)
    bench.stage()
    assert bench.cancel().outcome is Outcome.CANCELLED
    assert not bench.component().pending
    assert bench.cancel().why.code == "nothing-staged"


@pytest.mark.parametrize("pattern", BOTH_STEPS)
def test_cancellation_that_is_only_said_is_none(make: Make, pattern: Pattern) -> None:
    bench = make("false-cancel", pattern=pattern)
    bench.stage()
    result = bench.cancel()
    assert (result.outcome, result.why.code) == (Outcome.FAILED, "still-waits")


def test_giving_up_before_anything_was_asked_changes_nothing(make: Make) -> None:
    bench = make()
    bench.stage()
    running = bench.provider.activate("rack/pmfw-a", bench.watch.progress)
    assert not running.touched
    assert running.abandon().reply is Reply.REFUSED
    assert bench.posts("Activate") == []


def test_giving_up_later_leaves_the_outcome_open_and_no_session(make: Make) -> None:
    bench = make("activate-hangs")
    bench.stage()
    bench.watch.patience = 5.0
    result = bench.activate()
    assert (result.outcome, result.why.code) == (Outcome.UNKNOWN, "not-watched")
    assert bench.web.sessions == 0


class Away:
    """Drops so many connections from the moment on at which the activation has ended."""

    def __init__(self, bench: Any, count: int) -> None:
        self._bench, self._count, self._handle = bench, count, bench.web.handle

    def __call__(self, *arguments: Any) -> Any:
        if self._bench.running == "1.9.0" and not self._bench.web.sessions and self._count > 0:
            self._count -= 1
            raise Dropped
        return self._handle(*arguments)


def test_bmc_that_restarts_after_the_activation_is_waited_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    bench.stage()
    monkeypatch.setattr(bench.web, "handle", Away(bench, 7))
    assert bench.activate().outcome is Outcome.ACTIVATED


def test_bmc_that_does_not_come_back_is_told_in_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    bench.stage()
    monkeypatch.setattr(bench.web, "handle", Away(bench, 10_000))
    result = bench.activate()
    # It could be measured before it went away, and not be looked at any more.
    assert (result.outcome, result.why.code, result.after) == (Outcome.ACTIVATED, "measurement-changed", None)
    assert bench.clock.passed < 600


# What OCP leaves out.


@pytest.mark.parametrize(
    ("firmware", "refused"),
    [
        (Firmware("mcu", "MCU", "/redfish/v1/Systems/1/Bios", needs_reset=False), True),
        (Firmware("mcu", "Host UEFI image", "/redfish/v1/Systems/1", needs_reset=False), True),
        (Firmware("mcu", "Biosensor", "/redfish/v1/Systems/1", needs_reset=False), False),
    ],
)
def test_a_bios_is_refused_under_the_name_of_ocp_even_if_it_takes_no_reset(
    make: Make, firmware: Firmware, refused: bool
) -> None:
    bench = make(firmware=[firmware])
    bench.stage("mcu")
    assert [each.code for each in bench.component("mcu").reasons] == (["ocp-scope"] if refused else [])
    result = bench.activate("mcu")
    assert (result.outcome is Outcome.REFUSED and result.why.code == "ocp-scope") == refused
    assert (bench.posts("Activate") == []) == refused


IMAGE = StagingRequest(ImagePackage("image.bin", b"version=1.9.0"), "rack/pmfw-a")


def test_an_upload_is_reported_before_it_begins(make: Make) -> None:
    """To send a large image takes minutes, and nothing can be reported meanwhile."""
    bench = make()
    with _engine(bench) as (engine, control):
        steps = engine.stage(IMAGE, control=control)
        report = next(event for event in steps if isinstance(event, Progressed))
        assert (report.text, bench.model.firmware[0].staged) == ("multipart push", None)
        (attempt,) = drain(steps).attempts
    assert (attempt.result.outcome, bench.model.firmware[0].staged) == (Outcome.STAGED, "1.9.0")


def test_an_upload_that_was_reported_can_still_be_prevented(make: Make) -> None:
    bench = make()
    with _engine(bench) as (engine, control):
        steps = engine.stage(IMAGE, control=control)
        next(event for event in steps if isinstance(event, Progressed))
        control.stop()
        with pytest.raises(Interrupted, match="nothing was handed over"):
            drain(steps)
    assert (bench.model.firmware[0].staged, bench.posts("update-multipart")) == (None, [])


def test_who_leaves_as_an_upload_is_reported_has_nothing_sent(make: Make) -> None:
    bench = make()
    with _engine(bench) as (engine, control):
        steps = engine.stage(IMAGE, control=control)
        next(event for event in steps if isinstance(event, Progressed))
        control.detach()
        (attempt,) = drain(steps).attempts
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, "given-up")
    assert (bench.model.firmware[0].staged, bench.posts("update-multipart")) == (None, [])


@contextmanager
def _engine(bench: Any) -> Iterator[tuple[Engine, Control]]:
    with TemporaryDirectory(prefix="livefw-test-") as folder:
        paths = Paths(folder, f"{folder}/lock", folder, folder)
        actor = Actor("root", "", "test")
        host = Host(bench.files, (bench.provider,), bench.clock, paths, DEFAULT, actor, without_journal=True)
        yield Engine(host), Control()
