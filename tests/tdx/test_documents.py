# SPDX-License-Identifier: Apache-2.0
"""docs/reference/tdx.md names every rule and every key of the settings."""

import re
from pathlib import Path

from livefw.providers.tdx.select import CODES
from livefw.providers.tdx.settings import KEYS

TEXT = (Path(__file__).parents[2] / "docs/reference/tdx.md").read_text(encoding="utf-8")


def test_every_rule_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)} == CODES


def test_every_key_is_shown() -> None:
    assert re.findall(r"^([a-z_]+) = ", TEXT, re.MULTILINE) == list(KEYS)
