# SPDX-License-Identifier: Apache-2.0
"""A tree of files in memory that does what a script says: for tests of providers, here and elsewhere."""

import errno
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from livefw.files.protocol import DeviceCall, DeviceCalls, DeviceReply, Write

Effect = Callable[[], object]
SETTINGS = "/etc/livefw/livefw.toml"
START = 1_234_567.0
"""Where clocks start, in seconds: at zero, a moment that is taken for a span, or added to it, would not be noticed."""


class FakeClock:
    """A clock that goes forward only when somebody sleeps on it, or waits for a write."""

    def __init__(self) -> None:
        self.time = START

    @property
    def passed(self) -> float:
        """Seconds since the clock was made."""
        return self.time - START

    def now(self) -> float:
        """See `livefw.clock.Clock`."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """See `livefw.clock.Clock`."""
        self.time += seconds


class FakeResult(NamedTuple):
    """How a write ends: with which errno, after how many seconds (None: never), and what happens just before.

    ``opened`` False: the errno is that of opening the file.
    """

    error: int = 0
    seconds: float | None = 0.0
    effect: Effect = lambda: None
    opened: bool = True


class FakeDevice(Protocol):
    """A modelled device: takes each call in order, and may let time pass on the clock."""

    def call(self, call: DeviceCall) -> DeviceReply:
        """Do it."""
        ...


class FakeFiles:
    """`livefw.files.protocol.Files` in memory.

    ``tree`` maps absolute paths to contents and may be changed at any time; directories are where they are needed.
    ``answers`` are given to writes, per path and in order, the last one for ever. What has been done is in ``reads``
    and ``writes``.
    """

    def __init__(self, tree: dict[str, bytes] | None = None, clock: FakeClock | None = None) -> None:
        self.tree = dict(tree or {})
        self.clock = clock or FakeClock()
        self.answers: dict[str, list[FakeResult]] = {}
        self.devices: dict[str, FakeDevice] = {}
        self.links: dict[str, str] = {}
        self.open_to_others: set[str] = set()
        self.log: list[bytes] = []
        self.reads: list[str] = []
        self.writes: list[tuple[str, bytes]] = []
        self._errors: dict[str, list[int]] = {}
        self._broken: dict[str, int] = {}
        self._effects: dict[str, Effect] = {}

    def fail(self, path: str, *errors: int) -> None:
        """Let the next operations on a path fail with these errnos, one each, 0 for none; then they succeed again."""
        self._errors[path] = list(errors)

    def break_for_ever(self, path: str, error: int) -> None:
        """Let every operation on a path fail with this errno from now on."""
        self._broken[path] = error

    def after(self, path: str, effect: Effect) -> None:
        """Let something happen just after the next operation on a path."""
        self._effects[path] = effect

    def remove(self, directory: str) -> None:
        """Take a directory away with all that is in it."""
        self.tree = {path: data for path, data in self.tree.items() if not path.startswith(directory + "/")}

    def names(self, path: str) -> list[str]:
        """See `Files`."""
        self._happen(path)
        prefix = path.rstrip("/") + "/"
        found = {
            name[len(prefix) :].split("/")[0]: None for name in (*self.tree, *self.links) if name.startswith(prefix)
        }
        self._finish(path)
        if not found:
            raise _error(errno.ENOTDIR if path in self.tree else errno.ENOENT)
        return list(found)

    def read(self, path: str, limit: int = 4096) -> bytes:
        """See `Files`."""
        self.reads.append(path)
        self._happen(path)
        data = self._data(path)[:limit]
        self._finish(path)
        return data

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return (
            path in self.tree
            or path in self.devices
            or path in self.links
            or any(name.startswith(path.rstrip("/") + "/") for name in (*self.tree, *self.links))
        )

    def link(self, path: str) -> str:
        """See `Files`; ``links`` maps paths to where they lead."""
        self._happen(path)
        if path not in self.links:
            raise _error(errno.EINVAL if self.exists(path) else errno.ENOENT)
        return self.links[path]

    def records(self, path: str) -> list[bytes]:
        """See `Files`; ``log``, whatever the path."""
        self._happen(path)
        return list(self.log)

    def start_write(self, path: str, data: bytes) -> Write:
        """See `Files`."""
        self.writes.append((path, data))
        answers = self.answers.get(path)
        if answers:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        else:
            answer = FakeResult() if path in self.tree else FakeResult(errno.ENOENT, opened=False)
        return _FakeWrite(answer, self.clock)

    def start_calls(self, path: str, calls: Sequence[DeviceCall]) -> DeviceCalls:
        """See `Files`; ``devices`` answer, at once."""
        device = self.devices.get(path)
        code = errno.ENOENT if device is None else self._broken.get(path, 0) or self._next_error(path)
        if device is None or code:
            return _FakeCalls([DeviceReply(code)], opened=False)
        answers: list[DeviceReply] = []
        for call in calls:
            answers.append(device.call(call))
            if answers[-1].error or answers[-1].value:
                break
        return _FakeCalls(answers, opened=True)

    def trusted(self, path: str, limit: int = 4096, *, private: bool = False) -> bytes:
        """See `Files`; those ``open_to_others`` are no secrets."""
        if private and path in self.open_to_others:
            raise _error(errno.EPERM)
        return self.read(path, limit)

    @property
    def settings_file(self) -> str:
        """See `Files`."""
        return os.path.basename(SETTINGS)

    def settings(self, limit: int = 1 << 20) -> bytes:
        """See `Files`; in the tree, where they are on a machine of one's own."""
        return self.read(SETTINGS, limit)

    def say(self, text: str, *, facility: int = 0) -> None:
        """Add a record to the log, in the format of ``/dev/kmsg``."""
        self.log.append(f"{facility << 3 | 6},{len(self.log)},{int(self.clock.time * 1e6)},-;{text}\n".encode())

    def _happen(self, path: str) -> None:
        if path in self._broken:
            raise _error(self._broken[path])
        if code := self._next_error(path):
            raise _error(code)

    def _next_error(self, path: str) -> int:
        return self._errors[path].pop(0) if self._errors.get(path) else 0

    def _finish(self, path: str) -> None:
        effect = self._effects.pop(path, None)
        if effect:
            effect()

    def _data(self, path: str) -> bytes:
        if path not in self.tree:
            raise _error(errno.ENOENT)
        return self.tree[path]


