# SPDX-License-Identifier: Apache-2.0
"""Version words: of the LFA interface (x0 of LFA_VERSION) and of a component (x4, x5 of LFA_GET_INVENTORY)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, Self
else:
    from livefw.light_tuple import NamedTuple

_HALF = 0xFFFF_FFFF


class ComponentVersion(NamedTuple):
    """Two unsigned 32-bit numbers in one 64-bit word: major in bits 63:32 (DEN0147 BET1, LFA_GET_INVENTORY).

    Compared as numbers, never as text. A word of 0 means that the firmware does not say.
    """

    major: int
    minor: int

    @classmethod
    def decode(cls, word: int) -> Self:
        """Split a 64-bit word."""
        return cls(word >> 32 & _HALF, word & _HALF)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``major.minor`` in decimal; ValueError if it is anything else or a half exceeds 32 bits.

        At most 21 characters can be right (two numbers of ten digits): longer text is refused before it becomes an
        integer, because the text may come from a firmware's own strings.
        """
        major, dot, minor = text.partition(".")
        if not dot or len(text) > 21 or not (_is_decimal(major) and _is_decimal(minor)):
            raise ValueError(f"not a component version (major.minor): {text[:40]!r}")
        version = cls(int(major), int(minor))
        version.encode()
        return version

    def encode(self) -> int:
        """Join both halves into one word; ValueError if one of them is not an unsigned 32-bit number."""
        if not 0 <= self.major <= _HALF or not 0 <= self.minor <= _HALF:
            raise ValueError(f"component version {self.major}.{self.minor} does not fit two 32-bit numbers")
        return self.major << 32 | self.minor

    @property
    def known(self) -> bool:
        """Whether the firmware says a version at all; ``0.0`` is its way of not saying."""
        return bool(self.major or self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdecimal()


class InterfaceVersion(NamedTuple):
    """Version of the LFA interface: bit 31 zero, bits 30:16 major, bits 15:0 minor (DEN0147, LFA_VERSION)."""

    major: int
    minor: int

    @classmethod
    def decode(cls, word: int) -> Self:
        """Split x0; ValueError if bit 31 or anything above is set, which is an error code and not a version."""
        if word >> 31:
            raise ValueError(f"{word:#x} is not an LFA version")
        return cls(word >> 16, word & 0xFFFF)

    def encode(self) -> int:
        """Join both numbers; ValueError if one is out of range."""
        if not 0 <= self.major < 1 << 15 or not 0 <= self.minor < 1 << 16:
            raise ValueError(f"LFA version {self.major}.{self.minor} out of range")
        return self.major << 16 | self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


LFA_1_0 = InterfaceVersion(1, 0)
