# SPDX-License-Identifier: Apache-2.0
"""Versions that may be out of date, so that `livefw list` can mark them without opening the history.

A mechanism that shows a copy of the running version still shows it after an attempt whose outcome is unknown. The
history records that (`livefw.activation.aftermath`); a file beside the machine's lock repeats the current entries,
because opening a history takes longer than listing a machine. Nothing is decided by this file.
"""

from __future__ import annotations

import os
from contextlib import suppress

from livefw import reading
from livefw.activation.paths import lock_path, real_root
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
    "the version shown may be outdated: the result of an attempt since the last reboot is unknown",
    "see livefw history for the attempt; a reboot shows what runs",
)
"""The fields of a `livefw.providers.base.Reason`. It is made only if there is a version to mark."""


def beside(lock: str) -> str:
    """The path of the file for the machine with this lock. Like the lock, it is gone after a reboot."""
    return f"{lock.removesuffix('.lock')}.old-versions"


def write(path: str, boot_id: str, versions: Mapping[str, str]) -> None:
    """Write the versions, as they are shown, by key; remove the file if there are none. A full disk is ignored."""
    with suppress(OSError):
        if not versions:
            os.unlink(path)
            return
        # Firmware chooses its version text: a line break in it must not change the entry of another component.
        lines = [boot_id, *(f"{printable(key)}\t{printable(version)}" for key, version in versions.items())]
        # All users may list the machine, and the daemon's umask lets only root read.
        reading.replace(path, (f"{line}\n".encode() for line in lines), 0o644, masked=False)


def read(path: str, boot_id: str) -> dict[str, str]:
    """The versions by key, as they are shown; empty if the file was not written since the machine was booted."""
    try:
        with reading.opened(path, follow=False) as file:
            first, *lines = file.read(_LIMIT).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.partition("\t") for line in lines) if boot_id and first == boot_id else ()
    return {key: version for key, _, version in pairs}


def marked(found: Inventory, root: str, files: Files, *, state: str | None = None) -> Inventory:
    """The inventory of the machine at a root, with the versions of its file marked; ``state`` is that of the command
    line."""
    real = real_root(root)
    # All users see what root's engine wrote.
    return marked_beside(found, lock_path(real, state=state, privileged=True if real == "/" else None), files)


def marked_beside(found: Inventory, lock: str, files: Files) -> Inventory:
    """The same for the machine with a lock."""
    path = beside(lock)
    if not os.path.lexists(path):
        return found
    try:
        boot_id = files.read(BOOT_ID).decode("ascii", "replace").strip()
    except OSError:
        return found
    return mark(found, read(path, boot_id))


def mark(found: Inventory, old: Mapping[str, str]) -> Inventory:
    """The inventory with each version that may be out of date marked as unreliable; a version that has changed since is
    not."""
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
            told.append(why._replace(text=f"{component.label}: {why.text}"))
        candidates.append(candidate._replace(component=component))
    return found._replace(candidates=tuple(candidates), notes=(*found.notes, *told))
