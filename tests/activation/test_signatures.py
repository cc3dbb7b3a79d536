# SPDX-License-Identifier: Apache-2.0
"""Signatures of the LVFS in archives: who signed, who did not, and what was changed since."""

import base64
import gzip
import json
import shutil
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import cabarchive
import pytest

from livefw import programs
from livefw.activation.images import signatures
from livefw.activation.images.signatures import SignatureVerdict, TrustedKeys
from livefw.archive import jcat, metainfo
from livefw.archive.cab import CabImage
from livefw.cli.main import main
from livefw.errors import ExitCode, UsageError

from .signing import DATA, OPENPGP, Signing, blob, catalog, run


def digits(data: bytes) -> str:
    return sha256(data).hexdigest()


def judged(blobs: list[dict[str, Any]], keys: TrustedKeys, data: bytes = DATA) -> SignatureVerdict:
    return signatures.judge([catalog({"fw.bin": blobs})], {"fw.bin": data}, keys).verdict


def test_who_signed(signing: Signing) -> None:
    keys = signatures.read_keys(str(signing.keys))
    leaf = TrustedKeys("leaf", (signing.folder / "signer.pem").read_bytes())
    other = TrustedKeys("other", (signing.folder / "other.pem").read_bytes())
    plain, by_other, of_digits = signing.sign(DATA), signing.sign(DATA, "other"), signing.sign(digits(DATA).encode())
    changed = plain.replace(plain.splitlines()[-3], plain.splitlines()[-3][::-1])
    der = base64.b64encode(base64.b64decode("".join(plain.splitlines()[1:-1]))).decode()
    nobody = TrustedKeys("/no/keys")
    signed, unknown, broken = SignatureVerdict.SIGNED, SignatureVerdict.UNKNOWN_SIGNER, SignatureVerdict.BROKEN
    table = {
        "PKCS#7": ([blob(3, plain)], keys, DATA, signed),
        "PKCS#7 in DER": ([blob(3, der, Flags=0)], keys, DATA, signed),
        "the signer itself is trusted": ([blob(3, plain)], leaf, DATA, signed),
        "of the checksum": ([blob(3, of_digits, Target=1)], keys, DATA, signed),
        "of the checksum, said to be of the file": ([blob(3, of_digits)], keys, DATA, broken),
        "of a checksum of a kind that is weak": (
            [blob(3, signing.sign(sha1(DATA).hexdigest().encode()), Target=4)],
            keys,
            DATA,
            unknown,
        ),
        "OpenPGP": ([blob(2, OPENPGP)], keys, DATA, signed),
        "by another authority": ([blob(3, plain)], other, DATA, unknown),
        "by nobody who is known, and by one who is": ([blob(3, by_other), blob(3, plain)], keys, DATA, signed),
        "OpenPGP without a key": ([blob(2, OPENPGP)], leaf, DATA, unknown),
        "PKCS#7 without a certificate": ([blob(3, plain)], keys._replace(certificates=b""), DATA, unknown),
        "of other bytes": ([blob(3, plain)], keys, b"hellO", broken),
        "of other bytes, by another authority": ([blob(3, plain)], other, b"hellO", broken),
        "OpenPGP of other bytes": ([blob(2, OPENPGP)], keys, b"hellO", broken),
        "not what it was": ([blob(3, changed)], keys, DATA, unknown),
        "no signature at all": ([blob(3, "nonsense")], keys, DATA, unknown),
        "no OpenPGP at all": ([blob(2, "nonsense")], keys, DATA, unknown),
        "a checksum only": ([blob(1, digits(DATA))], keys, DATA, SignatureVerdict.UNSIGNED),
        "a checksum of other bytes": ([blob(1, digits(b"x")), blob(3, plain)], keys, DATA, broken),
        "of a kind that is passed over": ([blob(9, "x")], keys, DATA, SignatureVerdict.UNSIGNED),
        "no keys": ([blob(3, plain)], nobody, DATA, SignatureVerdict.NO_KEYS),
    }
    found = {name: judged(blobs, by, data) for name, (blobs, by, data, _) in table.items()}
    assert found == {name: row[-1] for name, row in table.items()}


def test_the_worst_file_decides(signing: Signing) -> None:
    keys = signatures.read_keys(str(signing.keys))
    read = [catalog({"a": [blob(3, signing.sign(DATA))]}), catalog({"b": [blob(1, digits(DATA))]})]
    assert signatures.judge(read, {"a": DATA}, keys).holds
    assert signatures.judge(read, {"a": DATA, "b": DATA}, keys).text == "b is not signed"
    assert signatures.judge([], {"a": DATA}, keys).verdict is SignatureVerdict.UNSIGNED
    assert signatures.judge([*read, b"nonsense"], {"a": DATA}, keys).verdict is SignatureVerdict.BROKEN


def test_keys_that_somebody_else_may_put_there_do_not_count(signing: Signing) -> None:
    assert signatures.read_keys(str(signing.folder / "nothing")) == TrustedKeys(str(signing.folder / "nothing"))
    image = CabImage(ABOUT, DATA, ("a.metainfo.xml", b"x"), (catalog({}),))
    (signing.keys).chmod(0o777)
    found = signatures.of_image(image, str(signing.keys))
    (signing.keys).chmod(0o755)
    assert (found.verdict, "may write it" in found.text) == (SignatureVerdict.NO_KEYS, True)


