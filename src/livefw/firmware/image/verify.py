# SPDX-License-Identifier: Apache-2.0
"""From the hash of the root key down to the images: does this machine take this package?

The work comes in bounded steps, one certificate or one piece of an image each, so that LFA_PRIME can return between
them and be called again. Counters are compared here and never advanced: that is the store's part, after the package
proved itself by running.
"""

from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from livefw.abi.guid import Guid
from livefw.firmware.image import certificate, fip, note
from livefw.firmware.image.certificate import Certificate, Digest, HashKind, SignedCertificate
from livefw.firmware.image.chain import CertificateRow, Counter, TrustChain
from livefw.firmware.image.errors import TrustError, Violation
from livefw.firmware.image.fip import Fip, FipEntry
from livefw.firmware.image.names import BY_OPTION, label

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import Hash

STANDARD_OIDS = frozenset({"2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.35"})
"""Subject key identifier, key usage, basic constraints, authority key identifier: cert_create writes them, and they
say nothing about a boot chain."""


class TrustAnchor(NamedTuple):
    """What a machine is born with: its chain, and per root key the hash of its SubjectPublicKeyInfo in DER.

    The hash is SHA-256, SHA-384 or SHA-512, told by its length. A chain of several roots may have only some of them:
    what hangs below the others is then refused.
    """

    chain: TrustChain
    roots: Mapping[str, bytes]


