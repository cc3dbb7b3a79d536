# SPDX-License-Identifier: Apache-2.0
"""Opening files that another user may have prepared. Every path from outside is opened here, in one of two ways.

`opened` and `read` are for files that the caller names. Whose they are does not matter, what they are does: a pipe
would keep us waiting for ever, a device may never end or does something when it is opened, so only regular files serve.

`trusted` and `read_trusted` are for files that decide on behalf of the calling user: settings, checks, credentials,
images, the history. A user who can write one of those, or replace it through a directory above it, would decide for
root. The path is walked from ``/``, one name at a time, by descriptors; each directory, each link and the end of it has
to belong to root or to us, and nobody else may write it. A directory in which everybody may make files and only owners
may remove them, such as ``/tmp``, is passed through, for what lies below is judged by its own owner. Links are followed
where they pass the same test, so that root may keep ``/etc/livefw`` elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, NamedTuple, Self
else:
    from livefw.light_tuple import NamedTuple

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40
"""As many as the kernel follows (Linux ``MAXSYMLINKS``): a link that leads to itself must not be followed for ever."""
_OTHERS = stat.S_IWGRP | stat.S_IWOTH

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a symbolic link"),
)


class Untrusted(PermissionError):  # noqa: N818 - says what is wrong without the suffix
    """Somebody else than root and the user who runs us may change a file, or which file it is.

    ``filename`` is the file or directory that this is about, ``hint`` how to mend it.
    """

    def __init__(self, path: str, why: str, mend: str) -> None:
        super().__init__(errno.EPERM, why, path)
        self.hint = f"check the file, then as root: {mend}"

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class Found(NamedTuple):
    """A file that is to be relied on: open, with its path without links and what it was when it was judged."""

    descriptor: int
    path: str
    status: os.stat_result


def objection(found: os.stat_result, path: str) -> Untrusted | None:
    """Why a file is not to be relied on, by its owner and mode alone; None if it is."""
    if found.st_uid not in (0, os.geteuid()):
        whom = "root" if os.geteuid() == 0 else f"root or to user {os.geteuid()}"
        return Untrusted(path, f"it belongs to user {found.st_uid}, not to {whom}", f"chown root {path}")
    if found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode):
        return Untrusted(path, "users other than its owner may write it", f"chmod go-w {path}")
    return None


def require_name(path: str) -> None:
    """OSError for a path that no file can have: those in settings may hold any character."""
    try:
        nameable = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        nameable = False
    if not nameable:
        raise OSError(errno.EINVAL, "this is not a valid file name", path)


def opened(path: str, *, dir_fd: int | None = None, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading, without ever waiting for it. OSError, for anything else as well."""
    require_name(path)
    # Looked at first: opening a device may have an effect, such as to arm a watchdog.
    require_regular(os.stat(path, dir_fd=dir_fd, follow_symlinks=follow), path)
    descriptor = os.open(path, _READ | (0 if follow else os.O_NOFOLLOW), dir_fd=dir_fd)
    return os.fdopen(_regular(descriptor, path), "rb")


def read(path: str, most: int) -> bytes:
    """All of a regular file. OSError, with EFBIG for one of more than so many bytes."""
    with opened(path) as file:
        return read_all(file, most, path)


def read_all(file: BinaryIO, most: int, path: str) -> bytes:
    """What is in an open file; OSError with EFBIG before more than ``most`` bytes are held."""
    if os.fstat(file.fileno()).st_size <= most:  # a hole of a terabyte takes no space on disk, and all there is here
        data = file.read(most + 1)
        if len(data) <= most:
            return data
    raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", path)


def write(path: str, data: bytes, mode: int = 0o666, *, follow: bool = True) -> None:
    """Write a regular file anew, making it where it is missing. OSError, for anything else as well."""
    require_name(path)
    with suppress(FileNotFoundError):
        require_regular(os.stat(path, follow_symlinks=follow), path)
    descriptor = os.open(path, _WRITE | os.O_CREAT | (0 if follow else os.O_NOFOLLOW), mode)
    with os.fdopen(_regular(descriptor, path), "wb") as file:
        file.truncate(0)
        file.write(data)


