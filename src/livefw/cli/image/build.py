# SPDX-License-Identifier: Apache-2.0
"""``livefw image build``: a package with its chain of trust, for tests and demonstrations."""

import argparse
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from livefw import reading
from livefw.abi.guid import Guid
from livefw.abi.version import ComponentVersion
from livefw.cli.image import key_files
from livefw.cli.image.formats.base import MOST_BYTES
from livefw.cli.image.info import parse_counter
from livefw.cli.image.naming import (
    configure_platform,
    entry_flags,
    flags16,
    guid_of,
    names_of,
    on_platform,
    pair,
)
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import build, note, trust, verify
from livefw.firmware.image.build import ImageSigner, KeyKind
from livefw.firmware.image.certificate import HASH_BY_NAME
from livefw.firmware.image.chain import CHAINS, TrustChain
from livefw.text import printable

if TYPE_CHECKING:
    from livefw.firmware.image.build import LocalKey, PrivateKey


def configure(parser: argparse.ArgumentParser) -> None:
    """Images, keys, counters."""
    parser.add_argument("output", metavar="FILE", help="the package to write")
    parser.add_argument("--image", metavar="NAME=FILE", action="append", required=True, help="an image by name or GUID")
    parser.add_argument(
        "--version", metavar="NAME=X.Y", action="append", default=[], help="put this version into an image"
    )
    parser.add_argument(
        "--keys",
        metavar="DIR",
        required=True,
        help=f"for each key NAME.pem, or NAME.uri with the URI of a key in a PKCS #11 token; and {trust.NAME}",
    )
    parser.add_argument("--new-keys", choices=[*KeyKind], help="make the keys, in a folder that has none")
    parser.add_argument(
        "--certificate", metavar="NAME=FILE", action="append", default=[], help="use this one, in PEM or DER"
    )
    parser.add_argument("--chain", choices=CHAINS, default="cca", help="chain of trust (cca)")
    configure_platform(parser)
    parser.add_argument("--hash", choices=HASH_BY_NAME, default="SHA256", help="of signatures and images (SHA256)")
    parser.add_argument("--counter", metavar="NAME=N", action="append", default=[], help="tfw, ntfw or ccafw (0)")
    parser.add_argument("--align", metavar="BYTES", type=whole(1), default=1, help="where images begin (1)")
    parser.add_argument(
        "--plat-toc-flags",
        metavar="HEX",
        type=flags16,
        default=0,
        help="the platform's 16 bits of the header (0)",
    )
    parser.add_argument(
        "--entry-flags", metavar="NAME=N", action="append", default=[], help="flags of an entry, 64 bits (0)"
    )


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Build, write the package and what a machine needs to believe it."""
    chain = on_platform(arguments)
    known = names_of(chain)
    images = dict(_images(arguments.image, known))
    for text in arguments.version:
        name, _, version = text.partition("=")
        guid = guid_of(name, known)
        if guid not in images:
            raise UsageError(f"--version {text}: there is no --image {name}")
        images[guid] = note.append(images[guid], _version(version))
    existing = dict(_certificates(arguments.certificate, chain))
    keys: Mapping[str, PrivateKey] = (
        _new_keys(arguments, chain) if arguments.new_keys else _signing_keys(arguments.keys, chain, images, existing)
    )
    counters = dict(map(parse_counter, arguments.counter))
    signer = ImageSigner(chain, keys, counters, HASH_BY_NAME[arguments.hash], existing)
    package = signer.package(
        images,
        align=arguments.align,
        platform_flags=arguments.plat_toc_flags,
        entry_flags=dict(entry_flags(arguments.entry_flags, known)),
    )
    # A certificate from elsewhere may hand on another key than the one here.
    verify.verify(io.BytesIO(package), signer.anchor(), {})
    reading.write(arguments.output, package)
    trusted = os.path.join(arguments.keys, trust.NAME)
    reading.write(trusted, trust.dumps(signer.anchor()).encode("ascii"))
    uncovered = [str(guid) for guid in images if chain.covers(guid) is None]
    session.report(
        lambda: _text(arguments.output, len(package), trusted, uncovered),
        lambda: {"built": {"file": arguments.output, "size": len(package), "trust": trusted, "unsigned": uncovered}},
    )
    return ExitCode.DONE


def _images(words: Iterable[str], known: Mapping[str, Guid]) -> Iterator[tuple[Guid, bytes]]:
    for word in words:
        name, path = pair(word, "--image")
        yield guid_of(name, known), reading.read(path, MOST_BYTES)


def _version(text: str) -> ComponentVersion:
    try:
        return ComponentVersion.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _path(folder: str, option: str) -> str:
    return os.path.join(folder, f"{option}.pem")


def _new_keys(arguments: argparse.Namespace, chain: TrustChain) -> "dict[str, LocalKey]":
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    os.makedirs(arguments.keys, mode=0o700, exist_ok=True)
    keys = build.generate(chain, KeyKind(arguments.new_keys))
    for option, key in keys.items():
        data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # "x": a key that is there may have signed what is in the field, and is never overwritten.
        with open(os.open(_path(arguments.keys, option), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    return keys


def _certificates(words: Iterable[str], chain: TrustChain) -> Iterator[tuple[str, bytes]]:
    rows = [row.name for row in chain.rows]
    for word in words:
        name, path = pair(word, "--certificate")
        if name not in rows:
            raise UsageError(f"--certificate {name}: chain {chain.name} has {', '.join(rows)}")
        yield name, key_files.certificate(path)


def _signing_keys(
    folder: str, chain: TrustChain, images: Iterable[Guid], existing: Mapping[str, bytes]
) -> "dict[str, PrivateKey]":
    """Keys for what is to be signed, and the roots that are there."""
    rows = [row for row in build.covering(chain, images) if row.name not in existing]
    needed = dict.fromkeys(option for row in rows for option in (row.key, *(key.option for key in row.keys)))
    keys: dict[str, PrivateKey] = {}
    for option in (*needed, *(root for root in chain.roots if root not in needed)):
        path = _path(folder, option)
        uri = path.removesuffix("pem") + "uri"
        if os.path.exists(uri):
            keys[option] = key_files.in_token(uri)
        elif os.path.exists(path):
            keys[option] = key_files.private(path)
        elif option in needed:
            raise UsageError(f"{path} is missing", hint="add --new-keys p256, which makes keys in an empty directory")
    return keys


def _text(output: str, size: int, trusted: str, uncovered: list[str]) -> str:
    lines = [f"{output}: {size:,} bytes; a machine with {trusted} believes it"]
    lines += [f"no certificate of this chain covers {guid}" for guid in uncovered]
    return "\n".join(map(printable, lines))
