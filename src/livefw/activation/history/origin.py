# SPDX-License-Identifier: Apache-2.0
"""Which machine a row is about. One directory may hold the rows of several: LIVEFW_STATE is the same for every root."""

from typing import Any, NamedTuple

from livefw.activation.history.rows import HistoryRow
from livefw.activation.lock import machine_identity

FIELD = "machine"


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


def resolved(real: str) -> str:
    """`Origin.root` of the machine at ``real``, a root without symbolic links."""
    return real if machine_identity.name(real) else "/"


def is_about(row: HistoryRow, root: str) -> bool:
    """Whether a row is about the machine with this `Origin.root`. Rows of before 0.1 do not say, and count as such."""
    machine = row.body.get(FIELD)
    return not isinstance(machine, dict) or machine.get("root") in (None, root)
