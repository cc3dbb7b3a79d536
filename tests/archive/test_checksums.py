# SPDX-License-Identifier: Apache-2.0
"""Checksums of an image: however one is written and wherever it stands, it holds, or the archive is refused."""

from hashlib import blake2b, blake2s, md5, new, sha1, sha256, sha512

import cabarchive
import pytest

from livefw.archive import cab
from livefw.errors import UsageError

GOOD, BAD = b"version=1.9.0", b"version=1.9.1"
META = """<component type="firmware"><id>org.example.fw</id><name>N</name>
<provides><firmware type="flashed">6c0762a6-12f2-4b56-92cb-ba8f633606d9</firmware></provides>
<releases><release version="1.9.0">{}</release></releases></component>"""
SHA1, SHA256, SHA512 = sha1(GOOD).hexdigest(), sha256(GOOD).hexdigest(), sha512(GOOD).hexdigest()
OTHER = sha256(BAD).hexdigest()


def archive(release: str, payload: bytes, file: str = "fw.bin") -> bytes:
    packed = cabarchive.CabArchive()
    packed[file] = cabarchive.CabFile(payload)
    packed["a.metainfo.xml"] = cabarchive.CabFile(META.format(release).encode())
    return bytes(packed.save(compress=True))


def content(attributes: str, digits: str, file: str = "fw.bin") -> str:
    return f'<checksum {attributes} target="content" filename="{file}">{digits}</checksum>'


def artifact(attributes: str, inner: str, file: str = "fw.bin") -> str:
    return f"<artifacts><artifact {attributes}><filename>{file}</filename>{inner}</artifact></artifacts>"


