# SPDX-License-Identifier: Apache-2.0
"""What a page of the documents asks to be run, and what it shows of it.

A page is one session. A block ``console`` has commands (``$ command``, lines that continue it begin with ``> ``) and
below each its output; a last line ``(exit code N)`` is its exit code. A block with ``title="NAME"`` is a file. A block
``python`` is part of the page's script, and one with ``>>>`` shows its output. ``no-run="REASON"`` says why a block
cannot be run.
"""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/**/*.md"))]

NO_RUN = frozenset(
    {
        "needs a checkout",
        "needs a package registry",
        "needs a real kernel",
        "needs a terminal",
        "needs hardware",
        "needs root's systemd",
        "needs your own firmware",
    }
)
"""The reasons for which a block may not be run."""

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w+-]*)(?P<rest>.*)$")
_OPTION = re.compile(r'\s+(?P<name>[\w-]+)="(?P<value>[^"]*)"')
_EXIT_CODE = re.compile(r"^\(exit code (\d+)\)$")


class PageError(Exception):
    """A page is not in the format."""


class Block(NamedTuple):
    """A block of code. ``lines`` are without ``indent``; the first of them is line ``start`` of the page, from 0."""

    language: str
    title: str
    no_run: str
    lines: list[str]
    start: int
    indent: str


class Step(NamedTuple):
    """A command of the shell and what is shown of it: lines ``start`` to ``end`` of the page, from 0."""

    command: str
    output: list[str]
    exit_code: int
    start: int
    end: int
    indent: str = ""

    @property
    def background(self) -> bool:
        """Whether the shell does not wait for it."""
        return self.command.endswith("&") and not self.command.endswith("&&")


class File(NamedTuple):
    """A file that the page shows, by its path below the page's directory."""

    path: str
    text: str


class Script(NamedTuple):
    """Python without output; errors name the line of the page, from 0."""

    source: str
    start: int


class Example(NamedTuple):
    """Python as typed at a prompt, and what is shown of it: lines ``start`` to ``end`` of the page, from 0."""

    source: str
    output: list[str]
    start: int
    end: int
    indent: str = ""


Action = Step | File | Script | Example


def blocks(text: str) -> Iterator[Block]:
    """All blocks of a page, in their order; PageError for one that does not end or has an unknown option."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        at += 1
        if not opened:
            continue
        indent, ticks, start = opened["indent"], opened["ticks"], at
        while at < len(lines) and lines[at].strip() != ticks:
            at += 1
        if at == len(lines):
            raise PageError(f"line {start}: this block does not end")
        options = {each["name"]: each["value"] for each in _OPTION.finditer(opened["rest"])}
        if _OPTION.sub("", opened["rest"]).strip() or options.keys() - {"title", "no-run"}:
            raise PageError(f"line {start}: options of a block are title and no-run, each with its text in quotes")
        body = [line.removeprefix(indent) for line in lines[start:at]]
        yield Block(opened["language"], options.get("title", ""), options.get("no-run", ""), body, start, indent)
        at += 1


def actions(text: str) -> Iterator[Action]:
    """What is to be done for a page, in its order; PageError where it is not in the format."""
    for block in blocks(text):
        if block.no_run:
            if block.no_run not in NO_RUN:
                raise PageError(f"line {block.start}: {block.no_run!r} is none of the reasons of tests/docs/page.py")
        elif block.title:
            yield File(block.title, "".join(f"{line}\n" for line in block.lines))
        elif block.language == "console":
            yield from _steps(block)
        elif block.language == "python":
            yield from _python(block)
        elif any(line.startswith("$ ") for line in block.lines):
            raise PageError(f"line {block.start}: commands are in blocks `console`")


def _steps(block: Block) -> Iterator[Step]:
    lines, at = block.lines, 0
    if not lines or not lines[0].startswith("$ "):
        raise PageError(f"line {block.start}: a block `console` begins with a command")
    while at < len(lines):
        first, command = at, [lines[at][2:]]
        at += 1
        while at < len(lines) and lines[at].startswith("> "):
            command.append(lines[at][2:])
            at += 1
        output = []
        while at < len(lines) and not lines[at].startswith("$ "):
            output.append(lines[at])
            at += 1
        code = _EXIT_CODE.match(output[-1]) if output else None
        yield Step(
            "\n".join(command),
            output[:-1] if code else output,
            int(code[1]) if code else 0,
            block.start + first + len(command),
            block.start + at,
            block.indent,
        )


def _python(block: Block) -> Iterator[Script | Example]:
    source = "".join(f"{line}\n" for line in block.lines)
    if not any(line.startswith(">>> ") for line in block.lines):
        yield Script(source, block.start)
        return
    for each in doctest.DocTestParser().get_examples(source):
        start = block.start + each.lineno + each.source.count("\n")
        output = each.want.splitlines()
        yield Example(each.source, output, start, start + len(output), block.indent)
