# SPDX-License-Identifier: Apache-2.0
"""Whether somebody whose key is here signed an image, and what its archive says of it, or metadata of the LVFS.

The signatures are those of the catalog (`livefw.archive.jcat`). openssl verifies PKCS#7 and gpgv OpenPGP, each without
the keys and authorities that it would trust by itself. As in fwupd, a certificate that has expired since still holds:
firmware is older than what it is signed with is valid.
"""

import base64
import binascii
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from livefw import programs, reading
from livefw.archive import jcat
from livefw.archive.cab import CabImage
from livefw.archive.jcat import BlobKind, CatalogItem, DetachedSignature
from livefw.errors import UsageError

_MOST_KEYS = 64
_MOST_KEY = 1 << 20
_SECONDS = 60.0
"""For one signature. A mebibyte takes some milliseconds."""
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n"
    rb"([A-Za-z0-9+/=\s]*?)(?:\r?\n=[^\r\n]{4})?\s*-----END PGP"
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")


class SignatureVerdict(StrEnum):
    """What the signatures of some files are worth, the best first."""

    SIGNED = "signed"
    """By a key that is here; all of the files."""
    UNKNOWN_SIGNER = "unknown-signer"
    """By nobody whose key is here."""
    NO_KEYS = "no-keys"
    UNSIGNED = "unsigned"
    NOT_VERIFIED = "not-verified"
    """The program that verifies is missing or does not answer."""
    BROKEN = "broken"
    """A signature, or a checksum beside it, is one of other bytes: something was changed."""


class SignatureJudgement(NamedTuple):
    """A verdict, and a sentence about it."""

    verdict: SignatureVerdict
    text: str

    @property
    def holds(self) -> bool:
        """Whether everything is signed by a key that is here."""
        return self.verdict is SignatureVerdict.SIGNED


class TrustedKeys(NamedTuple):
    """The keys of a directory: certificates in PEM, and OpenPGP keys as gpgv reads them."""

    directory: str
    certificates: bytes = b""
    openpgp: bytes = b""


def read_keys(directory: str) -> TrustedKeys:
    """The keys in a directory: certificates are ``*.pem``, OpenPGP keys ``GPG-KEY-*``, ``*.asc`` and ``*.gpg``.

    None if there is no such directory. OSError; `reading.Untrusted` if somebody else may put a key there.
    """
    try:
        found = reading.trusted(directory, directory=True)
    except FileNotFoundError:
        return TrustedKeys(directory)
    try:
        names = sorted(os.listdir(found.descriptor))
    finally:
        os.close(found.descriptor)
    certificates, openpgp = [], []
    for name in names[:_MOST_KEYS]:
        if name.endswith(".pem"):
            data = reading.read_trusted(os.path.join(directory, name), _MOST_KEY)
            certificates += _CERTIFICATE.findall(data)
        elif name.startswith("GPG-KEY-") or name.endswith((".asc", ".gpg")):
            openpgp.append(_dearmored(reading.read_trusted(os.path.join(directory, name), _MOST_KEY)))
    return TrustedKeys(directory, b"\n".join([*certificates, b""]) if certificates else b"", b"".join(openpgp))


def of_image(image: CabImage, directory: str) -> SignatureJudgement:
    """What the signatures in an archive are worth, of an image and of what is said of it: both have to be signed."""
    if not image.catalogs:
        return judge((), {}, TrustedKeys(directory))
    try:
        keys = read_keys(directory)
    except OSError as error:
        return SignatureJudgement(SignatureVerdict.NO_KEYS, f"the keys are left out: {error}")
    name, text = image.source
    return judge(image.catalogs, {name: text, image.about.filename: image.payload}, keys)


def judge(catalogs: Sequence[bytes], files: Mapping[str, bytes], keys: TrustedKeys) -> SignatureJudgement:
    """What the signatures of these files are worth, by the worst of them."""
    if not catalogs:
        return SignatureJudgement(SignatureVerdict.UNSIGNED, "it has no signatures (.jcat)")
    try:
        read = [jcat.read(each) for each in catalogs]
    except UsageError as error:
        return SignatureJudgement(SignatureVerdict.BROKEN, error.message)
    order = list(SignatureVerdict)
    found = [_of_file(name, data, [each[name] for each in read if name in each], keys) for name, data in files.items()]
    return max(found, key=lambda each: order.index(each.verdict))