class _FakeWrite:
    def __init__(self, answer: FakeResult, clock: FakeClock) -> None:
        self._answer = answer
        self._clock = clock
        self._end = None if answer.seconds is None else clock.time + answer.seconds
        self._ended = False

    def wait(self, seconds: float | None) -> bool:
        """See `Write`; a write that never ends is not waited for without a limit."""
        if self._ended:
            return True
        limit = None if seconds is None else self._clock.time + seconds
        if self._end is None or (limit is not None and limit < self._end):
            if limit is None:
                raise RuntimeError("this write never ends, and somebody waits for it for ever")
            self._clock.time = limit
            return False
        self._clock.time = max(self._clock.time, self._end)
        self._answer.effect()
        self._ended = True
        return True

    @property
    def error(self) -> int:
        """See `Write`."""
        return self._result().error

    @property
    def opened(self) -> bool:
        """See `Write`."""
        return self._result().opened

    def _result(self) -> FakeResult:
        if not self._ended:
            raise ValueError("the write has not ended")
        return self._answer


class _FakeCalls:
    def __init__(self, answers: Sequence[DeviceReply], *, opened: bool) -> None:
        self.answers = answers
        self.opened = opened

    def wait(self, seconds: float | None) -> bool:  # noqa: ARG002 - they have ended
        """See `DeviceCalls`."""
        return True


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def attributes(directory: str, **texts: str | bytes) -> dict[str, bytes]:
    """Contents of a directory, one file per keyword; texts get the newline that attributes end with."""
    return {
        f"{directory}/{name}": text if isinstance(text, bytes) else f"{text}\n".encode() for name, text in texts.items()
    }
