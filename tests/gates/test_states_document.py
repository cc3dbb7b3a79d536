# SPDX-License-Identifier: Apache-2.0
"""The table of states in docs/reference/policy.md has every state there is, in its order."""

from pathlib import Path

from livefw.activation.status_code import StatusCode

PAGE = Path(__file__).parents[2] / "docs/reference/policy.md"


def test_the_table_has_every_state() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("<!-- states -->\n")[2].partition("<!-- end -->")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    assert [code.strip(" `") for code, _ in rows] == [*StatusCode]
    assert all(text.strip(" `").startswith(code.strip(" `").replace("-", " ")) for code, text in rows)
