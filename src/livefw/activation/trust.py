# SPDX-License-Identifier: Apache-2.0
"""Whether a file or directory is to be relied on: nobody but root and whoever runs us may change it."""

import os


def unsafe(found: os.stat_result, path: str) -> str:
    """Why it is not; empty if it is."""
    if found.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to user {found.st_uid}, not to root"
    if found.st_mode & 0o022:
        return f"{path} may be written by others than its owner"
    return ""
