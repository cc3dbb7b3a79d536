# SPDX-License-Identifier: Apache-2.0
"""Trust files from keys and certificates, packages of which no root is known, certificates that are signed already, and
keys that stay in a PKCS #11 token."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from livefw.abi.guid import Guid
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.image import fip, trust
from livefw.firmware.image.build import KeyKind
from livefw.firmware.image.chain import DUAL_ROOT, TBBR
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.names import BY_OPTION, PLATFORMS

Command = Callable[..., tuple[int, dict[str, Any]]]
_OTHER = Guid.parse("2d1c5bd4-7f5a-4f1f-9d3c-5d1a0c7e8b90")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command with ``--json`` in a directory with a signed package and its keys."""
    monkeypatch.chdir(tmp_path)
    Path("bl31.bin").write_bytes(b"BL31" * 100)
    Path("nt.bin").write_bytes(b"BL33" * 100)

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = main(["--json", "image", *words])
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, document

    assert run(*BUILD, "--new-keys", "p256")[0] == ExitCode.DONE
    return run


BUILD = ("build", "new.fip", "--keys", "keys", "--image", "soc-fw=bl31.bin", "--image", "nt-fw=nt.bin")
DUAL = (*BUILD, "--chain", "dualroot", "--keys", "dual")


def test_a_trust_file_comes_of_keys_and_certificates_in_every_form(command: Command) -> None:
    key = serialization.load_pem_private_key(Path("keys/rot-key.pem").read_bytes(), None)
    public = key.public_key()
    Path("public.pem").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    Path("public.der").write_bytes(
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    command("extract", "new.fip", "--image", "cca-cert=cert.der")
    pem = x509.load_der_x509_certificate(Path("cert.der").read_bytes()).public_bytes(serialization.Encoding.PEM)
    Path("cert.pem").write_bytes(pem)
    expected = trust.read("keys/trust.toml").roots["rot-key"]
    for form in ("keys/rot-key.pem", "public.pem", "public.der", "cert.der", "cert.pem"):
        code, document = command("trust", "own.toml", "--root-key", f"rot-key={form}")
        assert (code, document["trust"]["roots"]) == (ExitCode.DONE, {"rot-key": expected.hex()}), form
        assert document["trust"]["missing"] == ["swd-rot-key", "prot-key"]
    command("trust", "own.toml", "--root-key", "rot-key=cert.pem", "--root-key", "prot-key=keys/prot-key.pem")
    assert command("verify", "new.fip", "--trust", "own.toml")[0] == ExitCode.DONE
    command("trust", "own.toml", "--root-key", "rot-key=cert.pem", "--hash", "SHA512")
    assert len(trust.read("own.toml").roots["rot-key"]) == 64
    assert command("verify", "new.fip", "--trust", "own.toml")[0] == ExitCode.REFUSED  # BL33 hangs below prot-key


def test_a_trust_file_has_the_partitions_of_a_platform_and_names(command: Command) -> None:
    root = ("--root-key", "rot-key=keys/rot-key.pem")
    command("trust", "own.toml", "--chain", "dualroot", "--platform", "fvp", *root, "--name", f"boot-logo={_OTHER}")
    anchor = trust.read("own.toml")
    assert anchor.chain == replace(DUAL_ROOT.with_platform(PLATFORMS["fvp"]), names=(("boot-logo", _OTHER),))
    first, fifth = (anchor.chain.image_guid(f"sp-pkg{number}") for number in (1, 5))
    assert (first, fifth) == (BY_OPTION["cactus-primary"].guid, BY_OPTION["cactus-secondary"].guid)
    assert [anchor.chain.image_guid(f"sp-pkg{number}") for number in (2, 3, 4, 8)] == [None] * 4
    # In a chain with one owner they follow each other (sp_mk_generator.py).
    assert TBBR.with_platform(PLATFORMS["fvp"]).image_guid("sp-pkg2") == BY_OPTION["cactus-secondary"].guid
    command("trust", "own.toml", "--partition", "", "--partition", "op-tee", *root)
    assert trust.read("own.toml").chain.partitions == (None, BY_OPTION["op-tee"].guid)
    assert command("trust", "own.toml", *root, "--name", f"soc-fw={_OTHER}")[0] == ExitCode.USAGE
    assert command("trust", "own.toml", *root, "--name", f"../x={_OTHER}")[0] == ExitCode.USAGE


def test_all_partitions_of_a_platform_are_verified(command: Command) -> None:
    """And what the trust file names is called so."""
    names = [partition.option for partition in PLATFORMS["fvp"]]
    images = [f"--image={name}=nt.bin" for name in names]
    assert command(*BUILD, *images, "--platform", "fvp", "--image", f"{_OTHER}=nt.bin")[1]["built"]["unsigned"] == [
        str(_OTHER)
    ]
    roots = [f"--root-key={name}=keys/{name}.pem" for name in ("rot-key", "swd-rot-key", "prot-key")]
    command("trust", "own.toml", *roots, "--platform", "fvp", "--name", f"boot-logo={_OTHER}")
    found = command("verify", "new.fip", "--trust", "own.toml")[1]["verdict"]
    assert {row["name"] for row in found["images"]} == {"soc-fw", "nt-fw", *names}
    entries = command("info", "new.fip", "--trust", "own.toml")[1]["image"]["entries"]
    assert {"boot-logo", *names} <= {row["name"] for row in entries}


def test_partitions_in_a_trust_file_have_names() -> None:
    head = 'chain = "cca"\npartitions = ["logo", "op-tee", ""]'
    text = f'{head}\n[names]\nlogo = "{_OTHER}"\n[roots]\nrot-key = "{"0" * 64}"'
    anchor = trust.loads(text.encode())
    assert anchor.chain.partitions == (_OTHER, BY_OPTION["op-tee"].guid, None)
    assert trust.loads(trust.dumps(anchor).encode()) == anchor
    assert anchor.chain.label(_OTHER) == "logo"


def test_a_chain_holds_or_not_without_a_root_of_trust(command: Command) -> None:
    code, document = command("verify", "new.fip", "--chain-only")
    consistent = document["consistent"]
    roots = {name: value.hex() for name, value in trust.read("keys/trust.toml").roots.items() if name != "swd-rot-key"}
    assert (code, consistent["chain"], consistent["roots"]) == (ExitCode.DONE, "cca", roots)
    assert "authentic" not in consistent
    assert command(*DUAL, "--new-keys", "p256")[0] == ExitCode.DONE
    assert command("verify", "new.fip", "--chain-only")[1]["consistent"]["chain"] == "dualroot"
    assert command("verify", "new.fip", "--chain-only", "--chain", "tbbr")[0] == ExitCode.REFUSED
    assert command("verify", "new.fip", "--chain-only", "--counter", "tfw=1")[0] == ExitCode.REFUSED
    command("replace", "new.fip", "--image", "soc-fw=nt.bin")
    code, document = command("verify", "new.fip", "--chain-only")
    assert (code, "soc-fw" in document["error"]["message"]) == (ExitCode.REFUSED, True)
    Path("plain.fip").write_bytes(fip.dump([Payload.of(_OTHER, b"x")]))
    assert command("verify", "plain.fip", "--chain-only")[0] == ExitCode.USAGE


def test_certificates_of_two_signers_are_not_consistent(command: Command) -> None:
    command(*DUAL, "--new-keys", "p256")
    command("extract", "new.fip", "--image", "trusted-key-cert=theirs")
    command(*DUAL, "--keys", "other", "--new-keys", "p256")
    command("replace", "new.fip", "--image", "trusted-key-cert=theirs")
    assert command("verify", "new.fip", "--chain-only")[1]["error"]["firmware_code"] == "AUTH_ERROR"


def test_what_is_signed_already_needs_no_key(command: Command) -> None:
    """The owner of the root key signs the certificates of keys; a build has the keys below only."""
    command(*DUAL, "--new-keys", "p256")
    anchor = trust.read("dual/trust.toml")
    command("extract", "new.fip", "--image", "trusted-key-cert", "--image", "soc-fw-key-cert")
    Path("dual/rot-key.pem").unlink()
    Path("dual/trusted-world-key.pem").unlink()
    assert "trusted-world-key.pem is missing" in command(*DUAL)[1]["error"]["message"]
    signed = [f"--certificate={name}={name}.bin" for name in ("trusted-key-cert", "soc-fw-key-cert")]
    Path("bl31.bin").write_bytes(b"other")
    assert command(*DUAL, *signed)[0] == ExitCode.DONE
    assert trust.read("dual/trust.toml") == anchor
    assert command("verify", "new.fip", "--trust", "dual/trust.toml")[0] == ExitCode.DONE
    # With another key below, what would be written could not be verified.
    shutil.copy("dual/prot-key.pem", "dual/soc-fw-key.pem")
    Path("new.fip").unlink()
    assert command(*DUAL, *signed)[1]["error"]["firmware_code"] == "AUTH_ERROR"
    assert not Path("new.fip").exists()


def test_packages_have_the_flags_that_are_named(command: Command) -> None:
    command(*BUILD, "--plat-toc-flags", "8001", "--entry-flags", "soc-fw=5")
    table = fip.parse(Path("new.fip").read_bytes())
    assert (table.platform_flags, [entry.flags for entry in table.entries if entry.flags]) == (0x8001, [5])


# -- keys in a token

_MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], str]:
    """Puts a private key into a token of SoftHSM; returns its URI."""
    if shutil.which("softhsm2-util") is None or shutil.which("openssl") is None:
        pytest.skip("softhsm2-util or openssl is not installed (Debian packages softhsm2, openssl)")
    probe = subprocess.run(["openssl", "engine", "pkcs11"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("OpenSSL has no engine pkcs11 (Debian package libengine-pkcs11-openssl)")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    if os.path.exists(_MODULE):
        monkeypatch.setenv("PKCS11_MODULE_PATH", _MODULE)
    (tmp_path / "pin").write_text("1234")
    softhsm("--init-token", "--free", "--label", "hsm", "--pin", "1234", "--so-pin", "5678")

    def put(label: str, path: Path) -> str:
        number = f"{len(label):02x}{ord(label[0]):02x}"
        softhsm("--import", str(path), "--token", "hsm", "--pin", "1234", "--label", label, "--id", number)
        return f"pkcs11:token=hsm;object={label}?pin-source=file:{tmp_path}/pin"

    return put


def softhsm(*words: str) -> None:
    done = subprocess.run(["softhsm2-util", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA2048])
def test_a_key_in_a_token_signs(command: Command, token: Callable[[str, Path], str], kind: KeyKind) -> None:
    if kind is KeyKind.RSA2048:
        Path("keys/rot-key.pem").write_bytes(_rsa())
    assert command(*BUILD)[0] == ExitCode.DONE
    trusted = Path("keys/trust.toml").read_bytes()
    for name in ("rot-key", "prot-key"):
        uri = token(name, Path(f"keys/{name}.pem"))
        Path(f"keys/{name}.uri").write_text(f"{uri}\n")
        Path(f"keys/{name}.pem").unlink()
    code, document = command(*BUILD)
    assert code == ExitCode.DONE, document
    assert Path("keys/trust.toml").read_bytes() == trusted
    assert command("verify", "new.fip", "--trust", "keys/trust.toml")[0] == ExitCode.DONE
    command("trust", "own.toml", "--root-key", "rot-key=keys/rot-key.uri")
    assert trust.read("own.toml").roots.items() <= trust.loads(trusted).roots.items()
    Path("keys/rot-key.uri").write_text("pkcs11:token=hsm;object=none?pin-value=1234")
    code, document = command(*BUILD)
    assert (code, "1234" in str(document)) == (ExitCode.USAGE, False)
    Path("keys/rot-key.uri").write_text("file:///etc/passwd")
    assert "the URI of a key is needed" in command(*BUILD)[1]["error"]["message"]


def _rsa() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
