# SPDX-License-Identifier: Apache-2.0
"""Beside the tools of others: openssl, iucode-tool, sgdisk. What they read, `livefw image info` reads the same."""

import io
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livefw.cli.image.formats.base import InfoView, Start
from livefw.cli.image.formats.table import identify

from . import files

Run = Callable[..., str]


def info(data: bytes) -> dict[str, Any]:
    return identify(Start.of(io.BytesIO(data)), InfoView())


def openssl(*words: object) -> bytes:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


KEYS = [
    ("RSA", "RSA", ("-pkeyopt", "rsa_keygen_bits:2048"), (2048, None)),
    ("EC", "EC", ("-pkeyopt", "ec_paramgen_curve:P-384"), (384, "secp384r1")),
    ("brainpool", "EC", ("-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"), (256, "brainpoolP256r1")),
    ("Ed25519", "ED25519", (), (256, None)),
]


def test_keys_and_certificates_as_openssl_makes_and_shows_them(tmp_path: Path) -> None:
    """PKCS #8, the older form and the public key, in DER and PEM, encrypted and not; and a certificate of it."""
    for name, algorithm, options, (bits, curve) in KEYS:
        key, der = tmp_path / f"{name}.pem", tmp_path / f"{name}.der"
        openssl("genpkey", "-algorithm", algorithm, *options, "-out", key)
        public = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
        openssl("pkey", "-in", key, "-outform", "DER", "-out", der)
        hashed = files.sha256(public)
        found = info(public)["key"]
        assert (found["bits"], found["curve"], found["sha256"], found["private"]) == (bits, curve, hashed, False), name
        private = info(der.read_bytes())["key"]
        # Ed25519's private key comes without its public one (RFC 8410).
        assert private == found | {"private": True, "sha256": None if name == "Ed25519" else hashed}, name
        assert [block["key"] for block in info(key.read_bytes())["blocks"]] == [private], name
        locked = openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x")
        assert info(locked)["blocks"][0]["key"]["encrypted"], name
        if name != "Ed25519":
            older = openssl("pkey", "-in", key, "-traditional")
            assert info(older)["blocks"][-1]["key"] == private, name
            kept = openssl("pkey", "-in", key, "-traditional", "-aes128", "-passout", "pass:x")
            assert info(kept)["blocks"][-1]["key"]["encrypted"], name
        subject = "/C=DE/O=Example, Ltd/CN=Firmware/serialNumber=7"
        made = openssl("req", "-x509", "-key", key, "-subj", subject, "-days", 30, "-outform", "DER")
        _check_certificate(made, tmp_path / f"{name}.crt", hashed)


def _check_certificate(made: bytes, path: Path, hashed: str) -> None:
    path.write_bytes(made)
    names = (
        "-nameopt",
        "sep_comma_plus_space,space_eq,utf8",
        "-subject",
        "-issuer",
        "-serial",
        "-startdate",
        "-enddate",
    )
    theirs = dict(
        line.split("=", 1)
        for line in openssl("x509", "-inform", "DER", "-in", path, "-noout", *names).decode().splitlines()
    )
    ours = info(made)
    assert ours["name"].replace("=", " = ") == theirs["subject"].lstrip()
    assert ours["issuer"] == ours["name"]
    assert int(ours["serial"], 16) == int(theirs["serial"], 16)
    assert ours["key_sha256"] == hashed
    for field, line in (("not_before", "notBefore"), ("not_after", "notAfter")):
        date = datetime.strptime(theirs[line], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        assert ours[field] == date.strftime("%y%m%d%H%M%SZ")
    assert ours["unusable"] or ours["signature"].startswith("ECDSA")


def test_microcode_as_iucode_tool_lists_it(iucode_tool: Run, tmp_path: Path) -> None:
    updates = ((0x30, 0x806F8, 0), (0x31, 0x906EA, 0), (0x32, 0x806F8, 0x806F6))
    data = b"".join(files.intel_microcode(number, cpu=cpu, extended=more) for number, cpu, more in updates)
    (tmp_path / "x.bin").write_bytes(data)
    listed = iucode_tool("-tb", "-L", "--no-downgrade", tmp_path / "x.bin")
    row = re.compile(r"sig (0x[0-9a-f]+), pf_mask (0x[0-9a-f]+), (\S+), rev (0x[0-9a-f]+), size (\d+)")
    theirs = [(*(int(text, 16) for text in (a, b, d)), c, int(e)) for a, b, c, d, e in row.findall(listed)]
    ours = []
    for each in info(data)["microcode"]:
        texts = (each["cpus"][0]["signature"], each["cpus"][0]["platforms"], each["revision"])
        ours.append((*(int(text, 16) for text in texts), each["date"], each["size"]))
    assert ours == theirs
    assert len(ours) == len(updates)


def test_partitions_as_sgdisk_makes_them(sgdisk: Run, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(4 << 20)
    types = ("19d5df83-11b0-457b-be2c-7559c13142a5", "8a7a84a0-8387-40f6-ab41-a8b9a5a60d23")
    first = ("-n", "1:0:+1M", "-t", f"1:{types[0]}", "-c", "1:fip-a")
    second = ("-n", "2:0:+64K", "-t", f"2:{types[1]}", "-c", "2:metadata")
    sgdisk("-o", "-a", 1, *first, *second, path)
    shown = sgdisk("-i", 1, "-i", 2, path)
    starts = [512 * int(text) for text in re.findall(r"First sector: (\d+)", shown)]
    guids = [text.lower() for text in re.findall(r"unique GUID: (\S+)", shown)]
    with path.open("r+b") as file:
        file.seek(starts[0])
        file.write(files.package())
        file.seek(starts[1])
        file.write(files.metadata())
    with path.open("rb") as file:
        disk = identify(Start.of(file), InfoView())["disk"]
    rows = disk["partitions"]
    assert disk["note"] is None
    assert [(row["name"], row["type_name"], row["offset"]) for row in rows] == [
        ("fip-a", "FIP", starts[0]),
        ("metadata", "FWU metadata", starts[1]),
    ]
    assert [row["guid"] for row in rows] == guids
    assert [(row["type"], row["content"]["kind"]) for row in rows] == [
        (types[0], "package"),
        (types[1], "update metadata"),
    ]
