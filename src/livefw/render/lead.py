# SPDX-License-Identifier: Apache-2.0
"""Commands that texts lead to, complete for the machine that was asked about.

Reasons and hints are written without a machine: ``livefw history``. A user who asked about another one, or with
a history elsewhere, gets them with the same ``--root``, ``--settings`` and ``--state``, quoted for a shell.
"""

from __future__ import annotations

import os
import re
import shlex

from livefw.activation.status_code import StatusCode
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NamedTuple
else:
    from livefw.light_tuple import NamedTuple

WITH_STATE = (
    "activate",
    "cancel",
    "doctor",
    "history",
    "list",
    "metrics",
    "notify",
    "plan",
    "policy",
    "report",
    "show",
    "stage",
    "watch",
)
"""Verbs that take ``--state``."""
WITHOUT_STATE = ("tdx",)
"""Verbs that look at a machine and not at its history. No other verb is about the machine at ``--root``."""

_COMMAND = re.compile(
    # At the begin of a line, in running text or behind the label of `show`; behind other labels is what somebody said.
    rf"(?P<before>^ *|^ *next +|\S |\()livefw (?P<verb>{'|'.join((*WITH_STATE, *WITHOUT_STATE))})(?![\w-])(?! --state)",
    re.MULTILINE,
)
_SAID = re.compile(r" *reason\b")
"""A line of what a person or a program gave as reason."""


class MachinePlace(NamedTuple):
    """Where the machine, its settings and its history are, as somebody typed it; None for what was not typed."""

    root: str | None = None
    settings: str | None = None
    state: str | None = None

    @classmethod
    def typed(cls, words: Sequence[str]) -> MachinePlace:
        """What a command line says, which may not have been understood."""
        found: dict[str, str] = {}
        before = ""
        for word in words:
            if word == "--" and before not in _OPTIONS:
                break
            option, given, value = word.partition("=")
            if before in _OPTIONS:
                found[before], option = word, ""
            elif given and option in _OPTIONS:
                found[option], option = value, ""
            before = option
        if (state := found.get("--state")) in [*StatusCode] and not os.path.isdir(state or ""):
            del found["--state"]  # a mistake, which `list` explains
        return cls(*(found.get(option) for option in _OPTIONS))


_OPTIONS = ("--root", "--settings", "--state")


def completed(text: str, place: MachinePlace) -> str:
    """The text with every command in it complete for this place."""
    if not any(place):
        return text
    machine = _options(zip(_OPTIONS[:2], place[:2], strict=True))
    history = _options([(_OPTIONS[2], place.state)])

    def complete(found: re.Match[str]) -> str:
        state = history if found["verb"] in WITH_STATE else ""
        return f"{found['before']}livefw {machine}{found['verb']}{state and f' {state.rstrip()}'}"

    return "\n".join(
        line if _SAID.match(line) or "livefw " not in line else _COMMAND.sub(complete, line)
        for line in text.split("\n")
    )


def _options(given: Iterable[tuple[str, str | None]]) -> str:
    return "".join(f"{option} {printable(shlex.quote(value))} " for option, value in given if value is not None)
