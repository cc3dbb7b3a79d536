# SPDX-License-Identifier: Apache-2.0
"""``livefw image build``: a package with its chain of trust, for tests and demonstrations."""

import argparse
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from livefw import reading
from livefw.abi.guid import Guid
from livefw.abi.version import ComponentVersion
from livefw.cli.image.info import MOST_BYTES, parse_counter
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.image import build, note, trust
from livefw.firmware.image.build import ImageSigner, KeyKind
from livefw.firmware.image.certificate import HASH_BY_NAME
from livefw.firmware.image.chain import CHAINS, TrustChain
from livefw.firmware.image.names import BY_OPTION
from livefw.text import printable

if TYPE_CHECKING:
    from livefw.firmware.image.build import PrivateKey


_MOST_KEY = 64 << 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Images, keys, counters."""
    parser.add_argument("output", metavar="FILE", help="the package to write")
    parser.add_argument(
        "--image", metavar="NAME=FILE", action="append", required=True, help="fiptool's name, or a GUID"
    )
    parser.add_argument(
        "--version", metavar="NAME=X.Y", action="append", default=[], help="put this version into an image"
    )
    parser.add_argument("--keys", metavar="DIR", required=True, help=f"a PEM file for each key, and {trust.NAME}")
    parser.add_argument("--new-keys", choices=[*KeyKind], help="make the keys, in a folder that has none")
    parser.add_argument("--chain", choices=CHAINS, default="cca", help="chain of trust (cca)")
    parser.add_argument("--hash", choices=HASH_BY_NAME, default="SHA256", help="of signatures and images (SHA256)")
    parser.add_argument("--counter", metavar="NAME=N", action="append", default=[], help="tfw, ntfw or ccafw (0)")
    parser.add_argument("--align", metavar="BYTES", type=whole(1), default=1, help="where images begin (1)")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Build, write the package and what a machine needs to believe it."""
    chain = CHAINS[arguments.chain]
    images = dict(_images(arguments.image, chain))
    for text in arguments.version:
        name, _, version = text.partition("=")
        guid = _guid(name, chain)
        if guid not in images:
            raise UsageError(f"--version {text}: there is no --image {name}")
        images[guid] = note.append(images[guid], _version(version))
    keys = _new_keys(arguments, chain) if arguments.new_keys else _read_keys(arguments.keys, chain)
    signer = ImageSigner(chain, keys, dict(map(parse_counter, arguments.counter)), HASH_BY_NAME[arguments.hash])
    package = signer.package(images, align=arguments.align)
    reading.write(arguments.output, package)
    trusted = os.path.join(arguments.keys, trust.NAME)
    reading.write(trusted, trust.dumps(signer.anchor()).encode("ascii"))
    uncovered = [str(guid) for guid in images if chain.covers(guid) is None]
    session.report(
        lambda: _text(arguments.output, len(package), trusted, uncovered),
        lambda: {"built": {"file": arguments.output, "size": len(package), "trust": trusted, "unsigned": uncovered}},
    )
    return ExitCode.DONE


def _images(words: Iterable[str], chain: TrustChain) -> Iterator[tuple[Guid, bytes]]:
    for word in words:
        name, equals, path = word.partition("=")
        if not equals:
            raise UsageError(f"--image {word}: NAME=FILE is needed")
        yield _guid(name, chain), reading.read(path, MOST_BYTES)


def _guid(name: str, chain: TrustChain) -> Guid:
    if name in BY_OPTION:
        return BY_OPTION[name].guid
    known = [entry.option for row in chain.rows for entry in row.hashes if chain.image_guid(entry.option)]
    if name in known and (guid := chain.image_guid(name)):
        return guid
    try:
        return Guid.parse(name)
    except ValueError:
        from livefw import suggest  # only for errors

        hint = suggest.hint(name, known, rest=f"a GUID, or one of {', '.join(known)}")
        raise UsageError(f"there is no image {name[:40]!r}", hint=hint) from None


def _version(text: str) -> ComponentVersion:
    try:
        return ComponentVersion.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _path(folder: str, option: str) -> str:
    return os.path.join(folder, f"{option}.pem")


def _new_keys(arguments: argparse.Namespace, chain: TrustChain) -> "dict[str, PrivateKey]":
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    os.makedirs(arguments.keys, mode=0o700, exist_ok=True)
    keys = build.generate(chain, KeyKind(arguments.new_keys))
    for option, key in keys.items():
        data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # "x": a key that is there may have signed what is in the field, and is never overwritten.
        with open(os.open(_path(arguments.keys, option), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    return keys


def _read_keys(folder: str, chain: TrustChain) -> "dict[str, PrivateKey]":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    keys: dict[str, PrivateKey] = {}
    for option in build.key_options(chain):
        path = _path(folder, option)
        try:
            key = load_pem_private_key(reading.read(path, _MOST_KEY), None)
        except FileNotFoundError:
            raise UsageError(
                f"{path} is missing", hint="add --new-keys p256, which makes keys in an empty directory"
            ) from None
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UsageError(f"{path}: {error}") from error
        if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise UsageError(f"{path}: an RSA or EC key is needed")
        keys[option] = key
    return keys


def _text(output: str, size: int, trusted: str, uncovered: list[str]) -> str:
    lines = [f"{output}: {size:,} bytes; a machine with {trusted} believes it"]
    lines += [f"no certificate of this chain covers {guid}" for guid in uncovered]
    return "\n".join(map(printable, lines))
