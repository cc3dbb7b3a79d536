# SPDX-License-Identifier: Apache-2.0
"""Manual pages, where they are installed: ``livefw help``."""

import subprocess
import sys

SECTION = "1"


def read(*words: str) -> int | None:
    """Let man(1) show the page of a command, which these words name; its exit code.

    None if there is no terminal to read it on, no man(1), or no page: a command that runs from its sources has none.
    """
    page = "-".join(("livefw", *words))
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    try:
        found = subprocess.run(["man", "-w", SECTION, page], capture_output=True, check=False)
        return subprocess.run(["man", SECTION, page], check=False).returncode if found.returncode == 0 else None
    except OSError:
        return None
