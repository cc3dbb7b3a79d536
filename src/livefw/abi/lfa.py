# SPDX-License-Identifier: Apache-2.0
"""The seven calls of Arm Live Firmware Activation (Arm DEN0147 v1.0): requests, results, codes and flags.

A request is encoded into the 18 registers of an SMC and decoded from them; a result is encoded into the leading result
words and decoded from the registers that came back. **Errors define x0 only**: an agent leaves the caller's own inputs
in x1 and up, so no result may be decoded before `status` of the same registers is `LfaStatus.SUCCESS`.
"""

from enum import IntEnum, IntFlag
from typing import NamedTuple, Self

from livefw.abi.guid import Guid
from livefw.abi.smccc import WORD, Registers, fast_call_64, signed64
from livefw.abi.version import ComponentVersion

_OWNER_STANDARD_SECURE = 4


class Function(IntEnum):
    """Function identifiers (DEN0147): SMC64 fast calls of the Standard Secure Service, 0x2E0 to 0x2E6."""

    VERSION = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E0)
    FEATURES = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E1)
    GET_INFO = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E2)
    GET_INVENTORY = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E3)
    PRIME = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E4)
    ACTIVATE = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E5)
    CANCEL = fast_call_64(owner=_OWNER_STANDARD_SECURE, number=0x2E6)


class LfaStatus(IntEnum):
    """Results in x0, signed 64-bit, with the names of DEN0147 v1.0 (drafts before it had others)."""

    SUCCESS = 0
    NOT_SUPPORTED = -1
    BUSY = -2
    AUTH_ERROR = -3
    NO_MEMORY = -4
    CRITICAL_ERROR = -5
    DEVICE_ERROR = -6
    WRONG_STATE = -7
    INVALID_PARAMETERS = -8
    COMPONENT_WRONG_STATE = -9
    INVALID_ADDRESS = -10
    ACTIVATION_FAILED = -11

    @property
    def word(self) -> int:
        """The 64-bit register word of this status."""
        return self & WORD


class InventoryFlag(IntFlag):
    """x3 of LFA_GET_INVENTORY; bits 63:4 are reserved and kept as they came."""

    ACTIVATION_CAPABLE = 1 << 0
    ACTIVATION_PENDING = 1 << 1
    MAY_RESET_CPU = 1 << 2
    CPU_RENDEZVOUS_OPTIONAL = 1 << 3
    """The inverse of the sysfs file ``cpu_rendezvous``."""


class ActivateFlag(IntFlag):
    """x2 of LFA_ACTIVATE."""

    SKIP_CPU_RENDEZVOUS = 1 << 0


_CALL_AGAIN = 1 << 0


def status(registers: Registers) -> int:
    """x0 as the signed number it is; a plain int, because firmware may return codes that no specification names."""
    return signed64(registers[0])


class VersionRequest(NamedTuple):
    """LFA_VERSION request (DEN0147); result: an `InterfaceVersion` in x0, or -1 in 32 or 64 bits without an agent."""

    def encode(self) -> Registers:
        """Registers of the call."""
        return Registers(Function.VERSION)


class FeaturesRequest(NamedTuple):
    """LFA_FEATURES request (DEN0147): is this function identifier implemented? x0 = 0 yes, -1 no."""

    function_id: int

    def encode(self) -> Registers:
        """Registers of the call; ValueError if the identifier does not fit a register."""
        return Registers(Function.FEATURES, self.function_id)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read a caller's registers."""
        return cls(registers[1])


class InfoRequest(NamedTuple):
    """LFA_GET_INFO request (DEN0147): the selector is compared in all 64 bits and must be 0 in v1.0."""

    selector: int = 0

    def encode(self) -> Registers:
        """Registers of the call; ValueError if the selector does not fit a register."""
        return Registers(Function.GET_INFO, self.selector)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read a caller's registers."""
        return cls(registers[1])


