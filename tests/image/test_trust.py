# SPDX-License-Identifier: Apache-2.0
"""Chains of trust: certificates of TF-A's own cert_create are believed, and every tampering is refused by its rule."""

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import assume, given
from hypothesis import strategies as st

from livefw.abi.guid import BL31, RMM, Guid
from livefw.abi.lfa import LfaStatus
from livefw.firmware.image import build, certificate, der, fip, names
from livefw.firmware.image.build import ImageSigner, KeyKind
from livefw.firmware.image.certificate import HASH_BY_NAME, HASHES
from livefw.firmware.image.chain import CCA, CHAINS, TBBR, Counter, TrustChain
from livefw.firmware.image.der import Tag
from livefw.firmware.image.errors import CertificateError, ImageError, Violation
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.verify import TrustAnchor, Verified, declared_anchor, matching_chains, row_guid, verify

Run = Callable[..., str]


def guid(option: str) -> Guid:
    return names.BY_OPTION[option].guid


def dump(contents: Mapping[str, bytes]) -> bytes:
    """A package, in which an empty image has an entry, which fiptool does not write."""
    at, entries = 16 + 40 * (len(contents) + 1), []
    for name, data in contents.items():
        entries.append(fip.FipEntry(guid(name), at, len(data)))
        at += len(data)
    return fip.encode_toc(fip.Fip(tuple(entries), 0, fip.SERIAL, at)) + b"".join(contents.values())


def check(
    package: bytes, anchor: TrustAnchor, counters: Mapping[Counter, int] | None = None, only: tuple[Guid, ...] = ()
) -> Verified:
    return verify(io.BytesIO(package), anchor, counters or {}, only)


# -- what cert_create makes

ALGORITHMS = [
    *(("rsa", bits, hash_name) for bits, hash_name in ((2048, "sha256"), (2048, "sha384"), (2048, "sha512"))),
    ("rsa", 3072, "sha256"),
    ("rsa", 4096, "sha512"),
    *(("ecdsa", None, hash_name) for hash_name in ("sha256", "sha384", "sha512")),
    ("ecdsa-brainpool-regular", None, "sha256"),
]
TBBR_IMAGES = ("tb-fw", "soc-fw", "soc-fw-config", "tos-fw", "nt-fw", "scp-fw", "fwu")


