# SPDX-License-Identifier: Apache-2.0
"""What a metainfo declares as ``LVFS::VersionFormat``: how numbers between dots and a 32-bit integer become each other.

Vendors write either, and a device reports either: 65536 is 0.1.0 as a triplet and 1.0 as a pair. Sources: libfwupd's
FwupdVersionFormat, "Version Format" in the documents of the LVFS, and fwupd #10347 for Compal's.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_BY_SHAPE = ("number", "pair", "triplet", "quad")
_NO_FORMAT = frozenset({"", "unknown", "plain"})
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}")
_DOTTED = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15}){1,3}")
_MOST = 0xFFFF_FFFF


class _Part(NamedTuple):
    """One of the numbers between dots: its lowest bit in the integer, its width, and what is added to it."""

    shift: int
    bits: int
    added: int = 0


_PARTS: Mapping[str, tuple[_Part, ...]] = MappingProxyType(
    {
        "number": (_Part(0, 32),),
        "hex": (_Part(0, 32),),
        "pair": (_Part(16, 16), _Part(0, 16)),
        "triplet": (_Part(24, 8), _Part(16, 8), _Part(0, 16)),
        "quad": (_Part(24, 8), _Part(16, 8), _Part(8, 8), _Part(0, 8)),
        "bcd": (_Part(24, 8), _Part(16, 8), _Part(8, 8), _Part(0, 8)),
        "intel-me": (_Part(29, 3, 11), _Part(24, 5), _Part(16, 8), _Part(0, 16)),
        "intel-me2": (_Part(28, 4), _Part(24, 4), _Part(16, 8), _Part(0, 16)),
        "intel-csme19": (_Part(29, 3, 19), _Part(24, 5), _Part(16, 8), _Part(0, 16)),
        "surface": (_Part(24, 8), _Part(8, 16), _Part(0, 8)),
        "surface-legacy": (_Part(22, 10), _Part(10, 12), _Part(0, 10)),
        "dell-bios": (_Part(16, 8), _Part(8, 8), _Part(0, 8)),
        "dell-bios-msb": (_Part(24, 8), _Part(16, 8), _Part(8, 8)),
        "compal-bios": (_Part(8, 8), _Part(0, 8)),
    }
)
"""The most significant number first. Bits that no part has are ignored."""


def shape(text: str) -> str:
    """What the LVFS calls it: numbers between dots, one to four of them; everything else is plain."""
    parts = text.split(".")
    numbers = all(part.isascii() and part.isdigit() for part in parts)
    return _BY_SHAPE[len(parts) - 1] if numbers and len(parts) <= len(_BY_SHAPE) else "plain"


def declares(declared: str) -> bool:
    """Whether this names a format at all; ``plain`` is a text of which nothing is known."""
    return _word(declared) not in _NO_FORMAT


def numbers(text: str, declared: str) -> tuple[int, ...]:
    """The numbers of a version in a format, from either notation; empty if it cannot be one in it."""
    word = _word(declared)
    parts = _PARTS.get(word, ())
    value = integer(text)
    # 15302529 and 0x15302529 are both in the field for one version in hexadecimal (LVFS #823).
    if parts and value is not None and (word != "hex" or _is_hexadecimal(text)):
        return _split(value, parts, decimal=word == "bcd")
    found = tuple(map(int, text.split("."))) if _DOTTED.fullmatch(text) else ()
    return found if len(found) == len(parts) or (word == "bcd" and len(found) == 2) else ()


def like(version: str, running: str, declared: str) -> str | None:
    """A version in the notation of the running one, an integer or numbers between dots; None if either is in neither.

    In bits that the format ignores, an integer is as the running one: they compare as fwupd would compare them.
    """
    found, theirs, value = numbers(version, declared), numbers(running, declared), integer(running)
    if not found or len(found) != len(theirs):
        return None
    if value is None:
        return version if integer(version) is None else ".".join(map(str, found))
    made = _join(found, _PARTS[_word(declared)], value, decimal=_word(declared) == "bcd")
    if made is None:
        return None
    return f"{made:#0{len(running)}x}" if _is_hexadecimal(running) else str(made)


def integer(text: str) -> int | None:
    """The version that is one integer of 32 bits, in decimal or with 0x; None for any other."""
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text, 16 if _is_hexadecimal(text) else 10)
    return value if value <= _MOST else None


def _is_hexadecimal(text: str) -> bool:
    return text[1:2] in ("x", "X")


def _word(declared: str) -> str:
    return declared.strip().lower()


def _split(value: int, parts: tuple[_Part, ...], *, decimal: bool) -> tuple[int, ...]:
    fields = [value >> part.shift & (1 << part.bits) - 1 for part in parts]
    if not decimal:
        return tuple(field + part.added for field, part in zip(fields, parts, strict=True))
    # Not so by fwupd, which makes 164 of 0xFE; two versions must not become one.
    return tuple(int(f"{field:x}") for field in fields) if all(f"{field:x}".isdigit() for field in fields) else ()


def _join(found: tuple[int, ...], parts: tuple[_Part, ...], value: int, *, decimal: bool) -> int | None:
    """The integer of some numbers, with the ignored bits of ``value``; None if a number has more bits than its part."""
    for number, part in zip(found, parts, strict=True):
        field, mask = int(str(number), 16) if decimal else number - part.added, (1 << part.bits) - 1
        if not 0 <= field <= mask:
            return None
        value = value & ~(mask << part.shift) | field << part.shift
    return value
