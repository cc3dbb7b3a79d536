# SPDX-License-Identifier: Apache-2.0
"""Numbers as arguments: the error for one that is none, or is out of range, names the range."""

from __future__ import annotations

import argparse
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10**15
"""More than there ever are rows."""


def whole(low: int, high: int = MOST) -> Callable[[str], int]:
    """A converter for argparse: a decimal number in this range, both ends included."""

    def convert(text: str) -> int:
        digits = text.removeprefix("-")
        number = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a whole number{_range(low, high)}")
        return number

    return convert


def real(low: float, high: float, unit: str) -> Callable[[str], float]:
    """The same for a number that need not be whole; ``unit`` is what it counts."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a number of {unit} from {low:g} to {high:g}")
        return number

    return convert


def _range(low: int, high: int) -> str:
    return f" of at least {low}" if high == MOST else f" from {low} to {high}"
