# SPDX-License-Identifier: Apache-2.0
"""How an activation, a cancellation or a staging ended. It is never guessed."""

from enum import StrEnum
from typing import NamedTuple

from livefw import errors
from livefw.providers.base import Claim, Component, Reason


class Outcome(StrEnum):
    """The end of one attempt on one component."""

    ACTIVATED = "activated"
    STAGED = "staged"
    """The image is in place and waits for its activation."""
    FAILED = "failed"
    """It was tried and failed."""
    REFUSED = "refused"
    """Nothing was tried."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """livefw lost track of it, nothing confirms it, or the evidence contradicts the reply."""


class Result(NamedTuple):
    """One attempt: the component before and after, the claim of the mechanism, and the outcome.

    ``after`` is None if the component was not read again or is gone; ``claim`` is None if the mechanism was not asked.
    ``why`` carries a stable code, a sentence and a hint. ``seconds`` is the time from the request to the reply.
    ``copy``: the version in ``after`` may be out of date. ``confirmed`` is false for a success that only the mechanism
    reported and that the settings accept.
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
    """The error for a result, with all its fields; None if the request succeeded."""
    if result.outcome in (Outcome.ACTIVATED, Outcome.STAGED, Outcome.CANCELLED):
        return None
    kind = _KINDS.get(result.outcome) or refusal(result.why.code)
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


def refusal(code: str) -> type[errors.LivefwError]:
    """The error class of a refusal for a reason with this code."""
    return _REFUSALS.get(code, errors.Refused)


def is_nothing_to_do(code: str) -> bool:
    """Whether a refusal for a reason with this code says that there is nothing to do."""
    return issubclass(refusal(code), errors.NothingToDo)


_KINDS: dict[Outcome, type[errors.LivefwError]] = {
    Outcome.FAILED: errors.MechanismFailed,
    Outcome.UNKNOWN: errors.OutcomeUnknown,
}

_REFUSALS: dict[str, type[errors.LivefwError]] = {
    "not-pending": errors.NothingToDo,
    "already-installed": errors.NothingToDo,
    "nothing-to-cancel": errors.NothingToDo,
    "nothing-staged": errors.NothingToDo,
    "no-permission": errors.PermissionDenied,
    "permission": errors.PermissionDenied,
    "read-only": errors.PermissionDenied,
}
"""Refusals with an error class of their own, by the code of the reason."""
