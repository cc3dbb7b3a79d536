# SPDX-License-Identifier: Apache-2.0
"""The components that the agent lists, their directories, and which sequence id is whose."""

import errno
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from livefw.abi.lfa import InfoRequest, InventoryFlag, InventoryRequest, status
from livefw.kernel.lfa.codes import status_errno
from livefw.kernel.lfa.image import TITLES
from livefw.kernel.lfa.inventory import CLEANUP_NS, DIRECTORY, ROOT
from livefw.kernel.lfa.own.image import InventoryRow, OwnImage
from livefw.kernel.locks import Mutex, RwSemaphore
from livefw.kernel.log import Level, RateLimit
from livefw.kernel.os import KernelTask, Os
from livefw.kernel.sysfs import Attribute, Directory, Tree, fail

MOST_IMAGES = 1024
"""Components, and directories over all scans."""

_FILES = (
    (InventoryFlag.ACTIVATION_CAPABLE, "activation_capable"),
    (InventoryFlag.ACTIVATION_PENDING, "activation_pending"),
    (InventoryFlag.MAY_RESET_CPU, "may_reset_cpu"),
    (InventoryFlag.CPU_RENDEZVOUS_OPTIONAL, "cpu_rendezvous"),
)
"""What a ``change`` event may name besides the version, in this order."""


class OwnInventory:
    """All components, in the order in which they appeared."""

    def __init__(
        self,
        os: Os,
        tree: Tree,
        *,
        files: Callable[[OwnImage], Mapping[str, Attribute]],
        root_files: Mapping[str, Attribute],
        log: Callable[[Level, str], None],
    ) -> None:
        self.transaction = Mutex(os)
        """Held for a whole activation, scan or clean-up."""
        self.ids = RwSemaphore(os)
        """Shared around calls with a sequence id, owned where an id may become another component's."""
        self.images: dict[str, OwnImage] = {}
        self.reported = 0
        """How many there are by the agent's own word."""
        self._os = os
        self._tree = tree
        self._files = files
        self._log = log
        self._left: deque[KernelTask[Any]] = deque()
        limited = partial(RateLimit, os.log, os.now, function="lfa_scan_row")
        self._unreadable, self._unplaced, self._twice = limited(), limited(), limited()
        self._directory = tree.make_directories(f"{ROOT}/{DIRECTORY}")
        for name, file in root_files.items():
            self._directory.add(name, file)

    async def scan(self) -> int:
        """Read everything anew; 0 or a negative errno. The caller holds `transaction`."""
        async with self.ids.write():
            return await self.scan_locked()

    async def scan_locked(self) -> int:
        """The same for who owns `ids` too.

        A component of which nothing was read loses its id, and its directory only if the whole list could be read.
        """
        for image in self.images.values():
            image.rows = 0
        count = await self._count()
        if count < 0:
            self._log(Level.ERR, "Error getting number of LFA components")
        else:
            self.reported = count
        read = [await self._scan_row(seq_id) for seq_id in range(count)]
        whole = count >= 0 and all(read)
        for image in self.images.values():
            if image.rows != 1:
                image.seq_id = None
            image.gone = whole and not image.rows
            self._announce(image)
        return min(count, 0)

    async def refresh(self, image: OwnImage) -> InventoryRow:
        """Ask for one component; OSError as its files: ENOENT if its id is nobody's, or another's by now."""
        if image.seq_id is None:
            raise fail(errno.ENOENT)
        row = await self._row(image.seq_id)
        if row.guid != image.guid:
            raise fail(errno.ENOENT)
        image.flags = row.flags
        return row

    async def clean_up(self) -> None:
        """Remove directories of what is gone; waits for each task that is in one of their files."""
        for image in [each for each in self.images.values() if each.gone]:
            del self.images[image.guid]
            self._uevent("remove", image)
            self._directory.remove(image.guid)
            while image.users:
                await self._os.park(self._left)

    async def clean_up_later(self) -> None:
        """`clean_up` as work of its own."""
        async with self.transaction.held():
            await self._os.sleep(CLEANUP_NS)
            await self.clean_up()

    def leave(self, image: OwnImage) -> None:
        """A task has left the files of a component."""
        image.users -= 1
        while self._left and not image.users:
            self._os.wake(self._left.popleft())

    async def destroy(self) -> None:
        """Remove the whole tree."""
        async with self.transaction.held():
            async with self.ids.write():
                for image in self.images.values():
                    image.seq_id, image.gone = None, True
            await self.clean_up()
        self._tree.make_directories(ROOT).remove(DIRECTORY)

    async def _count(self) -> int:
        reply = await self._os.smc(InfoRequest().encode())
        if reply[0]:
            return -status_errno(status(reply))
        return reply[1] if reply[1] <= MOST_IMAGES else -errno.E2BIG

    async def _row(self, seq_id: int) -> InventoryRow:
        reply = await self._os.smc(InventoryRequest(seq_id).encode())
        if reply[0]:
            raise fail(status_errno(status(reply)))
        return InventoryRow.decode(reply)

    async def _scan_row(self, seq_id: int) -> bool:
        """Whether one row of the inventory could be used."""
        try:
            row = await self._row(seq_id)
        except OSError as error:
            self._complain(self._unreadable, f"component {seq_id} cannot be read: {-(error.errno or 0)}")
            return False
        image = self.images.get(row.guid) or self._add(row)
        if image is None:
            self._complain(self._unplaced, f"no room for component {seq_id}")
            return False
        image.rows += 1
        if image.rows > 1:
            self._complain(self._twice, f"{row.guid} is listed more than once")
            return False
        image.seq_id, image.flags, image.current_version = seq_id, row.flags, row.current_version
        return True

    def _add(self, row: InventoryRow) -> OwnImage | None:
        if len(self.images) >= MOST_IMAGES:
            return None
        image = OwnImage(row.guid, TITLES.get(row.guid, ""), row.flags, row.current_version)
        image.told = (row.flags, row.current_version)
        self._directory.add(row.guid, Directory(partial(self._files, image)))
        self.images[row.guid] = image
        self._uevent("add", image)
        return image

    def _announce(self, image: OwnImage) -> None:
        """Tell which files have another content than at the last uevent."""
        flags, version = image.told
        changed = ["current_version"] if image.current_version != version else []
        changed += [name for flag, name in _FILES if (image.flags ^ flags) & flag]
        image.told = (image.flags, image.current_version)
        if changed:
            self._uevent("change", image, LFA_CHANGED=" ".join(changed))

    def _uevent(self, action: str, image: OwnImage, **more: str) -> None:
        self._os.uevent(action, f"/firmware/{DIRECTORY}/{image.guid}", SUBSYSTEM=DIRECTORY, **more)

    def _complain(self, limit: RateLimit, text: str) -> None:
        if limit.allows():
            self._log(Level.ERR, text)
