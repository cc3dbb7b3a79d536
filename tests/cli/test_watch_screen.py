# SPDX-License-Identifier: Apache-2.0
"""The screen of ``livefw watch``, on a real terminal and as values that are drawn at a size."""

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.attention import Attention, AttentionKind
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.lock.machine_lock import Lock, LockedFor
from livefw.activation.paths import paths_for
from livefw.activation.plan import UsualDuration
from livefw.providers.base import Severity
from livefw.providers.lfa.fake import RMM
from livefw.screen.app import Page, Publisher, WatchScreen
from livefw.screen.view import Activity, EventLine, MachineView
from livefw.text import width

KEY = f"lfa:{RMM}"
NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
HOSTILE = "\x1b[2J[red]x[/red] \u202eRMT \x07{}%s" + "m" * 200
"""What a firmware may call itself: sequences and marks for a terminal, for the library that draws, and too long."""


class StillFeed:
    """A machine that stands still."""

    def __init__(self, *, publish: Callable[[Publisher], None] = lambda _: None, name: str = "vera") -> None:
        self.name = name
        self.looked = self.stopped = 0
        self._publish = publish
        self._publisher: Publisher | None = None

    def start(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._publish(publisher)

    def look_now(self) -> None:
        self.looked += 1

    def stop(self) -> None:
        self.stopped += 1

    def page(self, page: Page, key: str) -> str:
        return f"{page} of {key} {HOSTILE}\n" + "a line\n" * 100


def busy(publisher: Publisher) -> None:
    """A machine with more of everything than a small terminal has room for."""

    def table(columns: int, _: datetime) -> list[str]:
        return [line[:columns] for line in ("NAME  STATE", *(f"component {n}  ready" for n in range(300)))]

    matter = Attention(AttentionKind.UNKNOWN, f"unknown {HOSTILE}", "livefw history", since=NOW)
    view = MachineView(
        NOW, tuple(f"lfa:{n}" for n in range(300)), table, "300 ready", (matter,) * 40, f"window {HOSTILE}"
    )
    publisher.show_machine(view)
    publisher.show_activity(Activity(f"activating {HOSTILE}", NOW, UsualDuration(3, 1.0, 2.0)))
    for number in range(1000):
        publisher.add_event(EventLine(NOW, f"event {number} {HOSTILE}", Severity.WARNING))


def lines(screen: WatchScreen) -> list[str]:
    """What is drawn."""
    strips = screen.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def drawn(
    feed: StillFeed,
    *,
    size: tuple[int, int],
    act: Callable[[Any], Coroutine[Any, Any, None]] | None = None,
    now: datetime = NOW + timedelta(seconds=3),
) -> list[str]:
    """What the screen shows of a machine at a size, after some keys."""

    async def show() -> list[str]:
        screen = WatchScreen(feed, now=lambda: now)
        async with screen.run_test(size=size) as pilot:
            await pilot.pause()
            if act:
                screen.draw()
                await act(pilot)
            screen.draw()
            await pilot.pause()  # what comes to be shown is laid out by a message of its own
            return lines(screen)

    return asyncio.run(show())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12), (20, 6), (300, 100)])
@pytest.mark.parametrize("keys", [(), ("l",), ("a",), ("enter",), ("down", "p")])
def test_whatever_a_machine_has_fits_the_screen(size: tuple[int, int], keys: tuple[str, ...]) -> None:
    async def press(pilot: Any) -> None:
        await pilot.press(*keys)

    found = drawn(StillFeed(publish=busy, name=HOSTILE), size=size, act=press)
    assert len(found) == size[1]
    assert [line for line in found if width(line) != size[0]] == []
    assert all(line.isprintable() for line in found)


def test_a_timer_that_ticks_when_the_parts_are_gone_draws_nothing() -> None:
    screen = WatchScreen(StillFeed(publish=busy), now=lambda: NOW)

    async def leave() -> None:
        async with screen.run_test():
            assert screen.is_running
        screen.draw()

    asyncio.run(leave())
    assert not screen.is_running


def test_what_matters_is_on_a_terminal_of_80_by_24() -> None:
    found = "\n".join(drawn(StillFeed(publish=busy), size=(80, 24)))
    for wanted in (
        "livefw watch vera",
        "300 ready",
        "NAME  STATE",
        "component 0  ready",
        "activating",
        "NEEDS A PERSON (40)",
        "and 36 more: press a",
        "event 999",
        "q Quit",
        "d Show",
    ):
        assert wanted in found


