# SPDX-License-Identifier: Apache-2.0
"""The words of the screen: each part as lines of text, at a width and a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from livefw.activation.attention import Attention
from livefw.errors import LivefwError
from livefw.providers.base import Severity
from livefw.screen.view import Activity, EventLine, MachineView
from livefw.text import harmless, printable, width

FIRST_LOOK = "looking at the machine ..."
_NAME = 20
"""Columns for the name of the machine; the end of a path tells more than its beginning."""
_WIDE = 80
"""From this width on, the first line has the date."""
KEYS = """\
up, down   select a component
d, Enter   details of the component
p          what its activation would do, costs, and what blocks it
h          its history
l          all events, the newest first
a          everything that needs a person, each with the command that shows more
r          look at the machine now
q          quit; what is under way continues to its end first
q, q       quit now; what is under way continues
Esc        back from a page"""
_STALE_S = 30.0
"""From this age on, the first line says how old the rest is: a machine that hangs is not read again."""
_MARKS = {Severity.INFO: " ", Severity.WARNING: "!", Severity.ERROR: "!"}


def head(name: str, view: MachineView | None, now: datetime, columns: int) -> str:
    """The first line: which machine, how it is, and the time."""
    clock = f"{now.astimezone():%a %d %b %H:%M:%S}" if columns >= _WIDE else f"{now.astimezone():%H:%M:%S}"
    name = printable(name)
    parts = [f"livefw watch {name if width(name) <= _NAME else f'…{name[-_NAME:]}'}"]
    if view:
        age = (now - view.looked_at).total_seconds()
        if view.trouble:
            parts.append(f"NOT READ for {span(age)}: {printable(view.trouble)}")
        elif age > _STALE_S:
            parts.append(f"NO ANSWER for {span(age)}")
        parts += [printable(each) for each in (view.summary, view.windows) if each]
    return _between("  ".join(parts), clock, columns)


def activity(running: Activity, now: datetime) -> str:
    """What is under way, for how long, and how long it usually takes."""
    seconds = max((now - running.since).total_seconds(), 0.0)
    usual = running.usual
    if usual is None:
        expected = "no earlier activation to compare with"
    else:
        expected = f"usually {usual.median_s:.1f} s, at most {usual.worst_s:.1f} s"
        if seconds > usual.worst_s:
            expected += ": LONGER THAN EVER"
    bar = "" if usual is None or not usual.worst_s else f" [{_bar(seconds / usual.worst_s)}]"
    return f"> {printable(running.text)}: {seconds:.0f} s{bar}, {expected}"


def attention(matters: Sequence[Attention], most: int, columns: int) -> list[str]:
    """What needs a person, in at most ``most`` lines; the last one says how much more there is."""
    if not matters:
        return []
    shown = matters if len(matters) < most else matters[: most - 2]
    lines = [f"NEEDS A PERSON ({len(matters)})", *(_cut(f"! {_matter(each)}", columns) for each in shown)]
    more = len(matters) - len(shown)
    return [*lines, f"  and {more} more: press a"] if more else lines


def attention_in_full(matter: Attention) -> str:
    """One matter with its command."""
    since = f" (since {matter.since.astimezone():%Y-%m-%d %H:%M})" if matter.since else ""
    return f"{matter.kind}: {_matter(matter)}{since}\n  {printable(matter.command)}"


def _matter(matter: Attention) -> str:
    name = matter.component.name or matter.component.id if matter.component else ""
    return printable(f"{name}: {matter.text}" if name else matter.text)


def last_events(events: Sequence[EventLine], most: int, columns: int) -> list[str]:
    """The newest events, the newest last."""
    newest: Iterable[EventLine] = reversed(list(islice(reversed(events), most)))
    return [_cut(event(each), columns) for each in newest]


def event(each: EventLine, *, date: bool = False) -> str:
    """One event in a line."""
    when = each.when.astimezone()
    stamp = f"{when:%Y-%m-%d %H:%M:%S}" if date else f"{when:%H:%M:%S}"
    return f"{stamp} {_MARKS[each.severity]} {printable(each.text)}"


def page(text: str) -> str:
    """A page, of which some may be escaped already."""
    return "\n".join(map(harmless, text.split("\n")))


def error(failure: LivefwError) -> str:
    """An error in place of a page."""
    return "\n".join(filter(None, (printable(failure.message), failure.hint and f"hint: {printable(failure.hint)}")))


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _bar(part: float, length: int = 10) -> str:
    full = min(int(part * length), length)
    return "#" * full + "." * (length - full)


def _between(left: str, right: str, columns: int) -> str:
    """Both ends of a line; the left one is cut where the line is too short."""
    left = _cut(left, columns - len(right) - 2)
    return left + " " * (columns - width(left) - len(right)) + right


def _cut(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return f"{text}…"
