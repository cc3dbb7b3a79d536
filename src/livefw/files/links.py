# SPDX-License-Identifier: Apache-2.0
"""Symbolic links of sysfs: a class has one for each device, which leads to the device's own directory."""

import errno
import os

from livefw.files.protocol import Files


def resolve(files: Files, path: str) -> str:
    """The path that a relative link at ``path`` leads to, within the tree; `path` itself if it is no link.

    Only this one link is followed. OSError as for `Files.link`, and with ELOOP for one that leads out of the tree.
    """
    try:
        target = files.link(path)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return path
        raise
    parts = path.split("/")[1:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if target.startswith("/"):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return "/" + "/".join(parts)
