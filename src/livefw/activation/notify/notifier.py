# SPDX-License-Identifier: Apache-2.0
"""Makes events of what an engine or a watcher has seen, and has them sent by another process.

Nothing here raises: no notification may change or delay an activation. What goes wrong is said to the caller.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from livefw.activation.mishaps import error_text
from livefw.activation.notify.executables import DIRECTORY, executables
from livefw.activation.paths import Paths
from livefw.activation.policy.notification import NotifyPolicy
from livefw.text import printable

if TYPE_CHECKING:
    from livefw.activation.history.journal import HistoryRow, Journal
    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.notify.outbox import Contents, Outbox

MODE_VARIABLE = "LIVEFW_NOTIFY"
"""``queue``: events are only written down, and another process sends them, as livefw-notify.service does."""


class Notifier:
    """The events of one machine. Without a notify.d it does nothing."""

    def __init__(
        self,
        paths: Paths,
        policy: NotifyPolicy,
        *,
        say: Callable[[str], object] = lambda _: None,
        now: Callable[[], float] = time.time,
        send: Callable[[Paths], object] | None = None,
    ) -> None:
        """``send`` starts to send what waits; by default in a process of its own, which nobody waits for."""
        self._paths = paths
        self._policy = policy
        self._say = say
        self._now = now
        self._send = send
        self._failed = False

    def begin(self) -> None:
        """Begin with the history as it is, unless it was begun with before: what is older is no news."""

        def mark(contents: "Contents") -> None:
            if contents.cursor is None:
                contents.cursor = self._head()

        self._with_outbox(lambda outbox: outbox.change(mark))

    def end(self) -> None:
        """Make events of what was recorded since, and have them sent."""
        self._with_outbox(lambda outbox: self._due(self._collect(outbox)))

    def observe(self, found: "Inventory", *, held: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Make events of what can be seen, and of what was recorded since, and have sent what is due.

        ``held`` are, for each component that the policy wants to activate, the checks that block it; None if the caller
        does not know.
        """

        def work(outbox: "Outbox") -> None:
            from livefw.activation.notify.conditions import Observed, compare
            from livefw.activation.notify.waiting import put

            seen = Observed(found, held, self._unfinished())
            known = outbox.read()
            conditions, notices = compare(known.conditions, seen)
            if notices or conditions != known.conditions:

                def change(contents: "Contents") -> None:
                    contents.conditions, fresh = compare(contents.conditions, seen)
                    put(contents, fresh, hooks, self._policy, now=self._now(), root=self._paths.root)

                hooks = executables(self._paths.settings)
                outbox.change(change)
            self._due(self._collect(outbox))

        self._with_outbox(work)

    def _collect(self, outbox: "Outbox") -> "Contents":
        """Make events of the rows after the cursor."""
        from livefw.activation.notify.outcomes import since
        from livefw.activation.notify.waiting import put

        with self._history() as journal:
            known, head = outbox.read(), journal.head().sequence if journal else 0
            if known.cursor == head:
                return known
            hooks = executables(self._paths.settings)

            def change(contents: "Contents") -> None:
                if journal is None or contents.cursor is None:
                    contents.cursor = head
                    return
                notices, contents.cursor = since(journal, contents.cursor)
                put(contents, notices, hooks, self._policy, now=self._now(), root=self._paths.root)

            return outbox.change(change)

    def _due(self, contents: "Contents") -> None:
        from livefw.activation.notify.waiting import next_due

        if os.environ.get(MODE_VARIABLE) != "queue" and next_due(contents, now=self._now()):
            self._start()

    def _start(self) -> None:
        if self._send:
            self._send(self._paths)
        else:
            from livefw.activation.notify import sender

            sender.start(self._paths)

    def _head(self) -> int:
        with self._history() as journal:
            return journal.head().sequence if journal else 0

    def _unfinished(self) -> "tuple[HistoryRow, ...]":
        """Intents that no program is at work on."""
        from livefw.activation.lock import machine_lock

        with self._history() as journal:
            found = tuple(journal.unfinished()) if journal else ()
        return () if found and machine_lock.holder(self._paths.lock, self._paths.root) else found

    @contextmanager
    def _history(self) -> "Iterator[Journal | None]":
        from livefw.activation.history.journal import Journal

        journal = Journal.open_to_read(self._paths.state, self._paths.root)
        try:
            yield journal
        finally:
            if journal:
                journal.close()

    def _with_outbox(self, work: "Callable[[Outbox], object]") -> None:
        if not self._paths.settings or not os.path.lexists(os.path.join(self._paths.settings, DIRECTORY)):
            return
        try:
            from livefw.activation.notify.outbox import Outbox

            work(Outbox(self._paths.state))
            self._failed = False
        except (Exception, KeyboardInterrupt) as error:  # nothing here may take an outcome away
            if not self._failed:  # once, and not with every look
                self._say(f"livefw: notifications: {printable(error_text(error))}")
            self._failed = True
