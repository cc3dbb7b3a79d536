# SPDX-License-Identifier: Apache-2.0
"""``livefw image info``: every format it knows, sound and damaged, and what is of none."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.schema.checked import errors

from livefw.abi.guid import BL31, BL33, RMM
from livefw.cli.image.formats import base, disks
from livefw.cli.image.formats.base import InfoView, Start
from livefw.cli.image.formats.table import FORMATS, identify, lines, page
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.image import build, fip, trust
from livefw.firmware.image.chain import CCA
from livefw.firmware.image.names import BY_OPTION
from livefw.schema.formats import ContentDocument

from . import files

DOCUMENT = Path(__file__).parents[2] / "docs/reference/formats.md"


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    return files.sound()


@pytest.fixture
def info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command upon bytes; the exit code, the document, which keeps its schema, and the text."""

    def run(data: bytes, *words: str) -> tuple[int, dict[str, Any], str]:
        path = tmp_path / "file"
        path.write_bytes(data)
        code = main(["--json", "image", "info", str(path), *words])
        document = json.loads(capsys.readouterr().out)
        assert errors(document) == []
        assert main(["image", "info", str(path), *words]) == code
        written = capsys.readouterr()
        return code, document.get("image", document), written.out + written.err

    return run


def test_every_format_has_a_sound_file_and_its_page(sound: dict[str, bytes]) -> None:
    kinds = [each.kind for each in FORMATS]
    assert len(set(kinds)) == len(kinds)
    assert set(sound) == set(kinds)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert page(text) == text, "python -m livefw.cli.image.formats.table docs/reference/formats.md"
    with pytest.raises(ValueError, match="no place"):
        page("nothing")
    literal = ContentDocument.__annotations__["kind"]
    assert set(literal.__args__) == {*kinds, base.UNKNOWN}


SHOWN: dict[str, tuple[str, ...]] = {
    "encrypted image": (
        "AES-GCM; cannot be judged without the key",
        "of the device (BSSK)",
        "000102030405060708090a0b",
    ),
    "package": (
        "serial      0x12345678",
        "flags 0x5",
        "0x300000000, 0x3 of the platform",
        "2.1",
        "SHA-256",
        "bytes behind",
    ),
    "certificate": ("CCA Content Certificate", "ECDSA with SHA256", "EC secp256r1", "ccafw-nvctr 0", "serial"),
    "key": ("public key", "EC secp256r1", "as a root of trust has it"),
    "PEM": ("CERTIFICATE", "PRIVATE KEY", "private key", "CCA Content Certificate"),
    "archive": ("1.2.3", "triplet", "rmm.bin", str(RMM.guid), hashlib.sha256(b"payload").hexdigest()),
    "metainfo": ("1.2.3", "triplet", "rmm.bin", str(RMM.guid), "org.example"),
    "catalog": ("rmm.bin", "SHA256 000000", "PKCS7, 5 bytes, of its checksum", "GPG, 3 bytes, of the file"),
    "PFRUT capsule": ("code", RMM.guid.efi, "0x7, for hardware 0x1", "svn         3"),
    "capsule": (RMM.guid.efi, "persist-across-reset", "PKCS #7", "0x3", "0x2", "not verified"),
    "TDX module": ("0x200", "1.7", "0x806f0", "a key that is not Intel's", "verified with the key beside it"),
    "Intel microcode": ("0x30", "2026-07-01", "0x806f8 (0x10), 0x806f6 (0x10)"),
    "AMD microcode": ("0xa601209", "2026-07-01", "0xa60f12, 0xa60f80"),
    "event log": ("SHA256, SHA384", "EV_POST_CODE", "BL31", "VALUE AFTER ALL EVENTS"),
    "update metadata": ("2: 0 accepted, 1 valid", RMM.guid.efi, "not accepted"),
    "disk": ("blocks of 512 bytes", "part0", "partition 1: package", "partition 3: update metadata", "unknown"),
    "image": ("version 2.1, SHA-256",),
    "dump": ("at offset 0x200: package", "rmm-fw"),
}


