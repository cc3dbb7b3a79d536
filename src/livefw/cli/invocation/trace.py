# SPDX-License-Identifier: Apache-2.0
"""``--debug``: every file operation on standard error, in words that can be replayed by hand."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from livefw.files.protocol import DeviceCall, DeviceCalls, Files, Write
from livefw.text import decode, printable

T = TypeVar("T")

_SHOWN = 200
"""Characters shown of what is read or written; an attribute has less, an image of firmware much more."""


class TracedFiles:
    """The same files, telling what is done with them."""

    def __init__(self, files: Files, say: Callable[[str], None]) -> None:
        self._files = files
        self._say = say

    def names(self, path: str) -> list[str]:
        """See `Files`."""
        return self._traced(f"ls {path}", lambda: self._files.names(path), lambda names: f"{len(names)} names")

    def read(self, path: str, limit: int = 4096) -> bytes:
        """See `Files`."""
        return self._traced(f"cat {path}", lambda: self._files.read(path, limit), decode)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return self._traced(f"test -e {path}", lambda: self._files.exists(path), str)

    def link(self, path: str) -> str:
        """See `Files`."""
        return self._traced(f"readlink {path}", lambda: self._files.link(path), str)

    def records(self, path: str) -> list[bytes]:
        """See `Files`."""
        return self._traced(f"cat {path}", lambda: self._files.records(path), lambda records: f"{len(records)} records")

    def start_write(self, path: str, data: bytes) -> Write:
        """See `Files`."""
        text = f"printf '{printable(decode(data))}'" if len(data) <= _SHOWN else f"cat {len(data)}-bytes"
        command = f"{text} > {path}"
        return self._traced(command, lambda: self._files.start_write(path, data), lambda _: "started")

    def start_calls(self, path: str, calls: Sequence[DeviceCall]) -> DeviceCalls:
        """See `Files`."""
        text = ", ".join(f"ioctl {call.request:#x}" if call.request else f"write {len(call.data)}" for call in calls)
        return self._traced(f"{text} on {path}", lambda: self._files.start_calls(path, calls), lambda _: "started")

    def trusted(self, path: str, limit: int = 4096, *, private: bool = False) -> bytes:
        """See `Files`; what is private in it is not told."""
        shown = (lambda _: "(not shown)") if private else decode
        return self._traced(f"cat {path}", lambda: self._files.trusted(path, limit, private=private), shown)

    @property
    def settings_file(self) -> str:
        """See `Files`."""
        return self._files.settings_file

    def settings(self, limit: int = 1 << 20) -> bytes:
        """See `Files`."""
        return self._traced("cat livefw.toml", lambda: self._files.settings(limit), decode)

    def _traced(self, command: str, work: Callable[[], T], summary: Callable[[T], str]) -> T:
        try:
            result = work()
        except OSError as error:
            self._say(f"+ {printable(command)}  # {error.strerror}")
            raise
        self._say(f"+ {printable(command)}  # {printable(summary(result)[:_SHOWN])}")
        return result
