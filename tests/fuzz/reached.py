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
    inputs = list(kept)
    stay = [each for each in inputs if each.why]
    base = frozenset[Step]().union(*(steps(target, data) for data in [*target.seeds(), *(each.data for each in stay)]))
    candidates = {each.data for each in inputs} - {each.data for each in stay} | set(found)
    covered, new = set(base), dict[bytes, frozenset[Step]]()
    for data in sorted(candidates, key=lambda each: (len(each), each)):
        if len(data) <= longest and (reached := steps(target, data)) - covered:
            covered |= reached
            new[data] = reached
    # What later ones reach as well is not needed any more.
    for data in sorted(new, key=len, reverse=True):
        if new[data] <= base.union(*(reached for other, reached in new.items() if other != data)):
            del new[data]
    return [*stay, *(Kept(data) for data in list(new)[:most])]
