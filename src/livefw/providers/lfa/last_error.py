# SPDX-License-Identifier: Apache-2.0
"""The file ``last_error``: what the firmware answered to the last call that was to change a component.

``CALL NAME NUMBER``, and what the driver knows besides (dkms/Documentation/ABI/testing/sysfs-firmware-lfa). It is a
better witness than the kernel log: nobody else writes to it, and it does not overflow.
"""

import errno
import re
from typing import NamedTuple

from livefw.files.protocol import Files
from livefw.providers.base import Witness
from livefw.providers.lfa import tree
from livefw.providers.lfa.log import IN_PART, LATE, LineKind, LogEvidence
from livefw.text import decode

FILE = "last_error"
_TEXT = re.compile(
    r"(?P<call>PRIME|ACTIVATE|CANCEL) LFA_(?P<code>[A-Z_]{1,40}) -?\d{1,20}"
    r"(?P<late> timed out)?(?P<part> on \d+ of \d+ CPUs)?",
    re.ASCII,
)
_OF_ERRNO = {errno.EKEYREJECTED: "AUTH_ERROR", errno.ENOMEM: "NO_MEMORY", errno.ETIMEDOUT: "TIMED_OUT"}
"""Kinds of failure that have one cause."""


class LastError(NamedTuple):
    """How a call ended; ``code`` is None for success, and for a number without a name. ``in_part``: on some CPUs."""

    call: str
    code: str | None
    timed_out: bool = False
    in_part: bool = False


def parse(text: str) -> LastError | None:
    """What the file says; None if it says nothing, or what no driver writes."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    code = match["code"] if match["code"] not in ("SUCCESS", "UNKNOWN") else None
    return LastError(match["call"], code, match["late"] is not None, match["part"] is not None)


def read(files: Files, guid: str) -> LastError | None:
    """What the file of a component says; None if it cannot be read."""
    try:
        return parse(decode(files.read(f"{tree.ROOT}/{guid}/{FILE}")).removesuffix("\n"))
    except OSError:
        return None


def confirmed(said: LogEvidence, last: LastError | None, error: int, *, in_parts: bool) -> LogEvidence:
    """The evidence of the log about a request that failed, with that of the file; both as in `log_evidence`."""
    if last is None:
        return said._replace(code=said.code or _OF_ERRNO.get(error))
    if last.call == "CANCEL":
        return said._replace(refusal=last.code or said.refusal)
    code = "TIMED_OUT" if last.timed_out else last.code
    if last.call == "PRIME":
        tells = said.tells | {LineKind.PRIME_FAILED}
        return said._replace(witness=Witness.FAILED, code=code, tells=tells, in_prime=True)
    abandoned = LineKind.CANCELLED in said.tells
    doubtful = last.in_part or (in_parts and code in IN_PART) or (code in LATE and not abandoned)
    witness = Witness.MAY_GO_ON if doubtful else Witness.FAILED
    return said._replace(witness=witness, code=code, tells=said.tells | {LineKind.ACTIVATE_FAILED})
