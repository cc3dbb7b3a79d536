# SPDX-License-Identifier: Apache-2.0
"""The screen: a table of the components, what is under way, what needs a person, and the last events.

It draws what a `Feed` publishes and has no rules of its own. Whatever may wait for a machine runs in another thread, so
that the screen answers also while a file of the machine does not.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from livefw.errors import LivefwError
from livefw.providers.base import Severity
from livefw.screen import words
from livefw.screen.view import Activity, EventLine, MachineView

_KEPT_EVENTS = 500
"""Events that can be read back; a component that flaps must not fill the memory."""
_TICK_S = 0.1
_CLOCK_S = 0.5
"""How often what has changed is drawn, and how often all is, for what only grows older. A flood of events is drawn
together."""
_GRACE_S = 2.0
"""How long a thread that watches may take to let go, after the second key; its machine may never answer."""
_EDGES = 4
"""Columns beside the table: a blank at each end, and the bar that scrolls it."""
_EVENTS = 5
_ATTENTION = 6
"""Lines for each, of the 24 of a small terminal."""


class Page(StrEnum):
    """What can be asked about one component."""

    SHOW = "show"
    PLAN = "plan"
    HISTORY = "history"


class Publisher(Protocol):
    """Where a feed publishes to, from any thread."""

    def show_machine(self, view: MachineView) -> None:
        """Show the machine anew."""

    def show_activity(self, activity: Activity | None) -> None:
        """Show what is under way; None if nothing is."""

    def add_event(self, event: EventLine) -> None:
        """Add something that happened."""

    def end(self) -> None:
        """Leave the screen."""

    def fail(self, error: Exception) -> None:
        """Leave the screen because of an error, which the caller of the screen raises."""


class Feed(Protocol):
    """A machine that is watched."""

    name: str
    """The machine, in a word or two, for the first line."""

    def start(self, publisher: Publisher) -> None:
        """Begin to watch, in a thread of its own."""

    def look_now(self) -> None:
        """Look at the machine at once."""

    def stop(self) -> None:
        """Stop watching, and end the screen then.

        The first call asks nothing more of the machine and follows what is under way to its end, the second detaches.
        """

    def page(self, page: Page, key: str) -> str:
        """The text about one component; it may wait for the machine. Raises `LivefwError`."""


class WatchScreen(App[Exception]):
    """The screen of ``livefw watch``. Its result is the error that ended it, None for none."""

    TITLE = "livefw watch"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #head { height: 1; text-style: reverse; }
    #heading { height: 1; text-style: bold; padding: 0 1; }
    #components { height: 1fr; min-height: 2; border: none; padding: 0; }
    #components > .option-list--option { padding: 0 1; }
    #activity { height: auto; max-height: 2; padding: 0 1; text-style: bold; }
    #attention { height: auto; max-height: 6; padding: 0 1; }
    #events { height: 6; padding: 0 1; border-top: solid $foreground 30%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "leave", "Quit", show=False, priority=True),
        Binding("d", "page('show')", "Show"),
        Binding("p", "page('plan')", "Plan"),
        Binding("h", "page('history')", "History"),
        Binding("l", "events", "Log"),
        Binding("a", "attention", "Alerts"),
        Binding("r", "look", "Look"),
        Binding("question_mark", "keys", "Keys", key_display="?"),
    ]

    def __init__(self, feed: Feed, *, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._feed = feed
        self._now = now
        self._view: MachineView | None = None
        self._activity: Activity | None = None
        self._events: deque[EventLine] = deque(maxlen=_KEPT_EVENTS)
        self._leaving = 0
        self._changed = False
        self._drawn: list[str] = []

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        yield Static(id="head", markup=False)
        yield Static(id="heading", markup=False)
        yield OptionList(id="components", markup=False)
        yield Static(id="activity", markup=False)
        yield Static(id="attention", markup=False)
        yield Static(id="events", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin."""
        self.set_interval(_TICK_S, self._draw_changes)
        self.set_interval(_CLOCK_S, self.draw)
        self.draw()
        self._feed.start(_FromThread(self))

    def on_resize(self, _: Resize) -> None:
        """The table has columns for the new width."""
        self.draw()

    def _print_error_renderables(self) -> None:
        """Nothing: the command tells an error that ended the screen, in the form that was asked for."""

    # What the feed publishes, in the screen's own thread.

    def show_machine(self, view: MachineView) -> None:
        """See `Publisher`."""
        self._view = view
        self._changed = True

    def show_activity(self, activity: Activity | None) -> None:
        """See `Publisher`."""
        self._activity = activity
        self._changed = True

    def add_event(self, event: EventLine) -> None:
        """See `Publisher`."""
        self._events.append(event)
        self._changed = True

    # Keys.

    def action_leave(self) -> None:
        """Leave when the machine is left alone: at once as a rule, after an activation that is under way, or soon after
        the second key, whatever is under way."""
        self._leaving += 1
        self._feed.stop()
        if self._leaving > 1:
            self.set_timer(_GRACE_S, self.exit)
        elif self._activity:
            text = "continues to its end, and then the screen is left; q again leaves now, and it continues then, too"
            self.add_event(EventLine(self._now(), f"{self._activity.text}: {text}", Severity.WARNING))
        else:
            self.add_event(EventLine(self._now(), "leaving when the machine has answered; q again leaves now"))

    def action_look(self) -> None:
        """Look now."""
        self._feed.look_now()

    def action_page(self, page: str) -> None:
        """Show a page about the component that is selected."""
        if key := self._selected():
            shown = _Page(f"livefw {page} {key}")
            self.push_screen(shown)
            # A thread of our own, which nothing waits for: the machine may never answer.
            threading.Thread(target=self._fetch, args=(shown, Page(page), key), daemon=True).start()

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Enter on a component."""
        self.action_page(Page.SHOW)

    def action_events(self) -> None:
        """Show every event that is kept."""
        lines = [words.event(each, date=True) for each in reversed(self._events)]
        self.push_screen(_Page("events, newest first", "\n".join(lines) or "none yet"))

    def action_attention(self) -> None:
        """Show everything that needs a person, with its command."""
        matters = self._view.attention if self._view else ()
        text = "\n\n".join(words.attention_in_full(each) for each in matters)
        self.push_screen(_Page("needs a person", text or "nothing"))

    def action_keys(self) -> None:
        """Show what each key does."""
        self.push_screen(_Page("keys", words.KEYS))

    def _selected(self) -> str | None:
        position = self.query_one("#components", OptionList).highlighted
        keys = self._view.keys if self._view else ()
        return keys[position] if position is not None and position < len(keys) else None

    def _fetch(self, shown: "_Page", page: Page, key: str) -> None:
        try:
            text = words.page(self._feed.page(page, key))
        except LivefwError as error:
            text = words.error(error)
        _FromThread(self).call(shown.fill, text)

    # Drawing.

    def _draw_changes(self) -> None:
        if self._changed:
            self.draw()

    def draw(self) -> None:
        """Draw what is known by now."""
        if not self.is_running:  # timers tick until the end, when the parts are gone already
            return
        self._changed = False
        now, view, width = self._now(), self._view, self.size.width
        self.query_one("#head", Static).update(words.head(self._feed.name, view, now, width))
        self._draw_table(view, width - _EDGES, now)
        self._part("activity", [words.activity(self._activity, now)] if self._activity else [])
        self._part("attention", words.attention(view.attention if view else (), _ATTENTION, width - 2))
        self.query_one("#events", Static).update("\n".join(words.last_events(self._events, _EVENTS, width - 2)))

    def _draw_table(self, view: MachineView | None, width: int, now: datetime) -> None:
        heading, *lines = view.table(width, now) if view else [words.FIRST_LOOK]
        self.query_one("#heading", Static).update(heading)
        if lines == self._drawn:
            return
        components = self.query_one("#components", OptionList)
        position = components.highlighted
        components.clear_options()
        components.add_options([Option(Text(line)) for line in lines])
        components.highlighted = min(position or 0, len(lines) - 1) if lines else None
        self._drawn = lines

    def _part(self, name: str, lines: list[str]) -> None:
        part = self.query_one(f"#{name}", Static)
        part.display = bool(lines)
        part.update("\n".join(lines))


def run(feed: Feed, *, now: Callable[[], datetime]) -> None:
    """Show the screen until it is left. An error that ended it is raised."""
    screen = WatchScreen(feed, now=now)
    if error := screen.run() or screen._exception:  # noqa: SLF001 - an error in drawing is known in no other way
        raise error


class _FromThread:
    """Publishes into the screen from other threads; after its end, nowhere."""

    def __init__(self, screen: WatchScreen) -> None:
        self._screen = screen

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call in the thread of the screen, and wait for nothing: it may be ending."""
        self._screen.call_later(function, *arguments)

    def show_machine(self, view: MachineView) -> None:
        """See `Publisher`."""
        self.call(self._screen.show_machine, view)

    def show_activity(self, activity: Activity | None) -> None:
        """See `Publisher`."""
        self.call(self._screen.show_activity, activity)

    def add_event(self, event: EventLine) -> None:
        """See `Publisher`."""
        self.call(self._screen.add_event, event)

    def end(self) -> None:
        """See `Publisher`."""
        self.call(self._screen.exit)

    def fail(self, error: Exception) -> None:
        """See `Publisher`."""
        self.call(self._screen.exit, error)


class _Page(ModalScreen[None]):
    """A text over the screen."""

    CSS = """
    _Page { align: center middle; }
    #page { width: 100%; height: 100%; border: solid $foreground; padding: 0 1; background: $surface; }
    #text { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "app.pop_screen", "Back"),
    ]

    def __init__(self, title: str, text: str = "one moment ...") -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, which can be scrolled."""
        with VerticalScroll(id="page") as scroll:
            scroll.border_title = Text(self._title)
            yield Static(Text(self._text), id="text", markup=False)
        yield Footer(show_command_palette=False)

    def fill(self, text: str) -> None:
        """Show a text that took a while."""
        self._text = text
        if self.is_attached:
            self.query_one("#text", Static).update(Text(text))
