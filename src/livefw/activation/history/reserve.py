# SPDX-License-Identifier: Apache-2.0
"""Disk space that is reserved during an activation, and given up if the disk is full when its outcome is written."""

import os
from contextlib import suppress

FILE = "reserve"
_BYTES = 256 * 1024
"""The row of an outcome has some kilobytes; SQLite's write-ahead log and index need a few pages each."""


def keep(directory: str) -> None:
    """Reserve the space; OSError if there is none."""
    path = os.path.join(directory, FILE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(descriptor).st_blocks * 512 < _BYTES:
            os.posix_fallocate(descriptor, 0, _BYTES)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def drop(directory: str) -> None:
    """Give the space up."""
    with suppress(OSError):  # the disk died meanwhile; that the outcome cannot be written is reported
        os.unlink(os.path.join(directory, FILE))
