# SPDX-License-Identifier: Apache-2.0
"""Which images are known to be pending and since when, read without the history.

The history has the rows (`livefw.activation.pending.recorder`). A file beside the machine's lock repeats what holds
now, so that `livefw list` needs neither the history nor its library. The file names the history that it was made from;
where it is missing, as after a reboot, or names another one, the history is read once and the file made again. It also
says whether that history has no other rows, so that nobody has to read it for the state of a component.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice

from livefw import reading
from livefw.activation.paths import HISTORY_FILE, lock_path, real_root, state_directory
from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NamedTuple

    from livefw.activation.inventory.discovery import Inventory
    from livefw.providers.base import Component
else:
    from livefw.light_tuple import NamedTuple

TEXT = 200
"""Characters of a version, here and in the history, at most: firmware chooses it."""
_MOST = 4096
"""Images in the file at most; of the others, the history is asked each time."""
_LIMIT = 16 << 20


class PendingImage(NamedTuple):
    """An image that is pending: since when (wall clock, ns), and its version as it is shown; empty if not known."""

    since_ns: int
    version: str = ""


Known = dict[str, PendingImage]
"""The images that are pending, by the key of the component as it is shown."""


class PendingPlace(NamedTuple):
    """Where it is known: the directory of the history, and the file beside the lock; ``lock`` is the lock itself."""

    state: str
    file: str
    lock: str = ""

    @property
    def history(self) -> str:
        """Identity of the history's file; "-" if there is none, and empty if this user may not know."""
        try:
            found = os.stat(os.path.join(self.state, HISTORY_FILE))
        except FileNotFoundError:
            return "-"
        except OSError:
            return ""
        return f"{found.st_dev}:{found.st_ino}"

    @property
    def stamp(self) -> str:
        """What changes when the history does; empty if that cannot be said, as while a program has it open."""
        try:
            found = os.stat(os.path.join(self.state, HISTORY_FILE))
            with suppress(FileNotFoundError):
                if os.stat(os.path.join(self.state, f"{HISTORY_FILE}-wal")).st_size:
                    return ""
        except OSError:
            return ""
        return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"

    @property
    def has_activations(self) -> bool:
        """Whether there is a history that may have rows about more than what is pending."""
        if not os.path.lexists(os.path.join(self.state, HISTORY_FILE)):
            return False
        lines = _lines(self.file)
        _, _, stamp = lines[0].partition(" ") if lines else ("", "", "")
        return not stamp or stamp != self.stamp


def place_of(root: str, *, state: str | None = None) -> PendingPlace:
    """The place for the machine at a root; ``state`` is that of the command line."""
    real = real_root(root)
    # All users see what root's programs wrote.
    lock = lock_path(real, state=state, privileged=True if real == "/" else None)
    return PendingPlace(state_directory(real, state=state), beside(lock), lock)


def beside(lock: str) -> str:
    """The path of the file for the machine with this lock."""
    return f"{lock.removesuffix('.lock')}.pending"


def read(place: PendingPlace) -> Known | None:
    """What is known; None if there is no file, or if it was made from another history."""
    lines = _lines(place.file)
    if not lines or place.history not in ("", lines[0].partition(" ")[0]):
        return None
    return dict(_entries(lines[1:]))


def _lines(path: str) -> list[str]:
    """The lines of the file; none if it cannot be read, or not to its end."""
    try:
        with reading.opened(path, follow=False) as file:
            text = file.read(_LIMIT).decode("utf-8", "replace")
    except (OSError, ValueError):
        return []
    return text.split("\n")[:-1] if text.endswith("\n") else []


def _entries(lines: list[str]) -> Iterator[tuple[str, PendingImage]]:
    for line in lines:
        since, _, rest = line.partition("\t")
        version, _, key = rest.partition("\t")
        if key and since.isascii() and since.isdigit() and len(since) < 20:
            yield key, PendingImage(int(since), version)


def write(place: PendingPlace, known: Mapping[str, PendingImage], *, quiet: str = "") -> None:
    """Write what is known. Without the right to, or on a full disk, the file stays as it is.

    ``quiet`` is the stamp of a history that has rows about what is pending and no others; empty for any other.
    """
    with suppress(OSError):
        reading.make_directories(os.path.dirname(place.file), 0o755)
        lines = [f"{each.since_ns}\t{each.version}\t{key}\n" for key, each in islice(known.items(), _MOST)]
        # All users may list the machine, and the daemon's umask lets only root read.
        text = "".join([f"{place.history} {quiet}\n", *lines])
        reading.replace(place.file, [text.encode()], 0o644, masked=False)


def differs(component: Component, known: Mapping[str, PendingImage]) -> bool:
    """Whether what is seen is not what is known: an image became pending, is no longer, or was replaced by another.

    A version that cannot be read, or not reliably, is not another one.
    """
    before = known.get(printable(component.key))
    if before is None or not component.pending:
        return component.pending is not None and component.pending is (before is None)
    version = shown_version(component)
    return bool(version and before.version and version != before.version)


def shown_version(component: Component) -> str:
    """The version of the pending image, as it is shown; empty if it is not known reliably."""
    version = component.pending_version
    return printable(version.text[:TEXT]) if version and version.reliable else ""


def marked(found: Inventory, known: Mapping[str, PendingImage]) -> Inventory:
    """The inventory, with the time since which each image is pending."""
    if not known:
        return found
    return found._replace(candidates=tuple(each._replace(component=_dated(each.component, known)) for each in found[0]))


def _dated(component: Component, known: Mapping[str, PendingImage]) -> Component:
    image = known.get(printable(component.key)) if component.pending else None
    if image is None or differs(component, known):
        return component
    return component._replace(pending_since_ns=image.since_ns)
