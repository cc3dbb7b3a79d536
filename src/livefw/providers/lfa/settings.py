# SPDX-License-Identifier: Apache-2.0
"""Writing ``force_cpu_rendezvous`` and ``auto_activate``, the driver's two switches for each component."""

import errno
import os

from livefw.errors import PermissionDenied, TransportError
from livefw.files.protocol import LOST, Files
from livefw.providers.lfa import tree

_SECONDS = 10.0
"""How long to wait for a write that only sets a flag; on some versions it waits for an activation that is running."""


def write(files: Files, guid: str, setting: str, *, on: bool) -> None:
    """Set one switch; `TransportError` if there is no such file, or it cannot be written."""
    path = f"{tree.ROOT}/{guid}/{setting}"
    if setting not in tree.SETTINGS or not files.exists(path):
        raise _error(guid, path, errno.ENOENT)
    try:
        attempt = files.start_write(path, b"1\n" if on else b"0\n")
    except OSError as error:
        raise _error(guid, path, error.errno or errno.EIO) from error
    if not attempt.wait(_SECONDS):
        raise _error(guid, path, errno.ETIMEDOUT)
    if attempt.error:
        raise _error(guid, path, errno.EIO if attempt.error == LOST else attempt.error)


def _error(guid: str, path: str, error: int) -> TransportError:
    kind = PermissionDenied if error in (errno.EACCES, errno.EPERM) else TransportError
    return kind(
        f"{path} cannot be written: {os.strerror(error)}",
        mechanism=tree.PROVIDER,
        component=f"{tree.PROVIDER}:{guid}",
        phase="configure",
        errno=error,
    )
