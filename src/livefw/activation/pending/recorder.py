# SPDX-License-Identifier: Apache-2.0
"""Records in the history when an image became pending, when it was replaced, and when it stopped being pending.

One row of the kind ``pending`` for each change that is seen, by the first program that sees it and may write. Nothing
depends on these rows but the time that is shown: a row that cannot be written is not an error.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from typing import Any, NamedTuple

from livefw.activation.actor import Actor, current
from livefw.activation.history import seal as seals
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.history.origin import Origin
from livefw.activation.history.rows import TEXT_LIMIT
from livefw.activation.history.seal import UNSEALED, Seal
from livefw.activation.identity import origin_of
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.versions import reliable_text
from livefw.activation.paths import Paths, paths_for
from livefw.activation.pending import known as file
from livefw.activation.pending.known import TEXT, Known, PendingImage, PendingPlace
from livefw.activation.policy import document as policy
from livefw.errors import LivefwError
from livefw.providers.base import Component
from livefw.providers.registry import MECHANISMS, open_files
from livefw.text import printable

_DAY_NS = 86_400 * 10**9
_MOST = ((1, 1000), (30, 4000))
"""Rows of all components in so many days at most: a few megabytes a month.

Firmware decides what is pending, and a management controller which components there are. One that shows another
version, or another component, each time it is asked could have a row written every second, until the disk is full and
no activation can be recorded. An honest machine writes two rows for each image.
"""
_MOST_OF_ONE = 20
"""Rows of one component in a day at most; a change beyond it is not recorded, and the state before it still holds."""


class PendingRecorder(NamedTuple):
    """Records for one machine. ``seal`` returns the keys of the history, or raises `LivefwError`; ``may_record`` says
    whether this user, on this machine, may at all. ``seen_by`` is the kind of program. ``machine`` returns which one it
    is, and ``root`` is that of its files."""

    place: PendingPlace
    actor: Actor
    seen_by: str
    wall_ns: Callable[[], int]
    seal: Callable[[], Seal]
    machine: Callable[[], Origin]
    root: str
    may_record: bool = True

    def observe(self, found: Inventory) -> Inventory:
        """The inventory, with the time since which each image is pending. Never raises."""
        known = file.read(self.place)
        if known is None or any(file.differs(each.component, known) for each in found.candidates):
            known = self.record(found, known)
        return file.marked(found, known)

    def record(self, found: Inventory, known: Known | None) -> Known:
        """Record what is new; returns what is known afterwards. ``known`` None: it is read from the history."""
        readable = known is not None
        if known is None:
            with suppress(LivefwError):
                known, readable = _from_history(self.place.state, self.root), True
        known = known or {}
        new = [each.component for each in found.candidates if file.differs(each.component, known)]
        if new and readable and self.may_record and _is_writable(self.place.state):
            with suppress(LivefwError):  # not recorded, and not an error: a full disk, a damaged history
                known = self._append(new)
        if readable:
            file.write(self.place, known, quiet=self._quiet())
        return known

    def _quiet(self) -> str:
        """The stamp of the history if it has no other rows, and nobody wrote to it meanwhile."""
        before, others = self.place.stamp, True
        with suppress(LivefwError):
            if before and (journal := Journal.open_to_read(self.place.state)):
                with closing(journal):
                    others = journal.has_activations()
        return "" if others or before != self.place.stamp else before

    def _append(self, new: list[Component]) -> Known:
        """Append a row for each change that the history does not have yet."""
        with closing(
            Journal.open(self.place.state, wall_ns=self.wall_ns, seal=self.seal(), repair=False, machine=self.machine())
        ) as journal:
            journal.note_all(RowKind.PENDING, partial(self._rows, journal, new))
            return _latest(journal)

    def _rows(self, journal: Journal, new: list[Component]) -> list[tuple[str, dict[str, Any]]]:
        """Rows to append. Called while no other program can write, so that two of them do not record one image."""
        known, now = _latest(journal), self.wall_ns()
        left = min(most - journal.count(RowKind.PENDING, *_around(now, days)) for days, most in _MOST)
        rows = [
            (component.key, self._body(component))
            for component in new
            if len(component.key) <= TEXT_LIMIT
            and file.differs(component, known)
            and journal.count(RowKind.PENDING, *_around(now, 1), component=component.key) < _MOST_OF_ONE
        ]
        return rows[: max(left, 0)]

    def _body(self, component: Component) -> dict[str, Any]:
        return {
            "actor": self.actor._asdict(),
            "seen_by": self.seen_by,
            "name": component.name[:TEXT],
            "current_version": _text(reliable_text(component.current_version)),
            "pending": component.pending,
            "pending_version": _text(reliable_text(component.pending_version)),
        }


def recorder(
    paths: Paths,
    place: PendingPlace,
    *,
    actor: Actor,
    seen_by: str,
    seal: Callable[[], str | None],
    machine: Callable[[], Origin],
    wall_ns: Callable[[], int] = time.time_ns,
    may_record: bool = True,
) -> PendingRecorder:
    """A recorder for the machine with these paths. ``seal`` returns the key file of the policy, ``machine`` which
    machine it is."""
    own = paths.root == "/"

    def keys() -> Seal:
        return seals.load(seal()) if own else UNSEALED  # the key is this machine's, and seals only its own history

    allowed = may_record and (not own or os.geteuid() == 0)
    return PendingRecorder(place, actor, seen_by, wall_ns, keys, machine, paths.root, allowed)


def record_for(
    place: PendingPlace, found: Inventory, known: Known | None, *, root: str, settings: str | None, seen_by: str
) -> Known:
    """Record for the machine at a root, with the settings that it has; returns what is known afterwards."""
    paths = paths_for(root, settings=settings)

    def key_file() -> str | None:
        return policy.load(paths.settings, mechanisms=MECHANISMS).seal

    def machine() -> Origin:
        with closing(open_files(root, settings=settings)) as files:
            return origin_of(files, paths.root)

    made = recorder(paths, place, actor=current("cli"), seen_by=seen_by, seal=key_file, machine=machine)
    return made.record(found, known)


def _from_history(state: str, root: str) -> Known:
    """What the history knows of a machine. `LivefwError` if it cannot be read."""
    journal = Journal.open_to_read(state, root)
    if journal is None:
        return {}
    with closing(journal):
        return _latest(journal)


def _latest(journal: Journal) -> Known:
    found: Known = {}
    for key in journal.components():
        for row in journal.recent(key, RowKind.PENDING, limit=1):
            if row.body.get("pending"):
                version = printable(row.body.get("pending_version") or "")
                found[printable(key)] = PendingImage(max(row.time_ns, 0), version)
    return found


def _around(now_ns: int, days: int) -> tuple[int, int]:
    """So many days before and after: a clock that was once far ahead does not use up the rows of every later day."""
    return now_ns - days * _DAY_NS, now_ns + days * _DAY_NS


def _is_writable(directory: str) -> bool:
    """Whether the history can be written, or made, as far as rights tell; asked before anything is tried."""
    while not os.path.exists(directory) and directory != "/":
        directory = os.path.dirname(directory)
    return os.access(directory, os.W_OK | os.X_OK)


def _text(version: str | None) -> str | None:
    return version[:TEXT] if version else None