def _of_file(name: str, data: bytes, items: Iterable[CatalogItem], keys: TrustedKeys) -> SignatureJudgement:
    signatures: list[DetachedSignature] = []
    for item in items:
        if kind := item.wrong(data):
            return SignatureJudgement(SignatureVerdict.BROKEN, f"{name} is not what its {kind} in the .jcat says")
        signatures += item.signatures
    if not signatures:
        return SignatureJudgement(SignatureVerdict.UNSIGNED, f"{name} is not signed")
    if not (keys.certificates or keys.openpgp):
        return SignatureJudgement(SignatureVerdict.NO_KEYS, f"there are no keys in {keys.directory}")
    found = SignatureVerdict.UNKNOWN_SIGNER
    for each in signatures:
        signed = each.signed(data)
        verdict = SignatureVerdict.UNKNOWN_SIGNER if signed is None else _VERIFIERS[each.kind](each.data, signed, keys)
        if verdict is SignatureVerdict.SIGNED:
            return SignatureJudgement(verdict, f"signed by a key in {keys.directory}")
        if verdict is not SignatureVerdict.UNKNOWN_SIGNER:
            found = verdict
    return SignatureJudgement(found, _TEXTS[found].format(name=name, directory=keys.directory))


_TEXTS = {
    SignatureVerdict.UNKNOWN_SIGNER: "{name} is signed by none of the keys in {directory}",
    SignatureVerdict.NOT_VERIFIED: "the signature of {name} cannot be verified: openssl and gpgv are needed",
    SignatureVerdict.BROKEN: "the signature of {name} is one of other bytes: it was changed",
}


def _pkcs7(signature: bytes, signed: bytes, keys: TrustedKeys) -> SignatureVerdict:
    if not keys.certificates:
        return SignatureVerdict.UNKNOWN_SIGNER
    form = "PEM" if signature.startswith(b"-----BEGIN") else "DER"
    with tempfile.TemporaryDirectory() as place:
        ours = _written(place, "signature", signature), _written(place, "keys", keys.certificates)
        # Without the authorities of the system: they vouch for names of hosts, and not for firmware.
        anchors = ("-CAfile", ours[1], "-no-CApath", "-no-CAstore", "-partial_chain")
        verify = (programs.find("openssl"), "cms", "-verify", "-binary", "-inform", form, "-in", ours[0])
        rest = ("-content", "/dev/stdin", "-purpose", "any", "-no_check_time", "-out", "/dev/null")
        answer = programs.run([*verify, *anchors, *rest], seconds=_SECONDS, question=signed)
        if answer.code == 0:
            return SignatureVerdict.SIGNED
        if answer.code in (None, programs.NOT_RUN):
            return SignatureVerdict.NOT_VERIFIED
        # Does it fit these bytes, by any signer at all?
        again = programs.run([*verify, "-noverify", *rest], seconds=_SECONDS, question=signed)
    changed = again.code != 0 and b"content verify error" in again.output
    return SignatureVerdict.BROKEN if changed else SignatureVerdict.UNKNOWN_SIGNER


def _openpgp(signature: bytes, signed: bytes, keys: TrustedKeys) -> SignatureVerdict:
    if not keys.openpgp:
        return SignatureVerdict.UNKNOWN_SIGNER
    with tempfile.TemporaryDirectory() as place:
        ours = _written(place, "signature", signature), _written(place, "keys", keys.openpgp)
        command = (programs.find("gpgv"), "--homedir", place, "--status-fd", "1", "--keyring", ours[1], ours[0], "-")
        answer = programs.run(command, seconds=_SECONDS, question=signed)
    if answer.code == 0 and b"[GNUPG:] VALIDSIG " in answer.output:
        return SignatureVerdict.SIGNED
    if answer.code in (None, programs.NOT_RUN):
        return SignatureVerdict.NOT_VERIFIED
    changed = b"[GNUPG:] BADSIG " in answer.output
    return SignatureVerdict.BROKEN if changed else SignatureVerdict.UNKNOWN_SIGNER


_VERIFIERS = {BlobKind.PKCS7: _pkcs7, BlobKind.GPG: _openpgp}


def _written(place: str, name: str, data: bytes) -> str:
    path = os.path.join(place, name)
    reading.write(path, data, 0o600)
    return path


def _dearmored(data: bytes) -> bytes:
    """Keys as gpgv reads them, which takes no armor (RFC 9580, section 6)."""
    if b"-----BEGIN PGP" not in data:
        return data
    try:
        return b"".join(base64.b64decode(each) for each in _ARMOR.findall(data))
    except binascii.Error:
        return b""
