# SPDX-License-Identifier: Apache-2.0
"""One firmware image as the driver keeps it between calls."""

from dataclasses import dataclass

from livefw.abi.guid import BL31, BL33, RMM
from livefw.abi.lfa import InventoryFlag
from livefw.abi.smccc import WORD, Registers
from livefw.kernel.lfa.versions import DriverVersion

GONE = -1
"""Sequence id of an image that the last rescan did not find."""

TITLES = {str(row.guid): row.title for row in (BL31, BL33, RMM)}
"""The names that the driver knows; TF-A's other GUIDs are strangers to it."""


@dataclass(slots=True)
class DriverImage:
    """Cached answers of LFA_GET_INVENTORY, and two settings, which last as long as the directory."""

    guid: str
    title: str
    seq_id: int = GONE
    current_version: int = 0
    capable: bool = False
    pending: bool = False
    may_reset_cpu: bool = False
    cpu_rendezvous: bool = False
    force_cpu_rendezvous: bool = True
    auto_activate: bool = False

    @classmethod
    def new(cls, guid: str, version: DriverVersion) -> "DriverImage":
        """An image that was seen for the first time."""
        return cls(guid, TITLES.get(guid, version.unknown_title))

    @property
    def label(self) -> str:
        """The name if there is one, else the GUID."""
        return self.title or self.guid

    @property
    def seq_word(self) -> int:
        """The sequence id as a register: a C ``int``, so that -1 fills all 64 bits."""
        return self.seq_id & WORD

    @property
    def rendezvous(self) -> bool:
        """Whether all CPUs take part in an activation."""
        return self.force_cpu_rendezvous or self.cpu_rendezvous

    def attach(self, seq_id: int, reply: Registers) -> None:
        """Take over what LFA_GET_INVENTORY said; reserved flag bits are ignored."""
        flags = InventoryFlag(reply[3])
        self.seq_id = seq_id
        self.current_version = reply[4]
        self.capable = InventoryFlag.ACTIVATION_CAPABLE in flags
        self.pending = InventoryFlag.ACTIVATION_PENDING in flags
        self.may_reset_cpu = InventoryFlag.MAY_RESET_CPU in flags
        self.cpu_rendezvous = InventoryFlag.CPU_RENDEZVOUS_OPTIONAL not in flags

    def forget(self) -> None:
        """Lose everything that an activation may have changed; all values then read as 0."""
        self.seq_id = GONE
        self.current_version = 0
        self.capable = self.pending = self.may_reset_cpu = self.cpu_rendezvous = False
