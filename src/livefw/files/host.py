# SPDX-License-Identifier: Apache-2.0
"""A real file system as `livefw.files.protocol.Files`."""

from __future__ import annotations

import errno
import os

from livefw import reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn, TypeVar

    from livefw.files.protocol import DeviceCall, DeviceCalls, Write

    T = TypeVar("T")

_PAGE = 4096
"""Most that one read or write of a sysfs file carries."""

_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK
"""A fifo in the tree must not hold a reader."""
_LIST = os.O_RDONLY | os.O_DIRECTORY | _SAFE
_PASS = os.O_PATH | os.O_DIRECTORY | _SAFE

SETTINGS = "/etc/livefw"
"""Directory of the settings for the machine that we run on."""
SETTINGS_FILE = "livefw.toml"

_RECORD = 8192
"""Largest record of ``/dev/kmsg`` (kernel, ``PRINTKRB_RECORD_MAX`` and the prefix)."""


def settings_directory(root: str, asked: str | None = None) -> str:
    """Where the settings for the machine at ``root`` are: where somebody says, else for our own machine only.

    Empty if it has none, which may also be what somebody says.

    A tree may come from anywhere, an archive keeps root for the owner of what is in it, and settings name programs that
    are run and hosts that are logged in to. So of another tree nothing is obeyed unless it was asked for.
    """
    if asked is not None:
        return reading.absolute(asked) if asked else ""
    return SETTINGS if os.path.realpath(reading.absolute(root)) == "/" else ""


def unused_settings(root: str, asked: str | None) -> str:
    """What to tell of settings and checks that a tree has, and that nobody asked for; empty where it has none."""
    theirs = os.path.join(root, SETTINGS[1:])
    if settings_directory(root, asked) or not os.path.lexists(theirs):
        return ""
    return f"settings and checks in {theirs} are not used; to use them: --settings {theirs}"


