# SPDX-License-Identifier: Apache-2.0
"""Versions that may be from before: what `livefw list` has to say of a version without opening the history.

A mechanism that keeps a copy of the running version goes on showing it after an attempt that ended in the open. The
history knows (`livefw.activation.aftermath`); a file beside the machine's lock repeats the few lines that hold now,
because to open a history takes longer than to list a machine. Without the file nothing is said; it decides nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress

from livefw import reading
from livefw.activation.paths import lock_path
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from livefw.activation.inventory.discovery import Inventory
    from livefw.files.protocol import Files

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
        # Firmware says what its version is: a line break in it must not say something of another component.
        lines = [boot_id, *(f"{printable(key)}\t{printable(version)}" for key, version in versions.items())]
        new = f"{path}.new"  # what is put in its place is never read half
        reading.write(new, "".join(f"{line}\n" for line in lines).encode(), follow=False)
        os.chmod(new, 0o644)  # everybody may list the machine, and the daemon's files are for root alone
        os.replace(new, path)


def read(path: str, boot_id: str) -> dict[str, str]:
    """Versions by key that may be from before, as they are shown, if that was said since the machine was started."""
    try:
        with reading.opened(path, follow=False) as file:
            first, *lines = file.read(_LIMIT).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.partition("\t") for line in lines) if boot_id and first == boot_id else ()
    return {key: version for key, _, version in pairs}


def marked(found: Inventory, root: str, files: Files, *, state: str | None = None) -> Inventory:
    """The inventory of the machine at a root, marked by what is said of it; ``state`` as for `lock_path`."""
    real = os.path.realpath(root)
    # What root has left is of interest to everybody.
    path = beside(lock_path(real, state=state, privileged=True if real == "/" else None))
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
        if version and old.get(printable(component.key)) == printable(version.text):
            notes = (*component.notes, why)
            component = component._replace(current_version=version._replace(reliable=False), notes=notes)
            told.append(why._replace(text=f"{component.name or component.id}: {why.text}"))
        candidates.append(candidate._replace(component=component))
    return found._replace(candidates=tuple(candidates), notes=(*found.notes, *told))
