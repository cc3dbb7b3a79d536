# SPDX-License-Identifier: Apache-2.0
"""Looks at a machine again and again, until it is stopped."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from livefw.activation.events import Control
from livefw.activation.host import Host
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.watch import uevents
from livefw.activation.watch.watcher import Seen, Watcher

PACE_S = 1.0
"""Shortest time between two looks, however many events there are: what belongs together comes together."""


class Looked(NamedTuple):
    """The end of one look: what was found, None if the machine has not been read yet, and the last trouble if any."""

    found: Inventory | None
    trouble: str


class Paused(NamedTuple):
    """Nothing has happened that is known of; the next look has time."""


Watched = Seen | Looked | Paused
"""What comes of watching: the events of the looks, and their ends."""


class WatchLoop:
    """Looks at intervals, when the kernel announces a change, and when it is asked to.

    `stop` and `look_now` only set flags and write to a pipe: signal handlers and other threads may call them.
    """

    def __init__(self, watcher: Watcher, *, interval_s: float, own_machine: bool, tick_s: float | None = None) -> None:
        """With ``tick_s``, `Paused` comes so often in a pause."""
        self.control = Control()
        self._watcher = watcher
        self._interval_s = interval_s
        self._tick_s = tick_s
        self._bell, self._ring = uevents.new_bell()
        self._wake = uevents.wake(self._bell, own_machine=own_machine)
        self._asked = False

    @property
    def host(self) -> Host:
        """The machine with the settings of today."""
        return self._watcher.host

    def stop(self) -> None:
        """Stop watching. The first call lets an activation that is running end, the second detaches from it."""
        if self._asked:
            self.control.detach()
        self._asked = True
        self.look_now()

    def look_now(self) -> None:
        """End the pause."""
        with suppress(OSError):  # full: then it is ringing already
            os.write(self._ring, b"x")

    def run(self) -> Iterator[Watched]:
        """The events of every look, with `Looked` at its end; it ends after `stop`."""
        try:
            while not self._asked:
                yield from self._watcher.look(self.control)
                yield Looked(self._watcher.found, self._watcher.trouble)
                yield from self._pause()
        finally:
            self._wake.close()

    def _pause(self) -> Iterator[Paused]:
        """Wait for the end of the interval, for an event of the kernel, or for the bell."""
        end = time.monotonic() + self._interval_s
        while not self._rings() and (left := end - time.monotonic()) > 0:
            if self._wake.wait(min(left, self._tick_s or left)):
                uevents.Timer(self._bell).wait(PACE_S)
                break
            if self._tick_s:
                yield Paused()

    def _rings(self) -> bool:
        """Whether the bell was rung since it was last asked."""
        try:
            return bool(os.read(self._bell, 1 << 16))
        except BlockingIOError:
            return False