@pytest.fixture
def image_files(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name in TBBR_IMAGES:
        files[name] = tmp_path / f"{name}.bin"
        files[name].write_bytes(f"{name} ".encode() * 1000)
    return files


@pytest.mark.parametrize(("algorithm", "bits", "hash_name"), ALGORITHMS)
def test_package_of_cert_create_and_fiptool_is_believed(
    create_tbbr: Callable[..., TrustAnchor],
    fiptool: Run,
    image_files: dict[str, Path],
    tmp_path: Path,
    algorithm: str,
    bits: int | None,
    hash_name: str,
) -> None:
    anchor = create_tbbr(tmp_path, image_files, algorithm=algorithm, bits=bits, hash_name=hash_name)
    certificates = {row.name: tmp_path / row.name for row in TBBR.rows if row.name != "sip-sp-cert"}
    parts = image_files | certificates
    package = tmp_path / "all.fip"
    fiptool("create", *(word for name, path in parts.items() for word in (f"--{name}", path)), package)
    result = check(package.read_bytes(), anchor, {Counter.TRUSTED: 31, Counter.NON_TRUSTED: 223})
    assert set(result.images) == {guid(name) for name in TBBR_IMAGES}
    assert {image.digest.kind.name.lower() for image in result.images.values()} == {hash_name}
    assert result.counters == {Counter.TRUSTED: 31, Counter.NON_TRUSTED: 223}
    assert {row.scheme.hash.name.lower() for row in result.certificates.values()} == {hash_name}
    assert result.unsigned == ()
    assert_library_agrees(result, {name: path.read_bytes() for name, path in certificates.items()})


def assert_library_agrees(result: Verified, files: Mapping[str, bytes]) -> None:
    for name, ours in result.certificates.items():
        theirs = x509.load_der_x509_certificate(files[name])
        assert ours.serial == theirs.serial_number
        assert ours.common_name == theirs.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        assert list(ours.extensions) == [extension.oid.dotted_string for extension in theirs.extensions]
        for extension in theirs.extensions:
            assert ours.extensions[extension.oid.dotted_string].critical == extension.critical
            if isinstance(extension.value, x509.UnrecognizedExtension):
                assert ours.extensions[extension.oid.dotted_string].value == extension.value.value


def test_twisted_brainpool_is_refused_because_the_library_has_no_such_curve(
    cert_create: Run, image_files: dict[str, Path], tmp_path: Path
) -> None:
    files = [word for row in TBBR.rows for word in (f"--{row.name}", tmp_path / row.name)]
    images = [word for name, path in image_files.items() for word in (f"--{name}", path)]
    cert_create("-n", "-a", "ecdsa-brainpool-twisted", "--tfw-nvctr", 1, "--ntfw-nvctr", 1, *images, *files)
    data = (tmp_path / "tb-fw-cert").read_bytes()
    signed = certificate.split(data, "tb-fw-cert")
    with pytest.raises(ImageError) as caught:
        certificate.check_signature(signed, certificate.subject_key(signed))
    assert caught.value.rule is Violation.KEY


CCA_IMAGES = ("soc-fw", "rmm-fw", "tb-fw", "tos-fw", "nt-fw", "soc-fw-config", "sp-pkg1", "sp-pkg5")


def test_recorded_cca_certificates_are_believed(recorded: tuple[dict[str, bytes], TrustAnchor]) -> None:
    certificates, anchor = recorded
    certificates.pop("cca-cert-update")
    images = {anchor.chain.image_guid(name): f"{name} as recorded\n".encode() * 64 for name in CCA_IMAGES}
    payloads = [Payload.of(key, data) for key, data in images.items() if key]
    package = fip.dump([*payloads, *(Payload.of(guid(name), data) for name, data in certificates.items())])
    result = check(package, anchor, {Counter.TRUSTED: 5, Counter.NON_TRUSTED: 7})
    assert set(result.images) == set(images)
    assert result.images[RMM.guid].certificate == "cca-cert"
    assert result.counters == {Counter.TRUSTED: 5, Counter.NON_TRUSTED: 7}
    assert result.unsigned == ()
    assert_library_agrees(result, certificates)
    with pytest.raises(ImageError) as caught:
        check(package, anchor, {Counter.TRUSTED: 6})
    assert caught.value.rule is Violation.ROLLBACK


def test_recorded_dual_root_certificates_are_believed(
    recorded_dual_root: tuple[dict[str, bytes], TrustAnchor],
) -> None:
    """The platform's partition is sp-pkg5, and its certificate hangs from the second root."""
    certificates, anchor = recorded_dual_root
    names = ("tb-fw", "fw-config", "soc-fw", "nt-fw", "sp-pkg1", "sp-pkg5")
    images = {anchor.chain.image_guid(name): f"{name} as recorded\n".encode() * 64 for name in names}
    payloads = [Payload.of(key, data) for key, data in images.items() if key]
    package = fip.dump([*payloads, *(Payload.of(guid(name), data) for name, data in certificates.items())])
    result = check(package, anchor, {Counter.TRUSTED: 5, Counter.NON_TRUSTED: 7})
    assert set(result.images) == set(images)
    assert result.unsigned == ()
    assert_library_agrees(result, certificates)
    file = io.BytesIO(package)
    assert [chain.name for chain in matching_chains(file, fip.read(file), CHAINS.values())] == ["dualroot"]
    without = anchor._replace(roots={"rot-key": anchor.roots["rot-key"]})
    with pytest.raises(ImageError) as caught:
        check(package, without)
    assert caught.value.rule is Violation.ROOT_KEY
    with pytest.raises(ImageError) as caught:
        check(package, TrustAnchor(TBBR, anchor.roots))  # in which the key of BL33 comes from another certificate
    assert caught.value.rule is Violation.CERTIFICATE_MISSING


def test_recorded_certificates_tell_their_chain(recorded: tuple[dict[str, bytes], TrustAnchor]) -> None:
    certificates, anchor = recorded
    certificates.pop("cca-cert-update")
    file = io.BytesIO(fip.dump([Payload.of(guid(name), data) for name, data in certificates.items()]))
    table = fip.read(file)
    assert [chain.name for chain in matching_chains(file, table, CHAINS.values())] == ["cca-2.8"]
    assert declared_anchor(file, table, anchor.chain) == anchor


# -- what build makes


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.P384, KeyKind.BRAINPOOL])
@pytest.mark.parametrize("hash_name", HASH_BY_NAME)
def test_built_package_is_believed(chain: TrustChain, kind: KeyKind, hash_name: str) -> None:
    signer = ImageSigner(chain, build.generate(chain, kind), dict.fromkeys(Counter, 9), HASH_BY_NAME[hash_name])
    options = {entry.option for row in chain.rows for entry in row.hashes}
    images = {key: option.encode() * 9 for option in options if (key := chain.image_guid(option))}
    for root_hash in HASHES:
        result = check(signer.package(images), signer.anchor(root_hash), dict.fromkeys(Counter, 9))
        assert set(result.images) == set(images)
        assert set(result.counters.values()) == {9}
        assert result.unsigned == ()


