# SPDX-License-Identifier: Apache-2.0
"""Mount and unmount a FUSE file system: by system call as root, by ``fusermount3`` as anybody else."""

import ctypes
import errno
import fcntl
import os
import socket
import subprocess
from typing import NamedTuple

from livefw import reading
from livefw.errors import PermissionDenied, TransportError, UsageError

_DEVICE = "/dev/fuse"
_TYPE = "fuse.livefw"
_NOSUID_NODEV = 2 | 4
_FORCE_DETACH = 1 | 2
_HELPER = "fusermount3"

WITHOUT = "`livefw demo` works without FUSE"


class Mount(NamedTuple):
    """A mounted file system: where, and its non-blocking end of ``/dev/fuse``."""

    directory: str
    device: int

    def close(self) -> None:
        """Hang up and unmount: processes with a file open there get ENOTCONN.

        In this order: the helper closes our files as it starts, and one that is open there is answered by nobody.
        """
        os.close(self.device)
        if is_mounted(self.directory):
            unmount(self.directory)


def mount(directory: str) -> Mount:
    """Mount on an existing, empty directory.

    A mount of ours there whose server died is taken away first; anything alive stays and is an error.

    Raises:
        UsageError: the directory cannot be used.
        PermissionDenied: this user may not mount.
        TransportError: this machine cannot; the message says what is missing and the hint how to get it.
    """
    directory = os.path.realpath(directory)
    remove_dead(directory)
    if is_mounted(directory):
        raise UsageError(f"{directory} is in use by another machine", hint="name another directory")
    try:
        if os.listdir(directory):
            raise UsageError(f"{directory} is not empty", hint="mounting would hide what is in it")
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}", hint="name an empty directory") from error
    device = _mount_as_root(directory) if os.geteuid() == 0 else _mount_by_helper(directory)
    os.set_blocking(device, False)
    return Mount(directory, device)


def unmount(directory: str) -> None:
    """Take the mount out of the tree at once, also if it is busy or its server dead; `TransportError` if refused.

    As root the connection is cut, too: a program that waits in a file there would hold out unkillable.
    """
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(directory), _FORCE_DETACH) != 0:
            code = ctypes.get_errno()
            raise TransportError(
                f"cannot unmount {directory}: {os.strerror(code)}", replay=f"umount --lazy {directory}"
            )
        return
    done = subprocess.run([_HELPER, "-u", "-z", "--", directory], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise TransportError(f"cannot unmount {directory}: {done.stderr.strip()}", replay=f"{_HELPER} -uz {directory}")


def is_mounted(directory: str) -> bool:
    """Whether a file system of ours is mounted exactly there, alive or dead."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            fields = line.split()
            kind = fields[fields.index("-") + 1]
            if kind == _TYPE and _unescape(fields[4]) == directory:
                return True
    return False


def remove_dead(directory: str) -> bool:
    """Unmount a file system of ours whose server died; whether there was one. Anything alive stays."""
    directory = reading.absolute(directory)
    try:
        os.statvfs(directory)  # is always asked of the server; attributes may have been kept from when it lived
    except OSError as error:
        if error.errno == errno.ENOTCONN and is_mounted(directory):
            unmount(directory)
            return True
    return False


def _unescape(field: str) -> str:
    """Space, tab, newline and backslash are octal in mountinfo (kernel, fs/proc_namespace.c)."""
    for code in ("040", "011", "012", "134"):
        field = field.replace(f"\\{code}", chr(int(code, 8)))
    return field


def _options(device: int | None) -> str:
    own = [] if device is None else [f"fd={device}", "rootmode=40000", "user_id=0", "group_id=0", "allow_other"]
    return ",".join([*own, "default_permissions"])


def _mount_as_root(directory: str) -> int:
    try:
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _explain_device(error) from error
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (b"livefw", os.fsencode(directory), _TYPE.encode(), _NOSUID_NODEV, _options(device).encode())
    if libc.mount(*arguments) != 0:
        code = ctypes.get_errno()
        os.close(device)
        if code in {errno.EPERM, errno.EACCES}:
            raise PermissionDenied(
                "mounting is not permitted here", hint=f"a container needs CAP_SYS_ADMIN for it; {WITHOUT}", errno=code
            )
        raise TransportError(f"cannot mount on {directory}: {os.strerror(code)}", hint=WITHOUT, errno=code)
    return device


def _explain_device(error: OSError) -> TransportError:
    message = f"{_DEVICE}: {error.strerror}"
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return TransportError(
            f"{message}: this kernel has no FUSE, or this container has no such device",
            hint=f"load it with `modprobe fuse`, or pass the device to the container; {WITHOUT}",
            errno=error.errno,
        )
    return PermissionDenied(message, hint=f"you need permission to read and write it; {WITHOUT}", errno=error.errno)


def _mount_by_helper(directory: str) -> int:
    """``fusermount3`` mounts on behalf of a user and passes the open device through a socket."""
    if not os.path.exists(_DEVICE):
        raise _explain_device(OSError(errno.ENOENT, os.strerror(errno.ENOENT)))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        options = f"{_options(None)},subtype=livefw,fsname=livefw"
        try:
            done = subprocess.run(
                [_HELPER, "-o", options, "--", directory],
                env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise TransportError(
                f"{_HELPER} is not installed, and only root mounts without it",
                hint=f"install it (Debian: apt install fuse3); {WITHOUT}",
            ) from error
        if done.returncode != 0:
            raise PermissionDenied(done.stderr.strip() or f"{_HELPER} failed", hint=WITHOUT)
        theirs.close()  # what it has sent is there, and if that is nothing, this is its end
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    if not descriptors:
        raise TransportError(f"{_HELPER} did not pass a device", hint=WITHOUT)
    fcntl.fcntl(descriptors[0], fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return descriptors[0]