def test_each_is_shown_as_text_and_as_json(sound: dict[str, bytes], info: Any) -> None:
    assert set(SHOWN) == set(sound)
    for kind, data in sound.items():
        code, document, text = info(data)
        assert (code, document.get("kind"), document.get("size")) == (ExitCode.DONE, kind, len(data)), (kind, text)
        assert text.startswith(f"{document['file']}: {kind}, {len(data):,} bytes\n"), kind
        assert [words for words in SHOWN[kind] if words not in text] == [], text


def test_what_is_of_no_format_is_unknown_with_exit_code_3(info: Any) -> None:
    others = [
        b"",
        b"\0" * 5000,
        b"#!/bin/sh\nexit 0\n",
        b"\x30\x81\xc8" + bytes(200),
        b"RMM" * 100,
        b'<component type="desktop"><id>x</id></component>',
        b"-----BEGIN PGP SIGNATURE-----\n=\n-----END PGP SIGNATURE-----\n",
        b"\x01\0\0\0" * 30,
        b"x" * 1000 + b"\1\0\x64\xaa" + b"x" * 1000,
    ]
    for data in others:
        code, document, text = info(data)
        assert (code, document["kind"]) == (ExitCode.NOTHING_TO_DO, "unknown"), data[:20]
        assert "of no format that livefw knows" in text
        assert document["sha256"] == files.sha256(data)


