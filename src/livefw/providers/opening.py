# SPDX-License-Identifier: Apache-2.0
"""Why a file that takes a request could not be opened. Whatever the reason is, nothing was asked of the mechanism."""

import errno
import os

from livefw.providers.base import Reason

_AWAY = Reason("vanished", "the file that takes the request no longer exists", "livefw doctor")
_DENIED = Reason("no-permission", "this user may not open the file that takes the request", "run it as root")
_NO_FILE = Reason("not-a-trigger", "the path is not a file that takes requests", "livefw doctor")

_WHY = {
    errno.ENOENT: _AWAY,
    errno.ENOTDIR: _AWAY,
    errno.ENODEV: _AWAY,
    errno.ENXIO: _AWAY,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: Reason("read-only", "the file system is mounted read-only", "run it on the host, not in a container"),
    errno.ELOOP: _NO_FILE,
    errno.EISDIR: _NO_FILE,
    errno.EMFILE: Reason(
        "not-asked", "this process may not open more files", "raise its limit: ulimit -n, LimitNOFILE="
    ),
    errno.ENFILE: Reason("not-asked", "this machine may not open more files", "see sysctl fs.file-max; try again"),
    errno.EAGAIN: Reason("not-asked", "this user may start no more processes", "see ulimit -u, TasksMax=; try again"),
    errno.ENOMEM: Reason("not-asked", "out of memory", "free memory, then try again"),
    errno.ENOTCONN: Reason("not-asked", "the connection to the kernel is broken", "livefw doctor"),
}
"""By errno of open(2), and of the pipe and the fork before it."""
_OTHER = Reason("not-asked", "cannot open the file that takes the request: {error}")


def not_asked(error: int) -> Reason:
    """Why nothing was asked, by the errno that a `livefw.files.protocol.Write` or `Calls` was not opened with."""
    why = _WHY.get(error) or _OTHER.fill(error=os.strerror(error))
    return why._replace(text=f"no request was made: {why.text}")
