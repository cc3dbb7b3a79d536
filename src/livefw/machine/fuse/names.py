# SPDX-License-Identifier: Apache-2.0
"""Names of a mounted tree that the kernel keeps, taken back."""

import os
import queue
import threading
from contextlib import suppress

from livefw.machine.fuse import abi


class Names:
    """Tells the kernel, from a thread of its own, which names are gone.

    The kernel locks the directory for that. Somebody may hold this lock and wait for an answer of ours, so what
    answers must not wait for it.
    """

    def __init__(self, device: int) -> None:
        self._device = device
        self._gone: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name="livefw-fuse-names", daemon=True)
        self._thread.start()

    def gone(self, parent: int, name: str) -> None:
        """A name of a node's directory is gone."""
        self._gone.put(abi.entry_invalidation(parent, os.fsencode(name)))

    def close(self) -> None:
        """End the thread."""
        self._gone.put(None)
        self._thread.join()

    def _tell(self) -> None:
        while (message := self._gone.get()) is not None:
            with suppress(OSError):  # the kernel may not know the name, or be gone
                os.write(self._device, message)
