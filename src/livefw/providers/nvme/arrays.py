# SPDX-License-Identifier: Apache-2.0
"""md arrays (Linux, Documentation/admin-guide/md.rst): whether one would carry the loss of a drive."""

import re
from collections.abc import Iterator

from livefw.files.protocol import Files
from livefw.providers.nvme import drives
from livefw.providers.nvme.attributes import names, read
from livefw.providers.nvme.drives import Drive

_REDUNDANT_LEVELS = frozenset({"raid1", "raid4", "raid5", "raid6", "raid10"})
_PARTITION = re.compile(r"(nvme\d+n\d+)(?:p\d+)?", re.ASCII)


def is_redundant(files: Files, path: str) -> bool:
    """Whether a block device is an md array of a level that has copies or parity."""
    return read(files, f"{path}/md/level").strip() in _REDUNDANT_LEVELS


def lacks(files: Files, path: str, parts: frozenset[str]) -> str:
    """What an array lacks to carry the loss of a drive; empty for nothing. What it does not show counts as lacking.

    ``parts`` are the names of the drive's block devices: an array with two members on one drive has no second copy.
    """
    degraded, action = (read(files, f"{path}/md/{each}").strip() for each in ("degraded", "sync_action"))
    members = names(files, f"{path}/slaves")
    if degraded != "0":
        return "degraded" if degraded else "in an unknown state"
    if action != "idle":
        return action or "in an unknown state"
    if not members:
        return "of unknown members"
    if len(parts.intersection(members)) > 1:
        return "on this drive more than once"
    out = [name for name in members if "in_sync" not in _state(files, path, name)]
    return f"out of sync on {', '.join(out[:4])}" if out else ""


def unwell(files: Files, path: str, parts: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Other members of an array that are NVMe drives and report a fault, or nothing, each with the reason."""
    for member in names(files, f"{path}/slaves"):
        found = _PARTITION.fullmatch(member)
        if found is None or member in parts:
            continue
        drive = _drive_of(files, found[1])
        if drive is None or drive.health is None:
            yield member, "it does not report its health"
        elif drive.health.warning:
            yield member, "it reports a critical warning"


def _state(files: Files, path: str, member: str) -> list[str]:
    return read(files, f"{path}/md/dev-{member}/state").strip().split(",")


def _drive_of(files: Files, namespace: str) -> Drive | None:
    """The drive of a namespace, asked now. Its number is that of a controller, or of a subsystem (multipath)."""
    for controller in drives.controllers(files):
        paths = drives.namespaces(files, Drive((controller,)))
        if any(each.rpartition("/")[2] == namespace for each in paths):
            return drives.ask(files, (controller,))
    return None
