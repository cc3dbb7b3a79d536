# SPDX-License-Identifier: Apache-2.0
"""Some ten thousand trees made by hand: no outcome is untrue, and no answer contradicts itself or what is there."""

import pytest

from livefw.cli.results import as_text

from .trees import ANSWERS, LAYOUTS, Case, cases, contradictions, told


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_no_answer_is_untrue_or_contradicts_itself(layout: str, answer: int) -> None:
    wrong: list[tuple[Case, str, str]] = []
    for case in cases(layout):
        if case.answer == answer:
            text = as_text(told(case))
            wrong += [(case, why, text) for why in contradictions(case, text)]
    assert wrong == []
