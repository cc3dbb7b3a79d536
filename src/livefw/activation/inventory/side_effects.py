# SPDX-License-Identifier: Apache-2.0
"""Whether an activation changed other components."""

from collections.abc import Iterator, Sequence

from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.versions import reliable_text
from livefw.providers.base import Component, Reason

_VANISHED = Reason("other-vanished", "{name} is no longer listed")
_CHANGED = Reason("other-changed", "{name} now runs version {runs}; it ran {was} before")
_NOT_PENDING = Reason("other-not-pending", "{name} is no longer pending")
_APPEARED = Reason("other-appeared", "{name} is now listed and was not before")
NOT_SEEN = Reason("others-not-seen", "the other components cannot be read: {error}")


def compare(before: Inventory, after: Inventory, *, apart_from: str) -> tuple[Reason, ...]:
    """What changed on components other than the one with the key ``apart_from``.

    A component that became pending is not reported.
    """
    then = {candidate.component.key: candidate.component for candidate in before.candidates}
    now = {candidate.component.key: candidate.component for candidate in after.candidates}
    return tuple(_changes(tuple(then.values()), now, apart_from))


def _changes(then: Sequence[Component], now: dict[str, Component], apart_from: str) -> Iterator[Reason]:
    for old in then:
        if old.key == apart_from:
            continue
        name, new = old.label, now.get(old.key)
        if new is None:
            yield _VANISHED.fill(name=name)
        elif (
            (was := reliable_text(old.current_version)) and (runs := reliable_text(new.current_version)) and was != runs
        ):
            yield _CHANGED.fill(name=name, runs=runs, was=was)
        elif old.pending and new.pending is False:
            yield _NOT_PENDING.fill(name=name)
    known = {old.key for old in then} | {apart_from}
    for new in now.values():
        if new.key not in known:
            why = _APPEARED.fill(name=new.label)
            runs = f", and runs version {version}" if (version := reliable_text(new.current_version)) else ""
            yield why._replace(text=f"{why.text}{runs}")
