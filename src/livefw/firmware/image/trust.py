# SPDX-License-Identifier: Apache-2.0
"""What a machine is born with, as a file: its chain of trust and the hashes of its root keys.

chain = "cca"
partitions = ["f07b2a96-1d47-4d17-9ec8-86a64e253e5c"]     # optional: sp-pkg1 and up, by GUID or name, "" for none
platform = "fvp"                                          # or those of one of TF-A's platforms

[roots]
rot-key = "4126...7612"                                   # SHA-256, SHA-384 or SHA-512, told by its length

[names]                                                   # optional: what images are called here
boot-logo = "2d1c5bd4-7f5a-4f1f-9d3c-5d1a0c7e8b90"
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from livefw import reading, toml
from livefw.abi.guid import Guid
from livefw.errors import UsageError
from livefw.firmware.image.certificate import HASH_BY_SIZE
from livefw.firmware.image.chain import CHAINS, SP_PACKAGES
from livefw.firmware.image.names import BY_OPTION, PLATFORMS
from livefw.firmware.image.verify import TrustAnchor

NAME = "trust.toml"
"""What the file is called in a store and beside keys."""

MAX_FILE = 64 << 10
"""Bytes; the largest that makes sense has two thousand."""

MAX_NAMES = 512
"""As many as a package has entries."""

_KEYS = {"chain", "names", "partitions", "platform", "roots"}
_NAME = re.compile("[a-z0-9][a-z0-9_.-]{0,63}")
"""Names become names of files."""


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
    chain = replace(CHAINS[name], names=tuple(_names(table.get("names", {}))))
    if "partitions" in table and "platform" in table:
        raise TrustFileError("platform", "partitions are given, too")
    if "partitions" in table:
        chain = chain.with_partitions(tuple(_partitions(table["partitions"], dict(chain.names))))
    if (platform := table.get("platform")) is not None:
        if not isinstance(platform, str) or platform not in PLATFORMS:
            raise TrustFileError("platform", f"one of {', '.join(PLATFORMS)} is needed")
        chain = chain.with_platform(PLATFORMS[platform])
    return TrustAnchor(chain, dict(_roots(table.get("roots"), chain.roots)))


def dumps(anchor: TrustAnchor) -> str:
    """The text of a trust file."""
    chain = anchor.chain
    lines = [f'chain = "{chain.name}"']
    if chain.partitions != CHAINS[chain.name].partitions:
        guids = ", ".join(f'"{guid or ""}"' for guid in chain.partitions)
        lines.append(f"partitions = [{guids}]")
    lines += ["", "[roots]", *(f'{name} = "{value.hex()}"' for name, value in anchor.roots.items())]
    if chain.names:
        lines += ["", "[names]", *(f'"{name}" = "{guid}"' for name, guid in chain.names)]
    return "\n".join(lines) + "\n"


def _partitions(value: Any, named: Mapping[str, Guid]) -> Iterator[Guid | None]:
    if not isinstance(value, list) or len(value) > SP_PACKAGES:
        raise TrustFileError("partitions", f"a list of at most {SP_PACKAGES} GUIDs is needed")
    for text in value:
        if text == "":
            yield None
        elif isinstance(text, str) and text in named:
            yield named[text]
        elif isinstance(text, str) and text in BY_OPTION:
            yield BY_OPTION[text].guid
        else:
            yield _guid("partitions", text)


def _names(value: Any) -> Iterator[tuple[str, Guid]]:
    if not isinstance(value, dict) or len(value) > MAX_NAMES:
        raise TrustFileError("names", f"a table of at most {MAX_NAMES} names is needed")
    for name, text in value.items():
        if not _NAME.fullmatch(name) or name in BY_OPTION:
            why = "another image has this name" if name in BY_OPTION else "lower-case letters, digits, -, _ and ."
            raise TrustFileError(f"names.{name}", why)
        yield name, _guid(f"names.{name}", text)


def _guid(field: str, text: object) -> Guid:
    try:
        return Guid.parse(str(text))
    except ValueError as error:
        raise TrustFileError(field, str(error)) from None


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