@pytest.mark.parametrize(
    ("seconds", "usual", "wanted"),
    [
        (3, None, "3 s, no earlier activation to compare with"),
        (3, UsualDuration(2, 2.0, 6.0), "3 s [#####.....], usually 2.0 s, at most 6.0 s"),
        (7, UsualDuration(2, 2.0, 6.0), "7 s [##########], usually 2.0 s, at most 6.0 s: LONGER THAN EVER"),
        (-9, UsualDuration(2, 2.0, 6.0), "0 s [..........], usually 2.0 s"),
    ],
)
def test_an_activation_is_compared_with_earlier_ones(seconds: int, usual: UsualDuration | None, wanted: str) -> None:
    def publish(publisher: Publisher) -> None:
        publisher.show_activity(Activity("activation of TF-RMM by root", NOW, usual))

    found = drawn(StillFeed(publish=publish), size=(120, 24), now=NOW + timedelta(seconds=seconds))
    assert any(f"> activation of TF-RMM by root: {wanted}" in line for line in found)


@pytest.mark.parametrize(
    ("age_s", "trouble", "wanted"),
    [
        (5, "", ""),
        (300, "", "NO ANSWER for 5 min"),
        (7200, "cannot be read: Input/output error", "NOT READ for 2 h: cannot be read: Input/output error"),
    ],
)
def test_an_old_view_says_how_old_it_is(age_s: int, trouble: str, wanted: str) -> None:
    def publish(publisher: Publisher) -> None:
        publisher.show_machine(MachineView(NOW, ("lfa:a",), lambda _, __: ["NAME", "TF-RMM"], trouble=trouble))

    found = drawn(StillFeed(publish=publish), size=(120, 24), now=NOW + timedelta(seconds=age_s))
    assert ("NO" in found[0]) == bool(wanted)
    assert wanted in found[0]
    assert "TF-RMM" in found[2]


def test_every_key_is_named_on_a_terminal_of_60_columns() -> None:
    found = drawn(StillFeed(publish=busy), size=(60, 20))
    keys = ("q Quit", "d Show", "p Plan", "h History", "l Log", "a Alerts", "r Look", "? Keys")
    assert [key for key in keys if key not in found[-1]] == []
    assert "03:00:03" in found[0]

    async def ask(pilot: Any) -> None:
        await pilot.press("question_mark")

    text = " ".join(drawn(StillFeed(publish=busy), size=(60, 20), act=ask))
    described = re.findall(r"[a-z?]", "qdphlar")
    assert all(re.search(rf"│ {key}\b", text) for key in described)


def test_a_long_line_of_a_page_is_wrapped() -> None:
    async def ask(pilot: Any) -> None:
        await pilot.press("d")

    found = drawn(StillFeed(), size=(60, 20), act=ask)
    assert "livefw show" not in found[0]  # nothing is selected yet
    found = drawn(StillFeed(publish=busy), size=(60, 20), act=ask)
    assert "".join(found).count("m") >= HOSTILE.count("m")


def test_the_selection_stays_with_its_line_while_the_machine_changes() -> None:
    feed = StillFeed(publish=busy)

    async def act(pilot: Any) -> None:
        await pilot.press("down", "down", "r")
        pilot.app.show_machine(pilot.app._view._replace(looked_at=NOW))
        await pilot.press("h")
        await pilot.pause()

    found = drawn(feed, size=(80, 24), act=act)
    assert "livefw history lfa:2" in found[0]
    assert "history of lfa:2" in found[1]
    assert feed.looked == 1


