# SPDX-License-Identifier: Apache-2.0
"""Frames between the monitor and its agent, and between the test guest and its driver (``monitor/frame.h``).

0xa5, type, CPU, sequence, a 24-bit little-endian mask of registers, the registers of the mask in 64 bits each, and a
byte that makes the sum of all bytes 0 modulo 256. Registers that are not sent are 0 in a call, and unchanged in a
reply.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

MAGIC = 0xA5
CPUS = 16
WORDS = 19
"""x0 to x17, and one number more for the test guest."""

_HEADER = 7


class Type(IntEnum):
    """What a frame says; x0 and up are the words of its mask."""

    CALL = 1
    """A CPU issues x0 to x17."""
    REPLY = 2
    """Its call returns; the sequence is that of the call."""
    RESTART = 3
    """Its call does not return: the CPU starts at x0 with x1."""
    ON = 4
    OFF = 5
    PING = 6
    """The agent lives, and CPUs inside are not forgotten."""
    RAISE = 7
    """Make the interrupt with the number x0 pending."""
    HELLO = 8
    """A new agent: calls under way fail, and the monitor answers with its state."""
    STATE = 9
    """x0 is a mask of CPUs that are on, x1 the number of CPUs."""
    PANIC = 10
    """A defect of the monitor: ESR, ELR, FAR and x30 in x0 to x3."""


class Frame(NamedTuple):
    """One frame; ``words`` by register number."""

    type: Type
    cpu: int = 0
    sequence: int = 0
    words: Mapping[int, int] = {}

    def encode(self) -> bytes:
        """The bytes on the wire."""
        mask = 0
        body = b""
        for index in sorted(self.words):
            mask |= 1 << index
            body += self.words[index].to_bytes(8, "little")
        head = bytes((MAGIC, self.type, self.cpu, self.sequence)) + mask.to_bytes(3, "little")
        return head + body + bytes((-sum(head + body) & 0xFF,))


class Decoder:
    """Bytes into frames, however they are cut. What is no frame is passed over and counted in `dropped`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames that are complete now."""
        self._buffer += data
        buffer = self._buffer
        while buffer:
            if buffer[0] != MAGIC:
                start = buffer.find(MAGIC)
                self._drop(len(buffer) if start < 0 else start)
                continue
            if len(buffer) < _HEADER:
                return
            mask = int.from_bytes(buffer[4:_HEADER], "little")
            if buffer[1] not in Type._value2member_map_ or buffer[2] >= CPUS or mask >> WORDS:
                self._drop(1)
                continue
            size = _HEADER + 8 * mask.bit_count() + 1
            if len(buffer) < size:
                return
            raw = bytes(buffer[:size])
            if sum(raw) & 0xFF:
                self._drop(1)
                continue
            del buffer[:size]
            registers = (index for index in range(WORDS) if mask >> index & 1)
            places = range(_HEADER, size - 1, 8)
            words = {
                register: int.from_bytes(raw[place : place + 8], "little")
                for register, place in zip(registers, places, strict=True)
            }
            yield Frame(Type(raw[1]), raw[2], raw[3], words)

    def _drop(self, count: int) -> None:
        self.dropped += count
        del self._buffer[:count]
