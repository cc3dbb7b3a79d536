# SPDX-License-Identifier: Apache-2.0
"""A cache of rows, for callers that read the same rows again and again."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from livefw.activation.history.journal import FILE, HistoryRow, Journal, RowKind

_LIMIT = 4096
"""Queries that are cached at most: a tree may show other components each time."""
_AT_REST_NS = 3_000_000_000
"""The age from which a file's modification time can be relied on. Two writes in one tick of the clock have the same
time; a kernel tick is 10 ms at most, and FAT counts in two seconds."""


class RowSource(Protocol):
    """The latest rows about a component: a `Journal`, or a cache of it."""

    def recent(self, component: str, kind: RowKind, *, limit: int) -> list[HistoryRow]:
        """See `Journal.recent`."""
        ...

    def latest(self, kind: RowKind) -> HistoryRow | None:
        """See `Journal.latest`."""
        ...

    def components(self) -> list[str]:
        """See `Journal.components`."""
        ...


class _Stamp(NamedTuple):
    """What changes when the history changes, and when it was last written (wall clock, ns).

    The change time is not part of it: SQLite changes that of its log when root reads.
    """

    files: tuple[tuple[int, ...], ...]
    written_ns: int


class HistoryCache:
    """The rows that were read of one history, as long as its files do not change. Not thread-safe."""

    def __init__(self, *, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._stamp: _Stamp | None = None
        self._known = _Known({}, [])

    @contextmanager
    def of(self, directory: str, root: str) -> Iterator[RowSource | None]:
        """The history of the machine at ``root`` in a directory as it is now; None if there is none.

        Raises:
            UsageError, TransportError, Damaged: as `Journal.open_to_read` does.
        """
        stamp = _stamp(directory)
        if stamp is None or stamp != self._stamp or len(self._known.rows) > _LIMIT:
            self._known = _Known({}, [])
        at_rest = stamp is not None and stamp.written_ns < self._wall_ns() - _AT_REST_NS
        self._stamp = stamp if at_rest else None
        rows = _Remembered(directory, root, self._known)
        try:
            yield rows if self._known.rows or rows.journal() else None
        finally:
            rows.close()


class _Known(NamedTuple):
    """Rows by component, kind and number, and the keys of all components once they were asked for."""

    rows: dict[tuple[str, RowKind, int], list[HistoryRow]]
    components: list[list[str]]


class _Remembered:
    """Cached rows; the journal is opened for the first one that is not cached."""

    def __init__(self, directory: str, root: str, known: _Known) -> None:
        self._directory = directory
        self._root = root
        self._known = known
        self._journal: Journal | None = None

    def journal(self) -> Journal | None:
        self._journal = self._journal or Journal.open_to_read(self._directory, self._root)
        return self._journal

    def recent(self, component: str, kind: RowKind, *, limit: int) -> list[HistoryRow]:
        question = component, kind, limit
        if question not in self._known.rows:
            journal = self.journal()
            self._known.rows[question] = journal.recent(component, kind, limit=limit) if journal else []
        return self._known.rows[question]

    def latest(self, kind: RowKind) -> HistoryRow | None:
        question = "", kind, 1
        if question not in self._known.rows:
            journal = self.journal()
            last = journal.latest(kind) if journal else None
            self._known.rows[question] = [last] if last else []
        return next(iter(self._known.rows[question]), None)

    def components(self) -> list[str]:
        if not self._known.components:
            journal = self.journal()
            self._known.components.append(journal.components() if journal else [])
        return self._known.components[0]

    def close(self) -> None:
        if self._journal:
            self._journal.close()


def _stamp(directory: str) -> _Stamp | None:
    """The stamp of the database and its write-ahead log; None if neither exists."""
    files, written = [], 0
    for name in (FILE, f"{FILE}-wal"):
        try:
            found = os.stat(os.path.join(directory, name))
        except OSError:
            continue
        files.append((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))
        written = max(written, found.st_mtime_ns)
    return _Stamp(tuple(files), written) if files else None
