# SPDX-License-Identifier: Apache-2.0
"""``livefw image``: what a file is, whether a machine takes it, and building one."""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.guid import FVP_SP1, RMM, Guid
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.component import LoadStatus
from livefw.firmware.image import fip, trust
from livefw.firmware.image.chain import CCA, TBBR, Counter
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.names import BY_OPTION
from livefw.firmware.image.store import Store
from livefw.firmware.image.verify import TrustAnchor
from livefw.firmware.spec import ComponentKind, ComponentSpec
from livefw.firmware.store_platform import open_platform

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path)}


class Command:
    """Runs the command with ``--json`` in a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, dict[str, Any]]:
        code = main(["--json", "image", *words])
        document: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        assert document.pop("schema") == "livefw/1"
        return code, document

    def text(self, *words: str) -> tuple[int, str]:
        code = main(["image", *words])
        said = self._capsys.readouterr()
        return code, said.out + said.err


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rmm.bin").write_bytes(b"RMM" * 100)
    (tmp_path / "bl31.bin").write_bytes(b"BL31" * 100)
    return Command(tmp_path, capsys)


BUILD = ("build", "new.fip", "--keys", "keys", "--image", "rmm-fw=rmm.bin", "--image", "soc-fw=bl31.bin")
NEW = (*BUILD, "--new-keys", "p256", "--version", "rmm-fw=2.1", "--counter", "ccafw=3")
TRUSTED = ("--trust", "keys/trust.toml")


def test_built_package_is_described_and_verified(command: Command) -> None:
    code, document = command(*NEW)
    assert (code, document["built"]["unsigned"]) == (ExitCode.DONE, [])
    code, document = command("info", "new.fip", *TRUSTED)
    entries = {row["name"]: row for row in document["image"]["entries"]}
    assert set(entries) == {"rmm-fw", "soc-fw", "cca-cert"}
    assert (entries["rmm-fw"]["version"], entries["soc-fw"]["version"]) == ("2.1", None)
    assert entries["cca-cert"]["certificate"]["extensions"]["ccafw-nvctr"] == 3
    assert document["image"]["verdict"]["authentic"]
    code, document = command("verify", "new.fip", *TRUSTED, "--counter", "ccafw=3")
    assert (code, document["verdict"]["counters"]) == (ExitCode.DONE, {"ccafw": 3})
    code, text = command.text("verify", "new.fip", *TRUSTED)
    assert (code, text) == (ExitCode.DONE, "new.fip: authentic (soc-fw, rmm-fw)\n")


def test_text_names_every_entry_and_says_what_is_not_verified(command: Command) -> None:
    command(*NEW)
    code, text = command.text("info", "new.fip")
    assert code == ExitCode.DONE
    assert all(word in text for word in ("rmm-fw", "2.1", "CCA Content Certificate", "ECDSA with SHA256", "--trust"))
    assert "takes it: soc-fw, rmm-fw" in command.text("info", "new.fip", *TRUSTED)[1]


def test_tampered_package_is_refused_with_the_status_of_lfa(command: Command) -> None:
    command(*NEW)
    data = bytearray(Path("new.fip").read_bytes())
    data[data.index(b"RMMRMM")] ^= 1
    Path("new.fip").write_bytes(data)
    code, document = command("verify", "new.fip", *TRUSTED)
    assert (code, document["error"]["kind"], document["error"]["firmware_code"]) == (
        ExitCode.REFUSED,
        "refused",
        "AUTH_ERROR",
    )
    _, document = command("info", "new.fip", *TRUSTED)
    assert document["image"]["verdict"]["error"]["rule"] == "image-hash"
    assert "refuses it: rmm-fw" in command.text("info", "new.fip", *TRUSTED)[1]


def test_a_package_of_any_size_is_described_without_reading_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(*NEW)
    head = fip.encode_toc(fip.layout([(BY_OPTION["rmm-fw"].guid, 4 << 30, 0)]))
    with open("large.fip", "wb") as file:
        file.write(head)
        file.truncate(len(head) + (4 << 30))
    monkeypatch.setattr(
        fip, "read_chunks", lambda file, entry: pytest.fail("all of it") if entry.size > 1 << 20 else [b""]
    )
    code, text = command.text("info", "large.fip")
    assert (code, "4294967296" in text) == (ExitCode.DONE, True)
    assert command("info", "large.fip", *TRUSTED)[0] == ExitCode.USAGE


def test_an_encrypted_image_is_called_so(command: Command) -> None:
    header = struct.pack("<IHHHH", fip.MAGIC, 0, 0, 12, 16) + bytes(32)
    Path("rmm.bin").write_bytes(header + b"cipher")
    assert command("info", "rmm.bin")[1]["image"]["kind"] == "encrypted image"
    assert "AES-GCM; cannot be judged without the key" in command.text("info", "rmm.bin")[1]
    command(*NEW)
    data = bytearray(Path("new.fip").read_bytes())
    data[data.index(b"cipher")] ^= 1
    Path("new.fip").write_bytes(data)
    error = command("info", "new.fip", *TRUSTED)[1]["image"]["verdict"]["error"]
    assert (error["rule"], "cannot be judged" in error["text"]) == ("image-encrypted", True)


def test_rolled_back_package_is_refused(command: Command) -> None:
    command(*NEW)
    code, document = command("verify", "new.fip", *TRUSTED, "--counter", "ccafw=4")
    assert (code, document["error"]["firmware_code"]) == (ExitCode.REFUSED, "AUTH_ERROR")
    Path("store").mkdir()
    with open("new.fip", "rb") as file:
        Store.create(Folder("store"), file).accept({Counter.CCA: 4})
    assert command("verify", "new.fip", *TRUSTED, "--store", "store")[0] == ExitCode.REFUSED


def test_store_says_whom_it_trusts_and_what_it_has_seen(command: Command) -> None:
    command(*NEW)
    command("store", "init", "flash", "new.fip", *TRUSTED)
    assert command("verify", "new.fip", "--store", "flash")[0] == ExitCode.DONE
    assert command("info", "new.fip", "--store", "flash")[1]["image"]["verdict"]["authentic"]
    Store(Folder("flash")).accept({Counter.CCA: 4})
    assert command("info", "new.fip", "--store", "flash")[1]["image"]["verdict"]["error"]["rule"] == "rollback"
    assert command("verify", "new.fip", "--store", "flash")[0] == ExitCode.REFUSED


def test_keys_are_used_again_and_never_overwritten(command: Command) -> None:
    command(*NEW)
    trusted = Path("keys/trust.toml").read_text()
    assert command(*BUILD)[0] == ExitCode.DONE
    assert Path("keys/trust.toml").read_text() == trusted
    assert (Path("keys/rot-key.pem").stat().st_mode & 0o777) == 0o600
    code, _ = command(*NEW)
    assert code == ExitCode.FAILED
    assert command("verify", "new.fip", *TRUSTED)[0] == ExitCode.DONE


def test_certificate_and_image_are_described(command: Command) -> None:
    command(*NEW)
    with open("new.fip", "rb") as file:
        table = fip.read(file)
        parts = {entry.size: fip.read_payload(file, entry) for entry in table.entries}
        rmm = fip.read_payload(file, table[RMM.guid])
    Path("cert").write_bytes(next(data for data in parts.values() if data[:1] == b"0"))
    Path("image").write_bytes(rmm)
    assert command("info", "cert")[1]["image"]["subject"] == "CCA Content Certificate"
    assert "not checked" in command.text("info", "cert")[1]
    document = command("info", "image")[1]["image"]
    assert (document["kind"], document["version"], document["size"]) == ("image", "2.1", 332)
    assert "version 2.1" in command.text("info", "image")[1]


def test_store_is_filled_staged_into_and_shown(command: Command) -> None:
    command(*NEW)
    assert command("store", "init", "flash", "new.fip", *TRUSTED)[0] == ExitCode.DONE
    command(*BUILD[:1], "next.fip", *BUILD[2:], "--version", "rmm-fw=2.2", "--counter", "ccafw=4")
    code, document = command("store", "stage", "flash", "next.fip")
    assert code == ExitCode.DONE
    banks = document["store"]["banks"]
    assert [bank["state"] for bank in banks] == ["accepted", "valid"]
    found = {row["name"]: (row["version"], row["differs"]) for row in banks[1]["images"]}
    assert found == {"rmm-fw": ("2.2", True), "soc-fw": (None, False)}
    code, text = command.text("store", "show", "flash")
    assert code == ExitCode.DONE
    assert all(words in text for words in ("2.1", "boots", "2.2", "differs", "ccafw 0"))
    assert command("store", "discard", "flash")[1]["store"]["banks"][1]["state"] == "invalid"
    assert command("store", "init", "flash", "new.fip", *TRUSTED)[0] == ExitCode.FAILED
    assert command("store", "rollback", "flash")[0] == ExitCode.FAILED


def test_store_that_a_machine_uses_is_accepted_by_the_operator(command: Command) -> None:
    command(*NEW)
    command("store", "init", "flash", "new.fip", *TRUSTED)
    command(*BUILD[:1], "next.fip", *BUILD[2:], "--version", "rmm-fw=2.2", "--counter", "ccafw=4")
    command("store", "stage", "flash", "next.fip")
    specs = [ComponentSpec(str(RMM.guid), ComponentKind.RMM)]
    platform = open_platform(specs, "flash", auto_accept=False)
    component = platform.find(RMM.guid)
    assert platform.load_auth_image(component).status is LoadStatus.OK
    image = platform.loaded(component)
    assert image is not None
    platform.commit(component, image)
    document = command("store", "show", "flash")[1]["store"]
    assert (document["active"], document["on_trial"], document["counters"]["ccafw"]) == (1, True, 3)
    document = command("store", "accept", "flash")[1]["store"]
    assert (document["active"], document["on_trial"], document["counters"]["ccafw"]) == (1, False, 4)
    assert str(open_platform(specs, "flash").version(RMM.guid)) == "2.2"


def test_factory_takes_no_package_that_the_machine_would_refuse(command: Command) -> None:
    command(*NEW)
    Path("bad.fip").write_bytes(Path("new.fip").read_bytes().replace(b"RMMRMM", b"RMMrmm", 1))
    code, _ = command("store", "init", "flash", "bad.fip", *TRUSTED)
    assert code == ExitCode.REFUSED
    assert not list(Path("flash").iterdir())


MISUSE = [
    (("store", "show", "nowhere"), ExitCode.USAGE),
    (("info", "nowhere"), ExitCode.USAGE),
    (("verify", "rmm.bin", "--trust", "rmm.bin"), ExitCode.USAGE),
    (("verify", "rmm.bin"), ExitCode.USAGE),
    ((*BUILD, "--image", "nothing"), ExitCode.USAGE),
    ((*BUILD, "--image", "no-such-fw=rmm.bin"), ExitCode.USAGE),
    ((*BUILD, "--version", "nt-fw=1.0"), ExitCode.USAGE),
    ((*BUILD, "--version", "rmm-fw=one"), ExitCode.USAGE),
    ((*BUILD, "--counter", "ccafw=-1"), ExitCode.USAGE),
    (BUILD, ExitCode.USAGE),
    ((*NEW, "--align", "3"), ExitCode.REFUSED),
]


@pytest.mark.parametrize(("words", "code"), MISUSE, ids=[" ".join(row[0][-2:]) for row in MISUSE])
def test_misuse(command: Command, words: tuple[str, ...], code: ExitCode) -> None:
    found, document = command(*words)
    assert found == code
    assert document["error"]["message"]


def test_malformed_package_is_refused_with_the_offset(command: Command) -> None:
    Path("bad.fip").write_bytes(bytes.fromhex("010064aa78563412") + bytes(8) + b"\1" * 40)
    command(*NEW)
    assert command("verify", "bad.fip", *TRUSTED)[0] == ExitCode.REFUSED
    code, document = command("info", "bad.fip")
    assert code == ExitCode.FAILED
    assert "offset 0x38: the table of contents has no end marker" in document["error"]["message"]


def test_without_the_optional_library_it_says_what_to_install(command: Command) -> None:
    """In a process of its own, where nothing has imported the library yet."""
    probe = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from livefw.cli.main import main\n"
        "from livefw.firmware.store_platform import open_platform\n"
        "code = main(['image', 'build', 'x', '--keys', 'k', '--new-keys', 'p256', '--image', 'rmm-fw=rmm.bin'])\n"
        "try: open_platform([], '.')\n"
        "except Exception as error: print(code, type(error).__name__, error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert done.stdout == "7 NotInstalled pip install 'livefw[crypto]', or Debian's python3-cryptography\n"
    assert "hint: pip install 'livefw[crypto]'" in done.stderr


@given(
    st.binary(max_size=200)
    | st.binary(max_size=200).map(lambda tail: b"\x01\x00\x64\xaa" + bytes(12) + tail)
    | st.binary(max_size=200).map(lambda data: fip.dump([Payload.of(BY_OPTION["cca-cert"].guid, data)]))
    | st.binary(max_size=200).map(lambda tail: b"\x30\x81\xc8" + tail)
)
def test_any_file_is_described_or_refused(data: bytes) -> None:
    """And what is wrong with the certificate inside a package is a part of the description."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
        path = os.path.join(folder, "file")
        Path(path).write_bytes(data)
        code = main(["--json", "image", "info", path])
    document = json.loads(said.getvalue())
    assert (code, "image" in document) in (
        (ExitCode.DONE, True),
        (ExitCode.NOTHING_TO_DO, True),
        (ExitCode.FAILED, False),
    )