def test_without_the_programs_nothing_is_verified(signing: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = signatures.read_keys(str(signing.keys))
    monkeypatch.setattr(programs, "find", lambda name: f"/nonexistent/{name}")
    assert judged([blob(3, "x")], keys) is judged([blob(2, OPENPGP)], keys) is SignatureVerdict.NOT_VERIFIED


def test_what_jcat_tool_signs_is_signed_and_what_is_signed_here_it_verifies(signing: Signing, tmp_path: Path) -> None:
    if shutil.which("jcat-tool") is None:
        pytest.skip("needs jcat-tool (Debian: jcat)")
    (tmp_path / "fw.bin").write_bytes(DATA)
    theirs, mine = tmp_path / "theirs.jcat", tmp_path / "mine.jcat"
    signer = (signing.folder / "signer.pem", signing.folder / "signer.key")
    words = ("jcat-tool", "--basename", "--appstream-id", "org.example")
    run(*words, "--kind", "sha256", "self-sign", theirs, tmp_path / "fw.bin")
    run(*words, "sign", theirs, tmp_path / "fw.bin", *signer)
    run(*words, "--target", "sha256", "sign", theirs, tmp_path / "fw.bin", *signer)
    keys = signatures.read_keys(str(signing.keys))
    item = jcat.read(theirs.read_bytes())["fw.bin"]
    assert (len(item.checksums), [each.target for each in item.signatures]) == (1, [0, 1])
    assert signatures.judge([theirs.read_bytes()], {"fw.bin": DATA}, keys).holds
    mine.write_bytes(catalog({"fw.bin": [blob(1, digits(DATA)), blob(3, signing.sign(DATA))]}))
    verify = (*words, "--public-key", signing.folder / "ca.pem", "verify", "mine.jcat", "fw.bin")
    assert b"PASSED pkcs7" in run(*verify, cwd=tmp_path)


META = b"""<component type="firmware"><id>a</id><name>A</name>
<provides><firmware type="flashed">6c0762a6-12f2-4b56-92cb-ba8f633606d9</firmware></provides>
<releases><release version="1.9"><checksum target="content" filename="fw.bin"/></release></releases></component>"""


def archive(path: Path, **members: bytes) -> str:
    packed = cabarchive.CabArchive()
    for name, data in ({"fw.bin": DATA, "a.metainfo.xml": META} | members).items():
        packed[name] = cabarchive.CabFile(data)
    path.write_bytes(packed.save())
    return str(path)


ABOUT = next(each for each in metainfo.read_each("a", META) if isinstance(each, metainfo.Metainfo))


def test_image_and_metainfo_have_to_be_signed(
    signing: Signing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, text = [blob(3, signing.sign(DATA))], [blob(3, signing.sign(META))]
    both = catalog({"fw.bin": image, "a.metainfo.xml": text})
    file = str(tmp_path / "x.cab")
    for members, code, said in (
        ({"firmware.jcat": both}, ExitCode.DONE, "signed by a key in"),
        ({"firmware.jcat": catalog({"fw.bin": image})}, ExitCode.REFUSED, "a.metainfo.xml is not signed"),
        ({"firmware.jcat": catalog({"a.metainfo.xml": text})}, ExitCode.REFUSED, "fw.bin is not signed"),
        ({}, ExitCode.REFUSED, "it has no signatures (.jcat)"),
        (
            {"firmware.jcat": both, "fw.bin": b"hellO"},
            ExitCode.REFUSED,
            "the signature of fw.bin is one of other bytes",
        ),
    ):
        archive(tmp_path / "x.cab", **members)
        assert main(["image", "cab", file, "--keys", str(signing.keys)]) == code
        assert said in capsys.readouterr().out
    assert main(["--json", "image", "cab", file]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["archive"][0]["signature"] is None


BAD = {
    "no gzip": b"{}",
    "cut off": catalog({"a": [blob(1, "00")]})[:-12],
    "no JSON": gzip.compress(b"{"),
    "a list": gzip.compress(b"[]"),
    "no list of items": gzip.compress(b'{"Items": {}}'),
    "an item that is none": gzip.compress(b'{"Items": [1]}'),
    "an item without a name": gzip.compress(b'{"Items": [{"Blobs": []}]}'),
    "a kind that is no number": catalog({"a": [blob(1, "") | {"Kind": "1"}]}),
    "data that are none": catalog({"a": [blob(3, "") | {"Data": 7}]}),
    "data that are not base64": catalog({"a": [blob(3, "!", Flags=0)]}),
    "a lone surrogate": gzip.compress(
        b'{"Items": [{"Id": "a", "Blobs": [{"Kind": 3, "Flags": 1, "Data": "\\ud800"}]}]}'
    ),
    "too deep": gzip.compress(b"[" * 100_000),
    "65 signatures": catalog({"a": [blob(3, "")] * 65}),
    "more than 4 MiB": gzip.compress(bytes((4 << 20) + 1)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_catalog_that_cannot_be_read_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="catalog of signatures is rejected") as caught:
        jcat.read(BAD[name])
    assert caught.value.phase == "archive"


def test_bounds_of_a_catalog() -> None:
    assert len(jcat.read(catalog({"a": [blob(3, "")] * 64}))["a"].signatures) == 64
    assert jcat.read(gzip.compress(b'{"Items": []}'.ljust(4 << 20))) == {}
    twice = {
        "Items": [{"Id": "a", "AliasIds": ["b"], "Blobs": [blob(3, "")] * 33}, {"Id": "b", "Blobs": [blob(3, "")] * 32}]
    }
    with pytest.raises(UsageError, match="'b' has more than 64 signatures"):
        jcat.read(gzip.compress(json.dumps(twice).encode()))
