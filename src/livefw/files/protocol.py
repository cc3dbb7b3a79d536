# SPDX-License-Identifier: Apache-2.0
"""The sysfs seam: everything that a provider knows of a machine comes through these few operations on files.

`livefw.files.host.HostFiles` is a real file system, at ``/`` or below any folder. A modelled machine offers the same
shape without a file system. Every operation raises plain `OSError` with an errno; what that means is for the provider
to say.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

LOST = -1
"""`Write.error` of a write whose writer died before it could answer: it may have happened."""


class Write(Protocol):
    """One write that was started and continues by itself."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has ended, at most so long; whether it has."""
        ...

    @property
    def error(self) -> int:
        """The errno it ended with: 0 if the write succeeded, `LOST` if nobody can tell. ValueError before the end."""
        ...

    @property
    def opened(self) -> bool:
        """Whether the file was opened, or may have been. Otherwise nothing was written, and `error` says why not.

        ValueError before the end.
        """
        ...


class CallBuffer(NamedTuple):
    """Memory that the argument of an ioctl points to: its address is put ``pointer_at`` bytes into the argument.

    ``returned``: whether what is in it afterwards is of interest.
    """

    pointer_at: int
    data: bytes
    returned: bool = True


class DeviceCall(NamedTuple):
    """One system call on an open device: ``ioctl(request, data)``, or ``write(data)`` where ``request`` is 0."""

    request: int
    data: bytes = b""
    buffer: CallBuffer | None = None


class DeviceReply(NamedTuple):
    """What one call ended with: an errno or 0, and what is in an ioctl's argument and in its buffer afterwards.

    ``value`` is what an ioctl returned: NVMe returns a status.
    """

    error: int
    data: bytes = b""
    value: int = 0
    buffer: bytes = b""


class DeviceCalls(Protocol):
    """Calls that were started on a device and continue by themselves."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until they have ended, at most so long; whether they have."""
        ...

    @property
    def answers(self) -> Sequence[DeviceReply]:
        """One for each call that was made; the last has an error of `LOST` if nobody can tell. ValueError before."""
        ...

    @property
    def opened(self) -> bool:
        """As `Write.opened`: otherwise no call was made, and the one answer says why not."""
        ...


class Files(Protocol):
    """A tree of files. Paths are absolute and have no ``.``, ``..`` or doubled slash."""

    def names(self, path: str) -> list[str]:
        """Names in a directory, in its own order."""
        ...

    def read(self, path: str, limit: int = 4096) -> bytes:
        """What one read of the file gives, at most ``limit`` bytes.

        Above a page the file is read until its end or ``limit``, because the kernel gives a page a time.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether there is anything at this path."""
        ...

    def link(self, path: str) -> str:
        """Where a symbolic link leads, as it is written; EINVAL if it is none. No operation here follows one."""
        ...

    def records(self, path: str) -> list[bytes]:
        """Records of a log such as ``/dev/kmsg``, oldest first: each read gives one.

        End of file and EAGAIN end it. EPIPE means that records were overwritten unread; reading continues.
        """
        ...

    def start_write(self, path: str, data: bytes) -> Write:
        """Begin to write, and return at once. The `Write` reports every error, opening included.

        Where no process can be started for it, the file was not opened.
        What the kernel does not take at once follows on the same descriptor: binary attributes take a page a time.
        """
        ...

    def start_calls(self, path: str, calls: Sequence[DeviceCall]) -> DeviceCalls:
        """Open a device, make these calls on it until one fails or returns anything but 0, and close it.

        Returns at once.
        A device that cannot be opened answers the first call with the errno of that.
        """
        ...

    def trusted(self, path: str, limit: int = 4096, *, private: bool = False) -> bytes:
        """All of a file that nobody but root and oneself can change; PermissionError with EPERM if others can.

        With ``private`` one that only its owner can read, either. OSError with EFBIG for more than ``limit`` bytes.
        """
        ...

    @property
    def settings_file(self) -> str:
        """The path of ``livefw.toml`` for messages; only its name if there is no place for it."""
        ...

    def settings(self, limit: int = 1 << 20) -> bytes:
        """``livefw.toml`` as it holds for this machine, as `trusted`; FileNotFoundError if there is none.

        It is not a file of the tree: of a tree that may come from anywhere only what is asked for is used.
        """
        ...