# -- the trust file


def test_trust_file_is_read_back() -> None:
    for anchor in (
        TrustAnchor(CCA, {root: bytes([7]) * 48 for root in CCA.roots}),
        TrustAnchor(TBBR.with_partitions((FVP_SP1.guid, Guid(b"p" * 16))), {"rot-key": bytes([1]) * 32}),
    ):
        assert trust.loads(trust.dumps(anchor).encode()) == anchor


BAD_TRUST = [
    (b"\xff", "file"),
    (b"chain =", "file"),
    (b"#" * (trust.MAX_FILE + 1), "file"),
    (b"", "chain"),
    (b'chain = "pki"', "chain"),
    (b'chain = "cca"', "roots"),
    (b'chain = "cca"\nroot = 1', "root"),
    (b'chain = "cca"\npartitions = 3', "partitions"),
    (b'chain = "cca"\npartitions = ["x"]\n[roots]\nrot-key = "00"', "partitions"),
    (b'chain = "tbbr"\n[roots]\nprot-key = "00"', "roots.prot-key"),
    (b'chain = "tbbr"\n[roots]\nrot-key = "00"', "roots.rot-key"),
    (b'chain = "tbbr"\n[roots]\nrot-key = 7', "roots.rot-key"),
]


@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: f'chain = "cca"\n{text}'.encode()))
def test_any_bytes_are_a_trust_file_or_an_error(data: bytes) -> None:
    with contextlib.suppress(trust.TrustFileError):
        anchor = trust.loads(data)
        assert set(anchor.roots) <= set(anchor.chain.roots)
        assert {len(digest) for digest in anchor.roots.values()} <= {32, 48, 64}
        assert anchor.roots


@pytest.mark.parametrize(("data", "field"), BAD_TRUST, ids=range(len(BAD_TRUST)))
def test_bad_trust_file_names_the_field(data: bytes, field: str) -> None:
    with pytest.raises(trust.TrustFileError) as caught:
        trust.loads(data)
    assert caught.value.field == field
