# SPDX-License-Identifier: Apache-2.0
"""The machine's non-volatile counters against rollback, and how often a bank was booted on trial.

A product keeps them in fuses or in secure storage. Here they are one small file that is replaced as a whole:

    4 bytes "LFNV", u32 format = 1, u32 tfw, u32 ntfw, u32 ccafw, u32 trial boots, u32 CRC-32 of the bytes before
"""

import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from livefw.firmware.image.chain import Counter
from livefw.firmware.image.errors import StoreError, Violation

_LAYOUT = struct.Struct("<4sIIIII")
_MAGIC = b"LFNV"
_FORMAT = 1
SIZE = _LAYOUT.size + 4


class NonVolatile(NamedTuple):
    """The counters, in the order of the file."""

    tfw: int = 0
    ntfw: int = 0
    ccafw: int = 0
    trial_boots: int = 0

    @property
    def counters(self) -> dict[Counter, int]:
        """Value by counter."""
        return {Counter.TRUSTED: self.tfw, Counter.NON_TRUSTED: self.ntfw, Counter.CCA: self.ccafw}

    def advance(self, to: Mapping[Counter, int]) -> "NonVolatile":
        """The counters raised to these values; none ever goes down."""
        raised = {counter: max(value, to.get(counter, value)) for counter, value in self.counters.items()}
        return self._replace(tfw=raised[Counter.TRUSTED], ntfw=raised[Counter.NON_TRUSTED], ccafw=raised[Counter.CCA])

    def encode(self) -> bytes:
        """The bytes of the file."""
        body = _LAYOUT.pack(_MAGIC, _FORMAT, *self)
        return body + zlib.crc32(body).to_bytes(4, "little")


def decode(data: bytes | None, subject: str = "counters") -> NonVolatile:
    """Read the file; StoreError with COUNTERS if it is not whole.

    Attack: a file that is missing or damaged must not read as zeros, which any old image would pass.
    """
    if data is None or len(data) != SIZE:
        raise StoreError(Violation.COUNTERS, subject=subject, found=None if data is None else len(data), expected=SIZE)
    magic, version, *values = _LAYOUT.unpack_from(data)
    crc = zlib.crc32(data[:-4]).to_bytes(4, "little")
    if (magic, version) != (_MAGIC, _FORMAT) or data[-4:] != crc:
        raise StoreError(Violation.COUNTERS, subject=subject, offset=0, found=data[:8].hex(), expected="a sound file")
    return NonVolatile(*values)
