# SPDX-License-Identifier: Apache-2.0
"""Directories and texts of sysfs and procfs that may be missing; what cannot be read is empty, no good news."""

from livefw.files.protocol import Files
from livefw.text import decode

_MOST_BYTES = 1 << 20
"""Of a text that is read; the list of mounts of a machine full of containers has some thousand lines."""


def names(files: Files, path: str, *, folders_of: str = "") -> list[str]:
    """Names in a directory, sorted; with ``folders_of`` only those that are directories with something in them."""
    try:
        found = sorted(files.names(path))
    except OSError:
        return []
    return [name for name in found if not folders_of or names(files, f"{folders_of}/{name}")]


def read(files: Files, path: str) -> str:
    """The text of a file."""
    try:
        return decode(files.read(path, _MOST_BYTES))
    except OSError:
        return ""
