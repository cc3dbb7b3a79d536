# SPDX-License-Identifier: Apache-2.0
"""``livefw image metadata``: the bytes that U-Boot's mkfwumdata writes, by their CRC; Debian 12 does not have it."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.guid import RMM
from livefw.cli.main import main
from livefw.errors import ExitCode
from livefw.firmware.image import metadata
from livefw.firmware.image.metadata import NO_IMAGE, BankImage, BankState

Command = Callable[..., tuple[int, dict[str, Any]]]


def guid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


def image(first: int, second: int, *banks: int) -> tuple[str, str]:
    return "--image", ",".join(map(guid, (first, second, *banks)))


OF_MKFWUMDATA = [
    # The CRC of a file that mkfwumdata wrote (U-Boot), and its size.
    (image(0x1064, 0x1000, 0x10C8, 0x10C9), ("--metadata-version", "1"), 0xF1ED37EC, 96),
    (image(0x1000, 0x1064, 0x10C8, 0x10C9, 0x10CA, 0x10CB), ("--previous", "1"), 0x52514B2F, 168),
    (image(0x1000, 0x1064, 0x10C8, 0x10C9), ("--vendor", "vendor"), 0x2ABAE9D4, 160),
]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command with ``--json`` in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    Path("vendor").write_bytes(b"VENDORDATA" * 4)

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = main(["--json", "image", "metadata", "out", *words])
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, document

    return run


def test_the_same_bytes_as_mkfwumdata(command: Command) -> None:
    for words, options, crc, size in OF_MKFWUMDATA:
        assert command(*words, *options)[0] == ExitCode.DONE
        data = Path("out").read_bytes()
        assert (data[:4], len(data)) == (crc.to_bytes(4, "little"), size), options


def test_of_one_bank_mkfwumdata_marks_a_second_as_accepted(command: Command) -> None:
    """All else is equal; here a bank that does not exist is invalid, as DEN0118 wants it."""
    command(*image(0x1000, 0x1064, 0x10C8), "--previous", "1")
    ours = bytearray(Path("out").read_bytes())
    assert ours[24:28].hex() == "fcffffff"
    ours[25] = 0xFC
    assert zlib.crc32(ours[4:]) == 0x52D9BB88


def test_what_is_made_is_read_back(command: Command) -> None:
    words = ("--image", f"rmm-fw,{guid(1)},{guid(2)},", "--state", "1=invalid")
    assert command(*words)[1]["metadata"]["banks"] == 2
    found = metadata.decode(Path("out").read_bytes())
    assert (found.active, found.previous, found.states) == (0, 1, (BankState.ACCEPTED, BankState.INVALID))
    (entry,) = found.images
    assert (entry.type, entry.banks[1]) == (RMM.guid, BankImage(NO_IMAGE))
    command("--image", f"{RMM.guid.efi},{guid(1)},{guid(2)}", "--efi")
    assert metadata.decode(Path("out").read_bytes()).images[0].type == RMM.guid


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--image", "rmm-fw"),
        ("--image", f"nothing,{guid(1)},{guid(2)}"),
        image(*range(7)),
        (*image(1, 2, 3), *image(2, 2, 3, 4)),
        (*image(1, 2, 3), "--active", "1"),
        (*image(1, 2, 3), "--state", "1=valid"),
        (*image(1, 2, 3), "--state", "0=good"),
        (*image(1, 2, 3), "--metadata-version", "1", "--vendor", "vendor"),
        (*image(1, 2, 3), "--vendor", "nowhere"),
    ],
    ids=" ".join,
)
def test_misuse(command: Command, words: tuple[str, ...]) -> None:
    assert command(*words)[0] == ExitCode.USAGE
    assert not Path("out").exists()


def test_one_type_twice_is_refused(command: Command) -> None:
    assert command(*image(1, 2, 3), *image(1, 2, 4))[0] == ExitCode.FAILED