class HostFiles:
    """A file system below ``root``, and the settings that hold for it, in a directory that need not be below it.

    No symbolic link below the root is ever followed: a tree given with ``--root`` may come from anywhere. A link
    answers ELOOP, or ENOTDIR in the middle of a path; who needs one asks where it leads (`livefw.files.links`).

    Directories of the last path stay open, so that reading all files of one directory looks it up once. As with
    Python's own files, nothing stays open when nobody has this any more.
    """

    _root = -1

    def __init__(self, root: str = "/", *, settings: str | None = None) -> None:
        """Open the root; OSError if it is not a directory. ``settings`` as for `settings_directory`."""
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._path = root
        self._settings = settings
        self._held: list[tuple[str, int]] = []
        self._at: tuple[str, int] | None = None
        """Path and descriptor of the directory of the last path, as long as nothing has been let go since."""
        self._relied = False

    def close(self) -> None:
        """Release all descriptors. May be called again."""
        root, self._root = self._root, -1
        if root >= 0:
            self._forget(0)
            os.close(root)

    def __del__(self) -> None:
        self.close()

    def names(self, path: str) -> list[str]:
        """See `Files`; the last directory is always looked up anew, because it may have been made anew."""
        *parents, name = _parts(path) or ["."]
        self._forget(len(parents))
        descriptor = self._retried(lambda: os.open(name, _LIST, dir_fd=self._directory(parents)))
        try:
            return os.listdir(descriptor)
        finally:
            if name != ".":  # a caller that lists a directory reads its files next
                self._held.append((name, descriptor))
                self._at = path, descriptor
            else:
                os.close(descriptor)

    def read(self, path: str, limit: int = 4096) -> bytes:
        """See `Files`."""
        descriptor = self._open(path, _READ)
        try:
            data = os.read(descriptor, limit)
            if limit > _PAGE:
                while len(data) < limit and (more := os.read(descriptor, limit - len(data))):
                    data += more
            return data
        finally:
            os.close(descriptor)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        *parents, name = _parts(path) or ["."]
        try:
            self._retried(lambda: os.stat(name, dir_fd=self._directory(parents), follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def link(self, path: str) -> str:
        """See `Files`."""
        *parents, name = _parts(path) or ["."]
        return self._retried(lambda: os.readlink(name, dir_fd=self._directory(parents)))

    def records(self, path: str) -> list[bytes]:
        """See `Files`."""
        found: list[bytes] = []
        descriptor = self._open(path, _READ)
        try:
            while True:
                try:
                    record = os.read(descriptor, _RECORD)
                except BlockingIOError:
                    return found
                except BrokenPipeError:
                    continue
                if not record:
                    return found
                found.append(record)
        finally:
            os.close(descriptor)

    def start_write(self, path: str, data: bytes) -> Write:
        """See `Files`; the write runs in a child process of its own session.

        A Ctrl-C on the terminal does not reach the child, which continues if this process dies.
        """
        from livefw.files.child import ChildWrite  # not needed to list

        return ChildWrite(lambda: self._open_anew(path), lambda file: write_all(file, data))

    def start_calls(self, path: str, calls: Sequence[DeviceCall]) -> DeviceCalls:
        """See `Files`; in a child process like a write, for an ioctl cannot be taken back either."""
        from livefw.files.calls import ChildCalls  # only for mechanisms that are devices

        return ChildCalls(lambda: self._open(path, os.O_RDWR), calls)

    @property
    def is_own(self) -> bool:
        """Whether it is the whole machine that this process runs on, so that its programs tell of the same machine."""
        return os.path.realpath(self._path) == "/"

    def trusted(self, path: str, limit: int = 4096, *, private: bool = False) -> bytes:
        """See `Files`. Opened by its whole path: who can change a directory above the root can change it too."""
        whole = f"{os.path.realpath(self._path).rstrip('/')}/{'/'.join(_parts(path))}"
        return reading.read_trusted(whole, limit, private=private, follow=False)

    @property
    def settings_file(self) -> str:
        """See `Files`."""
        return os.path.join(settings_directory(self._path, self._settings), SETTINGS_FILE)

    def settings(self, limit: int = 1 << 20) -> bytes:
        """See `Files`."""
        directory = settings_directory(self._path, self._settings)
        if not directory:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), SETTINGS_FILE)
        return reading.read_trusted(f"{directory}/{SETTINGS_FILE}", limit)

    def _open_anew(self, path: str) -> int:
        self._forget(0)
        return self._open(path, os.O_WRONLY)

    def _open(self, path: str, flags: int) -> int:
        reading.require_name(path)
        parent, _, last = path.rpartition("/")
        if self._at and self._at[0] == parent and last not in ("", ".", ".."):
            try:
                return os.open(last, flags | _SAFE, dir_fd=self._at[1])
            except FileNotFoundError:
                self._forget(0)  # the directory may have been removed and made anew
        *parents, name = _parts(path) or ["."]
        descriptor = self._retried(lambda: os.open(name, flags | _SAFE, dir_fd=self._directory(parents)))
        self._at = parent, self._held[-1][1] if self._held else self._root
        return descriptor

    def _directory(self, parts: list[str]) -> int:
        """A descriptor of this directory, kept open together with those above it; one that is held already serves."""
        held = self._held
        same = 0
        while same < len(held) and same < len(parts) and held[same][0] == parts[same]:
            same += 1
        self._forget(same)
        self._relied = same > 0
        descriptor = held[-1][1] if held else self._root
        for name in parts[same:]:
            descriptor = os.open(name, _PASS, dir_fd=descriptor)
            held.append((name, descriptor))
        return descriptor

    def _forget(self, keep: int) -> None:
        self._at = None
        while len(self._held) > keep:
            os.close(self._held.pop()[1])

    def _retried(self, work: Callable[[], T]) -> T:
        """Look up again from the root if a directory that was held open has been removed meanwhile."""
        try:
            return work()
        except FileNotFoundError:
            if not self._relied:
                raise
        self._forget(0)
        return work()


def write_all(file: int, data: bytes) -> None:
    """Write it in one piece, or, if it is longer than a page, in as many as the kernel takes."""
    written = os.write(file, data)
    while written < len(data) > _PAGE:  # shorter ones are triggers, and must never be written twice
        written += os.write(file, memoryview(data)[written:]) or _stuck()


def _stuck() -> NoReturn:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _parts(path: str) -> list[str]:
    reading.require_name(path)
    parts = path.split("/")[1:] if path != "/" else []
    if not path.startswith("/") or not all(parts) or "." in parts or ".." in parts:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return parts
