# SPDX-License-Identifier: Apache-2.0
"""Manual pages, from the command's own tables: ``generate.py DIRECTORY``."""

import argparse
from pathlib import Path

import manuals


def write(folder: Path) -> None:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in manuals.pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="write the manual pages")
    parser.add_argument("directory", type=Path, help="where to; made if it is missing")
    write(parser.parse_args().directory)
