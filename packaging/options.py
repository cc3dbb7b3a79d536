# SPDX-License-Identifier: Apache-2.0
"""What the parsers of the command know, for manual pages."""

import argparse
import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import NamedTuple


class _Struct:
    """In place of msgspec's."""

    def __init_subclass__(cls, **_: object) -> None:
        """Take its keywords."""


# Distributions without msgspec build manual pages too. The modelled machines, which decode with it, are imported for
# their options and decode nothing here.
if importlib.util.find_spec("msgspec") is None:
    sys.modules["msgspec"] = types.ModuleType("msgspec")
    sys.modules["msgspec"].Struct = _Struct  # type: ignore[attr-defined]


class Option(NamedTuple):
    """An option as it is shown: its spelling, the word for its value, its help; an argument has no spelling."""

    name: str
    value: str
    help: str
    required: bool


COMMON = ("root", "settings", "json", "debug", "color")
"""Options that every command has."""


def options(parser: argparse.ArgumentParser, *, common: bool | None = False) -> Iterator[Option]:
    """Its own options and arguments, or those that every command has; None for both."""
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way
        hidden = action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction)  # noqa: SLF001
        below = isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        if common in (None, action.dest in COMMON) and not hidden and not below:
            yield _option(action)


def _option(action: argparse.Action) -> Option:
    name = ", ".join(action.option_strings)
    value = "" if action.nargs == 0 else action.metavar or action.dest.upper()
    if action.choices is not None and action.metavar is None:
        value = "|".join(map(str, action.choices))
    repeated = {"*": f"[{value}]...", "+": f"{value}...", "?": f"[{value}]", argparse.REMAINDER: "ARGUMENT..."}
    shown = str(value) if action.nargs is None or not value else repeated.get(action.nargs, value)
    text = (action.help or "").replace("%%", "%")
    return Option(name, str(shown), text, bool(name) and action.required)
