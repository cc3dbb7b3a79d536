# SPDX-License-Identifier: Apache-2.0
"""What a mistyped word was meant to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.suggest import closest, hint, listed

VERBS = ("list", "show", "plan", "activate", "stage", "history", "machine")


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [
        ("stgae", VERBS, "stage"),  # two letters changed places
        ("hist", VERBS, "history"),  # a beginning
        ("ACTIVATE", VERBS, "activate"),
        ("tf_rmm", ("TF-RMM", "BL31"), "TF-RMM"),
        ("tf rmm", ("TF-RMM", "BL31"), "TF-RMM"),
        ("rmm", ("TF-RMM", "BL31"), "TF-RMM"),  # a part of one of them
        ("--jsno", ("--json", "--root"), "--json"),
        ("vear", ("vera", "grid"), "vera"),
        ("widow", ("window", "deny"), "window"),
        ("automatc", ("automatic", "allow"), "automatic"),
        ("fw", ("fw-a", "fw-b"), "fw-a"),  # the first, where several are as near
        ("frob", VERBS, None),
        ("", VERBS, None),
        ("-", VERBS, None),
        ("x" * 1_000_000, VERBS, None),
        ("list", (), None),
    ],
)
def test_the_nearest_choice(word: str, choices: tuple[str, ...], meant: str | None) -> None:
    assert closest(word, choices) == meant


@given(st.text(), st.lists(st.text(), max_size=5))
def test_it_is_one_of_the_choices(word: str, choices: list[str]) -> None:
    assert closest(word, choices) in (None, *choices)


def test_hints() -> None:
    assert hint("stgae", VERBS, form="livefw {}", rest="livefw help") == "did you mean livefw stage? livefw help"
    assert hint("frob", VERBS, rest="livefw help") == "livefw help"
    assert listed("abc", most=2) == "a, b, ..."
    assert listed("abc", most=3) == "a, b, c"
