# SPDX-License-Identifier: Apache-2.0
"""Whether a file is still the one that was read."""

import os

Stamp = tuple[int, ...]


def stamp(found: os.stat_result) -> Stamp:
    """What changes when a file, what is in it, or who may write it does."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode
