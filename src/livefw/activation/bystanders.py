# SPDX-License-Identifier: Apache-2.0
"""Whether an activation left the other components alone."""

from collections.abc import Iterator, Sequence

from livefw.activation.inventory import Inventory
from livefw.providers.base import Component, Reason


def compare(before: Inventory, after: Inventory, *, apart_from: str) -> tuple[Reason, ...]:
    """What changed on components other than the one with the key ``apart_from``.

    That another component's image became pending harms nobody.
    """
    then = {candidate.component.key: candidate.component for candidate in before.candidates}
    now = {candidate.component.key: candidate.component for candidate in after.candidates}
    return tuple(_changes(tuple(then.values()), now, apart_from))


def _changes(then: Sequence[Component], now: dict[str, Component], apart_from: str) -> Iterator[Reason]:
    for old in then:
        if old.key == apart_from:
            continue
        name, new = old.name or old.key, now.get(old.key)
        if new is None:
            yield Reason("other-vanished", f"{name} is not listed any more")
        elif (was := _sure(old)) and (runs := _sure(new)) and was != runs:
            yield Reason("other-changed", f"{name} runs version {runs} now, and ran {was}")
        elif old.pending and new.pending is False:
            yield Reason("other-not-pending", f"{name} is not pending any more")
    known = {old.key for old in then} | {apart_from}
    for new in now.values():
        if new.key not in known:
            runs = f", and runs version {version}" if (version := _sure(new)) else ""
            yield Reason("other-appeared", f"{new.name or new.key} is listed now, and was not before{runs}")


def _sure(component: Component) -> str | None:
    version = component.current_version
    return version.text if version and version.sure else None
