# SPDX-License-Identifier: Apache-2.0
"""What a process that looks again keeps of each BMC, so that the next look is cheap.

It is for looks only: what decides about a request, or about its outcome, is read anew.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

FRESH_S = 600.0
"""How long an answer is believed to be what its ETag says. RFC 9110, 8.8.1, has a weak one last over changes."""


class KnownAnswer(NamedTuple):
    """A body with the ETag that came with it; not parsed, which would take ten times the memory."""

    etag: str
    body: bytes
    moment: float


class KnownBmc:
    """What is known of one BMC. Two threads may use it: each operation is one of a dictionary."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.expands = True
        """Whether collections that it has expanded were right so far."""
        self.compared = False
        """Whether one of them has been compared with what it says of the member alone."""
        self.looks = 0
        """How many there were. Only from the second on answers are kept: most processes look once."""
        self._now = now
        self._answers: dict[str, KnownAnswer] = {}

    def answer(self, path: str) -> KnownAnswer | None:
        """What a resource has answered, if that may still be asked after."""
        found = self._answers.get(path)
        return found if found and self._now() - found.moment < FRESH_S else None

    def keep(self, path: str, etag: str, body: bytes) -> None:
        """Keep an answer, or forget the one before if it has no ETag."""
        if etag and self.looks > 1:
            self._answers[path] = KnownAnswer(etag, body, self._now())
        else:
            self._answers.pop(path, None)
