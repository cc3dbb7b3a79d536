# SPDX-License-Identifier: Apache-2.0
"""The fields of the history's rows, in one place for writers and readers."""

import errno
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from livefw.activation.actor import Actor
from livefw.activation.aftermath import Aftermath
from livefw.activation.checks.table import Problem
from livefw.activation.history.cache import RowSource
from livefw.activation.history.journal import HistoryRow, RowKind
from livefw.activation.images.target import StagingRequest as StagingWish
from livefw.activation.images.target import StagingTarget
from livefw.activation.inventory.versions import are_alien, of_image, reliable_text
from livefw.activation.measure.meter import Measurement
from livefw.activation.outcome import Outcome, Result
from livefw.activation.plan import PastAttempts, SettingChange, usual
from livefw.activation.verdict.judgement import Verdict
from livefw.activation.verdict.table import ACCEPTED_UNCONFIRMED, DAMAGED
from livefw.providers.base import Component, Cost, Measured, Memory, Reason

_LISTED = 256
"""Components of one mechanism that a row names at most; firmware may list thousands."""
_LOG_LINES = 64
_LOG_LINE = 500
"""Bounds of the kernel log excerpt: firmware can make a driver log without end."""
_EARLIER = 20
"""Earlier activations that an estimate uses; older ones are those of another firmware."""
_KIN = 1024
"""Components of one kind whose last attempts are read at most."""
_ATTEMPTS = 500
"""Earlier attempts that are read at most."""


def intent(
    component: Component,
    problems: Iterable[Problem],
    reason: str,
    actor: Actor,
    *,
    announced: str | None,
    listed: list[str],
    mark: str,
    driver: str,
    boot_id: str,
    image: StagingTarget | None = None,
) -> dict[str, Any]:
    """The row before the request. It records only reliable versions; `evidence.of_remains` depends on that.

    ``image`` is the one to activate in one step.
    """
    return {
        **(_image(image) if image else {}),
        **_who(reason, actor),
        **_called(component),
        "current_version": reliable_text(component.current_version),
        "pending_version": reliable_text(component.pending_version),
        "announced": announced,
        **({"stated": component.stated} if component.stated else {}),
        **({"attestation": component.attestation._asdict()} if component.attestation else {}),
        "listed": listed[:_LISTED],
        **_cost(component.cost),
        "ignored": [problem._asdict() for problem in problems if problem.ignored],
        "warned": [problem.check for problem in problems if not problem.stops and not problem.ignored],
        "mark": mark,
        **({"driver": driver} if driver else {}),
        "boot_id": boot_id,
    }


def outcome(
    result: Result,
    measurement: Measurement | None,
    others: Iterable[Reason],
    mishaps: Iterable[Reason] = (),
    *,
    boot_id: str,
    held: Aftermath,
) -> dict[str, Any]:
    """The row after the reply."""
    return {
        **_how(result.outcome, result.why),
        **_answered(result),
        **_left(result.claim.lasting if result.claim else None, copy=result.copy, confirmed=result.confirmed),
        **_held(boot_id, held),
        "current_version": reliable_text(result.after.current_version if result.after else None),
        "pending": result.after.pending if result.after else None,
        "cost": measurement.document() if measurement else None,
        "others": [{"code": each.code, "text": each.text} for each in others],
        **_beside(mishaps),
    }


def settled(
    found: Verdict,
    after: Component | None,
    memory: Memory,
    mishaps: Iterable[Reason] = (),
    *,
    boot_id: str,
    held: Aftermath,
) -> dict[str, Any]:
    """The outcome of an intent whose engine died before the end."""
    confirmed = found.why.code != ACCEPTED_UNCONFIRMED
    return {
        **_how(found.outcome, found.why),
        **_held(boot_id, held),
        **_left(memory.lasting, copy=found.copy and bool(after and after.copied), confirmed=confirmed),
        "reconciled": True,
        "current_version": reliable_text(after.current_version if after else None),
        "pending": after.pending if after else None,
        "witness": memory.witness,
        "firmware_code": memory.firmware_code,
        "log": excerpt(memory.log),
        **_beside(mishaps),
    }


def _called(component: Component) -> dict[str, Any]:
    """Its name, and the host that it belongs to if that is not this machine."""
    return {"name": component.name, **({"host": component.host} if component.host else {})}


def _cost(cost: Cost) -> dict[str, Any]:
    """What it stops: of the machine itself, or behind a BMC."""
    return {"restart": cost.restart} if cost.restart else {"rendezvous": cost.rendezvous}


def refusal(result: Result, problems: Iterable[Problem], reason: str, actor: Actor) -> dict[str, Any]:
    """A check blocked the activation, and nothing was tried."""
    return {
        **_who(reason, actor),
        **_how(result.outcome, result.why),
        **_called(result.before),
        "current_version": reliable_text(result.before.current_version),
        "pending_version": reliable_text(result.before.pending_version),
        "problems": [problem._asdict() for problem in problems],
    }


