# SPDX-License-Identifier: Apache-2.0
"""The version that has to be pending, where a request names one: no other is activated."""

from collections.abc import Collection, Iterable, Mapping

from livefw.activation.outcome import Outcome
from livefw.errors import UsageError
from livefw.providers.base import Component, Reason

OTHER_PENDING = (
    Outcome.REFUSED,
    Reason("other-version", "version {pending} is pending, and not {expected}, which was confirmed", "livefw plan"),
)
OTHER_RUNNING = (
    Outcome.REFUSED,
    Reason("other-version", "nothing is pending, and version {running} runs, not {expected}", "livefw show COMPONENT"),
)


def by_key(keys: Collection[str], words: Collection[str] | None, expected: Iterable[str]) -> Mapping[str, str]:
    """The expected version of each component; empty if there is none. ``keys`` are what the words select, in order.

    Raises:
        UsageError: there is not one version for each component that is named.
    """
    expected = tuple(expected)
    if expected and not (words and len(keys) == len(words) == len(expected)):
        raise UsageError("a version that has to be pending is given for each named component, or for none")
    return dict(zip(keys, expected, strict=True)) if expected else {}


def pending_now(component: Component) -> str:
    """What to expect if nothing else than what is pending now is to be activated; empty if it shows no version."""
    return component.pending_version.text if component.pending_version else ""


def mismatch(component: Component, expected: str | None) -> Reason | None:
    """Why the component is not one with the expected version pending; None if it is, or if any version may be.

    None also if nothing is pending because the expected version runs already: there is nothing to do then.
    """
    if expected is None:
        return None
    if component.pending is False:
        running = component.current_version.text if component.current_version else ""
        _, why = OTHER_RUNNING
        return None if running == expected else why.fill(running=running or "?", expected=expected or "?")
    pending = pending_now(component)
    _, why = OTHER_PENDING
    return None if pending == expected else why.fill(pending=pending or "?", expected=expected or "?")
