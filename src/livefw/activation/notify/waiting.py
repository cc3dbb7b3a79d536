# SPDX-License-Identifier: Apache-2.0
"""What becomes of an event: which executables get it, how many of a kind, and what is given up."""

import os
from collections.abc import Iterable

from livefw.activation.hooks.directory import Hook
from livefw.activation.notify.notice import Notice
from livefw.activation.notify.outbox import MOST_EVENTS, MOST_NAMES, Contents, Delivery, Waiting
from livefw.activation.policy.notification import NotifyEvent, NotifyPolicy

_HOUR_S = 3600.0
_SUBJECTS = 16
"""Observations of one hour, in multiples of the rate: a BMC can invent thousands of components. Outcomes are not
counted; each takes an activation."""
_OBSERVED = frozenset({
    NotifyEvent.PENDING,
    NotifyEvent.HELD,
    NotifyEvent.SILENT,
    NotifyEvent.ANSWERING,
    NotifyEvent.UNFINISHED,
})  # fmt: skip
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 3600.0
_ERROR_LIMIT = 500


def put(
    contents: Contents, notices: Iterable[Notice], hooks: Iterable[Hook], policy: NotifyPolicy, *, now: float, root: str
) -> None:
    """Add events for the executables that want them, as far as the rate allows."""
    names = [hook.name for hook in hooks if not hook.skipped]
    for notice in notices:
        wanting = [name for name in names if policy.wants(name, notice.kinds, notice.component)]
        if not wanting:
            continue
        if not _within_rate(contents, notice, policy.rate, now):
            contents.suppressed[notice.event] = contents.suppressed.get(notice.event, 0) + 1
            continue
        suppressed = contents.suppressed.pop(notice.event, 0)
        ident = os.urandom(8).hex()
        document = notice.document(id=ident, time_s=now, root=root, suppressed=suppressed)
        contents.waiting.append(Waiting(ident, document, dict.fromkeys(wanting, policy.retries + 1)))
    while len(contents.waiting) > MOST_EVENTS:
        _give_up(contents, _least_needed(contents.waiting))


def _within_rate(contents: Contents, notice: Notice, rate: int, now: float) -> bool:
    """Whether one more event of this kind may be made now; if so it is counted."""
    # A time in the future was written before the clock was put back.
    recent = {key: [each for each in times if now - _HOUR_S < each <= now] for key, times in contents.recent.items()}
    contents.recent = {key: times for key, times in recent.items() if times}
    key = f"{notice.event} {notice.subject}"
    if len(contents.recent.get(key, ())) >= rate:
        return False
    if notice.event in _OBSERVED:
        observed = (times for each, times in contents.recent.items() if each.partition(" ")[0] in _OBSERVED)
        if sum(map(len, observed)) >= rate * _SUBJECTS:
            return False
    contents.recent.setdefault(key, []).append(now)
    return True


def _least_needed(waiting: list[Waiting]) -> Waiting:
    """The oldest observation, which is seen again; without one, the oldest event."""
    return next((each for each in waiting if each.document.get("event") in _OBSERVED), waiting[0])


def _give_up(contents: Contents, event: Waiting) -> None:
    contents.waiting.remove(event)
    for name in event.left:
        delivery(contents, name).given_up += 1


def delivery(contents: Contents, name: str) -> Delivery:
    """What is known of an executable."""
    if name not in contents.hooks and len(contents.hooks) >= MOST_NAMES:
        del contents.hooks[next(iter(contents.hooks))]
    return contents.hooks.setdefault(name, Delivery())


def next_due(contents: Contents, *, now: float) -> tuple[Waiting, str] | None:
    """The oldest event that an executable is to be given now, and the name of the executable."""
    for event in contents.waiting:
        for name in event.left:
            found = contents.hooks.get(name)
            # A time beyond the longest pause was written before the clock was put back.
            if found is None or not now < found.not_before <= now + _LONGEST_PAUSE_S:
                return event, name
    return None


def note(contents: Contents, ident: str, name: str, error: str, *, now: float) -> bool:
    """Record how a delivery ended; ``error`` is empty if it succeeded. Whether the event was given up.

    After a failure the executable is left alone for a pause, with all its events: that of a mail system that is down
    would fail for each.
    """
    known = delivery(contents, name)
    if not error:
        known.taken, known.failures, known.not_before, known.last_taken = known.taken + 1, 0, 0.0, now
        _forget(contents, ident, name)
        return False
    known.failures += 1
    known.last_failed, known.last_error = now, error[:_ERROR_LIMIT]
    known.not_before = now + min(_FIRST_PAUSE_S * 2.0 ** min(known.failures - 1, 16), _LONGEST_PAUSE_S)
    event = next((each for each in contents.waiting if each.id == ident), None)
    if event is None or name not in event.left:
        return False
    event.left[name] -= 1
    if event.left[name] > 0:
        return False
    known.given_up += 1
    _forget(contents, ident, name)
    return True


def forget_names(contents: Contents, names: Iterable[str]) -> None:
    """Remove executables that are no longer there, and what waits for them alone."""
    known = frozenset(names)
    for event in contents.waiting:
        event.left = {name: left for name, left in event.left.items() if name in known}
    contents.waiting = [event for event in contents.waiting if event.left]
    contents.hooks = {name: each for name, each in contents.hooks.items() if name in known}


def _forget(contents: Contents, ident: str, name: str) -> None:
    for event in contents.waiting:
        if event.id == ident:
            event.left.pop(name, None)
    contents.waiting = [event for event in contents.waiting if event.left]
