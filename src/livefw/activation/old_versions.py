# SPDX-License-Identifier: Apache-2.0
"""Versions that may be from before: what `livefw list` has to say of a version without opening the history.

A mechanism that keeps a copy of the running version goes on showing it after an attempt that ended in the open. The
history knows (`livefw.activation.aftermath`); a file beside the machine's lock repeats the few lines that hold now,
because to open a history takes longer than to list a machine. Without the file nothing is said; it decides nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress

from livefw.activation.places import lock_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from livefw.activation.inventory import Inventory
    from livefw.providers.files import Files

BOOT_ID = "/proc/sys/kernel/random/boot_id"
_LIMIT = 1 << 16
MAY_BE_OLD = (
    "version-may-be-old",
    "the version shown may be one from before: an attempt since the last restart ended in the open",
    "livefw history tells which; a restart shows what runs",
)
"""The fields of a `livefw.providers.base.Reason`, which is made only where there is something to mark."""


def beside(lock: str) -> str:
    """The file for the machine with this lock: about a boot, and gone with the next as its lock is."""
    return f"{lock.removesuffix('.lock')}.old-versions"


def write(path: str, boot_id: str, versions: Mapping[str, str]) -> None:
    """Leave word of versions by key, as they are shown; none: take it away. A full disk costs nothing but the word."""
    with suppress(OSError):
        if not versions:
            os.unlink(path)
            return
        lines = [boot_id, *(f"{key}\t{version}" for key, version in versions.items())]
        # Whoever may read the history may know; a new file in its place is never read half.
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines) + "\n")
        os.replace(f"{path}.new", path)


def read(path: str, boot_id: str) -> dict[str, str]:
    """Versions by key that may be from before, if that was said since the machine was started."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            first, *lines = file.read(_LIMIT).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.partition("\t") for line in lines) if boot_id and first == boot_id else ()
    return {key: version for key, _, version in pairs}


def marked(found: Inventory, root: str, files: Files) -> Inventory:
    """The inventory of the machine at a root, marked by what is said of it."""
    real = os.path.realpath(root)
    # What root has left is of interest to everybody.
    path = beside(lock_path(real, privileged=True if real == "/" else None))
    if not os.path.lexists(path):
        return found
    try:
        boot_id = files.read(BOOT_ID).decode("ascii", "replace").strip()
    except OSError:
        return found
    return mark(found, read(path, boot_id))


def mark(found: Inventory, old: Mapping[str, str]) -> Inventory:
    """The inventory with each such version marked as unsure, and noted, as long as it is the one that was meant."""
    if not old:
        return found
    from livefw.providers.base import Reason  # most machines have nothing to mark

    candidates, told = [], []
    why = Reason(*MAY_BE_OLD)
    for candidate in found.candidates:
        component = candidate.component
        version = component.current_version
        if version and old.get(component.key) == version.text:
            notes = (*component.notes, why)
            component = component._replace(current_version=version._replace(sure=False), notes=notes)
            told.append(why._replace(text=f"{component.name or component.id}: {why.text}"))
        candidates.append(candidate._replace(component=component))
    return found._replace(candidates=tuple(candidates), notes=(*found.notes, *told))
