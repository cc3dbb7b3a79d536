# SPDX-License-Identifier: Apache-2.0
"""``livefw image capsule``: an EFI capsule, as U-Boot's mkeficapsule and EDK II's GenerateCapsule make them."""

import argparse

from livefw import reading
from livefw.abi.guid import Guid
from livefw.cli.image import key_files
from livefw.cli.image.formats.base import MOST_BYTES
from livefw.cli.image.naming import flags16
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.firmware.format import make_capsule
from livefw.firmware.format.make_capsule import CapsuleSignature, CapsuleVersions
from livefw.text import printable

_U32, _U63 = (1 << 32) - 1, 10**15


def configure(parser: argparse.ArgumentParser) -> None:
    """What it is for, and what is in it."""
    parser.add_argument("output", metavar="FILE", help="the capsule to write")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--image", metavar="FILE", help="an update with this image")
    what.add_argument("--accept", action="store_true", help="accept the image of --guid (DEN0118)")
    what.add_argument("--revert", action="store_true", help="go back to the previous bank (DEN0118)")
    parser.add_argument("--guid", metavar="GUID", help="type of the image, as UEFI writes it")
    parser.add_argument("--plain", action="store_true", help="without headers of the Firmware Management Protocol")
    parser.add_argument("--index", metavar="N", type=whole(0, 255), default=1, help="index of the image (1)")
    parser.add_argument("--instance", metavar="N", type=whole(0, _U63), default=0, help="hardware instance (0)")
    parser.add_argument("--fw-version", metavar="N", type=whole(0, _U32), help="version, in a payload header")
    parser.add_argument(
        "--lowest-version", metavar="N", type=whole(0, _U32), default=0, help="lowest version that may replace it (0)"
    )
    parser.add_argument("--oem-flags", metavar="HEX", type=flags16, default=0, help="16 bits of the GUID's own (0)")
    parser.add_argument("--key", metavar="FILE", help="sign with this private key, in PEM")
    parser.add_argument("--certificate", metavar="FILE", help="the certificate of the key, in PEM or DER")
    parser.add_argument("--monotonic-count", metavar="N", type=whole(0, _U63), default=0, help="of a signature (0)")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Make it and write it."""
    data = _make(arguments)
    reading.write(arguments.output, data)
    session.report(
        lambda: printable(f"{arguments.output}: {len(data):,} bytes"),
        lambda: {"capsule": {"file": arguments.output, "size": len(data), "signed": arguments.key is not None}},
    )
    return ExitCode.DONE


def _make(arguments: argparse.Namespace) -> bytes:
    if arguments.revert:
        return make_capsule.revert()
    guid = _guid(arguments.guid)
    if arguments.accept:
        return make_capsule.accept(guid)
    image = reading.read(arguments.image, MOST_BYTES)
    signature = _signature(arguments)
    versions = None
    if arguments.fw_version is not None:
        versions = CapsuleVersions(arguments.fw_version, arguments.lowest_version)
    if arguments.plain:
        if signature or versions:
            raise UsageError("--plain goes without --key and --fw-version: a plain capsule has no place for them")
        return make_capsule.plain(guid, image, arguments.oem_flags)
    return make_capsule.managed(
        guid,
        image,
        index=arguments.index,
        instance=arguments.instance,
        versions=versions,
        signature=signature,
        own_flags=arguments.oem_flags,
    )


def _guid(text: str | None) -> Guid:
    try:
        return Guid.parse_efi(text or "")
    except ValueError as error:
        raise UsageError(f"--guid: {error}" if text else "--guid is missing") from None


def _signature(arguments: argparse.Namespace) -> CapsuleSignature | None:
    if (arguments.key is None) != (arguments.certificate is None):
        raise UsageError("--key goes with --certificate")
    if arguments.key is None:
        return None
    from cryptography import x509

    key = key_files.private(arguments.key)
    try:
        certificate = x509.load_der_x509_certificate(key_files.certificate(arguments.certificate))
    except ValueError as error:
        raise UsageError(f"{arguments.certificate}: {error}") from error
    if certificate.public_key() != key.public_key():
        raise UsageError(f"{arguments.certificate} is not the certificate of {arguments.key}")
    return CapsuleSignature(make_capsule.signer(key, certificate), arguments.monotonic_count)
