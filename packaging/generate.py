# SPDX-License-Identifier: Apache-2.0
"""Manual pages and completions for three shells, from the command's own tables: ``generate.py DIRECTORY``."""

import sys
from pathlib import Path

import completions
import manuals


def write(folder: Path) -> None:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        **manuals.pages(),
        "livefw.bash": completions.bash(),
        "_livefw": completions.zsh(),
        "livefw.fish": completions.fish(),
    }
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