def replace(path: str, pieces: Iterable[bytes], mode: int = 0o666, *, masked: bool = True) -> int:
    """Write a regular file anew, all of it or nothing, and return its size: until it is whole and on disk, its name
    leads to what was there. Its mode is ``masked`` by the umask. OSError, for anything else as well; a link is not
    followed."""
    require_name(path)
    with suppress(FileNotFoundError):
        require_regular(os.lstat(path), path)
    directory, name = os.path.split(absolute(path))
    unfinished = os.path.join(directory, f".{name[:200]}.{os.urandom(4).hex()}")
    descriptor = os.open(unfinished, _WRITE | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if not masked:
                os.fchmod(file.fileno(), mode)
            size = sum(map(file.write, pieces))
            file.flush()
            os.fsync(file.fileno())
        os.rename(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
    return size


def _regular(descriptor: int, path: str) -> int:
    try:
        require_regular(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def require_regular(found: os.stat_result, path: str) -> None:
    """OSError for what is no regular file, with words for what it is."""
    if not stat.S_ISREG(found.st_mode):
        what = next((text for is_it, text in _KINDS if is_it(found.st_mode)), "something else")
        code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
        raise OSError(code, f"it is {what}, not a regular file", path)


def trusted(path: str, *, directory: bool = False, follow: bool = True) -> Found:
    """Open a regular file, or a directory, that nobody but root and ourselves can change or replace.

    What is judged is what is opened. With ``follow`` links are followed that root or we have made. `Untrusted`; OSError
    where there is none, or it is something else.
    """
    with _Walk(follow=follow) as walk:
        end = walk.to(path, directory=directory)
        if directory:
            name, above, flags = ".", end.descriptor, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        else:
            name, above, flags = os.path.basename(end.path), walk.above, _READ | os.O_NOFOLLOW
        try:
            descriptor = os.open(name, flags, dir_fd=above)
        except OSError as error:
            raise OSError(error.errno, error.strerror, end.path) from error
        again = os.fstat(descriptor)
        if (again.st_dev, again.st_ino) != (end.status.st_dev, end.status.st_ino):
            os.close(descriptor)
            raise OSError(errno.ESTALE, "it was replaced by another file", end.path)
        return Found(descriptor, end.path, again)


def judge(path: str, *, directory: bool = False) -> None:
    """As `trusted`, for what somebody else will open by its name; nothing is opened."""
    with _Walk() as walk:
        walk.to(path, directory=directory)


def read_trusted(path: str, most: int, *, private: bool = False, follow: bool = True) -> bytes:
    """All of a file as `trusted` finds it; with ``private`` one that only its owner can read. Errors as for `read`."""
    try:
        found = trusted(path, follow=follow)
    except FileNotFoundError:
        # Who may write the directory may have taken away what stood in the file, and with it what it forbade.
        judge(os.path.dirname(path), directory=True)
        raise
    with os.fdopen(found.descriptor, "rb") as file:
        if private and found.status.st_mode & 0o077:
            raise Untrusted(path, "users other than its owner may read it", f"chmod go= {path}")
        return read_all(file, most, path)


def _require_directory(found: Found) -> None:
    if not stat.S_ISDIR(found.status.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), found.path)


class _Walk:
    """One way from ``/`` to a file. What was passed stays open: ``..`` in a link leads back to it."""

    def __init__(self, *, follow: bool = True) -> None:
        self._follow = follow
        self._links = 0
        self._objection: Untrusted | None = None
        self._passed: list[Found] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._passed:
            os.close(self._passed.pop().descriptor)

    @property
    def above(self) -> int:
        """Descriptor of the directory that the end lies in."""
        return self._passed[-2].descriptor

    def to(self, path: str, *, directory: bool, to_make: bool = False) -> Found:
        """What is at a path, held until the walk is left. `Untrusted`, once it is known that there is something.

        ``to_make``: something is to be made in it, so it may be a directory that is passed through.
        """
        require_name(path)
        self._passed.append(_look("/", "/", None))
        left = _names(absolute(path))
        while left:
            name = left.pop()
            if name != "..":
                left += self._step(name)
            else:
                self._back(max(len(self._passed) - 1, 1))
        end = self._passed[-1]
        if directory:
            _require_directory(end)
        else:
            require_regular(end.status, path)
        if against := self._objection or (_passing(end) if to_make else objection(end.status, end.path)):
            raise against
        return end

    def _back(self, keep: int) -> None:
        while len(self._passed) > keep:
            os.close(self._passed.pop().descriptor)

    def _step(self, name: str) -> list[str]:
        """Advance by one name; the names that come next, where it is a link."""
        above = self._passed[-1]
        _require_directory(above)
        self._objection = self._objection or _passing(above)
        found = _look(name, os.path.join(above.path, name), above.descriptor)
        if not stat.S_ISLNK(found.status.st_mode):
            self._passed.append(found)
            return []
        try:
            self._objection = self._objection or objection(found.status, found.path)
            target = os.readlink("", dir_fd=found.descriptor)
        finally:
            os.close(found.descriptor)
        self._links += 1
        if not self._follow or self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), found.path)
        if target.startswith("/"):
            self._back(1)
        return _names(target)


def _passing(above: Found) -> Untrusted | None:
    """Why no file of a directory is to be relied on, whatever its owner."""
    if above.status.st_mode & stat.S_ISVTX and above.status.st_uid == 0:
        return None  # as /tmp is: what lies there is judged by its own owner, who alone can replace it
    return objection(above.status, above.path)


def _look(name: str, path: str, above: int | None) -> Found:
    try:
        descriptor = os.open(name, _LOOK, dir_fd=above)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    return Found(descriptor, path, os.fstat(descriptor))


def _names(path: str) -> list[str]:
    """The names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def make_directories(path: str, mode: int) -> None:
    """Make a directory and those above it where they are missing, so that `trusted` takes them whatever the umask.

    `Untrusted`, and nothing is made, where somebody else decides by a link or a directory of theirs where that is.
    """
    if os.path.isdir(path):
        return
    if (above := os.path.dirname(path)) != path:
        make_directories(above, 0o755)
    with _Walk() as walk:
        within = walk.to(above, directory=True, to_make=True)
        try:
            os.mkdir(os.path.basename(path), mode, dir_fd=within.descriptor)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def absolute(path: str) -> str:
    """A path from ``/`` on. OSError with its name where that is unknown: the working directory may be gone."""
    try:
        return os.path.abspath(path)
    except OSError as error:
        why = "the working directory, to which it is relative, no longer exists"
        raise OSError(error.errno, why, path) from error
