# SPDX-License-Identifier: Apache-2.0
"""``livefw image capsule``: the bytes of U-Boot's mkeficapsule, and signatures that OpenSSL verifies."""

import datetime
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from livefw.abi import capsule as efi
from livefw.abi.guid import Guid
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.format import capsule

Run = Callable[..., str]
Command = Callable[..., tuple[int, dict[str, Any]]]
GUID = "058b7d83-50d5-4c47-a195-60d86ad341c4"
IMAGE = b"firmware" * 99

SAME: list[tuple[list[str], list[str]]] = [
    # livefw's options beside --image and --guid, and mkeficapsule's, whose index is 0 by default, which UEFI lacks.
    ([], ["-i", "1"]),
    (["--index", "0"], []),
    (["--index", "3", "--instance", "7"], ["-i", "3", "-I", "7"]),
    (["--oem-flags", "0x8001"], ["-i", "1", "-o", "0x8001"]),
]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command with ``--json`` in a directory with an image."""
    monkeypatch.chdir(tmp_path)
    Path("image").write_bytes(IMAGE)
    Path("empty").write_bytes(b"")

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = main(["--json", "image", "capsule", *words])
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, document

    return run


def test_the_same_bytes_as_mkeficapsule(command: Command, mkeficapsule: Run) -> None:
    rows = [
        ([*ours, "--image", name, "--guid", GUID], [*theirs, "-g", GUID, name])
        for ours, theirs in SAME
        for name in ("image", "empty")
    ]
    for ours, theirs in [*rows, (["--accept", "--guid", GUID], ["-A", "-g", GUID]), (["--revert"], ["-R"])]:
        code, document = command("ours", *ours)
        mkeficapsule(*theirs, "theirs")
        data = Path("ours").read_bytes()
        assert (code, data) == (ExitCode.DONE, Path("theirs").read_bytes()), ours
        assert document["capsule"] == {"file": "ours", "size": len(data), "signed": False}


def sign_with(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """Writes the key and a certificate of its own."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "capsules")])
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=7300))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    Path("key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    Path("certificate").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def verified(path: str) -> capsule.CapsuleItem:
    """The image of a signed capsule whose signature OpenSSL has verified over payload and monotonic count."""
    data = Path(path).read_bytes()
    (item,) = capsule.read(io.BytesIO(data)).images
    assert item.authentication is not None
    found = item.authentication
    payload = data[found.offset + found.size :] + found.monotonic_count.to_bytes(8, "little")
    Path("signature").write_bytes(data[found.offset : found.offset + found.size])
    Path("payload").write_bytes(payload)
    words = "cms -verify -binary -inform DER -in signature -content payload -CAfile certificate -purpose any"
    done = subprocess.run(["openssl", *words.split()], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, payload), done.stderr
    return item


def test_signatures_are_those_of_uefi(command: Command, mkeficapsule: Run) -> None:
    """mkeficapsule's and livefw's are verified by the same command, and all around them is equal."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    sign_with(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    signed = ("--key", "key", "--certificate", "certificate", "--monotonic-count", "5")
    code, document = command("ours", "--image", "image", "--guid", GUID, *signed)
    assert (code, document["capsule"]["signed"]) == (ExitCode.DONE, True)
    mkeficapsule("-g", GUID, "-p", "key", "-c", "certificate", "-m", 5, "image", "theirs")
    ours, theirs = verified("ours"), verified("theirs")
    assert ours.authentication is not None and theirs.authentication is not None  # noqa: PT018 - for the type checker
    assert ours.authentication.monotonic_count == theirs.authentication.monotonic_count == 5
    assert ours.authentication.kind == theirs.authentication.kind == efi.PKCS7
    assert ours.support == theirs.support
    sign_with(ec.generate_private_key(ec.SECP256R1()))
    command("ours", "--image", "image", "--guid", GUID, *signed, "--fw-version", "3", "--lowest-version", "2")
    assert verified("ours").header == capsule.PayloadHeader(3, 2)


def test_a_plain_capsule_is_a_header_and_a_body(command: Command) -> None:
    command("ours", "--plain", "--image", "image", "--guid", GUID, "--oem-flags", "1")
    data = Path("ours").read_bytes()
    found = capsule.read(io.BytesIO(data))
    assert (found.guid, found.flags, found.images) == (Guid.parse_efi(GUID), 1, ())
    assert data[found.header_size :] == IMAGE


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--image", "image"),
        ("--image", "image", "--guid", "one"),
        ("--accept",),
        ("--image", "nowhere", "--guid", GUID),
        ("--image", "image", "--guid", GUID, "--key", "image"),
        ("--image", "image", "--guid", GUID, "--key", "image", "--certificate", "image"),
        ("--image", "image", "--guid", GUID, "--plain", "--fw-version", "1"),
        ("--image", "image", "--guid", GUID, "--index", "256"),
        ("--image", "image", "--revert"),
    ],
    ids=" ".join,
)
def test_misuse(command: Command, words: tuple[str, ...]) -> None:
    assert command("ours", *words)[0] == ExitCode.USAGE
    assert not Path("ours").exists()


def test_a_certificate_of_another_key_is_refused(command: Command) -> None:
    sign_with(ec.generate_private_key(ec.SECP256R1()))
    shutil.copy("certificate", "other")
    sign_with(ec.generate_private_key(ec.SECP256R1()))
    code, document = command("ours", "--image", "image", "--guid", GUID, "--key", "key", "--certificate", "other")
    assert (code, document["error"]["message"]) == (ExitCode.USAGE, "other is not the certificate of key")
