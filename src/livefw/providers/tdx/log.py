# SPDX-License-Identifier: Apache-2.0
"""What the kernel logs of an update: the only source of the SEAM firmware's codes.

For diagnosis, never for control: several failures leave no line at all.
"""

import re
from typing import NamedTuple

from livefw.abi.tdx import Leaf, SeamldrStatus
from livefw.files import kmsg
from livefw.files.protocol import Files
from livefw.providers.base import Memory, Witness

_PREFIXES = ("seamldr: ", "virt/tdx: ")
_EMPTY = "-1"
"""The mark of a log without any record."""

_FAILED = re.compile(r"(?:seamldr|virt/tdx): SEAMCALL \(0x([0-9a-f]{1,16})\) failed: 0x([0-9a-f]{1,16})", re.ASCII)


class TdxLogEvidence(NamedTuple):
    """The firmware's code, such as ``SEAMLDR_INSTALL EUNSUPCPU``, and the lines as they stand."""

    code: str | None = None
    lines: tuple[str, ...] = ()


def log_evidence(files: Files, position: int | None) -> TdxLogEvidence:
    """What the kernel has said since this record; nothing if the log cannot be read."""
    if position is None:
        return TdxLogEvidence()
    texts = [record.text for record in kmsg.since(files, position) if record.facility == 0]
    lines = tuple(text for text in texts if text.startswith(_PREFIXES))
    codes = [code for text in lines if (code := recognise(text))]
    return TdxLogEvidence(codes[0] if codes else None, lines)


def recall(files: Files, mark: str) -> Memory:
    """What the log tells since the record with this number; nothing for a mark that cannot be one of this boot."""
    newest = kmsg.cursor(files)
    number = mark.isascii() and mark.isdecimal() and len(mark) < 20
    if newest is None or not (number or mark == _EMPTY) or int(mark) > newest:
        return Memory()
    heard = log_evidence(files, int(mark))
    # A success leaves no line at all, so silence is no witness, and the record is never complete.
    return Memory(Witness.FAILED if heard.code else Witness.NONE, heard.code, heard.lines)


def recognise(text: str) -> str | None:
    """The call that failed and its code, by name where they have one; None if the line is about nothing of the kind."""
    if match := _FAILED.match(text):
        leaf, status = int(match[1], 16), int(match[2], 16)
        call = Leaf(leaf).name if leaf in Leaf.__members__.values() else f"{leaf:#x}"
        loader = leaf >> 63 and status in SeamldrStatus.__members__.values()
        return f"{call} {SeamldrStatus(status).name if loader else f'{status:#x}'}"
    return "TDH_SYS_INIT module not loaded" if text.startswith("virt/tdx: module not loaded") else None
