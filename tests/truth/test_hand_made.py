# SPDX-License-Identifier: Apache-2.0
"""Some ten thousand trees made by hand: no outcome is untrue, and no answer contradicts itself or what is there.

`make soak` looks at all of them, `make test` at a third of each layout and answer, always the same.
"""

import errno
import os
from itertools import chain
from random import Random

import pytest

from livefw.render import result

from .mounts import Mounts, mount
from .trees import ANNOUNCED, ANOTHER, ANSWERS, LAYOUTS, OLD, Case, Planted, cases, contradictions, told
from .world import RMM_GUID, Setup

__all__ = ["mount"]


ONE_OF = 1 if "LIVEFW_SOAK" in os.environ else 3


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_no_answer_is_untrue_or_contradicts_itself(layout: str, answer: int) -> None:
    every = [case for case in cases(layout) if case.answer == answer]
    wrong: list[tuple[Case, str, str]] = []
    for case in Random(f"{layout}/{answer}").sample(every, len(every) // ONE_OF):
        text = result.text(told(case))
        wrong += [(case, why, text) for why in contradictions(case, text)]
    assert wrong == []


REPORTED = (
    Case("nv1", 0, "none", OLD, "0"),
    Case("nv1", 0, "success", OLD, "1"),
    Case("nv1", 0, "nobody's", ANNOUNCED, "0"),
    Case("nv3", errno.ECANCELED, "success", ANOTHER, "1"),
    Case("nv3", errno.EINVAL, "success", ANNOUNCED, "0"),
    Case("nv3", errno.ENODEV, "success", ANNOUNCED, "0"),
    Case("nv3", errno.ECANCELED, "not activated", ANOTHER, "0"),
)
"""Trees of which something untrue was once told."""
_SLOW = (errno.EBUSY, errno.EINTR)
"""Answers that are waited out for a minute, or that the C library may hide."""


def sample(count: int) -> list[Case]:
    """The same few each time."""
    every = [case for case in chain(*map(cases, LAYOUTS.values())) if case.answer not in _SLOW]
    return [*REPORTED, *Random(7).sample(every, count)]


@pytest.mark.fuse
@pytest.mark.parametrize("part", range(8))
def test_the_command_tells_nothing_untrue_of_a_mounted_tree(mount: Mounts, part: int) -> None:
    mounted = mount(Setup("fvp").config())
    wrong: list[tuple[Case, str, str]] = []
    for number, case in enumerate(sample(40)[part::8]):
        Planted(mounted.machine, case)
        state = str(mounted.folder / f"state-{number}")  # what one left behind is not true of the next
        said = mounted.livefw("activate", "--measure", "off", "--state", state, RMM_GUID)
        assert ": " in said.out, said
        wrong += [(case, why, said.out) for why in contradictions(case, said.out)]
    assert wrong == []