def test_built_certificates_have_the_extensions_of_cert_create(
    create_tbbr: Callable[..., TrustAnchor], image_files: dict[str, Path], tmp_path: Path
) -> None:
    """Same keys, images and counters: everything but serial numbers, dates and signatures is the same."""
    create_tbbr(tmp_path, image_files, algorithm="ecdsa", bits=None, hash_name="sha384")
    key = serialization.load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    counters = {Counter.TRUSTED: 31, Counter.NON_TRUSTED: 223}
    keys = dict.fromkeys(build.key_options(TBBR), key)
    signer = ImageSigner(TBBR, keys, counters, HASH_BY_NAME["SHA384"])  # type: ignore[arg-type]  # keys of any kind load
    images = {guid(name): path.read_bytes() for name, path in image_files.items()}
    for row, ours in signer.certificates(images):
        mine, theirs = (
            certificate.read(certificate.split(d, row.name)) for d in (ours, (tmp_path / row.name).read_bytes())
        )
        facts = [
            (c.common_name, c.subject_key, c.scheme, [(oid, e.critical, e.value) for oid, e in c.extensions.items()])
            for c in (mine, theirs)
        ]
        assert facts[0] == facts[1]


def test_rsa_package_is_believed() -> None:
    key = build.generate(CCA, KeyKind.RSA2048)["rot-key"]
    signer = ImageSigner(CCA, dict.fromkeys(build.key_options(CCA), key))
    assert set(check(signer.package({RMM.guid: b"rmm"}), signer.anchor()).images) == {RMM.guid}


def test_fiptool_reads_a_built_package(fiptool: Run, tmp_path: Path) -> None:
    file = tmp_path / "built.fip"
    file.write_bytes(SIGNER.package(IMAGES, align=16))
    listing = fiptool("info", file)
    assert all(f'cmdline="--{name}"' in listing for name in ("rmm-fw", "soc-fw", "cca-cert"))


# -- tampering

SIGNER = ImageSigner(CCA, build.generate(CCA), {Counter.CCA: 5, Counter.TRUSTED: 5, Counter.NON_TRUSTED: 5})
FORGER = ImageSigner(CCA, build.generate(CCA), dict.fromkeys(Counter, 1000))
IMAGES = {RMM.guid: b"new RMM" * 99, BL31.guid: b"BL31" * 99, guid("tos-fw"): b"SPMC", guid("nt-fw"): b"UEFI"}
ANCHOR = SIGNER.anchor()
ROW = CCA.row("cca-cert")
RMM_OID = next(entry.oid for entry in ROW.hashes if entry.option == "rmm-fw")


