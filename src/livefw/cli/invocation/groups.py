# SPDX-License-Identifier: Apache-2.0
"""Groups of options in the help."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

COMMON = "for every command"
"""The title of the options that every command has."""
PLACES = "where things are"
"""The title of the options that name directories; they come last."""


def places(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """The group of options that say where things are."""
    found = (group for group in parser._action_groups if group.title == PLACES)  # noqa: SLF001 - no other way
    return next(found, None) or parser.add_argument_group(PLACES)
