# SPDX-License-Identifier: Apache-2.0
"""What the driver writes to the kernel log: the only source of the firmware's codes.

What is new since the request, comes from the kernel itself and is about the component, bears witness.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from livefw.abi.guid import BL31, BL33, BY_GUID, RMM, Guid
from livefw.files import kmsg
from livefw.files.kmsg import KmsgRecord
from livefw.files.protocol import Files
from livefw.providers.base import Memory, Witness

_PREFIX = "Arm LFA: "


class LineKind(StrEnum):
    """What a line of the driver tells."""

    PRIME_FAILED = "prime failed"
    ACTIVATE_FAILED = "activate failed"
    SUCCEEDED = "succeeded"
    LOADED = "loaded"
    """The driver has begun, and read its list of components."""
    CANCELLED = "cancelled"
    NOT_CANCELLED = "not cancelled"
    RESETS_CPU = "resets cpu"
    GAVE_UP = "gave up"


LINES: tuple[tuple[str, LineKind], ...] = (
    # first posting to v1 and NVIDIA's of it, then v2 and later
    (r"LFA_PRIME for image (?P<name>.*) failed: (?P<code>.*)", LineKind.PRIME_FAILED),
    (r"Firmware prime failed: (?P<code>.*)", LineKind.PRIME_FAILED),
    (r"(?:LFA_)?ACTIVATE for image (?P<name>.*) failed: (?P<code>.*)", LineKind.ACTIVATE_FAILED),
    (r"Firmware activation failed: .*", LineKind.GAVE_UP),
    (r"Firmware activation succeeded", LineKind.SUCCEEDED),
    (r"(?P<name>.*): successfully activated", LineKind.SUCCEEDED),
    (r"Activation cancelled for image ?(?P<name>.*)", LineKind.CANCELLED),
    (r"Activation not cancelled for image (?P<name>.*): (?P<code>.*)", LineKind.NOT_CANCELLED),
    (r"Firmware activation could not be cancelled: (?P<code>.*)", LineKind.NOT_CANCELLED),
    (r"CPU reset not supported by kernel driver", LineKind.RESETS_CPU),
    (r"(?:Arm )?Live Firmware Activation(?: \(LFA\))?: detected v.*", LineKind.LOADED),
)
"""The lines that bear on one request, after the driver's prefix (Linux, ``drivers/firmware/smccc/lfa_fw.c``)."""


class LogLine(NamedTuple):
    """One of `LINES`; ``name`` and ``code`` where the line has them, the code without its ``LFA_``."""

    tells: LineKind
    text: str
    name: str | None = None
    code: str | None = None


def recognise(text: str) -> LogLine | None:
    """The meaning of a line; None if it has none for us."""
    if not text.startswith(_PREFIX):
        return None
    rest = text.removeprefix(_PREFIX).strip()
    for pattern, tells in LINES:
        if match := re.fullmatch(pattern, rest, re.DOTALL):
            groups = match.groupdict()
            return LogLine(tells, rest, groups.get("name"), _code(groups.get("code") or ""))
    return None


def _code(text: str) -> str | None:
    """A name of the driver's table; v1 prints whatever follows its table for a code that it does not know."""
    code = text.strip().removeprefix("LFA_")
    return code if code != text.strip() and code.isidentifier() else None


class LogEvidence(NamedTuple):
    """What the log says about one request: the witness, the firmware's code, and the driver's lines as they stand.

    ``refusal`` is the firmware's code for not cancelling, be it asked for or the driver's own after a failure.
    ``in_prime``: whichever lines are ours, a failure came before any CPU activated.
    """

    witness: Witness = Witness.NONE
    code: str | None = None
    lines: tuple[str, ...] = ()
    tells: frozenset[LineKind] = frozenset()
    refusal: str | None = None
    in_prime: bool = False


LATE = frozenset({"DEVICE_ERROR", "TIMED_OUT"})
"""Codes behind which may stand the driver's own time limit: v2 and later print it as LFA_DEVICE_ERROR."""
IN_PART = frozenset({"COMPONENT_WRONG_STATE"})
"""Codes of a CPU that came when others had finished: where each activates by itself, some may have succeeded."""


