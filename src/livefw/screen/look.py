# SPDX-License-Identifier: Apache-2.0
"""A look at a machine, for the screen: the values of `livefw.screen.view` from the inventory, the checks and the
history."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from livefw.activation import attention, examination, row_bodies
from livefw.activation.examination import Examined
from livefw.activation.history.journal import Journal
from livefw.activation.host import Host
from livefw.activation.inventory import unmatched_patterns
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.plan import UsualDuration
from livefw.activation.policy import window
from livefw.activation.status_code import StatusCode
from livefw.errors import LivefwError, NothingHere, NotInstalled
from livefw.render import list as rendered
from livefw.render import listing
from livefw.screen.view import Activity, MachineView

_COUNTED = (StatusCode.READY, StatusCode.HELD, StatusCode.UNFINISHED, StatusCode.NEEDS_RESET)
"""The states that the first line counts."""


def machine(host: Host, found: Inventory) -> MachineView:
    """What the screen shows of an inventory. Nothing is raised for a history that cannot be read."""
    examined = examination.examine(host, found)
    try:
        found.require()
    except (NothingHere, NotInstalled) as nothing:
        absent = nothing.message
    else:
        absent = ""
    return MachineView(
        host.now(),
        tuple(each.component.key for each in found.candidates),
        _table(found, examined, absent),
        summary=_summary(found, examined),
        attention=_attention(host, found, examined.running),
        windows=windows(host),
    )


def nothing(host: Host, trouble: str) -> MachineView:
    """What the screen shows of a machine that could not be read yet."""
    return MachineView(host.now(), (), lambda _, __: ["this machine has not been read yet"], trouble=trouble)


def running(host: Host, found: Inventory | None, holder: LockHolder | None) -> Activity | None:
    """What the holder of the lock does; None if there is none, or if it is only looking around."""
    if holder is None or not holder.component:
        return None
    component = found.find(holder.component) if found else None
    name = component.label if component else holder.component
    by = f"by {holder.user}, process {holder.pid}" if holder.pid else "by an unknown process"
    since = datetime.fromtimestamp(holder.since_s, UTC)
    return Activity(f"{holder.act.noun} of {name} {by}", since, usual(host, holder.component))


def usual(host: Host, key: str) -> UsualDuration | None:
    """How long earlier activations of a component took; None if there is none, or if the history cannot be read."""
    try:
        if journal := Journal.open_to_read(host.paths.state, host.paths.root):
            with closing(journal):
                return row_bodies.past_attempts(journal, key).usual
    except LivefwError:
        pass  # the table says so
    return None


def windows(host: Host) -> str:
    """When activations may begin, in a few words; empty if always."""
    now, every = host.now(), host.policy.window
    if not every:
        return ""
    if window.is_open(every, now):
        return "window open"
    opening = window.next_opening(every, now)
    return f"window opens {opening.astimezone(window.own_zone()):%a %d %b %H:%M}" if opening else "window never opens"


def _table(found: Inventory, examined: Examined, absent: str) -> Callable[[int, datetime], list[str]]:
    document = {} if absent else rendered.answer(found, examined.statuses).document()
    alone = rendered.LISTING._replace(notes=lambda _: ())  # they are among what needs a person

    def lines(columns: int, _: datetime) -> list[str]:
        if absent:
            return [f"nothing here: {absent}"]
        return listing.text(alone, document, listing.View(limit=columns)).split("\n")

    return lines


def _summary(found: Inventory, examined: Examined) -> str:
    codes = Counter(examined.status(each.component).code for each in found.candidates)
    return ", ".join(f"{codes[code]} {code}" for code in _COUNTED if codes[code]) or f"{codes.total()} up to date"


def _attention(host: Host, found: Inventory, holder: LockHolder | None) -> tuple[attention.Attention, ...]:
    unmatched = unmatched_patterns.explain(unmatched_patterns.find(host.policy, found), found)
    try:
        journal = Journal.open_to_read(host.paths.state, host.paths.root)
        if journal is None:
            return attention.find(found, rows=None, unmatched=unmatched)
        with closing(journal):
            return attention.find(
                found, rows=journal, unfinished=journal.unfinished(), holder=holder, unmatched=unmatched
            )
    except LivefwError:
        return attention.find(found, rows=None, unmatched=unmatched)  # the table says why
