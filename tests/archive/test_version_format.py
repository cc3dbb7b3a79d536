# SPDX-License-Identifier: Apache-2.0
"""LVFS::VersionFormat: what it makes of an integer, and which versions it lets be compared."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from livefw.archive import version_format
from livefw.archive.version_format import integer, like, numbers

FORMATS = {
    # format: 0x12345678 and 0xFEDC9876 as fwupd 2.0.20 shows them
    "number": ("305419896", "4275869814"),
    "hex": ("0x12345678", "0xfedc9876"),
    "pair": ("4660.22136", "65244.39030"),
    "triplet": ("18.52.22136", "254.220.39030"),
    "quad": ("18.52.86.120", "254.220.152.118"),
    "bcd": ("12.34.56.78", ""),
    "intel-me": ("11.18.52.22136", "18.30.220.39030"),
    "intel-me2": ("1.2.52.22136", "15.14.220.39030"),
    "intel-csme19": ("19.18.52.22136", "26.30.220.39030"),
    "surface": ("18.13398.120", "254.56472.118"),
    "surface-legacy": ("72.3349.632", "1019.1830.118"),
    "dell-bios": ("52.86.120", "220.152.118"),
    "dell-bios-msb": ("18.52.86", "254.220.152"),
    "compal-bios": ("86.120", "152.118"),  # fwupd #10347: 0x301 is 3.01
}


@pytest.mark.parametrize("declared", FORMATS)
def test_an_integer_is_the_numbers_that_fwupd_makes_of_it(declared: str) -> None:
    for value, shown in zip((0x1234_5678, 0xFEDC_9876), FORMATS[declared], strict=True):
        expected = (value,) if declared == "hex" else tuple(map(int, shown.split("."))) if shown else ()
        assert numbers(f"{value:#010x}", f" {declared.title()} ") == expected
        assert numbers(str(value), declared) == (() if declared == "hex" else expected)
        assert declared == "hex" or numbers(shown, declared) == expected


_FWUPD = """
import ctypes, json, sys
library = ctypes.CDLL(sys.argv[1])
make, name = library.fu_version_from_uint32, library.fwupd_version_format_to_string
make.restype, make.argtypes, name.restype = ctypes.c_char_p, [ctypes.c_uint32, ctypes.c_int], ctypes.c_char_p
names = [found.decode() for kind in range(1, 32) if (found := name(kind)) and found != b"unknown"]
print(json.dumps({each: [make(value, kind).decode() for value in json.loads(sys.argv[2])]
                  for kind, each in enumerate(names, 1) if each != "plain"}))
"""


def test_every_format_of_the_installed_fwupd_is_applied_as_it_does() -> None:
    """libfwupdplugin's fu_version_from_uint32; in another process, since tests look at what is mapped in this one."""
    path = next(Path("/usr/lib").glob("*/fwupd-*/libfwupdplugin.so"), None)
    if path is None:
        pytest.skip("needs libfwupdplugin (Debian: fwupd)")
    values = [*(1 << bit for bit in range(32)), *random.Random(7).choices(range(1 << 32), k=50), 0x9999_9999, 0]
    command = [sys.executable, "-c", _FWUPD, str(path), json.dumps(values)]
    made = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert made.keys() >= FORMATS.keys() - {"compal-bios"}
    for declared, texts in made.items():
        for value, shown in zip(values, texts, strict=True):
            ours = numbers(hex(value), declared)
            if declared == "bcd" and not f"{value:x}".isdigit():
                assert ours == ()
            else:
                assert ours == ((value,) if declared == "hex" else tuple(map(int, shown.split("."))))


LIKE = [
    # version, running, format, the version as the running one is written
    ("65536", "1.2.0", "triplet", "0.1.0"),  # lvfs-website-archived #548
    ("0x00010000", "1.2.0", "triplet", "0.1.0"),
    ("65536", "1.2", "pair", "1.0"),
    ("1.2.0", "65536", "triplet", "16908288"),
    ("1.2.0", "0x00010000", "triplet", "0x01020000"),
    ("0x15302530", "0x15302529", "hex", "0x15302530"),
    ("15302530", "0x15302529", "hex", None),  # LVFS #823: decimal, or hexadecimal without 0x
    ("12.34.56.79", "0x12345678", "bcd", "0x12345679"),
    ("12.34.56.100", "0x12345678", "bcd", None),
    ("12.35", "12.34", "bcd", "12.35"),
    ("0x1234567a", "12.34.56.79", "bcd", None),
    ("11.18.52.22137", "0x12345678", "intel-me", "0x12345679"),
    ("10.18.52.22137", "0x12345678", "intel-me", None),
    ("1.256.0", "65536", "triplet", None),
    # The ignored bits are as in the running version.
    ("0x02000001", "0x01000002", "dell-bios", "0x01000001"),
    ("0x010203ff", "0x01020300", "dell-bios-msb", "0x01020300"),
    ("1.9.0", "1.2.0", "dell-bios", "1.9.0"),
    ("1.9", "1.2", "dell-bios", None),
    ("1.9.0", "1.2", "triplet", None),
    ("4294967296", "1.2.0", "triplet", None),
    ("65536", "r7", "triplet", None),
    ("65536", "1.2.0", "tripple", None),
    ("1.2.3.4", "1.2.3.4", "plain", None),
    ("", "1.2.0", "triplet", None),
    ("1." + "9" * 5000, "1.2", "pair", None),
]


@pytest.mark.parametrize(("version", "running", "declared", "expected"), LIKE)
def test_a_version_is_written_as_the_running_one(
    version: str, running: str, declared: str, expected: str | None
) -> None:
    assert like(version, running, declared) == expected


@pytest.mark.parametrize("text", ["", "0x", "0x123456789", "4294967296", "-1", "+1", "1_0", " 1", "1.0", "\u0663"])
def test_what_is_no_integer_of_32_bits(text: str) -> None:
    assert integer(text) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("7", "number"),
        ("1.2", "pair"),
        ("1.2.3", "triplet"),
        ("1.2.3.4", "quad"),
        ("1.2.3.4.5", "plain"),
        ("1.a", "plain"),
        ("1.", "plain"),
        ("", "plain"),
        ("1.\u0663", "plain"),
    ],
)
def test_shapes_of_versions(text: str, form: str) -> None:
    """As the LVFS documents them ("Version Format")."""
    assert version_format.shape(text) == form


def test_what_names_no_format() -> None:
    assert [word for word in ("", " ", "unknown", "Plain", "triplet", "bcd") if version_format.declares(word)] == [
        "triplet",
        "bcd",
    ]
