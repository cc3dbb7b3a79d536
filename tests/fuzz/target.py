# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: one reader of foreign bytes, what it may refuse them with, and what has to be true of the rest."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

SEPARATOR = b"\n--\n"
"""Between the parts of an input for a target that takes several."""
_LEAST = 8192
_LEAST_SAID = 2000


class Target(NamedTuple):
    """One of them.

    ``play`` hands the bytes to the product as an attacker would, holds what is promised of the result by assertions,
    and returns it. ``refuses`` are the errors that are documented: every other one is a finding. ``seeds`` are inputs
    that are right, or nearly, and ``words`` are the format's own, for the fuzzer. ``longest`` bounds what the fuzzer
    makes, and ``growth`` what may come of one byte, in characters of the result.
    """

    name: str
    play: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    refuses: tuple[type[Exception], ...] = ()
    words: tuple[bytes, ...] = ()
    longest: int = 4096
    growth: int = 64


def play(target: Target, data: bytes) -> str:
    """What came of the bytes, as a text that is the same each time; whatever is raised is a finding."""
    try:
        told = repr(target.play(data))
    except target.refuses as error:
        told = f"{type(error).__name__}: {error}"
        assert len(told) <= _LEAST_SAID + 4 * len(data), f"an error of {len(told)} characters"
        return told
    assert len(told) <= _LEAST + target.growth * len(data), f"{len(told)} characters of {len(data)} bytes"
    return told


def parts(data: bytes, count: int) -> list[bytes]:
    """So many parts of an input; those that are not there are empty."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def words(text: str) -> tuple[bytes, ...]:
    """Words of a format, written with spaces between them."""
    return tuple(each.encode() for each in text.split())
