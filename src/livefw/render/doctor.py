# SPDX-License-Identifier: Apache-2.0
"""A diagnosis, in text of 80 columns and in JSON."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from livefw.activation.diagnosis.lines import SEVERITIES, DiagnosisBlock, DiagnosisLine, LineState
from livefw.errors import ExitCode
from livefw.providers.registry import MECHANISMS
from livefw.render.answer import Answer
from livefw.render.lead import MachinePlace, completed
from livefw.text import printable

_COLUMNS = 80
_UNDER = " " * 20
"""What the text of a line stands under: its state and the name of its block."""
_SHOWN = {LineState.ABSENT: "-"}


def answer(blocks: Sequence[DiagnosisBlock], *, place: MachinePlace = MachinePlace()) -> Answer:  # noqa: B008 - it is frozen
    """What `livefw doctor` answers about the machine at a place."""
    bad = any(block.state is LineState.ERROR for block in blocks)
    whole = {block.name for block in blocks} >= set(MECHANISMS)

    def complete(command: str) -> str:
        return completed(command, place)

    def text() -> str:
        lines = [each for block in blocks for each in _block(block, complete)]
        return "\n".join([*lines, *(["", *_closing(blocks)] if whole else [])])

    return Answer(text, lambda: _document(blocks, complete), ExitCode.FAILED if bad else ExitCode.DONE)


def _block(block: DiagnosisBlock, complete: Any) -> Iterator[str]:
    name = block.name
    for line in block.lines:
        yield from _folded(printable(line.text), f"{_SHOWN.get(line.state, line.state):9}{name:11}")
        if line.command:
            yield f"{_UNDER}next: {printable(complete(line.command))}"
        elif line.hint:
            yield from _folded(printable(line.hint), f"{_UNDER}hint: ")
        name = ""


def _folded(text: str, first: str, under: str = _UNDER) -> list[str]:
    return textwrap.wrap(
        text, _COLUMNS, initial_indent=first, subsequent_indent=under, break_long_words=False, break_on_hyphens=False
    )


def _closing(blocks: Iterable[DiagnosisBlock]) -> Iterator[str]:
    """What could be activated here, and what is missing for it."""
    mechanisms = [block for block in blocks if block.mechanism]
    here = [block.name for block in mechanisms if block.lacks is None]
    yield (
        f"Firmware can be activated live here by {', '.join(here)}." if here else "Nothing can be activated live here."
    )
    if lacking := [block for block in mechanisms if block.lacks]:
        yield "What is missing for other mechanisms:" if here else "What is missing for it:"
    for block in lacking:
        yield from _folded(printable(block.lacks or ""), f"  {block.name:11}", " " * 13)
    if not here:
        yield "To see it on a modelled server:"
        yield "  next: livefw demo"


def _document(blocks: Sequence[DiagnosisBlock], complete: Any) -> dict[str, Any]:
    return {
        "findings": [_finding(block, line) for block in blocks for line in block.lines],
        "blocks": [
            {
                "name": block.name,
                "state": block.state,
                "mechanism": block.mechanism,
                "lacks": block.lacks,
                "lines": [_fields(line, complete) for line in block.lines],
            }
            for block in blocks
        ],
    }


def _fields(line: DiagnosisLine, complete: Any) -> dict[str, Any]:
    fields = line._asdict()
    del fields["lacks"]
    return fields | {"command": complete(line.command)}


def _finding(block: DiagnosisBlock, line: DiagnosisLine) -> dict[str, Any]:
    return {
        "provider": block.name if block.mechanism else "livefw",
        "severity": SEVERITIES[line.state],
        "code": line.code,
        "text": line.text,
        "hint": line.hint,
    }