NAME = '<checksum target="content" filename="fw.bin"/>'
"""The image's name without a checksum, as vendors send archives to the LVFS."""
KINDS = {kind: new(kind, GOOD).hexdigest() for kind in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")}
BLAKE = {"blake2b": blake2b(GOOD).hexdigest(), "blake2s": blake2s(GOOD).hexdigest()}
SPELLINGS = ["SHA256", "Sha256", "SHA-256", "sha-256", "sha_256", "SHA 256", " sha256 "]
HOLDS = {
    **{f"{kind} of content": content(f'type="{kind}"', digits) for kind, digits in (KINDS | BLAKE).items()},
    # fwupd guesses the kind from the length (fwupd_checksum_guess_kind).
    **{f"{kind} that does not say so": content("", digits) for kind, digits in KINDS.items()},
    **{f"kind {spelling!r}": content(f'type="{spelling}"', SHA256) for spelling in SPELLINGS},
    "capital digits": content('type="sha256"', SHA256.upper()),
    "white space around and in the digits": content('type="sha256"', f"\n {SHA256[:32]}\n {SHA256[32:]} "),
    "digits behind a comment": content('type="sha256"', f"<!-- a -->{SHA256}"),
    "digits in an element": content('type="sha256"', f"<code>{SHA256}</code>"),
    "target in capitals": NAME + f'<checksum type="sha256" target=" Content ">{SHA256}</checksum>',
    "no target": NAME + f'<checksum type="sha256" filename="fw.bin">{SHA256}</checksum>',
    "neither target nor name": NAME + f'<checksum type="sha256">{SHA256}</checksum>',
    "the second of a kind": content('type="sha256"', SHA256) + content('type="sha256"', SHA256),
    "a path": content('type="sha256"', SHA256, "build/fw.bin"),
    "a path of Windows": content('type="sha256"', SHA256, "build\\fw.bin"),
    # What fwupd reads now (fu-cabinet.c); the LVFS documents it under "Metainfo Files".
    "source artifact": artifact('type="source"', f'<checksum type="sha256">{SHA256}</checksum>'),
    "source artifact, SHA-512": artifact('type="Source"', f'<checksum type="SHA-512">{SHA512}</checksum>'),
    "source artifact, no kind": artifact('type="source"', f"<checksum>{SHA1}</checksum>"),
    "artifact without a type": NAME + artifact("", f'<checksum type="sha256">{SHA256}</checksum>'),
    "binary artifact that is the image": NAME + artifact('type="binary"', f"<checksum>{SHA256}</checksum>"),
    "content beside a source": artifact('type="source"', "") + content('type="sha256"', SHA256),
    "astray below artifacts": NAME + f"<artifacts><checksum>{SHA256}</checksum></artifacts>",
    "another case of the element": NAME + f"<Checksum>{SHA256}</Checksum>",
    # libxmlb, and with it fwupd, knows no namespaces.
    "a namespace": NAME + f'<checksum xmlns="https://example.org/x">{SHA256}</checksum>',
    "the size": NAME + '<size type="installed">13</size>',
    "the size in hexadecimal": NAME + '<size type="installed"> 0x0D </size>',
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_is_said_of_the_image_holds_or_the_archive_is_refused(name: str) -> None:
    other = BAD if "size" not in name else BAD + b"\0"
    (image,) = cab.read(archive(HOLDS[name], GOOD))
    assert (image.about.filename, image.payload) == ("fw.bin", GOOD)
    with pytest.raises(UsageError, match=r"by the metainfo|is not the one in the metainfo") as caught:
        cab.read(archive(HOLDS[name], other))
    assert caught.value.phase == cab.PHASE


NEVER = {
    "one wrong among right ones": content('type="sha256"', SHA256) + content('type="sha256"', OTHER),
    "wrong behind a name": NAME + content('type="sha256"', OTHER),
    "wrong content beside a source that is right": artifact('type="source"', f"<checksum>{SHA256}</checksum>")
    + content('type="sha256"', OTHER),
    "wrong source beside content that is right": content('type="sha256"', SHA256)
    + artifact('type="source"', f'<checksum type="sha512">{"0" * 128}</checksum>'),
    "an unknown kind": content('type="crc32"', "cbf43926"),
    "SHA-3, which is no SHA-2": content('type="sha3-256"', SHA256),
    "two kinds": content('type="sha1 sha256"', SHA256),
    "a kind and digits of another": content('type="sha1"', SHA256),
    "no kind and a strange length": content("", SHA256[:-2]),
    "digits that are cut off": content('type="sha256"', SHA256[:-1]),
    "digits that are none": content('type="sha256"', "g" * 64),
    "digits with their kind": content('type="sha256"', f"sha256:{SHA256}"),
    "base64": content('type="sha256"', "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    "an unknown target": NAME + f'<checksum type="sha256" target="contents">{SHA256}</checksum>',
    "another file": content('type="sha256"', SHA256) + content('type="sha256"', SHA256, "other.bin"),
    "a size that is invalid": NAME + '<size type="installed">thirteen</size>',
    "a size below zero": NAME + '<size type="installed">-13</size>',
    "two sizes": NAME + '<size type="installed">13</size><size type="installed">14</size>',
    "a size of many digits": NAME + f'<size type="installed">{"1" * 900}</size>',
}


@pytest.mark.parametrize("name", NEVER)
def test_what_cannot_hold_is_no_reason_to_do_without(name: str) -> None:
    with pytest.raises(UsageError, match="rejected") as caught:
        cab.read(archive(NEVER[name], GOOD))
    assert caught.value.phase == cab.PHASE


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a kind and digits of another", "sha1"),
        ("digits that are none", "sha256"),
        ("digits with their kind", "sha256"),
    ],
)
def test_digits_that_no_image_can_have_are_told_as_such(name: str, kind: str) -> None:
    with pytest.raises(UsageError, match=f"its {kind} is invalid"):
        cab.read(archive(NEVER[name], GOOD))


TAKEN = {
    "a name only": NAME,
    "nothing at all": "",
    # None of these is of the image: of the archive itself, of what a device reads back, of a signature (AppStream).
    "of the archive": NAME + f'<checksum type="sha1" target="container" filename="fw.cab">{"0" * 40}</checksum>',
    "of the archive that is not named": NAME + f'<checksum type="sha1" target="container">{"0" * 40}</checksum>',
    "of a signature": NAME + f'<checksum type="sha256" target="signature">{OTHER}</checksum>',
    "of a device": NAME + f'<checksum type="sha256" target="device">{OTHER}</checksum>',
    # Dell's archives on the LVFS have both (fwupd #6129).
    "of an archive as an artifact": content('type="sha256"', SHA256)
    + artifact('type="binary"', f"<checksum>{OTHER}</checksum>", "fw.cab"),
    "a binary artifact without a name": NAME + f'<artifacts><artifact type="binary"><checksum>{OTHER}</checksum>'
    "</artifact></artifacts>",
    "the size of the archive": NAME + '<size type="download">99</size>',
    "an empty checksum of a kind": content('type="sha256"', " "),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_said_of_something_else_keeps_nothing_out(name: str) -> None:
    file = "firmware.bin" if name == "nothing at all" else "fw.bin"
    assert cab.read(archive(TAKEN[name], GOOD, file))[0].payload == GOOD


def test_md5_is_the_one_that_everybody_means() -> None:
    assert KINDS["md5"] == md5(GOOD, usedforsecurity=False).hexdigest()
