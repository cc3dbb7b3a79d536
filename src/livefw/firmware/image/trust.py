# SPDX-License-Identifier: Apache-2.0
"""What a machine is born with, as a file: its chain of trust and the hashes of its root keys.

chain = "cca"
partitions = ["f07b2a96-1d47-4d17-9ec8-86a64e253e5c"]     # optional: GUIDs of sp-pkg1 and up

[roots]
rot-key = "4126...7612"                                   # SHA-256, SHA-384 or SHA-512, told by its length
"""

from collections.abc import Iterator
from typing import Any

from livefw import reading, toml
from livefw.abi.guid import Guid
from livefw.errors import UsageError
from livefw.firmware.image.certificate import HASH_BY_SIZE
from livefw.firmware.image.chain import CHAINS, SP_PACKAGES
from livefw.firmware.image.verify import TrustAnchor

NAME = "trust.toml"
"""What the file is called in a store and beside keys."""

MAX_FILE = 64 << 10
"""Bytes; the largest that makes sense has two thousand."""

_KEYS = {"chain", "partitions", "roots"}


class TrustFileError(UsageError):
    """A trust file that cannot be: ``field`` names the culprit, ``reason`` says what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"trust file, {field}: {reason}")
        self.field = field
        self.reason = reason


def read(path: str) -> TrustAnchor:
    """The trust file at a path; TrustFileError, OSError."""
    return loads(reading.read(path, MAX_FILE))


def loads(data: bytes) -> TrustAnchor:
    """Read a trust file; TrustFileError."""
    if len(data) > MAX_FILE:
        raise TrustFileError("file", f"larger than {MAX_FILE} bytes")
    try:
        table = toml.loads(data)
    except ValueError as error:
        raise TrustFileError("file", f"not TOML: {error}") from error
    if unknown := table.keys() - _KEYS:
        raise TrustFileError(min(unknown), f"unknown; there are {', '.join(sorted(_KEYS))}")
    name = table.get("chain")
    if not isinstance(name, str) or name not in CHAINS:
        raise TrustFileError("chain", f"one of {', '.join(CHAINS)} is needed")
    chain = CHAINS[name]
    if "partitions" in table:
        chain = chain.with_partitions(tuple(_partitions(table["partitions"])))
    return TrustAnchor(chain, dict(_roots(table.get("roots"), chain.roots)))


def dumps(anchor: TrustAnchor) -> str:
    """The text of a trust file."""
    chain = anchor.chain
    lines = [f'chain = "{chain.name}"']
    if chain.partitions != CHAINS[chain.name].partitions:
        guids = ", ".join(f'"{guid}"' for guid in chain.partitions)
        lines.append(f"partitions = [{guids}]")
    lines += ["", "[roots]", *(f'{name} = "{value.hex()}"' for name, value in anchor.roots.items())]
    return "\n".join(lines) + "\n"


def _partitions(value: Any) -> Iterator[Guid]:
    if not isinstance(value, list) or len(value) > SP_PACKAGES:
        raise TrustFileError("partitions", f"a list of at most {SP_PACKAGES} GUIDs is needed")
    for text in value:
        try:
            yield Guid.parse(str(text))
        except ValueError as error:
            raise TrustFileError("partitions", str(error)) from None


def _roots(value: Any, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    if not isinstance(value, dict) or not value:
        raise TrustFileError("roots", f"a table of {', '.join(names)} is needed")
    for name, text in value.items():
        if name not in names:
            raise TrustFileError(f"roots.{name}", f"unknown; this chain has {', '.join(names)}")
        try:
            digest = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            digest = b""
        if len(digest) not in HASH_BY_SIZE:
            raise TrustFileError(f"roots.{name}", "a SHA-256, SHA-384 or SHA-512 in hexadecimal is needed")
        yield name, digest
