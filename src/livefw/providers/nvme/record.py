# SPDX-License-Identifier: Apache-2.0
"""What the kernel and the drive itself keep of activations: the kernel log, and the history of a drive of OCP's.

The history (OCP Datacenter NVMe SSD Specification, FWUP-1, log page C2h) tells of each activation from which version
to which, with which action and status. It outlives livefw, and a reboot. It does not say which program asked.
"""

from collections.abc import Iterable
from typing import NamedTuple, Self

from livefw.abi import nvme
from livefw.abi.nvme import ActivationRecord, CommitAction
from livefw.clock import Clock
from livefw.files import kmsg
from livefw.files.protocol import Files
from livefw.providers.base import Course, Memory, Reason, Witness
from livefw.providers.nvme import drives
from livefw.providers.nvme.drives import LIVE, Drive, NvmeController
from livefw.text import decode

GONE = Reason(
    "drive-gone",
    "the drive has left the machine, or its controller is dead",
    "see the kernel log; only a power cycle may bring it back",
)
RESET_LINE = "Fw activation timeout"
"""Linux ``drivers/nvme/host/core.c``, before it resets a controller."""
DEAD = frozenset({"dead", "deleting", "deleting (no IO)", ""})
"""States of a controller that will not answer any more."""
_PATIENCE_S = 2.0
"""Of each drive's history: a drive that hangs must not hold up an activation of another one."""
_LONGEST_S = 10.0
"""Of an activation that is waited for after the engine that asked for it has died; OCP allows one second (FWUP-7)."""
_LOOK_S = 0.25
_BOOT = "/proc/sys/kernel/random/boot_id"


class RecordMark(NamedTuple):
    """Where both ended at one moment: the newest line of the kernel log, and the newest entry of each drive.

    ``position`` is None if the log could not be read; a drive that keeps no history is not in ``numbers``.
    """

    boot: str
    position: int | None
    numbers: dict[str, int]

    def __str__(self) -> str:
        numbers = (f"{ident}={number}" for ident, number in self.numbers.items())
        return " ".join((self.boot, "-" if self.position is None else str(self.position), *numbers))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From its text; None for any other."""
        boot, _, rest = text.partition(" ")
        first, *others = rest.split(" ")
        pairs = [each.rpartition("=") for each in others]
        if not boot or not (first == "-" or _is_number(first.removeprefix("-"))):
            return None
        if not all(ident and _is_number(number) for ident, _, number in pairs):
            return None
        return cls(boot, None if first == "-" else int(first), {ident: int(number) for ident, _, number in pairs})


def mark(files: Files, found: Iterable[NvmeController]) -> RecordMark:
    """Where the records end now; each drive is asked for its history."""
    numbers: dict[str, int] = {}
    for each in found:
        if each.ident not in numbers and (records := history(files, each)) is not None:
            numbers[each.ident] = max((record.number for record in records), default=0)
    return RecordMark(_boot_id(files), kmsg.cursor(files), numbers)


def history(files: Files, controller: NvmeController) -> tuple[ActivationRecord, ...] | None:
    """The drive's own history; None where it has none, as most, or does not answer now."""
    if controller.state != LIVE:
        return None
    page = nvme.get_log_page(nvme.LogPage.OCP_ACTIVATIONS, nvme.HISTORY_BYTES)
    calls = files.start_calls(controller.node, [drives.command(page, bytes(page.length))])
    if not calls.wait(_PATIENCE_S) or calls.answers[-1].error or calls.answers[-1].value:
        return None
    try:
        return nvme.decode_history(calls.answers[-1].buffer)
    except ValueError:
        return None


def since(files: Files, drive: Drive, begin: RecordMark) -> tuple[list[str], tuple[ActivationRecord, ...] | None]:
    """New lines of the kernel about this drive, and the new entries of its history; None if that cannot be known."""
    lines: list[str] = []
    if begin.position is not None and begin.boot == _boot_id(files):
        names = tuple(f"nvme {each.name}:" for each in drive.controllers)
        fresh = kmsg.since(files, begin.position)
        lines = [each.text for each in fresh if not each.facility and each.text.startswith(names)]
    last, records = begin.numbers.get(drive.ident), history(files, drive.asked)
    known = last is not None and records is not None
    return lines, tuple(each for each in records or () if each.number > (last or 0)) if known else None


def described(record: ActivationRecord) -> str:
    """An entry in a line."""
    result = nvme.status_name(record.result)
    return f"activation {record.number}: {record.previous} to {record.new}, {result}"


def recall(files: Files, clock: Clock, ident: str, text: str) -> Memory:
    """What the records tell of a drive since a mark, after the engine that made it has died.

    An activation that was asked for may still be under way, and is entered at its end. So as long as there is no
    entry, or no drive, it is watched for as long as it declares that it may take.
    """
    begin, began = RecordMark.parse(text), clock.now()
    while True:
        drive = next(iter(drives.look(files, ident)), None)
        gone = drive is None or drive.asked.state in DEAD
        lines, records = since(files, drive, begin) if drive and begin else ([], None)
        told = drive.identity if drive else None
        mtfa = told.mtfa_s if told else _LONGEST_S
        open_ended = records == () or drive is None or drive.asked.state != LIVE
        if not open_ended or clock.now() - began > min(mtfa, _LONGEST_S) + _LOOK_S:
            break
        clock.sleep(_LOOK_S)
    if gone:
        return Memory(Witness.FAILED, lasting=GONE, course=Course.GONE)
    log = (*lines, *map(described, records or ()))
    course = Course.RESET if any(RESET_LINE in line for line in lines) else Course.CLEAN
    if not records:
        bounded = told is not None and 0 < mtfa <= _LONGEST_S and course is Course.CLEAN
        return Memory(log=log, complete=records is not None and bounded, course=course)
    last = records[-1]
    live = last.action == CommitAction.ACTIVATE and not last.result
    return Memory(
        Witness.FAILED if last.result else Witness.SUCCEEDED,
        nvme.status_name(last.result) if last.result else None,
        log,
        complete=True,
        by_restart=not live,
        course=course,
    )


def _boot_id(files: Files) -> str:
    """``-`` where the machine has none."""
    try:
        return decode(files.read(_BOOT)).strip().replace(" ", "") or "-"
    except OSError:
        return "-"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
