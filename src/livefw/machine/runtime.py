# SPDX-License-Identifier: Apache-2.0
"""Which machines run, and what a killed one left behind.

In the runtime directory a machine NAME has a lock file, a socket and, unless told otherwise, a folder it is mounted
on. The lock is held as long as the process lives and the kernel drops it however the process ends: it alone decides
what is alive. The next holder of a dead machine's lock removes what its state names, and nothing else.
"""

import fcntl
import os
import socket
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from livefw import reading
from livefw.errors import PermissionDenied, UsageError
from livefw.machine.fuse.mount import remove_dead

_MAX_STATE = 65_536


class State(msgspec.Struct, frozen=True):
    """What is known of a machine from outside; ``mount`` is empty while it is coming up, ``store`` without a store."""

    name: str
    pid: int
    platform: str
    mount: str
    store: str = ""


def directory(environment: Mapping[str, str] = os.environ) -> str:
    """The runtime directory: ``$LIVEFW_RUNTIME_DIR``, ``$XDG_RUNTIME_DIR/livefw``, ``/run/livefw``, or below /tmp."""
    if own := environment.get("LIVEFW_RUNTIME_DIR"):
        return reading.absolute(own)
    if session := environment.get("XDG_RUNTIME_DIR"):
        return os.path.join(reading.absolute(session), "livefw")
    if os.geteuid() == 0:
        return "/run/livefw"
    return os.path.join(tempfile.gettempdir(), f"livefw-{os.geteuid()}")


def _prepare(path: str) -> None:
    """Make the directory ours alone: in /tmp anybody could have made it before us, and would own our socket."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
    except OSError as error:
        raise PermissionDenied(
            f"{path}: {error.strerror}", hint="set LIVEFW_RUNTIME_DIR to a private directory", errno=error.errno
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionDenied(f"{path} is not private to you", hint="set LIVEFW_RUNTIME_DIR to one")


class NameClaim:
    """A machine's name, held by this process until `release`."""

    def __init__(self, name: str, *, platform: str, store: str = "") -> None:
        """Take the name and clear up after a dead owner; `UsageError` if it is alive."""
        base = directory()
        _prepare(base)
        self.name = name
        self.socket_path = os.path.join(base, f"{name}.sock")
        self.folder = os.path.join(base, f"{name}.root")
        self._platform = platform
        self._store = store
        self._lock_path = os.path.join(base, f"{name}.lock")
        self._lock = self._take()
        self._clear_up(_read(self._lock))
        self.record(mount="")

    def record(self, *, mount: str) -> None:
        """Write down where the machine is mounted, before it is: a state that names too much is cleared up, too."""
        state = State(self.name, os.getpid(), self._platform, mount, self._store)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, msgspec.json.encode(state), 0)

    def release(self) -> None:
        """Give the name back and leave nothing behind."""
        self._clear_up(None)
        os.unlink(self._lock_path)
        os.close(self._lock)

    def _take(self) -> int:
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                state = _read(lock)
                os.close(lock)
                raise UsageError(
                    f"a machine {self.name} is running already" + (f" (process {state.pid})" if state else ""),
                    hint="livefw machine list; --machine NAME gives another name",
                ) from None
            if os.fstat(lock).st_nlink:
                return lock
            os.close(lock)  # its owner removed the file between our open and our lock

    def _clear_up(self, state: State | None) -> None:
        if state is not None and state.mount:
            remove_dead(state.mount)
        remove_dead(self.folder)
        with suppress(FileNotFoundError):
            os.unlink(self.socket_path)
        with suppress(OSError):
            os.rmdir(self.folder)


def _read(lock: int) -> State | None:
    """The state in a lock file; None for one that was never written in full."""
    try:
        return msgspec.json.decode(os.pread(lock, _MAX_STATE, 0), type=State)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def running() -> list[State]:
    """All machines that answer, by name."""
    base = directory()
    try:
        names = sorted(entry.removesuffix(".sock") for entry in os.listdir(base) if entry.endswith(".sock"))
    except OSError:
        return []
    return [state for name in names if (state := _alive(base, name)) is not None]


def _alive(base: str, name: str) -> State | None:
    """The state of a machine that listens. Not told by its lock: trying that could hinder one that is starting."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(os.path.join(base, f"{name}.sock"))
        with reading.opened(os.path.join(base, f"{name}.lock"), follow=False) as lock:
            return _read(lock.fileno())
    except OSError:
        return None


def socket_of(name: str) -> str:
    """Path of a machine's control socket."""
    return os.path.join(directory(), f"{name}.sock")
