# SPDX-License-Identifier: Apache-2.0
"""Which machine a row is about, and whether that is the machine that asks.

A state directory may hold rows of several machines: LIVEFW_STATE is the same for every root, a directory may be shared
over the network, and an image that machines are cloned from may have a history. Only the rows of the own machine count:
for what was tried and failed, cooldown, since when an image is pending, what a BMC holds, and metrics. The history
shows all, with whose they are.
"""

import os
from typing import Any, NamedTuple

from livefw import reading
from livefw.activation.history.rows import HistoryRow
from livefw.activation.lock import machine_identity
from livefw.providers.declaration import host_of
from livefw.text import decode

FIELD = "machine"
_MACHINE_ID = "etc/machine-id"
_TRANSIENT = "run/machine-id"
_LIMIT = 256


class Origin(NamedTuple):
    """The machine that a row is about; what is not known is empty.

    ``root`` is the directory of its files without symbolic links, ``/`` for the machine that livefw runs on, however it
    is reached. ``hostname``, ``machine_id`` and ``kernel`` are what its files say.
    """

    root: str
    hostname: str = ""
    machine_id: str = ""
    kernel: str = ""

    def marked(self, body: dict[str, Any]) -> dict[str, Any]:
        """The fields of a row that is about this machine."""
        return body | {FIELD: self._asdict()}

    def is_of(self, row: HistoryRow) -> bool:
        """Whether a row is about this machine.

        A machine that has another machine id is another one. Where the row or the machine has none, the root decides,
        and where the row has neither, as before 0.1, it counts as its own. What is behind a named BMC is the same for
        every machine that reaches it.
        """
        machine = row.body.get(FIELD)
        if not isinstance(machine, dict):
            return True
        if machine.get("root") not in (None, self.root):
            return False
        written = machine.get("machine_id")
        return not (written and self.machine_id) or written == self.machine_id or bool(host_of(row.component))


def here(real: str) -> Origin:
    """The machine at ``real``, a root without symbolic links, as far as it takes to know its rows. Never raises."""
    return Origin(resolved(real), machine_id=_read(os.path.join(real, _MACHINE_ID)))


def resolved(real: str) -> str:
    """`Origin.root` of the machine at ``real``, a root without symbolic links."""
    return real if machine_identity.name(real) else "/"


def has_transient_id(real: str) -> bool:
    """Whether the machine id is one of this boot only, mounted over the file that has none (machine-id(5)).

    Such an id is in no row: after the next boot nobody would know the machine by it.
    """
    try:
        mounted = os.stat(os.path.join(real, _MACHINE_ID)).st_dev != os.stat(os.path.join(real, "etc")).st_dev
        return mounted and os.path.lexists(os.path.join(real, _TRANSIENT))
    except OSError:
        return False


def _read(path: str) -> str:
    try:
        with reading.opened(path) as file:
            return decode(file.read(_LIMIT)).strip("\0 \n")
    except OSError:
        return ""
