# SPDX-License-Identifier: Apache-2.0
"""How an activation, a cancellation or a staging ended: never a guess."""

from enum import StrEnum
from typing import NamedTuple

from livefw import errors
from livefw.providers.base import Claim, Component, Reason


class Outcome(StrEnum):
    """The end of one attempt on one component."""

    ACTIVATED = "activated"
    STAGED = "staged"
    """The image is where it waits for its activation."""
    FAILED = "failed"
    """It was tried and failed."""
    REFUSED = "refused"
    """Nothing was tried."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """We lost sight of it, or what we see contradicts itself."""


class Result(NamedTuple):
    """One attempt: what was seen ``before`` and ``after``, what the mechanism said, and what follows from it.

    ``after`` is None if the component was not looked at again or is gone; ``claim`` is None if the mechanism was not
    asked. ``why`` carries a stable code, a sentence and a hint. ``seconds`` is the time from asking to the answer.
    ``copy``: the version that ``after`` shows may be one from before. ``confirmed`` is false for a success that rests
    on the mechanism's word alone, which the settings accept.
    """

    before: Component
    outcome: Outcome
    why: Reason
    after: Component | None = None
    claim: Claim | None = None
    seconds: float = 0.0
    copy: bool = False
    confirmed: bool = True


def error_of(result: Result, *, phase: str, replay: str) -> errors.LivefwError | None:
    """The error that stands for a result, with all its fields; None if what was asked for was done."""
    if result.outcome in (Outcome.ACTIVATED, Outcome.STAGED, Outcome.CANCELLED):
        return None
    kind = _KINDS.get(result.outcome) or _REFUSALS.get(result.why.code, errors.Refused)
    claim = result.claim
    return kind(
        result.why.text,
        hint=result.why.hint,
        mechanism=result.before.provider,
        component=result.before.key,
        phase=phase,
        firmware_code=claim.firmware_code if claim else None,
        errno=claim.error or None if claim else None,
        replay=replay,
    )


_KINDS: dict[Outcome, type[errors.LivefwError]] = {
    Outcome.FAILED: errors.MechanismFailed,
    Outcome.UNKNOWN: errors.OutcomeUnknown,
}

_REFUSALS: dict[str, type[errors.LivefwError]] = {
    "not-pending": errors.NothingToDo,
    "nothing-to-cancel": errors.NothingToDo,
    "no-permission": errors.PermissionDenied,
    "permission": errors.PermissionDenied,
    "read-only": errors.PermissionDenied,
}
"""Refusals that are more than a refusal, by the code of their reason."""