class InfoResult(NamedTuple):
    """LFA_GET_INFO result: the number of components, and x2, which TF-A writes as 0."""

    components: int

    def encode(self) -> tuple[int, int, int]:
        """Words x0 to x2."""
        return (0, self.components, 0)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read the registers of a successful call. The number is the firmware's word and may be absurd."""
        return cls(registers[1])


class InventoryRequest(NamedTuple):
    """LFA_GET_INVENTORY request (DEN0147): ``fw_seq_id`` from 0 to the number of components less one."""

    fw_seq_id: int

    def encode(self) -> Registers:
        """Registers of the call; ValueError if the id does not fit a register."""
        return Registers(Function.GET_INVENTORY, self.fw_seq_id)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read a caller's registers; the id is 32 bits wide, as in TF-A."""
        return cls(registers[1] & 0xFFFF_FFFF)


class InventoryResult(NamedTuple):
    """LFA_GET_INVENTORY result.

    The versions are those of the BET1 draft and later. An agent of BET0 (TF-A in August 2026) does not write x4 and
    x5 and so returns whatever the caller passed; LFA_VERSION is 1.0 for both. Encode such a result with
    `encode_bet0`; a caller protects itself by passing zeros.
    """

    guid: Guid
    flags: InventoryFlag
    current_version: ComponentVersion = ComponentVersion(0, 0)
    pending_version: ComponentVersion = ComponentVersion(0, 0)

    def encode(self) -> tuple[int, int, int, int, int, int]:
        """Words x0 to x5."""
        return (*self.encode_bet0(), self.current_version.encode(), self.pending_version.encode())

    def encode_bet0(self) -> tuple[int, int, int, int]:
        """Words x0 to x3."""
        return (0, *self.guid.to_registers(), int(self.flags))

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read the registers of a successful call."""
        return cls(
            Guid.from_registers(registers[1], registers[2]),
            InventoryFlag(registers[3]),
            ComponentVersion.decode(registers[4]),
            ComponentVersion.decode(registers[5]),
        )


class PrimeRequest(NamedTuple):
    """LFA_PRIME request (DEN0147, section 2.5)."""

    fw_seq_id: int

    def encode(self) -> Registers:
        """Registers of the call; ValueError if the id does not fit a register."""
        return Registers(Function.PRIME, self.fw_seq_id)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read a caller's registers; the id is 32 bits wide, as in TF-A."""
        return cls(registers[1] & 0xFFFF_FFFF)


class ActivateRequest(NamedTuple):
    """LFA_ACTIVATE request (DEN0147, section 2.6); the last two fields matter to components that reset CPUs only."""

    fw_seq_id: int
    flags: ActivateFlag = ActivateFlag(0)
    entry_point: int = 0
    context_id: int = 0

    def encode(self) -> Registers:
        """Registers of the call; ValueError if a field does not fit a register."""
        return Registers(Function.ACTIVATE, self.fw_seq_id, int(self.flags), self.entry_point, self.context_id)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read a caller's registers; the id is 32 bits wide, as in TF-A."""
        return cls(registers[1] & 0xFFFF_FFFF, ActivateFlag(registers[2]), registers[3], registers[4])


class StepResult(NamedTuple):
    """Result of LFA_PRIME and LFA_ACTIVATE: whether the agent did only a part and must be called again."""

    call_again: bool

    def encode(self) -> tuple[int, int]:
        """Words x0 and x1."""
        return (0, _CALL_AGAIN if self.call_again else 0)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read the registers of a successful call; after an error x1 is the caller's own sequence id."""
        return cls(bool(registers[1] & _CALL_AGAIN))


class CancelRequest(NamedTuple):
    """LFA_CANCEL request (DEN0147)."""

    fw_seq_id: int

    def encode(self) -> Registers:
        """Registers of the call; ValueError if the id does not fit a register."""
        return Registers(Function.CANCEL, self.fw_seq_id)

    @classmethod
    def decode(cls, registers: Registers) -> Self:
        """Read a caller's registers; the id is 32 bits wide, as in TF-A."""
        return cls(registers[1] & 0xFFFF_FFFF)
