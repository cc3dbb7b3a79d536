# SPDX-License-Identifier: Apache-2.0
"""What the screen shows, as values: they are made in the thread that watches, and drawn in another.

Texts may hold characters that do not print; they are escaped where they are drawn.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from livefw.activation.attention import Attention
from livefw.activation.plan import UsualDuration
from livefw.providers.base import Severity


class Activity(NamedTuple):
    """An activation, staging or cancellation that is under way, of any program.

    ``usual`` is how long earlier activations of the component took; None if there was none.
    """

    text: str
    since: datetime
    usual: UsualDuration | None = None


class EventLine(NamedTuple):
    """Something that happened."""

    when: datetime
    text: str
    severity: Severity = Severity.INFO


class MachineView(NamedTuple):
    """The machine at one look.

    ``table`` gives the lines of the table of components at a width and a time: the heading, then one line for each of
    ``keys``. ``summary`` counts them. ``windows`` says when activations may begin. ``trouble`` is why the machine could
    not be read; what is shown is older then.
    """

    looked_at: datetime
    keys: tuple[str, ...]
    table: Callable[[int, datetime], list[str]]
    summary: str = ""
    attention: tuple[Attention, ...] = ()
    windows: str = ""
    trouble: str = ""
