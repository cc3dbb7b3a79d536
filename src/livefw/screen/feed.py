# SPDX-License-Identifier: Apache-2.0
"""A machine that is watched for the screen, in a thread of its own."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from livefw.activation import queries
from livefw.activation.engine import Engine
from livefw.activation.events import Begun
from livefw.activation.host import ActivationRequest, Host
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.watch.loop import Looked, Paused, Watched, WatchLoop
from livefw.activation.watch.watcher import WatchEvent, WatchEventKind
from livefw.providers.base import Component
from livefw.render import history as rendered_history
from livefw.render import plan as rendered_plan
from livefw.render import show as rendered_show
from livefw.render import watch as rendered_watch
from livefw.render.component import version
from livefw.screen import look
from livefw.screen.app import Page, Publisher
from livefw.screen.view import Activity, EventLine, MachineView

if TYPE_CHECKING:
    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.lock.machine_lock import LockHolder

_SHOWN = 20
"""Activations on the page about the history of a component."""

Machine = Callable[[], AbstractContextManager[Host]]
"""Opens the machine anew: a thread that asks it may never get its answer, and two threads share no files."""


class WatchFeed:
    """Follows a loop, and publishes what the screen shows. See `livefw.screen.app.Feed`."""

    def __init__(self, loop: WatchLoop, machine: Machine, *, name: str, hear: Callable[[Watched], None]) -> None:
        """``hear`` is called with every event as well, in the thread that watches."""
        self.name = name
        self._loop = loop
        self._machine = machine
        self._hear = hear
        self._view: MachineView | None = None
        self._found: Inventory | None = None
        self._holder: LockHolder | None = None

    def start(self, publisher: Publisher) -> None:
        """See `Feed`."""
        # Nothing waits for this thread at the end of the process: a file of the machine may never answer.
        threading.Thread(target=self._follow, args=(publisher,), daemon=True, name="watch").start()

    def look_now(self) -> None:
        """See `Feed`."""
        self._loop.look_now()

    def stop(self) -> None:
        """See `Feed`."""
        self._loop.stop()

    def page(self, page: Page, key: str) -> str:
        """See `Feed`."""
        with self._machine() as host:
            return _PAGES[page](host, key)

    def _follow(self, publisher: Publisher) -> None:
        try:
            for event in self._loop.run():
                self._hear(event)
                self._publish(publisher, event)
        except Exception as error:  # the command tells it, after the screen is left
            publisher.fail(error)
        else:
            publisher.end()

    def _publish(self, publisher: Publisher, event: Watched) -> None:
        host = self._loop.host
        match event:
            case Looked():
                self._show(publisher, host, event)
            case Paused():
                self._show_running(publisher)
            case Begun(component=component):
                publisher.show_activity(_activity(host, component))
            case WatchEvent(what=WatchEventKind.PRESENT, seen=seen) if seen and not seen.pending:
                pass  # the table shows it
            case WatchEvent():
                publisher.add_event(EventLine(host.now(), rendered_watch.text(event), rendered_watch.severity(event)))
                if event.attempt:
                    publisher.show_activity(None)

    def _show(self, publisher: Publisher, host: Host, event: Looked) -> None:
        if event.found is not None and not event.trouble:
            self._view = look.machine(host, event.found)
            self._found = event.found
            self._show_running(publisher)
        elif self._view:
            self._view = self._view._replace(trouble=event.trouble)
        else:
            self._view = look.nothing(host, event.trouble)
        publisher.show_machine(self._view)

    def _show_running(self, publisher: Publisher) -> None:
        """Show what another program does; when it begins or ends, look at the machine."""
        holder = self._loop.host.holder()
        if holder != self._holder:
            self._holder = holder
            self._loop.look_now()
        publisher.show_activity(look.running(self._loop.host, self._found, holder))


def _activity(host: Host, component: Component) -> Activity:
    old, new = version(component.current_version), version(component.pending_version)
    return Activity(f"activating {component.label} {old} -> {new}", host.now(), look.usual(host, component.key))


def _shown(host: Host, key: str) -> str:
    warnings: list[str] = []
    images = ImageDirectory(warnings.append).images(host.images, host.metadata_keys)
    return rendered_show.answer(queries.details(host, [key], images)).text()


def _planned(host: Host, key: str) -> str:
    return rendered_plan.answer(Engine(host).plan(ActivationRequest((key,)))).text()


def _history(host: Host, key: str) -> str:
    with closing(queries.history(host.paths)) as journal:
        wanted = queries.Filter(components=frozenset({key}))
        return rendered_history.answer(queries.page(journal, wanted, limit=_SHOWN)).text()


_PAGES = {Page.SHOW: _shown, Page.PLAN: _planned, Page.HISTORY: _history}
