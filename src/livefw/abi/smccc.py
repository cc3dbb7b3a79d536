# SPDX-License-Identifier: Apache-2.0
"""SMC Calling Convention 1.2: the registers of a call, and the ways a CPU can leave it (Arm DEN0028).

LFA needs SMCCC 1.2, because its results go up to x5 and a 1.1 caller sees x0 to x3 only.
"""

from typing import NamedTuple, Self

COUNT = 18
"""x0 to x17 carry arguments and results (DEN0028, section 2.6: SMC64, SMCCC 1.2)."""

WORD = (1 << 64) - 1
"""Largest value of one register."""

NOT_SUPPORTED = -1
"""x0 of a call that nobody implements (DEN0028, section 5.2, "Unknown Function Identifier")."""

SMCCC_VERSION = 0x8000_0000
SMCCC_ARCH_FEATURES = 0x8000_0001
SMCCC_1_2 = 0x1_0002

SVE_HINT = 1 << 16
"""Bit of a function identifier: the caller has nothing in its SVE registers (DEN0028, SMCCC 1.3). TF-A masks it."""

_FAST_CALL = 1 << 31
_SMC64 = 1 << 30


def fast_call_64(*, owner: int, number: int) -> int:
    """Function identifier of an SMC64 fast call (DEN0028, section 2.5): bits 29:24 owner, 15:0 function number."""
    if not 0 <= owner < 64 or not 0 <= number <= 0xFFFF:
        raise ValueError(f"SMCCC owner {owner} or function number {number:#x} out of range")
    return _FAST_CALL | _SMC64 | owner << 24 | number


def signed64(word: int) -> int:
    """Read a 64-bit register as two's complement."""
    return word - (1 << 64) if word >> 63 else word


def signed32(word: int) -> int:
    """Read the low half of a register as two's complement; the only safe reading of a -1 that may be 32 or 64 bits."""
    low = word & 0xFFFF_FFFF
    return low - (1 << 32) if low >> 31 else low


def unsigned64(value: int) -> int:
    """Write a signed 64-bit value as a register word; ValueError if it does not fit."""
    if not -(1 << 63) <= value <= WORD:
        raise ValueError(f"{value} does not fit a 64-bit register")
    return value & WORD


class Registers(tuple[int, ...]):
    """x0 to x17 at the moment of an SMC or of its return: always 18 words of 64 bits.

    A tuple, not a dataclass: a call makes one of these, and the agent answers hundreds of thousands a second.
    """

    __slots__ = ()

    def __new__(cls, *words: int) -> Self:
        """Take the first registers and fill the rest with zero; ValueError if there are too many or one is too wide."""
        if len(words) > COUNT:
            raise ValueError(f"SMCCC has {COUNT} argument registers, not {len(words)}")
        for index, word in enumerate(words):
            if not 0 <= word <= WORD:
                raise ValueError(f"x{index} = {word:#x} is not an unsigned 64-bit word")
        return tuple.__new__(cls, words + (0,) * (COUNT - len(words)))

    def returning(self, *results: int) -> Self:
        """Result registers over this call's inputs: what is not a result is preserved (DEN0028, section 2.6).

        ``results`` are register words made by an ``encode`` of this package, and are not checked again here.
        """
        return tuple.__new__(type(self), results + self[len(results) :])

    def __repr__(self) -> str:
        """Show up to the last register that is not zero."""
        last = max((index for index, word in enumerate(self) if word), default=0)
        return "Registers(" + ", ".join(f"{word:#x}" for word in self[: last + 1]) + ")"


class Restart(NamedTuple):
    """The CPU does not return from its call: it warm-resets and starts at ``entry_point`` with ``context_id`` in x0.

    As after PSCI CPU_ON (Arm DEN0022, section 5.6), which LFA_ACTIVATE borrows for components that reset CPUs.
    """

    entry_point: int
    context_id: int


Exit = Registers | Restart
"""How a CPU leaves a call."""


class Held(NamedTuple):
    """The CPU is still inside its call, in EL3.

    ``work_ns`` is None while the CPU waits for other CPUs: one of their calls lets it go. Otherwise it is doing
    something that takes about that long on the modelled hardware; the caller reports when it is done.
    """

    work_ns: int | None = None


class CpuRelease(NamedTuple):
    """A CPU that had waited inside its call, and how it leaves it.

    Or it does not leave yet, but stopped waiting and works: then this is a `Held` with a number.
    """

    cpu: int
    exit: Exit | Held