def cancellation(result: Result, reason: str, actor: Actor, mishaps: Iterable[Reason]) -> dict[str, Any]:
    """A mechanism was asked to cancel."""
    claim = result.claim
    return {
        **_who(reason, actor),
        **_how(result.outcome, result.why),
        **_called(result.before),
        "seconds": round(result.seconds, 6),
        "current_version": reliable_text(result.before.current_version),
        "pending": result.after.pending if result.after else None,
        "firmware_code": claim.firmware_code if claim else None,
        "log": excerpt(claim.log) if claim else [],
        **_beside(mishaps),
    }


def staging(target: StagingTarget, change: StagingWish, actor: Actor) -> dict[str, Any]:
    """The row before an image is handed over; ``version`` is the one that its archive declares."""
    component = target.component
    return {
        **_image(target),
        **_who(change.reason, actor),
        **_called(component),
        **_waiting(component),
        "ignore": list(change.ignore),
    }


def staged(result: Result, mishaps: Iterable[Reason]) -> dict[str, Any]:
    """The row after an image was handed over."""
    return {
        **_how(result.outcome, result.why),
        **_answered(result),
        **({"holds": result.claim.holds} if result.claim and result.claim.holds else {}),
        **_waiting(result.after),
        **_beside(mishaps),
    }


def staging_refused(
    target: StagingTarget, change: StagingWish, actor: Actor, result: Result, problems: Iterable[Problem]
) -> dict[str, Any]:
    """A check blocked the staging, and nothing was handed over."""
    return {
        **staging(target, change, actor),
        **_how(result.outcome, result.why),
        "problems": [problem._asdict() for problem in problems],
    }


def staging_settled(outcome: Outcome, why: Reason, after: Component | None) -> dict[str, Any]:
    """The outcome of a staging whose engine died before the end."""
    return {**_how(outcome, why), "reconciled": True, **_waiting(after)}


def ignored_at_staging(journal: RowSource, component: Component) -> tuple[str, ...]:
    """Checks that were ignored when the pending image was staged; they need not be ignored again."""
    endings = journal.recent(component.key, RowKind.STAGED, limit=_EARLIER) if component.pending else []
    ending = next((entry for entry in endings if entry.body.get("outcome") == Outcome.STAGED), None)
    version = ending.body.get("pending_version") if ending else None
    if ending is None or version is None or version != reliable_text(component.pending_version):
        return ()
    intents = journal.recent(component.key, RowKind.STAGING, limit=_EARLIER)
    staged = (each.body for each in intents if each.activation == ending.activation)
    return tuple(word for body in staged for word in body.get("ignore", ()))


def staged_version(journal: RowSource | None, component: Component) -> str | None:
    """The version of the pending image if livefw staged it; None if that is not known.

    It counts until the next activation: an image that is pending after that may come from elsewhere.
    """
    endings = journal.recent(component.key, RowKind.STAGED, limit=_EARLIER) if journal and component.pending else []
    ending = next((entry for entry in endings if entry.body.get("outcome") == Outcome.STAGED), None)
    if journal is None or ending is None:
        return None
    tried = journal.recent(component.key, RowKind.OUTCOME, limit=1)
    if tried and tried[0].sequence > ending.sequence and tried[0].body.get("outcome") == Outcome.ACTIVATED:
        return None
    intents = journal.recent(component.key, RowKind.STAGING, limit=_EARLIER)
    text = next((each.body.get("version") for each in intents if each.activation == ending.activation), None)
    version = of_image(str(text), component) if text else None
    # A version in another format could not be recognised in what the mechanism shows afterwards.
    running = component.current_version
    return None if version is None or (running and are_alien(version, running)) else version.text


def setting(change: SettingChange, error: str, actor: Actor) -> dict[str, Any]:
    """A setting was changed to what the policy wants, or could not be."""
    return {
        **_who("the policy requires it", actor),
        **_called(change.component),
        "setting": change.setting,
        "value": change.wanted,
        "trouble": error,
    }


def last_setting_error(journal: RowSource, change: SettingChange) -> str:
    """Why the last attempt to change a setting failed; empty if it succeeded, or was never made."""
    for entry in journal.recent(change.component.key, RowKind.SETTING, limit=_EARLIER):
        if (entry.body.get("setting"), entry.body.get("value")) == (change.setting, change.wanted):
            return str(entry.body.get("trouble") or "")
    return ""


def past_attempts(journal: RowSource, component: str) -> PastAttempts:
    """Numbers and durations of earlier activations of a component; attempts that asked nothing do not count."""
    bodies = [entry.body for entry in journal.recent(component, RowKind.OUTCOME, limit=_ATTEMPTS)]
    outcomes = Counter(body.get("outcome") for body in bodies)
    succeeded, failed, unknown = (outcomes[each] for each in (Outcome.ACTIVATED, Outcome.FAILED, Outcome.UNKNOWN))
    seconds = [float(body["seconds"]) for body in bodies if body.get("outcome") == "activated" and "seconds" in body]
    return PastAttempts(succeeded + failed + unknown, succeeded, unknown, usual(seconds[:_EARLIER]))


