# SPDX-License-Identifier: Apache-2.0
"""The tables of the pages on the engine, the policy and the history are those of the code."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from livefw.activation.checks.table import CHECKS
from livefw.activation.engine import Point
from livefw.activation.policy.document import KEYS, parse
from livefw.activation.policy.reader import rows
from livefw.render.check import EFFECTS
from livefw.systemd import OUTCOME_MESSAGE_ID

DOCUMENTS = Path(__file__).parents[2] / "docs"
ENGINE = (DOCUMENTS / "explanation/engine.md").read_text(encoding="utf-8")
POLICY = (DOCUMENTS / "reference/policy.md").read_text(encoding="utf-8")
HISTORY = (DOCUMENTS / "reference/history.md").read_text(encoding="utf-8")


def table(heading: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    cells = [heading, tuple("---" for _ in heading), *lines]
    return (
        "".join(f"| {' | '.join(each)} |\n" for each in cells)
        .replace("| --- | --- ", "|---|---")
        .replace("| ---", "|---")
    )


def expected() -> dict[str, str]:
    keys = [(f"`{r.path}`", r.kind, f"`{r.default}`" if r.default else "", r.help) for r in rows(KEYS)]
    checks = [(f"`{c.name}`", EFFECTS[c.weight].text, c.about) for c in CHECKS]
    return {
        "keys": table(("Key", "Value", "Default", "What it does"), keys),
        "checks": table(("Check", "If not", "What it looks for"), checks),
    }


@pytest.mark.parametrize("name", ["keys", "checks"])
def test_a_table_is_that_of_the_code(name: str) -> None:
    shown = POLICY.partition(f"<!-- {name} -->\n")[2].partition("<!-- end -->")[0]
    assert shown == expected()[name]


def test_points_and_the_message_id_are_those_of_the_code() -> None:
    assert [point for point in Point if f"| `{point}` |" not in ENGINE] == []
    assert OUTCOME_MESSAGE_ID in HISTORY


def test_the_example_is_a_policy() -> None:
    example = POLICY.partition("```toml\n")[2].partition("```")[0]
    assert parse(example.encode()).automatic == ("tf-rmm",)
