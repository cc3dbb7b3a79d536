# SPDX-License-Identifier: Apache-2.0
"""One component as the driver of ``dkms/`` keeps it, and how the last call for it ended."""

from dataclasses import dataclass
from typing import NamedTuple

from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, InventoryFlag, LfaStatus
from livefw.abi.smccc import Registers
from livefw.kernel.lfa.codes import status_name


class CallOutcome(NamedTuple):
    """How a PRIME, an ACTIVATE or a CANCEL ended: ``failed`` of the ``asked`` CPUs that issued it got this status."""

    call: Function
    status: int
    failed: int = 0
    asked: int = 1
    timed_out: bool = False

    def __str__(self) -> str:
        """As the file ``last_error`` has it."""
        parts = [self.call.name, status_name(self.status), str(self.status)]
        parts += ["timed out"] if self.timed_out else []
        parts += [f"on {self.failed} of {self.asked} CPUs"] if 0 < self.failed < self.asked else []
        return " ".join(parts)


class InventoryRow(NamedTuple):
    """What GET_INVENTORY said of one component. The flags are as they came: reserved bits are in them."""

    guid: str
    flags: int
    current_version: int
    pending_version: int

    @classmethod
    def decode(cls, reply: Registers) -> "InventoryRow":
        """Read the registers of a call that succeeded."""
        return cls(str(Guid.from_registers(reply[1], reply[2])), *reply[3:6])

    def has(self, flag: InventoryFlag) -> bool:
        """Whether a flag is set."""
        return bool(self.flags & flag)


@dataclass(slots=True, eq=False)
class OwnImage:
    """A component; its directory lasts as long."""

    guid: str
    title: str
    """Empty for a GUID that is not known."""
    flags: int
    current_version: int
    seq_id: int | None = None
    """Its place in the last scan; None if that had none for it, or two."""
    rows: int = 0
    """How many rows of the last scan had this GUID."""
    told: tuple[int, int] = (0, 0)
    """Flags and version at the last uevent."""
    last: CallOutcome | None = None
    primed: bool = False
    """And not cancelled since."""
    gone: bool = False
    """Its directory is to be removed."""
    users: int = 0
    """Tasks that are in one of its files."""
    force_cpu_rendezvous: bool = True
    auto_activate: bool = False

    @property
    def label(self) -> str:
        """The name if there is one, else the GUID."""
        return self.title or self.guid

    def has(self, flag: InventoryFlag) -> bool:
        """Whether a flag was set when it was read last."""
        return bool(self.flags & flag)


HARMLESS = frozenset({LfaStatus.NOT_SUPPORTED, LfaStatus.BUSY, LfaStatus.WRONG_STATE, LfaStatus.INVALID_PARAMETERS})
"""Results of PRIME after which the agent has kept nothing."""