def last_failure(journal: RowSource, component: str) -> str:
    """How and when the last attempt on a component ended if it failed or its outcome is unknown; else empty."""
    return next((_failure("here", entry) for entry in journal.recent(component, RowKind.OUTCOME, limit=1)), "")


def kin_failure(journal: RowSource, component: Component) -> str:
    """The same of the last attempt on any component of its kind, if that was another one than this.

    One that is gone since counts, too: that may be because of the attempt.
    """
    kin = [key for key in journal.components() if key.startswith(component.kin)] if component.kin else []
    last = [entry for key in kin[-_KIN:] for entry in journal.recent(key, RowKind.OUTCOME, limit=1)]
    newest = max(last, key=lambda entry: entry.time_ns, default=None)
    if newest is None or newest.component == component.key:
        return ""
    return _failure(f"on another one of its kind, {newest.component},", newest)


def _failure(where: str, entry: HistoryRow) -> str:
    """How and when an attempt ended if it failed, left damage, or has an unknown outcome; else empty."""
    outcome, moment = entry.body.get("outcome"), datetime.fromtimestamp(entry.time_ns / 1e9).astimezone()
    ended = (
        "left damage" if entry.body.get("code") == DAMAGED else _ENDED.get(outcome if isinstance(outcome, str) else "")
    )
    if not ended:
        return ""
    code = entry.body.get("firmware_code")
    why = f": {text}" if isinstance(text := entry.body.get("text"), str) and text else ""
    return f"the last attempt {where} {ended}{f' ({code})' if code else ''}, {moment:%Y-%m-%d %H:%M}{why}"


_ENDED: dict[str, str] = {Outcome.FAILED: "failed", Outcome.UNKNOWN: "has an unknown outcome"}


def excerpt(lines: Sequence[str]) -> list[str]:
    """The last lines of a log, bounded; the number of omitted lines comes first."""
    kept = [line[:_LOG_LINE] for line in lines[-_LOG_LINES:]]
    return [f"({len(lines) - len(kept)} lines before)", *kept] if len(kept) < len(lines) else kept


def _image(target: StagingTarget) -> dict[str, Any]:
    package = target.package
    return {
        "file": package.name,
        "size": package.size if not package.uri else None,
        "sha256": package.sha256 if not package.uri else None,
        "uri": _without_secrets(package.uri) or None,
        "archive": target.archive or None,
        "version": target.version.text if target.version else None,
    }


def _without_secrets(uri: str) -> str:
    """The URI without its login and query, which may be a key."""
    scheme, colon, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{colon}{host.rpartition('@')[2]}{slash}{path}".partition("?")[0]


def _waiting(after: Component | None) -> dict[str, Any]:
    return {
        "current_version": reliable_text(after.current_version if after else None),
        "pending": after.pending if after else None,
        "pending_version": reliable_text(after.pending_version if after else None),
    }


def _answered(result: Result) -> dict[str, Any]:
    claim = result.claim
    return {
        "seconds": round(result.seconds, 6),
        "said": claim.reply if claim else None,
        "witness": claim.witness if claim else None,
        "firmware_code": claim.firmware_code if claim else None,
        "errno": errno.errorcode.get(claim.error, str(claim.error)) if claim and claim.error else None,
        "log": excerpt(claim.log) if claim else [],
        **_linked(result),
    }


def _linked(result: Result) -> dict[str, Any]:
    """What the other way of a linked component shows afterwards."""
    there = result.after and result.after.linked
    if not there:
        return {}
    measured = result.claim.measured if result.claim else Measured.NOT
    return {
        "linked": {
            "key": there.key,
            "current_version": reliable_text(there.current_version),
            "pending_version": reliable_text(there.pending_version),
            "trouble": there.trouble.text if there.trouble else None,
            **({"measured": measured} if measured is not Measured.NOT else {}),
        }
    }


def _held(boot_id: str, held: Aftermath) -> dict[str, Any]:
    """The state after an outcome that holds until the next boot."""
    kept = held.document()
    return {"boot_id": boot_id} | ({"aftermath": kept} if kept else {})


def _left(lasting: Reason | None, *, copy: bool, confirmed: bool) -> dict[str, Any]:
    """The fields for a version that may be out of date, an unconfirmed success and lasting damage; empty for the usual
    end.

    ``copy``: the version in this row may be out of date. ``lasting``: see `livefw.providers.base.Claim`.
    """
    left: dict[str, Any] = {}
    if copy:
        left["copy"] = True
    if not confirmed:
        left["confirmed"] = False
    if lasting:
        left["lasting"] = lasting._asdict()
    return left


def _beside(mishaps: Iterable[Reason]) -> dict[str, Any]:
    """The failures beside the request; empty for the usual end."""
    kept = [{"code": each.code, "text": each.text} for each in mishaps]
    return {"mishaps": kept} if kept else {}


def _who(reason: str, actor: Actor) -> dict[str, Any]:
    return {"actor": actor._asdict(), "reason": reason}


def _how(outcome: Outcome, why: Reason) -> dict[str, Any]:
    return {"outcome": outcome, "code": why.code, "text": why.text}
