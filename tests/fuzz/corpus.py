# SPDX-License-Identifier: Apache-2.0
"""The inputs that are kept: one file of text for each target, one input a line in base64, of some compressed (``z ``).

A line that begins with ``#`` says why the input after it is there: such a one stays when the others are chosen anew.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "corpus"


class Kept(NamedTuple):
    """An input, and why it is kept if somebody has said so."""

    data: bytes
    why: str = ""


def read(name: str) -> list[Kept]:
    """The inputs of a target; none if there is no file."""
    path = FOLDER / f"{name}.txt"
    return list(_read(path.read_text(encoding="ascii"))) if path.exists() else []


def _read(text: str) -> Iterator[Kept]:
    why = ""
    for line in text.splitlines():
        if line.startswith("#"):
            why = line[1:].strip()
            continue
        packed = line.startswith("z ")
        raw = base64.b64decode(line.removeprefix("z "), validate=True)
        yield Kept(zlib.decompress(raw) if packed else raw, why)
        why = ""


def write(name: str, kept: Iterable[Kept]) -> None:
    """Write the file anew: those with a reason first, then by size; no file for none."""
    rows = sorted(kept, key=lambda each: (not each.why, len(each.data), each.data))
    lines = [line for each in rows for line in ([f"# {each.why}"] if each.why else []) + [_line(each.data)]]
    path = FOLDER / f"{name}.txt"
    if lines:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    else:
        path.unlink(missing_ok=True)


def _line(data: bytes) -> str:
    plain = base64.b64encode(data).decode()
    packed = "z " + base64.b64encode(zlib.compress(data, 9)).decode()
    return min(plain, packed, key=len)
