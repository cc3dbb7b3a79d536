# SPDX-License-Identifier: Apache-2.0
"""Users take turns: a user with a thousand requests waits for them, and no other user does."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Things that wait, in one line for each user. Not for several threads at once."""

    def __init__(self) -> None:
        self._lines: dict[int, deque[T]] = {}

    def add(self, user: int, item: T) -> None:
        """To the end of the user's line."""
        self._lines.setdefault(user, deque()).append(item)

    def discard(self, user: int, item: T) -> None:
        """It does not wait any more, if it did."""
        line = self._lines.get(user, deque())
        if item in line:
            line.remove(item)
        if not line:
            self._lines.pop(user, None)

    def take(self, may: Callable[[int], bool]) -> tuple[int, T] | None:
        """The first thing of the first user who may have one; that user goes behind all others. None if nobody may."""
        user = next(filter(may, self._lines), None)
        if user is None:
            return None
        line = self._lines.pop(user)
        item = line.popleft()
        if line:
            self._lines[user] = line
        return user, item