def parts() -> dict[str, bytes]:
    """The good package, as option name and content."""
    file = io.BytesIO(SIGNER.package(IMAGES))
    return {names.label(entry.guid): fip.read_payload(file, entry) for entry in fip.read(file).entries}


def with_cca(**extensions: bytes | None) -> bytes:
    """A properly signed CCA certificate with some of its extensions changed (keys: c1106 for arc 1106), or dropped."""
    values = SIGNER.extensions(ROW, IMAGES)
    for name, value in extensions.items():
        oid = "1.3.6.1.4.1.4128.2100." + name[1:]
        values = {key: old for key, old in values.items() if key != oid}
        if value is not None:
            values[oid] = value
    return SIGNER.sign(ROW, values)


def flip(data: bytes, index: int) -> bytes:
    index %= len(data)
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def doubled() -> bytes:
    """A signed certificate in which the RMM hash stands twice; cryptography's builder would refuse to make one."""
    decoy = "1.3.6.1.4.1.4128.2100.1107"
    values = SIGNER.extensions(ROW, IMAGES)
    body = certificate.split(SIGNER.sign(ROW, values | {decoy: values[RMM_OID]}), "").body.encoded
    return resign(body.replace(build.encode_oid(decoy), build.encode_oid(RMM_OID)))


def resign(body: bytes, algorithm: bytes | None = None) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = SIGNER.keys["rot-key"]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(body, ec.ECDSA(hashes.SHA256()))
    outer = algorithm or certificate.split(SIGNER.sign(ROW, {}), "").algorithm.encoded
    return der.encode(Tag.SEQUENCE, body + outer + der.encode(Tag.BIT_STRING, b"\0" + signature))


def bare_hash(size: int) -> bytes:
    return build.digest_info(HASHES[0], bytes([7]) * size)


GOOD = parts()
FORGED = {row.name: data for row, data in FORGER.certificates(IMAGES)}
INT = {value: der.encode(Tag.INTEGER, bytes([value])) for value in (4, 5, 6)}
ZEROS = build.digest_info(HASHES[0], bytes(32))
SHA1 = der.encode(
    Tag.SEQUENCE,
    der.encode(Tag.SEQUENCE, build.encode_oid("1.3.14.3.2.26") + der.encode(Tag.NULL, b""))
    + der.encode(Tag.OCTET_STRING, hashlib.sha1(IMAGES[RMM.guid]).digest()),
)

