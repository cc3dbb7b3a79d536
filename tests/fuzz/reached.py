# SPDX-License-Identifier: Apache-2.0
"""What of the product an input reaches: the steps from line to line, which say more than the lines."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import livefw

from .corpus import Kept
from .target import Target, play

_PRODUCT = str(Path(livefw.__file__).parent)
Step = tuple[str, int, int]
"""A file, a line (0 where a function begins), and the line after it."""


class Steps:
    """Collects the steps that the product makes while it is entered."""

    def __init__(self) -> None:
        self.made: set[Step] = set()
        self._last: dict[FrameType, int] = {}
        self._before: Any = None

    def __enter__(self) -> set[Step]:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self.made

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(_PRODUCT):
            return None
        self._last[frame] = 0
        return self._line

    def _line(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        if event == "line":
            self.made.add((frame.f_code.co_filename, self._last[frame], frame.f_lineno))
            self._last[frame] = frame.f_lineno
        elif event == "return":
            self._last.pop(frame, None)
        return self._line


class Functions:
    """Collects the functions of the product that are called while it is entered; cheaper than `Steps`."""

    def __init__(self) -> None:
        self.called: set[CodeType] = set()

    def __enter__(self) -> set[CodeType]:
        sys.setprofile(self._call)
        return self.called

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _call(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.called.add(frame.f_code)


def steps(target: Target, data: bytes) -> frozenset[Step]:
    """The steps that one input makes; those of an input that is a finding as far as it comes."""
    with Steps() as made, suppress(Exception):  # it is counted here, and told by whoever plays it
        play(target, data)
    return frozenset(made)


def chosen(target: Target, kept: Iterable[Kept], found: Iterable[bytes], *, most: int, longest: int) -> list[Kept]:
    """Few and small inputs that reach all that these reach beyond the seeds, as far as the bounds allow.

    Those that are kept for a reason stay.
    """
    covered: set[Step] = set()
    for seed in target.seeds():
        covered |= steps(target, seed)
    stay, others = [], set[bytes]()
    for each in kept:
        if each.why:
            stay.append(each)
            covered |= steps(target, each.data)
        else:
            others.add(each.data)
    new: list[tuple[bytes, frozenset[Step]]] = []
    for data in sorted(others | set(found), key=lambda each: (len(each), each)):
        if len(data) <= longest and (more := steps(target, data)) - covered:
            covered |= more
            new.append((data, more))
    # What a later one reaches as well is not needed any more.
    for data, reached in sorted(new, key=lambda each: -len(each[0])):
        rest = [others for other, others in new if other != data]
        if reached <= frozenset().union(*rest, *(steps(target, seed) for seed in target.seeds())):
            new = [each for each in new if each[0] != data]
    return [*stay, *(Kept(data) for data, _ in new[:most])]
