# SPDX-License-Identifier: Apache-2.0
"""The kernel log: a bounded ring of records, readable in the format of ``/dev/kmsg``."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from livefw.kernel.clock import SECOND

CAPACITY = 16_384
"""Records kept. A real log buffer is bounded too, and hostile firmware can make a driver log without end."""


class Level(IntEnum):
    """Kernel log levels (``include/linux/kern_levels.h``)."""

    EMERG = 0
    ALERT = 1
    CRIT = 2
    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of the log; ``time_ns`` since boot."""

    sequence: int
    time_ns: int
    level: Level
    text: str

    def dmesg(self) -> str:
        """The line as ``dmesg`` prints it."""
        seconds, rest = divmod(self.time_ns // 1000, 1_000_000)
        return f"[{seconds:5d}.{rest:06d}] {self.text}"

    def kmsg(self) -> str:
        """The line as ``/dev/kmsg`` returns it: prefix, semicolon, escaped text (kernel, ABI/testing/dev-kmsg)."""
        text = "".join(
            c if " " <= c <= "~" and c != "\\" else "".join(f"\\x{b:02x}" for b in c.encode()) for c in self.text
        )
        return f"{self.level:d},{self.sequence},{self.time_ns // 1000},-;{text}\n"


class KernelLog:
    """Append-only log of the modelled kernel."""

    __slots__ = ("_next", "_now", "_records")

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._records: deque[LogRecord] = deque(maxlen=CAPACITY)
        self._next = 0

    def write(self, level: Level, text: str) -> None:
        """Add a record with the present time."""
        self._records.append(LogRecord(self._next, self._now(), level, text))
        self._next += 1

    @property
    def next_sequence(self) -> int:
        """Sequence number that the next record will get."""
        return self._next

    def since(self, sequence: int) -> Iterator[LogRecord]:
        """Records from ``sequence`` on that are still kept, oldest first."""
        first = self._records[0].sequence if self._records else self._next
        for index in range(max(sequence - first, 0), len(self._records)):
            yield self._records[index]

    def __iter__(self) -> Iterator[LogRecord]:
        return self.since(0)


class RateLimit:
    """The limit of one ``pr_err_ratelimited``: ten lines in five seconds (kernel, lib/ratelimit.c)."""

    __slots__ = ("_began", "_function", "_log", "_missed", "_now", "_written")

    BURST = 10
    INTERVAL_NS = 5 * SECOND

    def __init__(self, log: KernelLog, now: Callable[[], int], *, function: str) -> None:
        """``function`` is the one in which the line is written; the line about others that were not names it."""
        self._log = log
        self._now = now
        self._function = function
        self._began: int | None = None
        self._written = self._missed = 0

    def allows(self) -> bool:
        """Whether a line may be written now; counts it."""
        now = self._now()
        if self._began is None:
            self._began = now
        if now - self._began > self.INTERVAL_NS:
            if self._missed:
                self._log.write(Level.WARNING, f"{self._function}: {self._missed} callbacks suppressed")
            self._began, self._written, self._missed = now, 0, 0
        if self._written < self.BURST:
            self._written += 1
            return True
        self._missed += 1
        return False