class VerifiedImage(NamedTuple):
    """An image that a certificate vouches for: its last bytes (for `note`), its measurements, and who vouches."""

    digest: Digest
    size: int
    tail: bytes
    measured: Mapping[HashKind, bytes]
    certificate: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The result for a package.

    ``counters`` is what the machine's counters may be advanced to: per counter the lowest value among the certificates
    used, so that afterwards this package still passes. (TF-A advances to each value it meets; a package whose
    certificates differ then refuses itself at the next boot.) ``unsigned`` are the entries that nobody vouches for.
    """

    images: Mapping[Guid, VerifiedImage]
    counters: Mapping[Counter, int]
    certificates: Mapping[str, Certificate]
    unsigned: tuple[Guid, ...]


def verify(
    file: BinaryIO,
    anchor: TrustAnchor,
    counters: Mapping[Counter, int],
    only: Collection[Guid] = (),
    *,
    measure: Collection[HashKind] = (),
) -> Verified:
    """Do all of `steps` at once on a package in a file."""
    work = steps(file, fip.read(file), anchor, counters, only, measure=measure)
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Verified = done.value
            return result


def steps(
    file: BinaryIO,
    table: Fip,
    anchor: TrustAnchor,
    counters: Mapping[Counter, int],
    only: Collection[Guid] = (),
    *,
    measure: Collection[HashKind] = (),
) -> Generator[int, None, Verified]:
    """Verify the images ``only`` (all that the chain covers, if empty), yielding the bytes handled after each step.

    Args:
        file: holds the package that ``table`` was read from.
        anchor: chain and hashes of root keys.
        counters: the machine's counters; one that is missing counts as 0.
        only: GUIDs of images; each has to be there and covered.
        measure: hashes to be taken of each image, beside the one that its certificate holds.

    Raises:
        TrustError, CertificateError, PackageError: the first rule that is broken.
    """
    chain = anchor.chain
    wanted = [table[guid] for guid in only] or [entry for entry in table.entries if chain.covers(entry.guid)]
    read: dict[str, Certificate] = {}
    values: dict[Counter, int] = {}
    images: dict[Guid, VerifiedImage] = {}
    for entry in wanted:
        found = chain.covers(entry.guid)
        if found is None:
            raise TrustError(
                Violation.IMAGE_NOT_COVERED, subject=label(entry.guid), expected=f"a chain like {chain.name}"
            )
        row, extension = found
        for step in chain.path(row):
            if step.name not in read:
                data = _certificate_bytes(file, table, step)
                read[step.name] = _certificate(data, step, anchor, read.get(step.parent or ""))
                _check_counter(read[step.name], step, counters, values)
                yield len(data)
        digest = read[row.name].digest(extension.oid)
        if digest is None or digest.empty:
            raise TrustError(Violation.IMAGE_NOT_COVERED, subject=label(entry.guid), expected=f"a hash in {row.name}")
        tail, measured = yield from _check_image(file, entry, digest, measure)
        images[entry.guid] = VerifiedImage(digest, entry.size, tail, measured, row.name)
    trusted = {row_guid(chain.row(name)) for name in read} | set(images)
    unsigned = tuple(entry.guid for entry in table.entries if entry.guid not in trusted)
    return Verified(images, values, read, unsigned)


def matching_chains(file: BinaryIO, table: Fip, chains: Iterable[TrustChain]) -> list[TrustChain]:
    """The chains that the certificates of a package are made for: each of them has its counter and its keys.

    What a certificate says is not verified here. CertificateError, PackageError.
    """
    present = {row.name for chain in chains for row in chain.rows if table.find(row_guid(row))}
    return [chain for chain in chains if present and _fits(file, table, chain, present)]


def _fits(file: BinaryIO, table: Fip, chain: TrustChain, present: Collection[str]) -> bool:
    rows = {row.name: row for row in chain.rows}
    if not rows.keys() >= set(present):
        return False
    for name in present:
        row = rows[name]
        found = certificate.read(certificate.split(_certificate_bytes(file, table, row), name)).extensions.keys()
        keys = {key.oid for other in chain.rows for key in other.keys}
        counters = {counter.oid for counter in Counter}
        wanted = {key.oid for key in row.keys} | ({row.counter.oid} if row.counter else set())
        if found & (keys | counters) != wanted:
            return False
    return True


def declared_anchor(file: BinaryIO, table: Fip, chain: TrustChain) -> TrustAnchor:
    """The root keys that the certificates of a package carry themselves: they show whether the package is consistent,
    and never whether it is authentic. CertificateError, PackageError."""
    roots: dict[str, bytes] = {}
    for row in chain.rows:
        if row.parent is None and table.find(row_guid(row)):
            signed = certificate.split(_certificate_bytes(file, table, row), row.name)
            roots.setdefault(row.key, hash_key(certificate.subject_key(signed), certificate.HASHES[0]))
    return TrustAnchor(chain, roots)


def row_guid(row: CertificateRow) -> Guid:
    """GUID under which a package holds the certificate of a row."""
    return BY_OPTION[row.name].guid


def _certificate_bytes(file: BinaryIO, table: Fip, row: CertificateRow) -> bytes:
    entry = table.find(row_guid(row))
    if entry is None:
        raise TrustError(Violation.CERTIFICATE_MISSING, subject=row.name)
    if entry.size > certificate.MAX_CERTIFICATE:
        raise TrustError(
            Violation.CERTIFICATE_SIZE,
            subject=row.name,
            offset=entry.offset,
            found=entry.size,
            expected=certificate.MAX_CERTIFICATE,
        )
    return fip.read_payload(file, entry)


def _certificate(data: bytes, row: CertificateRow, anchor: TrustAnchor, parent: Certificate | None) -> Certificate:
    """A certificate whose signature was checked with the key that its row names."""
    signed = certificate.split(data, row.name)
    if parent is None:
        key = _root_key(signed, row, anchor)
    else:
        # Attack: certificates of this chain name themselves as issuer, so a forger's one is consistent in itself.
        # Only the key that the parent hands on counts, never one that a certificate carries.
        handed_on = {item.option: item.oid for item in anchor.chain.row(parent.name).keys}
        key = parent.key(handed_on[row.key])
    certificate.check_signature(signed, key)
    result = certificate.read(signed)
    for oid, extension in result.extensions.items():
        if extension.critical and oid not in STANDARD_OIDS and oid not in anchor.chain.known_oids:
            raise TrustError(Violation.CERTIFICATE_EXTENSION, subject=row.name, offset=extension.offset, found=oid)
    return result


def _root_key(signed: SignedCertificate, row: CertificateRow, anchor: TrustAnchor) -> bytes:
    key = certificate.subject_key(signed)
    expected = anchor.roots.get(row.key, b"")
    kind = certificate.HASH_BY_SIZE.get(len(expected))
    found = hash_key(key, kind) if kind else b""
    if kind is None or found != expected:
        raise TrustError(Violation.ROOT_KEY, subject=row.name, found=found.hex(), expected=expected.hex() or row.key)
    return key


def hash_key(key_info: bytes, kind: HashKind) -> bytes:
    """Hash of a SubjectPublicKeyInfo in DER, as a machine stores it for a root key."""
    work = _hasher(kind)
    work.update(key_info)
    return work.finalize()


def _check_counter(
    found: Certificate, row: CertificateRow, machine: Mapping[Counter, int], values: dict[Counter, int]
) -> None:
    if row.counter is None:
        return
    value = found.counter(row.counter.oid)
    if value < machine.get(row.counter, 0):
        raise TrustError(
            Violation.ROLLBACK,
            subject=row.name,
            found=f"{row.counter} {value}",
            expected=f"at least {machine[row.counter]}",
        )
    values[row.counter] = min(value, values.get(row.counter, value))


def _check_image(
    file: BinaryIO, entry: FipEntry, expected: Digest, measure: Collection[HashKind]
) -> Generator[int, None, tuple[bytes, dict[HashKind, bytes]]]:
    work = {kind: _hasher(kind) for kind in {expected.kind, *measure}}
    tail = b""
    encrypted = fip.is_encrypted(next(fip.read_chunks(file, entry), b""))
    # The bytes are read once: what is hashed, measured and looked at for a version is the same.
    for data in fip.read_chunks(file, entry):
        for hasher in work.values():
            hasher.update(data)
        tail = (tail + data)[-note.SIZE :]
        yield len(data)
    values = {kind: hasher.finalize() for kind, hasher in work.items()}
    if values[expected.kind] != expected.value and encrypted:
        # A certificate has the hash of what is inside.
        raise TrustError(Violation.IMAGE_ENCRYPTED, subject=label(entry.guid))
    if values[expected.kind] != expected.value:
        found = values[expected.kind].hex()
        raise TrustError(Violation.IMAGE_HASH, subject=label(entry.guid), found=found, expected=expected.value.hex())
    return tail, {kind: values[kind] for kind in measure}


def _hasher(kind: HashKind) -> "Hash":
    from cryptography.hazmat.primitives import hashes

    return hashes.Hash(getattr(hashes, kind.name)())