def log_evidence(
    fresh: list[KmsgRecord], position: int, guid: str, *, others: frozenset[str], in_parts: bool
) -> LogEvidence:
    """What the records after ``position`` say about this component, beside which these others are listed.

    ``in_parts``: each CPU activates it by itself, so that what one of them answers is not true of all.
    """
    complete = position < 0 or not fresh or fresh[0].sequence == position + 1
    texts = tuple(record.text for record in fresh if record.facility == 0 and record.text.startswith(_PREFIX))
    lines = [line for text in texts if (line := recognise(text))]
    ours = [line for line in lines if is_about(line.name, guid, others)]
    tells = frozenset(line.tells for line in ours)
    refusal = next((line.code for line in reversed(ours) if line.tells is LineKind.NOT_CANCELLED), None)
    failed = [line for line in ours if line.tells in _FAILURES]
    if failed:
        let_go = LineKind.CANCELLED in tells  # the firmware has abandoned it, and will not complete it any more
        open_codes = IN_PART if let_go else LATE | IN_PART
        doubtful = any(
            line.tells is LineKind.ACTIVATE_FAILED and (in_parts or line.code in open_codes) for line in failed
        ) or _of_several([line for line in lines if may_mean(line.name, guid)])
        return LogEvidence(Witness.MAY_GO_ON if doubtful else Witness.FAILED, failed[-1].code, texts, tells, refusal)
    # v1 prints its line of success even after a failure: it counts only if the failure cannot have been lost.
    proved = LineKind.SUCCEEDED in tells and complete
    # Every version logs how a request failed: if all lines that may be ours are of PRIME, so is ours.
    may_be_ours = {line.tells for line in lines if may_mean(line.name, guid)} & (_FAILURES | _ENDS)
    in_prime = complete and may_be_ours == {LineKind.PRIME_FAILED}
    return LogEvidence(Witness.SUCCEEDED if proved else Witness.NONE, None, texts, tells, refusal, in_prime)


_FAILURES = frozenset({LineKind.PRIME_FAILED, LineKind.ACTIVATE_FAILED})
_ENDS = frozenset({LineKind.SUCCEEDED, LineKind.GAVE_UP})


def _of_several(lines: list[LogLine]) -> bool:
    """Whether lines of failure and of success are of more than one attempt, one of which may have succeeded.

    v1 ends each attempt with a line that bears no name, also one that failed with a line of success. Later versions
    print one line for an attempt, which names the component.
    """
    succeeded = [line for line in lines if line.tells is LineKind.SUCCEEDED]
    ends = [place for place, line in enumerate(lines) if line.tells in _ENDS]
    last_failure = max((place for place, line in enumerate(lines) if line.tells in _FAILURES), default=-1)
    if not succeeded:
        return False
    return any(line.name is not None for line in succeeded) or len(ends) > 1 or last_failure > ends[0]


def recall(files: Files, guid: str, mark: str, *, others: frozenset[str], in_parts: bool) -> Memory:
    """What the log tells of a component since a mark, which is a sequence number; otherwise as `log_evidence`.

    Every version of the driver logs how a request ended.
    """
    if not (mark.removeprefix("-").isdecimal() and mark.isascii() and len(mark) < 20):
        return Memory()
    position, newest = int(mark), kmsg.cursor(files)
    if newest is None or newest < position:
        return Memory()
    fresh = kmsg.since(files, position)
    said = log_evidence(fresh, position, guid, others=others, in_parts=in_parts)
    whole = newest == position or (bool(fresh) and fresh[0].sequence == position + 1)
    told = [recognise(text) for text in said.lines]
    loaded = any(line and line.tells is LineKind.LOADED for line in told)
    # A line that is about this component and no witness, or may be, hides whether this one was asked for.
    asked = [line for line in told if not (line and line.tells is LineKind.LOADED)]
    traces = [line for line in asked if line is None or may_mean(line.name, guid)]
    complete = whole and (said.witness is not Witness.NONE or not traces)
    return Memory(said.witness, said.code, said.lines, complete, listed_anew=loaded)


_KERNEL_NAMES = {"RMM": "TF-RMM", "BL31 runtime": "TF-A BL31 runtime"}
"""Names in the first postings of the driver, and the later ones."""


def may_mean(name: str | None, guid: str) -> bool:
    """Whether a line with this name can be about the component.

    Versions of the driver print an empty name, a placeholder, or garbage for components that they do not know, and
    some lines bear no name at all.
    """
    meant = _meant(name)
    return meant == guid if meant else name is None or is_unnamed(guid)


def is_about(name: str | None, guid: str, others: frozenset[str]) -> bool:
    """Whether a line with this name is about the component, and cannot be about one of the others that are listed.

    With several that a line might mean, it bears witness for none of them.
    """
    if not others:
        return _meant(name) in (None, guid)
    return may_mean(name, guid) and not any(may_mean(name, other) for other in others)


def _meant(name: str | None) -> str | None:
    """The only component that a name stands for; None if there is no such."""
    title = _KERNEL_NAMES.get(name or "", name)
    titles = {known.title: str(known.guid) for known in BY_GUID.values()}
    if title in titles:
        return titles[title]
    try:
        return str(Guid.parse(name or ""))
    except ValueError:
        return None


def is_unnamed(guid: str) -> bool:
    """Whether no version of the driver has a name for this component."""
    return guid not in {str(known.guid) for known in (BL31, BL33, RMM)}


def is_driver(text: str) -> bool:
    """Whether a line of the kernel log is the driver's."""
    return text.startswith(_PREFIX)