class Terminal:
    """``livefw watch`` on a terminal, and what it has drawn so far without its escape sequences."""

    def __init__(self, command: list[str], environment: dict[str, str], *, size: tuple[int, int] = (80, 24)) -> None:
        self._end, other = pty.openpty()
        self.resize(*size)
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True
        )
        os.close(other)
        self._drawn = b""
        self._read = 0

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, wanted: str) -> None:
        """Until it has drawn this after what was waited for last; an error after a minute, or at its end."""
        limit = time.monotonic() + 60
        while (at := (text := self._text()).find(wanted, self._read)) < 0:
            ready, _, _ = select.select([self._end], [], [], max(limit - time.monotonic(), 0))
            try:
                piece = os.read(self._end, 1 << 16) if ready else b""
            except OSError:
                piece = b""  # EIO: it has ended
            assert piece, f"{wanted!r} was not drawn: {text[self._read :][-4000:]}"
            self._drawn += piece
        self._read = at + len(wanted)

    def _text(self) -> str:
        return re.sub(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]", b"", self._drawn).decode(errors="replace")

    def press(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it has drawn last."""
        rest = self._drawn
        try:
            while piece := os.read(self._end, 1 << 16):
                rest += piece
        except OSError:
            pass
        return self.process.wait(timeout=60), rest.decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def watch(ready: Any) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*options: str, environment: dict[str, str] | None = None, **size: Any) -> Terminal:
        command = ready.command("watch", "--interval", "0.2", *options)
        known = ready.environment | {"TERM": "xterm-256color"} | (environment or {})
        opened.append(Terminal(command, {k: v for k, v in known.items() if k != "COLUMNS"}, **size))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def change(root: Any, attribute: str, text: str) -> None:
    """What the driver would show from now on."""
    new = root.file(f"/sys/firmware/lfa/{RMM}/.new")
    new.write_text(text)
    new.rename(root.file(f"/sys/firmware/lfa/{RMM}/{attribute}"))


def test_a_screen_follows_the_machine_and_gives_the_terminal_back(ready: Any, watch: Any) -> None:
    terminal = watch()
    terminal.wait_for("Look")
    terminal.wait_for("TF-RMM")
    change(ready, "current_version", "7.7")
    terminal.wait_for("TF-RMM: version 1.0 -> 7.7")
    terminal.resize(100, 30)
    terminal.wait_for("7.7")
    terminal.press(b"p")
    terminal.wait_for(f"livefw plan {KEY}")
    terminal.wait_for("TF-RMM")
    terminal.press(b"q")
    terminal.wait_for("Look")
    terminal.press(b"q")
    code, last = terminal.end()
    assert code == 0
    assert "\x1b[?1049l" in last  # back from the alternate screen (xterm's ctlseqs)
    assert "Traceback" not in last


def test_the_loss_of_the_machine_is_told_and_survived(ready: Any, watch: Any) -> None:
    terminal = watch(size=(120, 24))
    terminal.wait_for("Look")
    gone = ready.file("/sys/firmware/lfa")
    gone.rename(ready.path / "away")
    terminal.wait_for("nothing here")
    (ready.path / "away").rename(gone)
    terminal.wait_for("TF-RMM")


def test_an_activation_of_another_program_is_shown(ready: Any, watch: Any) -> None:
    terminal = watch(size=(120, 24))
    terminal.wait_for("Look")
    paths = paths_for(str(ready.path), state=ready.environment["LIVEFW_STATE"])
    lock_path = os.path.join(ready.environment["LIVEFW_RUNTIME_DIR"], os.path.basename(paths.lock))
    with Lock.acquire(lock_path, paths.root) as lock:
        lock.describe(component=KEY, user="eve", act=LockedFor.ACTIVATING)
        terminal.wait_for(f"> activation of TF-RMM by eve, process {os.getpid()}")
        terminal.wait_for("activating for")
    terminal.wait_for("ready")


def test_what_needs_a_person_is_shown_with_its_command(ready: Any, watch: Any) -> None:
    with closing(Journal.open(ready.environment["LIVEFW_STATE"])) as journal:
        journal.begin(KEY, {"name": "TF-RMM"}, kind=RowKind.INTENT)
    terminal = watch(size=(120, 24))
    terminal.wait_for("NEEDS A PERSON (1)")
    terminal.press(b"a")
    terminal.wait_for(f"livefw history {KEY}")


@pytest.mark.parametrize("number", [15, 1, 2])
def test_a_signal_ends_the_screen(watch: Any, number: int) -> None:
    terminal = watch()
    terminal.wait_for("Look")
    os.kill(terminal.process.pid, number)
    code, last = terminal.end()
    assert code == 0
    assert "\x1b[?1049l" in last


LINES = "watching 1 component, 1 pending"


@pytest.mark.parametrize(
    ("options", "environment", "wanted"),
    [
        (("--lines",), {}, LINES),
        ((), {"TERM": "dumb"}, LINES),
        ((), {"TERM": ""}, LINES),
    ],
)
def test_there_are_lines_where_no_screen_can_be(
    watch: Any, options: tuple[str, ...], environment: dict[str, str], wanted: str
) -> None:
    terminal = watch(*options, environment=environment)
    terminal.wait_for(wanted)


def test_without_its_library_there_are_lines_and_a_hint(watch: Any, tmp_path: Path) -> None:
    away = tmp_path / "away"
    (away / "textual").mkdir(parents=True)
    (away / "textual" / "__init__.py").write_text("raise ModuleNotFoundError(name='textual')")
    terminal = watch(environment={"PYTHONPATH": str(away)}, size=(200, 24))
    terminal.wait_for("the Python package textual is not installed, so lines are printed and no screen")
    terminal.wait_for(LINES)


def test_a_pipe_gets_lines_and_the_library_is_not_loaded(ready: Any) -> None:
    command = [sys.executable, "-X", "importtime", *ready.command("watch")[1:]]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ready.environment, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert ready.path.name in process.stdout.readline()
        assert LINES in process.stdout.readline()
        process.terminate()
        loaded = process.stderr.read()
        process.stdout.read()
    assert "livefw.activation.watch.loop" in loaded
    assert "textual" not in loaded
    assert "livefw.screen" not in loaded
