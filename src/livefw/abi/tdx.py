# SPDX-License-Identifier: Apache-2.0
"""SEAMCALL leaves, their status words and the version of Intel TDX modules and of the loader that installs them.

Sources: Linux ``arch/x86/virt/vmx/tdx/{seamldr.c,seamcall_internal.h}`` (7.2), public P-SEAMLDR source (loader API
definitions).
"""

from enum import IntEnum
from typing import NamedTuple, Self

_DIGITS = 5
"""Each number of a version is 16 bits wide in the module's own metadata: five digits hold it."""


class Leaf(IntEnum):
    """SEAMCALL leaf numbers that an update uses; bit 63 addresses P-SEAMLDR instead of the module."""

    SEAMLDR_INFO = 0x8000000000000000
    SEAMLDR_INSTALL = 0x8000000000000001
    TDH_SYS_INIT = 33
    TDH_SYS_LP_INIT = 35
    TDH_SYS_SHUTDOWN = 52
    TDH_SYS_UPDATE = 53


class SeamldrStatus(IntEnum):
    """What P-SEAMLDR answers (public source, loader API definitions)."""

    SUCCESS = 0
    EBADPARAM = 0x8000000000000000
    EBADCALL = 0x8000000000000003
    EBADHANDOFF = 0x8000000000000004
    ECLEANUPREQ = 0x8000000000000005
    EUNSUPPORTED = 0x8000000000000006
    ENOMEM = 0x8000000000010002
    EUNSPECERR = 0x8000000000010003
    EUNSUPCPU = 0x8000000000010004
    EBADSIG = 0x8000000000020000
    EBADHASH = 0x8000000000020001
    EINTERRUPT = 0x8000000000030000
    ENOENTROPY = 0x8000000000030001


class SeamAnswer(NamedTuple):
    """What a SEAMCALL returned, and how many nanoseconds the CPU was away."""

    status: int
    work_ns: int = 0


class SeamldrInfo(NamedTuple):
    """The part of what SEAMLDR.INFO writes that an update needs."""

    version: "TdxVersion"
    remaining_updates: int


class Feature(IntEnum):
    """Bits of TDX_FEATURES0."""

    TD_PRESERVING = 1 << 1
    NO_RBP_MOD = 1 << 18
    UPDATE_COMPATIBILITY = 1 << 47


SEAMRET_ERRATUM = "seamret_invd_vmcs"
"""Name of the CPU bug, on the ``bugs`` line of ``/proc/cpuinfo``, that rules run-time updates out."""


class TdxVersion(NamedTuple):
    """``major.minor.update``, of a module or of P-SEAMLDR; compared as numbers."""

    major: int
    minor: int
    update: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read three decimal numbers, leading zeros allowed; ValueError for anything else.

        ``1.5.8`` and ``1.5.08`` are the same version. A number of more than five digits is refused before it becomes
        an integer, because the text may come from a file name.
        """
        parts = text.split(".")
        if len(parts) != 3 or not all(p.isascii() and p.isdecimal() and len(p) <= _DIGITS for p in parts):
            raise ValueError(f"not a TDX version (major.minor.update): {text[:40]!r}")
        return cls(*map(int, parts))

    @property
    def series(self) -> tuple[int, int]:
        """Major and minor: only the update number may change at run time."""
        return self.major, self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.update:02d}"


class Svn(NamedTuple):
    """Security version of a module: the major part must stay, the minor part must not fall (public P-SEAMLDR)."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def masked_eax(*, family: int, model: int) -> int:
    """CPUID.1:EAX without the stepping, from the decimal numbers of ``/proc/cpuinfo`` (Intel SDM vol. 2, CPUID).

    ValueError if they do not fit the register.
    """
    if not 0 <= family <= 0xF + 0xFF or not 0 <= model <= 0xFF:
        raise ValueError(f"no such CPU: family {family} model {model}")
    base, extended = (family, 0) if family < 0xF else (0xF, family - 0xF)
    return extended << 20 | model >> 4 << 16 | base << 8 | (model & 15) << 4


STEPPING_MASK = 0xFFFF_FFF0
"""A module names CPUs by CPUID.1:EAX; their stepping is not compared."""


class TdxStatus(IntEnum):
    """Answers that no firmware gave: the CPU refused the instruction itself (Linux ``arch/x86/include/asm/tdx.h``)."""

    VMFAILINVALID = 0x8000FF00_FFFF0000
    """There is nothing behind the call: not loaded, or its entry is blocked."""
    GENERAL_PROTECTION = 0x8000FF00_0000000D
    UNDEFINED_OPCODE = 0x8000FF00_00000006
