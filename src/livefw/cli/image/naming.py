# SPDX-License-Identifier: Apache-2.0
"""Images on a command line: by fiptool's name, one of a platform, one of the trust file, or a GUID."""

import argparse
from collections.abc import Iterable, Iterator, Mapping

from livefw.abi.guid import Guid
from livefw.errors import UsageError
from livefw.firmware.image import trust
from livefw.firmware.image.chain import CHAINS, SP_PACKAGES, TrustChain
from livefw.firmware.image.names import BY_OPTION, PLATFORMS

KNOWN: Mapping[str, Guid] = {option: row.guid for option, row in BY_OPTION.items()}


def guid_of(name: str, known: Mapping[str, Guid] = KNOWN) -> Guid:
    """GUID of an image; `UsageError`, with the name that was probably meant."""
    if name in known:
        return known[name]
    try:
        return Guid.parse(name)
    except ValueError:
        from livefw import suggest  # only for errors

        hint = suggest.hint(name, known, rest=f"a GUID, or one of {', '.join(known)}")
        raise UsageError(f"there is no image {name[:40]!r}", hint=hint) from None


def pair(word: str, option: str, what: str = "NAME=FILE") -> tuple[str, str]:
    """Both sides of ``NAME=FILE``; `UsageError`."""
    name, equals, value = word.partition("=")
    if not (name and equals and value):
        raise UsageError(f"{option} {word[:80]}: {what} is needed")
    return name, value


def number(text: str, option: str, bits: int) -> int:
    """A number of so many bits, decimal or with 0x; `UsageError`."""
    try:
        value = int(text, 0) if len(text) < 20 else -1
    except ValueError:
        value = -1
    if not 0 <= value < 1 << bits:
        raise UsageError(f"{option} {text[:40]}: a number of {bits} bits is needed", hint="for example 0x8001")
    return value


def flags16(text: str) -> int:
    """A converter for argparse: 16 bits in hexadecimal, as fiptool takes them."""
    digits = text.lower().removeprefix("0x")
    if not digits or len(digits) > 4 or not set(digits) <= set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number of 16 bits in hexadecimal")
    return int(digits, 16)


def entry_flags(words: Iterable[str], known: Mapping[str, Guid]) -> Iterator[tuple[Guid, int]]:
    """The flags that entries are to have."""
    for word in words:
        name, text = pair(word, "--entry-flags", "NAME=N")
        yield guid_of(name, known), number(text, f"--entry-flags {name}", 64)


def configure_platform(parser: argparse.ArgumentParser) -> None:
    """Options with the secure partitions of a platform."""
    parser.add_argument("--platform", choices=PLATFORMS, help="the platform, for its secure partitions")
    parser.add_argument(
        "--partition",
        metavar="NAME",
        action="append",
        default=[],
        help="the secure partition that is sp-pkg1, and so on, by name or GUID; empty for none",
    )


def on_platform(arguments: argparse.Namespace) -> TrustChain:
    """The chain that is named, with the secure partitions of the platform; `UsageError`."""
    chain = CHAINS[arguments.chain]
    if arguments.partition and arguments.platform:
        raise UsageError("--partition is not for a --platform, which has its own")
    if len(arguments.partition) > SP_PACKAGES:
        raise UsageError(f"there are at most {SP_PACKAGES} secure partitions")
    if arguments.platform:
        return chain.with_platform(PLATFORMS[arguments.platform])
    if arguments.partition:
        return chain.with_partitions(tuple(guid_of(name) if name else None for name in arguments.partition))
    return chain


def names_of(chain: TrustChain) -> Mapping[str, Guid]:
    """The names that are known where there is a chain: cert_create's of secure partitions, too."""
    packages = {f"sp-pkg{number}": guid for number, guid in enumerate(chain.partitions, 1) if guid}
    return {**KNOWN, **packages, **dict(chain.names)}


def configure_names(parser: argparse.ArgumentParser) -> None:
    """The option with a user's own names."""
    parser.add_argument("--trust", metavar="FILE", help="a trust file, for the names of images in it")


def names(arguments: argparse.Namespace) -> Mapping[str, Guid]:
    """All names that are known; `UsageError`, OSError."""
    if arguments.trust is None:
        return KNOWN
    return names_of(trust.read(arguments.trust).chain)