def _with(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def damaged(sound: dict[str, bytes]) -> dict[str, tuple[bytes, str]]:
    """By a name: the file, and what has to be in the reason."""
    certificate, log, update = sound["certificate"], sound["event log"], sound["Intel microcode"]
    other = certificate.replace(b"\x04\x03\x02", b"\x04\x03\x03", 1)
    return {
        "package": (sound["package"][:100], "no end marker"),
        "encrypted image": (sound["encrypted image"][:30], "44 bytes of header"),
        "certificate with another algorithm": (other, "another algorithm"),
        "certificate cut off": (certificate[:200], "ends after its container"),
        "key": (_with(sound["key"], len(sound["key"]) - 66, b"\7"), "unused bits"),
        "PEM": (sound["PEM"][:300], "has no -----END CERTIFICATE"),
        "PEM of nothing": (files.pem("CERTIFICATE", b"nothing"), "not of the expected type"),
        "archive": (sound["archive"][:60], "ends too early"),
        "archive, flipped": (_with(sound["archive"], len(sound["archive"]) - 1, b"x"), "the archive is rejected"),
        "metainfo": (sound["metainfo"][:-30], "rejected"),
        "catalog": (sound["catalog"][:-9], "ends too early"),
        "capsule": (sound["capsule"][:-1], "the file has"),
        "TDX module": (_with(sound["TDX module"], 9000, b"x"), "checksum wrong"),
        "TDX module cut off": (sound["TDX module"][:4000], "less than the header page"),
        "Intel microcode": (_with(update, 60, b"x"), "checksum of revision 0x30"),
        "Intel microcode, table": (_with(update, len(update) - 1, b"x"), "table of signatures"),
        "AMD microcode": (sound["AMD microcode"][:-1], "ends within"),
        "AMD microcode, table": (_with(sound["AMD microcode"], 8, b"\1"), "a table of type 0 and"),
        "event log": (log[:-3], "not well formed"),
        "update metadata": (_with(sound["update metadata"], 50, b"x"), "crc_32"),
        "disk": (_with(sound["disk"], 600, b"x")[:-512], "CRC of the header"),
    }  # fmt: skip


def test_what_is_damaged_is_not_unknown_and_exits_with_1(sound: dict[str, bytes], info: Any) -> None:
    for name, (data, reason) in damaged(sound).items():
        code, document, text = info(data)
        assert code == ExitCode.FAILED, name
        assert document["error"]["kind"] == "failed", name
        assert reason in text, (name, text)
        assert ", damaged: " in text, name


def test_a_package_shows_padding_trailing_bytes_and_flags(info: Any) -> None:
    data = files.package()
    _, document, _ = info(data + b"behind")
    assert (document["serial"], document["flags"], document["platform_flags"]) == (0x12345678, 3 << 32, 3)
    assert document["declared_size"] == len(data)
    rows = {row["name"]: row for row in document["entries"]}
    table = len(fip.encode_toc(fip.parse(data)))
    assert (rows["nt-fw"]["flags"], rows["nt-fw"]["padding"]) == (5, rows["nt-fw"]["offset"] - table)
    last = max(row["offset"] + row["size"] for row in rows.values())
    assert document["trailing"] == len(data) + 6 - last
    assert document["padding"] == last - table - sum(row["size"] for row in rows.values())
    for row in rows.values():
        assert row["sha256"] == hashlib.sha256(data[row["offset"] :][: row["size"]]).hexdigest()
    assert rows["cca-cert"]["error"]["rule"] == "der-tag"


def test_an_encrypted_image_in_a_package_is_called_so(sound: dict[str, bytes], info: Any) -> None:
    made = fip.dump([fip.Payload.of(BL33.guid, sound["encrypted image"])])
    _, document, text = info(made)
    assert document["entries"][0]["encrypted"]
    assert "; encrypted" in text


class Counting:
    """A file that counts what is read of it."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by the test
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.count += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def test_of_a_package_of_4_gib_a_few_pages_are_read(tmp_path: Path, info: Any) -> None:
    table = fip.layout([(BY_OPTION["rmm-fw"].guid, 4 << 30, 0), (BL33.guid, 1 << 30, 0)])
    path = str(tmp_path / "large")
    with open(path, "wb") as file:
        file.write(fip.encode_toc(table))
        file.truncate(table.size)
    counting = Counting(path)
    try:
        document = identify(Start.of(counting), InfoView())  # type: ignore[arg-type]
    finally:
        counting.file.close()
    assert (document["kind"], counting.count < 256 << 10) == ("package", True)
    assert [row["sha256"] for row in document["entries"] if "sha256" in row] == []
    assert "not computed" in "\n".join(lines(document))


def test_large_packages_are_hashed_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: Any) -> None:
    monkeypatch.setattr("livefw.cli.image.info.MOST_HASHED", 100)
    assert "sha256" not in info(files.package())[1]["entries"][0]
    assert info(files.package(), "--hash")[1]["entries"][0]["sha256"]


def test_holes_of_a_file_are_not_searched(tmp_path: Path) -> None:
    path = str(tmp_path / "dump")
    with open(path, "wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 30)
        file.write(b"\xff" * 512 + files.package())
    counting = Counting(path)
    try:
        (found,) = identify(Start.of(counting), InfoView())["found"]  # type: ignore[arg-type]
    finally:
        counting.file.close()
    assert (found["offset"], found["content"]["kind"]) == ((1 << 30) + 512, "package")
    assert counting.count < 4 << 20


def test_packages_are_found_across_the_pieces_in_which_a_file_is_read(
    monkeypatch: pytest.MonkeyPatch, info: Any
) -> None:
    monkeypatch.setattr(disks, "CHUNK", 64)
    monkeypatch.setattr(disks, "MOST_FOUND", 3)
    one = fip.dump([fip.Payload.of(BL33.guid, b"\1\0\x64\xaa inside")])
    data = b""
    places = []
    for gap in (61, 62, 63, 64):
        data += b"\xff" * gap
        places.append(len(data))
        data += one
    assert [each["offset"] for each in info(data)[1]["found"]] == places[:3]


def test_a_dump_of_nothing_but_magics_is_not_searched_for_ever(monkeypatch: pytest.MonkeyPatch, info: Any) -> None:
    tried = 0
    read = fip.read

    def counted(file: Any) -> fip.Fip:
        nonlocal tried
        tried += 1
        return read(file)

    monkeypatch.setattr(fip, "read", counted)
    monkeypatch.setattr(disks, "MOST_TRIED", 50)
    assert info(b"x" + b"\1\0\x64\xaa" * 5000)[1]["kind"] == "unknown"
    assert tried == 100  # as text and as JSON


def test_packages_beside_partitions_are_found_too(info: Any) -> None:
    data = bytearray(files.disk(b"x" * 600, files.package(), block=4096))
    data[4096 * 40 : 4096 * 40 + len(files.package())] = files.package()
    _, document, text = info(bytes(data))
    assert [row["content"]["kind"] for row in document["disk"]["partitions"]] == ["unknown", "package"]
    assert [each["offset"] for each in document["found"]] == [4096 * 40]
    assert "at offset 0x28000: package" in text


def test_damage_within_a_disk_is_a_part_of_the_answer(sound: dict[str, bytes], info: Any) -> None:
    code, document, text = info(files.disk(sound["package"][:100], sound["archive"][:60]))
    damage = [row["content"]["damage"] for row in document["disk"]["partitions"]]
    assert (code, ["outside the package" in damage[0], "too early" in damage[1]]) == (ExitCode.DONE, [True, True])
    assert text.count("damaged: ") == 2


def test_the_other_partition_table_counts_where_one_is_damaged(sound: dict[str, bytes], info: Any) -> None:
    first = info(_with(sound["disk"], 600, b"x"))[1]["disk"]
    last = info(_with(sound["disk"], len(sound["disk"]) - 480, b"x"))[1]["disk"]
    assert "first table is damaged" in first["note"]
    assert "backup is damaged" in last["note"]
    assert len(first["partitions"]) == len(last["partitions"]) == 3


def test_metadata_with_one_to_four_banks_and_a_vendors_data(info: Any) -> None:
    document, text = info(files.metadata(vendor=b"vendor data") + b"\xff" * 5)[1:]
    assert (document["metadata"]["vendor_bytes"], document["trailing"]) == (11, 5)
    assert "11 bytes behind the images" in text
    assert document["metadata"]["images"][0]["banks"] == [
        {"image": RMM.guid.efi, "accepted": True},
        {"image": BL31.guid.efi, "accepted": False},
    ]


def test_metadata_in_a_larger_partition_and_bytes_behind_a_certificate(sound: dict[str, bytes], info: Any) -> None:
    _, document, _ = info(files.disk(files.metadata() + bytes(256 << 10)))
    assert document["disk"]["partitions"][0]["content"]["kind"] == "update metadata"
    _, document, text = info(sound["certificate"] + b"\n")
    assert (document["trailing"], "trailing    1 bytes" in text) == (1, True)


def test_a_firmware_with_a_certificate_inside_is_no_pem(sound: dict[str, bytes], info: Any) -> None:
    assert info(bytes(100) + sound["PEM"] + bytes(2 << 20))[1]["kind"] == "unknown"


def test_a_log_of_a_tpm_1_2_has_sha_1(info: Any) -> None:
    document = info(files.old_event_log())[1]["event_log"]
    assert document["algorithms"] == ["SHA1"]
    assert [each["type"] for each in document["events"]] == ["0x8000000d"]
    assert document["registers"] == {"4": {"SHA1": hashlib.sha1(bytes(20) + b"\1" * 20).hexdigest()}}


def test_a_verdict_is_given_of_packages_inside_too(tmp_path: Path, info: Any) -> None:
    signer = build.ImageSigner(CCA, build.generate(CCA))
    (tmp_path / "trust.toml").write_text(trust.dumps(signer.anchor()))
    data = files.disk(signer.package({RMM.guid: files.NOTED}))
    _, document, text = info(data, "--trust", str(tmp_path / "trust.toml"))
    assert document["disk"]["partitions"][0]["content"]["verdict"]["authentic"]
    assert "This machine takes it: rmm-fw" in text


def test_text_of_a_file_cannot_change_the_terminal(info: Any) -> None:
    _, document, text = info(files.event_log().replace(b"BL31", b"\x1b[2J"))
    assert document["event_log"]["events"][0]["text"] is None
    assert "\x1b" not in text