AUTH = LfaStatus.AUTH_ERROR
TAMPERED: list[tuple[str, dict[str, bytes | None], Violation, str]] = [
    ("image changed", {"rmm-fw": flip(GOOD["rmm-fw"], 50)}, Violation.IMAGE_HASH, "rmm-fw"),
    ("image cut", {"rmm-fw": GOOD["rmm-fw"][:-1]}, Violation.IMAGE_HASH, "rmm-fw"),
    ("image empty", {"rmm-fw": b""}, Violation.IMAGE_HASH, "rmm-fw"),
    ("images swapped", {"rmm-fw": GOOD["soc-fw"], "soc-fw": GOOD["rmm-fw"]}, Violation.IMAGE_HASH, "soc-fw"),
    ("certificate missing", {"cca-cert": None}, Violation.CERTIFICATE_MISSING, "cca-cert"),
    ("parent missing", {"core-swd-cert": None}, Violation.CERTIFICATE_MISSING, "core-swd-cert"),
    ("certificate empty", {"cca-cert": b""}, Violation.DER_TRUNCATED, "cca-cert"),
    ("certificate cut", {"cca-cert": GOOD["cca-cert"][:-1]}, Violation.DER_TRUNCATED, "cca-cert"),
    ("bytes behind the certificate", {"cca-cert": GOOD["cca-cert"] + b"\0"}, Violation.DER_TRAILING, "cca-cert"),
    ("certificate of 1 MiB", {"cca-cert": bytes(1 << 20)}, Violation.CERTIFICATE_SIZE, "cca-cert"),
    ("not ASN.1", {"cca-cert": b"-----BEGIN CERTIFICATE-----"}, Violation.DER_TAG, "cca-cert"),
    ("signed part changed", {"tos-fw-cert": flip(GOOD["tos-fw-cert"], 200)}, Violation.SIGNATURE, "tos-fw-cert"),
    ("signature changed", {"cca-cert": flip(GOOD["cca-cert"], -1)}, Violation.SIGNATURE, "cca-cert"),
    ("certificates swapped", {"core-swd-cert": GOOD["plat-key-cert"]}, Violation.ROOT_KEY, "core-swd-cert"),
    ("another one's root certificate", {"cca-cert": FORGED["cca-cert"]}, Violation.ROOT_KEY, "cca-cert"),
    ("signs itself with a key of its own", {"tos-fw-cert": FORGED["tos-fw-cert"]}, Violation.SIGNATURE, "tos-fw-cert"),
    ("another one's whole chain", dict(FORGED), Violation.ROOT_KEY, "cca-cert"),
    ("counter lower", {"cca-cert": with_cca(c3=INT[4])}, Violation.ROLLBACK, "cca-cert"),
    ("counter missing", {"cca-cert": with_cca(c3=None)}, Violation.CERTIFICATE_EXTENSION, "cca-cert"),
    ("counters swapped", {"cca-cert": with_cca(c3=None, c1=INT[6])}, Violation.CERTIFICATE_EXTENSION, "cca-cert"),
    ("counter negative", {"cca-cert": with_cca(c3=b"\x02\x01\xff")}, Violation.DER_VALUE, "cca-cert"),
    ("counter of 64 bits", {"cca-cert": with_cca(c3=b"\x02\x08\x7f" + bytes(7))}, Violation.DER_VALUE, "cca-cert"),
    ("counter not a number", {"cca-cert": with_cca(c3=b"\x04\x01\x05")}, Violation.DER_TAG, "cca-cert"),
    ("no hash of the image", {"cca-cert": with_cca(c1106=None)}, Violation.IMAGE_NOT_COVERED, "rmm-fw"),
    ("hash of zeros", {"cca-cert": with_cca(c1106=ZEROS)}, Violation.IMAGE_NOT_COVERED, "rmm-fw"),
    ("hash of the wrong length", {"cca-cert": with_cca(c1106=bare_hash(31))}, Violation.DER_VALUE, "cca-cert"),
    ("hash with bytes behind", {"cca-cert": with_cca(c1106=bare_hash(32) + b"\0")}, Violation.DER_TRAILING, "cca-cert"),
    ("hash by SHA-1", {"cca-cert": with_cca(c1106=SHA1)}, Violation.CERTIFICATE_ALGORITHM, "cca-cert"),
    ("hash of another image", {"cca-cert": with_cca(c1106=bare_hash(32))}, Violation.IMAGE_HASH, "rmm-fw"),
    ("unknown critical extension", {"cca-cert": with_cca(c9999=INT[5])}, Violation.CERTIFICATE_EXTENSION, "cca-cert"),
    ("one extension twice", {"cca-cert": doubled()}, Violation.CERTIFICATE_EXTENSION, "cca-cert"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule", "subject"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED]
)
def test_tampering_is_refused(changes: dict[str, bytes | None], rule: Violation, subject: str) -> None:
    contents = {name: data for name, data in (GOOD | changes).items() if data is not None}
    with pytest.raises(ImageError) as caught:
        check(dump(contents), ANCHOR, dict.fromkeys(Counter, 5))
    assert caught.value.rule is rule
    assert caught.value.status is AUTH
    assert caught.value.subject.startswith(subject)


def test_package_without_tampering_is_believed() -> None:
    assert set(check(dump(GOOD), ANCHOR, dict.fromkeys(Counter, 5)).images) == set(IMAGES)


def test_a_name_of_any_bytes_is_shown_and_no_reason_to_refuse() -> None:
    title = ROW.title.encode()
    body = certificate.split(GOOD["cca-cert"], "").body.encoded.replace(title, b"\xff" * len(title))
    believed = check(dump(GOOD | {"cca-cert": resign(body)}), ANCHOR)
    assert believed.certificates["cca-cert"].common_name == "\ufffd" * len(title)
    assert believed.certificates["tos-fw-cert"].common_name == CCA.row("tos-fw-cert").title


def test_unknown_image_is_named_and_not_believed() -> None:
    stranger = Guid(b"a stranger's id.")
    package = fip.dump([Payload.of(stranger, b"?"), *(Payload.of(guid(name), data) for name, data in GOOD.items())])
    assert check(package, ANCHOR).unsigned == (stranger,)
    with pytest.raises(ImageError) as caught:
        check(package, ANCHOR, only=(stranger,))
    assert caught.value.rule is Violation.IMAGE_NOT_COVERED


def test_only_the_asked_image_is_looked_at() -> None:
    package = dump(GOOD | {"nt-fw": b"broken"})
    assert set(check(package, ANCHOR, only=(RMM.guid,)).images) == {RMM.guid}


def test_counters_may_advance_to_the_lowest_of_a_package() -> None:
    certificates = dict(GOOD)
    high = ImageSigner(CCA, SIGNER.keys, dict.fromkeys(Counter, 8))
    certificates["tos-fw-cert"] = next(data for row, data in high.certificates(IMAGES) if row.name == "tos-fw-cert")
    assert check(dump(certificates), ANCHOR).counters == dict.fromkeys(Counter, 5)


def test_machine_without_a_root_refuses_what_hangs_below_it() -> None:
    poor = TrustAnchor(CCA, {"rot-key": ANCHOR.roots["rot-key"]})
    assert set(check(dump(GOOD), poor, only=(RMM.guid,)).images) == {RMM.guid}
    with pytest.raises(ImageError) as caught:
        check(dump(GOOD), poor)
    assert (caught.value.rule, caught.value.subject) == (Violation.ROOT_KEY, "core-swd-cert")


def pss(hash_oid: str, mask_oid: str, mask_hash: str, salt: int) -> str:
    """AlgorithmIdentifier of RSA-PSS (RFC 4055, 3.1), in hexadecimal."""

    def sequence(*parts: bytes) -> bytes:
        return der.encode(Tag.SEQUENCE, b"".join(parts))

    hashed, masked = (sequence(build.encode_oid(oid)) for oid in (hash_oid, mask_hash))
    fields = (
        der.encode(Tag.CONTEXT_0, hashed),
        der.encode(Tag.CONTEXT_1, sequence(build.encode_oid(mask_oid), masked)),
        der.encode(Tag.CONTEXT_2, der.encode(Tag.INTEGER, bytes([salt]))),
    )
    return sequence(build.encode_oid("1.2.840.113549.1.1.10"), sequence(*fields)).hex()


SHA256, SHA512 = HASHES[0].oid, HASHES[2].oid
MGF1 = "1.2.840.113549.1.1.8"


def test_pss_with_parameters_of_cert_create_is_read() -> None:
    data = resign(certificate.split(GOOD["cca-cert"], "").body.encoded, bytes.fromhex(pss(SHA256, MGF1, SHA256, 32)))
    assert certificate.split(data, "cca-cert").scheme == (HASHES[0], 32)


WEAK = [
    ("PSS with SHA-1", pss("1.3.14.3.2.26", MGF1, SHA256, 32)),
    ("PSS with another mask function", pss(SHA256, "1.2.3.4", SHA256, 32)),
    ("PSS with another hash in the mask", pss(SHA256, MGF1, SHA512, 32)),
    ("PSS with a salt longer than the hash", pss(SHA256, MGF1, SHA256, 33)),
    ("PKCS #1 v1.5", "300d06092a864886f70d01010b0500"),
    ("SHA-1 with RSA", "300d06092a864886f70d0101050500"),
    ("ECDSA with SHA-1", "300906072a8648ce3d0401"),
    ("PSS with the defaults, which are SHA-1", "300d06092a864886f70d01010a3000"),
    ("Ed25519", "300506032b6570"),
]


@pytest.mark.parametrize("algorithm", [row[1] for row in WEAK], ids=[row[0] for row in WEAK])
def test_weak_or_foreign_algorithm_is_refused_before_anything_is_verified(algorithm: str) -> None:
    data = resign(certificate.split(GOOD["cca-cert"], "").body.encoded, bytes.fromhex(algorithm))
    with pytest.raises(CertificateError) as caught:
        certificate.split(data, "cca-cert")
    assert caught.value.rule in (Violation.CERTIFICATE_ALGORITHM, Violation.DER_TRUNCATED)
    assert caught.value.offset is not None


def test_algorithm_outside_differs_from_the_signed_one() -> None:
    sha384 = bytes.fromhex("300a06082a8648ce3d040303")
    data = resign(certificate.split(GOOD["cca-cert"], "").body.encoded, sha384)
    with pytest.raises(CertificateError) as caught:
        certificate.subject_key(certificate.split(data, "cca-cert"))
    assert caught.value.rule is Violation.CERTIFICATE_FIELD


def test_short_rsa_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = build.public_info(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    with pytest.raises(ImageError) as caught:
        certificate.load_key(key, "x")
    assert caught.value.rule is Violation.KEY


@given(st.sampled_from(sorted(FORGED)), st.data())
def test_no_damaged_certificate_is_believed(name: str, data: st.DataObject) -> None:
    """Bytes changed, dropped or put in anywhere: an error with a place in it, and never a result."""
    good = GOOD[name]
    at = data.draw(st.integers(0, len(good)))
    dropped = data.draw(st.integers(0, 4))
    bad = good[:at] + data.draw(st.binary(max_size=4)) + good[at + dropped :]
    assume(bad != good)
    with pytest.raises(ImageError) as caught:
        check(dump(GOOD | {name: bad}), ANCHOR)
    assert caught.value.status is AUTH
    assert caught.value.subject.startswith(name)


@given(st.binary(max_size=300).map(lambda tail: b"\x30\x82\x01\x2c" + tail.ljust(300, b"\0")) | st.binary(max_size=200))
def test_any_bytes_as_a_certificate_are_an_error(data: bytes) -> None:
    with pytest.raises(CertificateError):
        certificate.read(certificate.split(data, "x"))


def test_every_row_of_a_chain_is_reachable_and_named() -> None:
    for chain in CHAINS.values():
        signers = set(chain.roots)
        for row in chain.rows:
            above = {key.option for key in chain.row(row.parent).keys} if row.parent else set(chain.roots)
            assert row.key in above, row.name
            signers |= {key.option for key in row.keys}
            assert row_guid(row)
        assert signers == set(build.key_options(chain))


CHAINS_OF_TF_A: dict[
    str, tuple[set[str], dict[str, Counter]]
] = {  # docs/auth-framework.rst and drivers/auth/*/tbbr_cot_*.c, cca_cot_*.c; v2.9 gave CCA its own counter
    "tbbr": ({"rot-key"}, {}),
    "cca": ({"rot-key", "swd-rot-key", "prot-key"}, {"cca-cert": Counter.CCA}),
    "cca-2.8": ({"rot-key", "swd-rot-key", "prot-key"}, {"cca-cert": Counter.TRUSTED}),
}


@pytest.mark.parametrize("name", CHAINS_OF_TF_A)
def test_each_chain_has_the_roots_and_counters_of_tf_a(name: str) -> None:
    roots, counters = CHAINS_OF_TF_A[name]
    chain = CHAINS[name]
    assert set(chain.roots) == roots
    assert {row: chain.row(row).counter for row in counters} == counters
    assert {row.name for row in chain.rows if row.counter is Counter.CCA} == {
        row for row, counter in counters.items() if counter is Counter.CCA
    }
