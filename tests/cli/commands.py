# SPDX-License-Identifier: Apache-2.0
"""Every command of livefw, with those below it, as its parsers have them."""

from collections.abc import Iterator

from livefw.cli.arguments import configured
from livefw.cli.parser import CommandParser
from livefw.cli.verbs import VERBS


def every() -> Iterator[CommandParser]:
    """The parser of each command."""
    for verb in VERBS:
        yield from _with_those_below(configured(verb))


def _with_those_below(parser: CommandParser) -> Iterator[CommandParser]:
    yield parser
    for _, _, child in parser.children():
        yield from _with_those_below(child)
