# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/explanation/mechanisms.md are what the providers declare."""

from pathlib import Path

import pytest

from livefw.providers.comparison import page
from livefw.providers.declaration import Reach, declaration
from livefw.providers.ocp import REQUIREMENTS, Requirement
from livefw.providers.registry import MECHANISMS

DOCUMENT = (Path(__file__).parents[2] / "docs/explanation/mechanisms.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_declarations_say() -> None:
    assert page(DOCUMENT) == DOCUMENT, "python -m livefw.providers.comparison docs/explanation/mechanisms.md"


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_declares_itself_and_the_page_has_it(name: str) -> None:
    declared = declaration(name)
    assert declared is not None
    assert declared.provider == name
    assert all(text and "|" not in text for _, text in declared.concepts())
    assert f"| {declared.title} |" in DOCUMENT


@pytest.mark.parametrize("row", REQUIREMENTS, ids=lambda row: row.ident)
def test_each_requirement_has_a_source_and_is_on_the_page(row: Requirement) -> None:
    assert row.source
    assert f"| {row.ident}: {row.text} |" in DOCUMENT


def test_what_ocp_leaves_out_is_told_of_each_mechanism() -> None:
    """The scope of the deck: microcontrollers and microcode, and nothing on the application processors."""
    wider = {name for name in MECHANISMS if (found := declaration(name)) and Reach.HOST in found.reach}
    assert wider == {"lfa", "tdx", "pfrut"}


def test_a_document_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        page("<!-- concepts -->\n")


def test_an_unknown_provider_declares_nothing() -> None:
    assert declaration("none-such") is None
