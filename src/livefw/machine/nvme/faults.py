# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a modelled drive: one row each; a status that a command is answered with is a row, too."""

from enum import StrEnum

from livefw.abi.nvme import STATUS_NAMES, NvmeStatus


class DriveFault(StrEnum):
    """Faults of the drive itself."""

    NO_EVENT = "no-event"
    TOO_SLOW = "too-slow"
    DIES = "dies"
    OTHER_VERSION = "other-version"
    CHANGES_NOTHING = "changes-nothing"
    DAMAGES_SLOT = "damages-slot"
    READ_ONLY = "read-only"
    UNHEALTHY = "unhealthy"
    IDENTIFY_FAILS = "identify-fails"
    IDENTIFY_WRONG = "identify-wrong"


FAULTS: dict[str, str] = {
    DriveFault.NO_EVENT: "no event announces an activation, so the host does not stop its I/O",
    DriveFault.TOO_SLOW: "an activation takes three times MTFA",
    DriveFault.DIES: "the controllers never answer again after an activation was asked for",
    DriveFault.OTHER_VERSION: "another version runs after an activation than the slot had",
    DriveFault.CHANGES_NOTHING: "an activation is answered with success, and the old version keeps running",
    DriveFault.DAMAGES_SLOT: "an activation empties its slot, and the old version keeps running",
    DriveFault.READ_ONLY: "the new version runs, and the media are read-only afterwards",
    DriveFault.UNHEALTHY: "the health log warns of low spare and of unreliable media",
    DriveFault.IDENTIFY_FAILS: "Identify fails during an activation",
    DriveFault.IDENTIFY_WRONG: "Identify tells of another drive during an activation",
}
COMMIT_PREFIX = "commit-"
"""Before the name of a status: Firmware Commit of an activation is answered with it."""
STATUS_FAULTS: dict[str, NvmeStatus] = {
    f"{COMMIT_PREFIX}{status.name.lower().replace('_', '-')}": status for status in NvmeStatus if status
}
FAULTS |= {name: f"an activation is answered with {STATUS_NAMES[status]!r}" for name, status in STATUS_FAULTS.items()}
