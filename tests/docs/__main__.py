# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.docs [PAGE...]``: run pages, and write into them the output that their commands have now."""

import sys
from pathlib import Path

from .page import CHECKOUT, PAGES, PageError
from .runner import updated
from .session import SessionError


def main(names: list[str]) -> int:
    """The number of pages that could not be run."""
    if not (Path(sys.executable).parent / "livefw").exists():
        sys.exit("livefw is not installed beside this Python: .venv/bin/python -m tests.docs")
    failed = 0
    for page in [Path(name).resolve() for name in names] or PAGES:
        name, text = str(page.relative_to(CHECKOUT)), page.read_text(encoding="utf-8")
        try:
            new = updated(text, name)
        except (PageError, SessionError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
            continue
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"{name}: written anew; look at the difference")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
