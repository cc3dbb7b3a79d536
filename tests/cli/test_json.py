# SPDX-License-Identifier: Apache-2.0
"""JSON as it is printed, held against the standard library's."""

import json
from enum import StrEnum
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from livefw.render.json_text import to_json


class Word(StrEnum):
    ONE = "one"


class Pair(NamedTuple):
    left: int
    right: str


_SIMPLE = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*Word, Pair(1, "\x7f")])
)
_VALUES = st.recursive(
    _SIMPLE,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(_VALUES)
def test_it_is_what_the_library_would_have_written_but_for_del(value: object) -> None:
    assert to_json(value) == json.dumps(value, indent=2).replace("\x7f", "\\u007f")


def test_no_raw_control_character() -> None:
    assert to_json("".join(map(chr, range(256)))).isprintable()
