# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/reference/outcomes.md, made from what `livefw explain` tells.

``python -m livefw.cli.explain.outcomes docs/reference/outcomes.md`` writes them into the document anew.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from livefw.activation.checks.table import CHECKS
from livefw.cli.explain.codes import Kind, Meaning, every
from livefw.providers.comparison import fill, table
from livefw.providers.registry import MECHANISMS
from livefw.render.check import EFFECTS


def page(document: str) -> str:
    """The document with every table as the code has it; ValueError if it has no place for one."""
    found = every()

    def of(kind: Kind) -> list[Meaning]:
        return [each for each in found if each.kind is kind]

    checks = [(f"`{each.name}`", EFFECTS[each.weight].text, each.about) for each in CHECKS]
    codes = [(each.word, each.text) for each in of(Kind.EXIT_CODE)]
    errors = [(f"`{each.word}`", each.text, _exit(each)) for each in of(Kind.ERROR)]
    return fill(
        document,
        {
            "outcomes": table(("Outcome", "What it means", "The machine then", "Exit code"), _outcomes(found)),
            "verdicts": table(("Code", "Outcome", "What it means", "What is seen", "What to do"), _verdicts(found)),
            "checks": table(("Check", "If not", "What it looks for"), checks),
            "exit codes": table(("Exit code", "What it means"), codes),
            "errors": table(("Kind", "What it means", "Exit code"), errors),
            "reasons": "".join(_by_source(found)),
        },
    )


def _outcomes(found: Sequence[Meaning]) -> Iterator[tuple[str, ...]]:
    for each in found:
        if each.kind is Kind.OUTCOME:
            yield f"`{each.word}`", each.text, each.state, _exit(each)


def _verdicts(found: Sequence[Meaning]) -> Iterator[tuple[str, ...]]:
    for each in found:
        if each.kind is Kind.VERDICT:
            yield f"`{each.word}`", str(each.outcome), each.text, each.evidence, each.advice


def _by_source(found: Sequence[Meaning]) -> Iterator[str]:
    """The mechanisms first, each with its reasons and its firmware's codes."""
    reasons = [each for each in found if each.kind in (Kind.REASON, Kind.FIRMWARE)]
    for source in dict.fromkeys((*MECHANISMS, *(each.source for each in reasons))):
        rows = [
            (f"`{each.word}`", _cell(each.text), str(each.outcome or ""), _cell(each.hint))
            for each in reasons
            if each.source == source
        ]
        yield f"\n### {source}\n\n{table(('Code', 'What it means', 'Outcome', 'What to do'), rows)}"
    yield "\n"


def _exit(each: Meaning) -> str:
    return "" if each.exit_code is None else str(int(each.exit_code))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
