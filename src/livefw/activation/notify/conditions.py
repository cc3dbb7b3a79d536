# SPDX-License-Identifier: Apache-2.0
"""Events of what can be seen of a machine: a condition that was not there before makes an event, once.

A condition has a fingerprint: another image, or another check that blocks, is a new condition. It lasts while nothing
can be seen of its component: a BMC that is silent for a minute must not make an event of each of its images.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from livefw.activation.history.journal import HistoryRow
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.notify.notice import Notice
from livefw.activation.notify.outbox import MOST_CONDITIONS
from livefw.activation.notify.outcomes import like
from livefw.activation.policy.notification import NotifyEvent
from livefw.providers.base import Component


class Observed(NamedTuple):
    """What was seen: components, for each component what blocks its automatic activation, and open intents.

    ``held`` and ``unfinished`` are None if nothing is known of them, and their conditions last.
    """

    found: Inventory
    held: Mapping[str, tuple[str, ...]] | None = None
    unfinished: tuple[HistoryRow, ...] | None = None


def compare(before: Mapping[str, str], seen: Observed) -> tuple[dict[str, str], list[Notice]]:
    """The conditions now, with their fingerprints, and the events of those that are new or have changed."""
    now = {f"{notice.event} {notice.subject}": (mark, notice) for mark, notice in _conditions(seen)}
    notices = [notice for key, (mark, notice) in now.items() if before.get(key) != mark]
    lasting = {key: mark for key, mark in before.items() if key not in now and _lasts(key, seen)}
    notices += [*_answering(before.keys() - now.keys() - lasting.keys(), seen)]
    kept = lasting | {key: mark for key, (mark, _) in now.items()}
    return dict([*kept.items()][-MOST_CONDITIONS:]), notices


def _conditions(seen: Observed) -> Iterator[tuple[str, Notice]]:
    for component in (each.component for each in seen.found.candidates):
        if component.pending:
            yield _version(component) or "", _pending(component)
            if held := (seen.held or {}).get(component.key):
                yield "\n".join(sorted(each.partition(": ")[0] for each in held)), _held(component, held)
    for source in seen.found.sources:
        if source.silent and (why := source.trouble):
            yield "", Notice(NotifyEvent.SILENT, source.host, why.text, name=source.host, code=why.code)
    for intent in seen.unfinished or ():
        yield intent.activation, _unfinished(intent)


def _lasts(key: str, seen: Observed) -> bool:
    """Whether a condition that is not seen lasts, because what it is about cannot be seen."""
    event, _, subject = key.partition(" ")
    component = seen.found.find(subject)
    match event:
        case NotifyEvent.PENDING:
            return component is None or component.pending is None
        case NotifyEvent.HELD:
            return seen.held is None or component is None or component.pending is None
        case NotifyEvent.UNFINISHED:
            return seen.unfinished is None
        case NotifyEvent.SILENT:
            return not _answers(subject, seen.found)
    return False


def _answers(bmc: str, found: Inventory) -> bool:
    return any(source.host == bmc and not source.silent for source in found.sources)


def _answering(gone: Iterable[str], seen: Observed) -> Iterator[Notice]:
    for key in sorted(gone):
        event, _, name = key.partition(" ")
        if event == NotifyEvent.SILENT and _answers(name, seen.found):
            yield Notice(NotifyEvent.ANSWERING, name, f"BMC {name} responds again", name=name)


def _pending(component: Component) -> Notice:
    version = _version(component)
    text = f"{component.label}: an image is pending{f', {version}' if version else ''}"
    return _about(NotifyEvent.PENDING, component, text)


def _held(component: Component, held: tuple[str, ...]) -> Notice:
    return _about(NotifyEvent.HELD, component, f"{component.label}: not activated yet: {'; '.join(held)}")


def _about(event: NotifyEvent, component: Component, text: str) -> Notice:
    runs = component.current_version
    return Notice(
        event,
        component.key,
        text,
        component,
        name=component.name,
        current_version=runs.text if runs else None,
        pending_version=_version(component),
    )


def _unfinished(intent: HistoryRow) -> Notice:
    component = like(intent.component, intent.body)
    actor = intent.body.get("actor") or {}
    return Notice(
        NotifyEvent.UNFINISHED,
        intent.component,
        f"{component.label}: an activation has no outcome; the next one finds out what became of it",
        component,
        name=component.name,
        current_version=intent.body.get("current_version"),
        pending_version=intent.body.get("pending_version"),
        by=actor.get("user"),
        reason=intent.body.get("reason"),
        activation=intent.activation,
    )


def _version(component: Component) -> str | None:
    return component.pending_version.text if component.pending_version else None
