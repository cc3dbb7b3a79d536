# SPDX-License-Identifier: Apache-2.0
"""An image from a client: a descriptor of anything becomes a copy that nobody else can change, or is refused.

The client keeps its file and may write to it while we look. What is checked has to be what is handed over, so the whole
is copied first, into memory that is then sealed.
"""

import fcntl
import os
import stat

from livefw.errors import UsageError

MOST_BYTES = 128 << 20
"""Largest image taken. It is held in memory, once, for the time of the hand-over."""
_CHUNK = 1 << 20
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def sealed_copy(source: int) -> int:
    """A descriptor of a sealed copy of a regular file; `UsageError` for anything else, or what is empty or too large.

    Only regular files are read: a pipe or a terminal might never end, and a device never would. The limit holds for
    what is read and not for what the file said its size was.
    """
    if not stat.S_ISREG(os.fstat(source).st_mode):
        raise UsageError("the image is no regular file", phase="stage")
    copy = os.memfd_create("livefw-image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        at = 0
        while at <= MOST_BYTES:
            chunk = os.pread(source, _CHUNK, at)
            if not chunk:
                break
            os.write(copy, chunk)
            at += len(chunk)
        if not 0 < at <= MOST_BYTES:
            raise UsageError(
                f"the image is {'empty' if not at else f'larger than {MOST_BYTES >> 20} MiB'}", phase="stage"
            )
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(copy, 0, os.SEEK_SET)
    except OSError as error:
        os.close(copy)
        raise UsageError(f"the image cannot be read: {os.strerror(error.errno or 0)}", phase="stage") from error
    except BaseException:
        os.close(copy)
        raise
    return copy
