# SPDX-License-Identifier: Apache-2.0
"""Firmware image packages: layout, bounds, and the same bytes as TF-A's fiptool and U-Boot's binman."""

import io
import struct
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.guid import BL31, BL33, RMM, Guid
from livefw.abi.lfa import LfaStatus
from livefw.firmware.image import fip, names
from livefw.firmware.image.errors import PackageError, Violation
from livefw.firmware.image.fip import FipEntry, Payload

Run = Callable[..., str]
OTHER = Guid.parse("0509b633-5734-422f-a681-6096e932d93a")
HEADER = struct.pack("<IIQ", 0xAA640001, 0x12345678, 0)
U64 = (1 << 64) - 1


def toc_entry(guid: Guid, offset: int, size: int, flags: int = 0) -> bytes:
    return guid.raw + struct.pack("<QQQ", offset, size, flags)


END = toc_entry(Guid(bytes(16)), 0, 0)


def package(*entries: bytes, payload: bytes = bytes(64), header: bytes = HEADER, end: bytes = END) -> bytes:
    return header + b"".join(entries) + end + payload


def entries(count: int) -> bytes:
    """A package of that many."""
    return package(*(toc_entry(Guid(struct.pack("<QQ", number, 1)), 0, 0) for number in range(count)), payload=b"")


# 16-byte header, entries of 40 bytes: with one entry payloads start at 96, with two at 136.
BAD = [
    ("empty", b"", Violation.FIP_TRUNCATED, 0),
    ("half a header", HEADER[:15], Violation.FIP_TRUNCATED, 15),
    ("other magic", b"\x02" + HEADER[1:] + END, Violation.FIP_MAGIC, 0),
    ("no entry at all", HEADER, Violation.FIP_TERMINATOR, 16),
    ("cut in an entry", package(toc_entry(RMM.guid, 96, 4))[:70], Violation.FIP_TERMINATOR, 56),
    ("offset past the end", package(toc_entry(RMM.guid, 161, 0)), Violation.FIP_BOUNDS, 16),
    ("size past the end", package(toc_entry(RMM.guid, 96, 65)), Violation.FIP_BOUNDS, 16),
    ("sum wraps in 64 bits", package(toc_entry(RMM.guid, 100, U64 - 99)), Violation.FIP_BOUNDS, 16),
    ("both at the limit", package(toc_entry(RMM.guid, U64, U64)), Violation.FIP_BOUNDS, 16),
    ("second entry out", package(toc_entry(RMM.guid, 136, 4), toc_entry(BL31.guid, 1, U64)), Violation.FIP_BOUNDS, 56),
    ("inside the table", package(toc_entry(RMM.guid, 95, 4)), Violation.FIP_OVERLAP, 95),
    ("the whole package", package(toc_entry(RMM.guid, 0, 160)), Violation.FIP_OVERLAP, 0),
    ("share a byte", package(toc_entry(RMM.guid, 136, 5), toc_entry(BL31.guid, 140, 4)), Violation.FIP_OVERLAP, 140),
    ("one in another", package(toc_entry(RMM.guid, 136, 9), toc_entry(BL31.guid, 140, 1)), Violation.FIP_OVERLAP, 140),
    ("one GUID twice", package(toc_entry(RMM.guid, 136, 4), toc_entry(RMM.guid, 140, 4)), Violation.FIP_DUPLICATE, 56),
    (
        "a thousand entries",
        entries(1_000),
        Violation.FIP_ENTRY_LIMIT,
        16 + 513 * 40,
    ),
]


@pytest.mark.parametrize(("data", "rule", "offset"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_malformed_package_is_refused_with_rule_and_offset(data: bytes, rule: Violation, offset: int) -> None:
    reads: tuple[Callable[[], object], ...] = (lambda: fip.parse(data), lambda: fip.read(io.BytesIO(data)))
    for read in reads:
        with pytest.raises(PackageError) as caught:
            read()
        assert (caught.value.rule, caught.value.offset) == (rule, offset)
        assert caught.value.status is LfaStatus.DEVICE_ERROR
        assert f"offset {offset:#x}" in str(caught.value)


def test_a_million_entries_take_no_memory_for_a_million() -> None:
    file = io.BytesIO(entries(1_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(PackageError):
            fip.read(file)
        assert tracemalloc.get_traced_memory()[1] < 20 * fip.TOC_LIMIT
    finally:
        tracemalloc.stop()


def test_reading_the_table_takes_no_payload() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    file = Counting(package(toc_entry(RMM.guid, 96, 1 << 20), payload=bytes(1 << 20)))
    assert fip.read(file)[RMM.guid].size == 1 << 20
    assert file.taken <= fip.TOC_LIMIT


def test_empty_entries_share_no_bytes() -> None:
    data = package(toc_entry(RMM.guid, 136, 0), toc_entry(BL31.guid, 136, 4), payload=b"abcd")
    assert [entry.size for entry in fip.parse(data).entries] == [0, 4]


ENCRYPTED = struct.pack("<IHHHH", fip.MAGIC, 0, 0, 12, 16) + bytes(range(49))
"""What encrypt_fw makes (TF-A ``firmware_encrypted.h``): algorithm, flags, lengths of vector and tag."""


@pytest.mark.parametrize(
    ("at", "value", "known"), [(6, 1, True), (6, 2, False), (4, 1, False), (8, 17, False), (10, 12, False)]
)
def test_an_encrypted_image_is_no_package(at: int, value: int, known: bool) -> None:
    with pytest.raises(PackageError, match=r"encrypted .AES-GCM. and cannot be judged without the key"):
        fip.parse(ENCRYPTED)
    changed = bytearray(ENCRYPTED)
    changed[at] = value
    assert fip.is_encrypted(bytes(changed)) == known
    assert not fip.is_encrypted(ENCRYPTED[:11])
    assert not fip.is_encrypted(fip.dump([Payload.of(RMM.guid, b"rmm")]))


def test_lookup_by_guid() -> None:
    table = fip.parse(fip.dump([Payload.of(RMM.guid, b"rmm", 7)]))
    assert table[RMM.guid] == FipEntry(RMM.guid, 96, 3, 7)
    assert table.find(BL31.guid) is None
    with pytest.raises(PackageError, match="soc-fw: the package has no such image"):
        _ = table[BL31.guid]


def test_file_that_became_shorter_is_noticed() -> None:
    data = fip.dump([Payload.of(RMM.guid, b"12345678")])
    entry = fip.parse(data)[RMM.guid]
    with pytest.raises(PackageError) as caught:
        fip.read_payload(io.BytesIO(data[:-3]), entry)
    assert (caught.value.rule, caught.value.offset) == (Violation.FIP_TRUNCATED, len(data) - 3)


@pytest.mark.parametrize("align", [0, 3, -4, fip.MAX_ALIGNMENT * 2])
def test_alignment_is_a_power_of_two(align: int) -> None:
    with pytest.raises(PackageError) as caught:
        fip.dump([Payload.of(RMM.guid, b"")], align=align)
    assert caught.value.rule is Violation.FIP_ALIGNMENT


BAD_WRITES = [
    ([Payload.of(RMM.guid, b""), Payload.of(RMM.guid, b"")], Violation.FIP_DUPLICATE),
    ([Payload.of(Guid(bytes(16)), b"")], Violation.FIP_FIELD),
    ([Payload.of(RMM.guid, b"", 1 << 64)], Violation.FIP_FIELD),
    ([Payload(RMM.guid, U64, lambda: ())], Violation.FIP_FIELD),
    ([Payload(RMM.guid, 4, lambda: (b"abc",))], Violation.FIP_TRUNCATED),
    ([Payload.of(Guid(i.to_bytes(16, "big")), b"") for i in range(1, 514)], Violation.FIP_ENTRY_LIMIT),
]


@pytest.mark.parametrize(("images", "rule"), BAD_WRITES, ids=[str(row[1]) for row in BAD_WRITES])
def test_package_that_no_reader_would_take_is_not_written(images: list[Payload], rule: Violation) -> None:
    with pytest.raises(PackageError) as caught:
        fip.dump(images)
    assert caught.value.rule is rule


guids = st.one_of(
    st.sampled_from([row.guid for row in names.ENTRIES]),
    st.binary(min_size=16, max_size=16).filter(any).map(Guid),
)
image_lists = st.lists(
    st.tuples(guids, st.binary(max_size=80), st.integers(0, U64)), max_size=12, unique_by=lambda row: row[0]
)


@given(image_lists, st.integers(0, 12), st.integers(0, 0xFFFF))
def test_what_is_written_is_read_back(images: list[tuple[Guid, bytes, int]], shift: int, flags: int) -> None:
    data = fip.dump([Payload.of(*row) for row in images], align=1 << shift, platform_flags=flags)
    table = fip.parse(data)
    assert (table.platform_flags, table.serial, table.size) == (flags, fip.SERIAL, len(data))
    file = io.BytesIO(data)
    full = {row for row in images if row[1]}
    assert {(e.guid, fip.read_payload(file, e), e.flags) for e in table.entries} == full
    assert all(entry.offset % (1 << shift) == 0 for entry in table.entries)
    copied = [Payload.from_package(file, entry) for entry in table.entries]
    again = fip.dump(copied, align=1 << shift, platform_flags=flags)
    assert len(full) < len(images) or again == data


valid = fip.dump([Payload.of(RMM.guid, bytes(40)), Payload.of(BL31.guid, bytes(8))])
hostile = st.one_of(
    st.binary(max_size=400),
    st.binary(max_size=400).map(lambda tail: HEADER + tail),
    st.lists(st.tuples(guids, st.integers(0, U64), st.integers(0, U64)), max_size=8).map(
        lambda rows: package(*(toc_entry(*row) for row in rows))
    ),
    st.tuples(st.integers(0, len(valid) - 1), st.integers(0, 255)).map(
        lambda row: valid[: row[0]] + bytes([row[1]]) + valid[row[0] + 1 :]
    ),
    st.integers(0, len(valid)).map(lambda length: valid[:length]),
)


@given(hostile)
def test_any_bytes_are_a_sound_package_or_an_error(data: bytes) -> None:
    try:
        table = fip.parse(data)
    except PackageError:
        return
    spans = sorted((entry.offset, entry.offset + entry.size) for entry in table.entries if entry.size)
    assert all(start >= 16 + 40 * (len(table.entries) + 1) and end <= len(data) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert len({entry.guid for entry in table.entries}) == len(table.entries)


# -- real peers


@pytest.mark.parametrize("empty", [frozenset(), frozenset({0, 3, 4}), frozenset(range(100))])
@pytest.mark.parametrize(("align", "flags"), [(1, 0), (16, 0x8001), (4096, 0xFFFF)])
def test_fiptool_writes_the_same_bytes(
    fiptool: Run, tmp_path: Path, align: int, flags: int, empty: frozenset[int]
) -> None:
    """An empty image has no entry there, and leaves its space."""
    images = [
        (row.guid, b"" if index in empty else f"{row.option}!".encode() * (index + 1))
        for index, row in enumerate(names.ENTRIES)
    ]
    images.append((OTHER, b"no public name"))
    options: list[object] = []
    for guid, data in images:
        file = tmp_path / str(guid)
        file.write_bytes(data)
        known = names.BY_GUID.get(guid)
        options += [f"--{known.option}", file] if known else ["--blob", f"uuid={guid},file={file}"]
    theirs = tmp_path / "theirs.fip"
    fiptool("create", "--align", align, "--plat-toc-flags", f"{flags:x}", *options, theirs)
    ours = fip.dump((Payload.of(*row) for row in reversed(images)), align=align, platform_flags=flags)
    assert ours == theirs.read_bytes()


def test_fiptool_unpacks_what_is_written(fiptool: Run, tmp_path: Path) -> None:
    images = {row.option: f"payload of {row.option}".encode() for row in names.ENTRIES}
    package_file = tmp_path / "ours.fip"
    package_file.write_bytes(fip.dump([Payload.of(names.BY_OPTION[name].guid, data) for name, data in images.items()]))
    (tmp_path / "out").mkdir()
    fiptool("unpack", "--out", tmp_path / "out", package_file)
    assert {file.stem: file.read_bytes() for file in (tmp_path / "out").iterdir()} == images
    listing = fiptool("info", package_file)
    with package_file.open("rb") as file:
        for entry in fip.read(file).entries:
            line = f'offset=0x{entry.offset:X}, size=0x{entry.size:X}, cmdline="--{names.label(entry.guid)}"'
            assert line in listing


def test_binman_writes_the_same_bytes_up_to_its_end_marker(binman: Run, tmp_path: Path) -> None:
    """binman leaves the end marker's offset 0 and adds no padding at the end; all else is fixed by the format."""
    rows = [("soc-fw", b"A" * 33), ("nt-fw", b"B" * 7), ("rmm-fw", b"C" * 100)]
    source = (
        "w = fip_util.FipWriter(0x8001 << 32, 16)\n"
        "for name, data in " + repr(rows) + ": w.add_entry(name, data, 5)\n"
        "open(sys.argv[1], 'wb').write(w.get_data())"
    )
    file = tmp_path / "binman.fip"
    binman(source, file)
    theirs = file.read_bytes()
    ours = fip.dump(
        [Payload.of(names.BY_OPTION[name].guid, data, 5) for name, data in rows], align=16, platform_flags=0x8001
    )
    end_marker = 16 + 3 * 40
    assert theirs[:end_marker] == ours[:end_marker]
    assert theirs[end_marker + 40 :] == ours[end_marker + 40 :].rstrip(b"\0")
    assert fip.parse(theirs).entries == fip.parse(ours).entries


def test_binman_reads_what_is_written(binman: Run, tmp_path: Path) -> None:
    images = {row.option: f"payload of {row.option}".encode() for row in names.ENTRIES if row.option not in NEWER}
    file = tmp_path / "ours.fip"
    file.write_bytes(fip.dump([Payload.of(names.BY_OPTION[name].guid, data) for name, data in images.items()], align=8))
    source = (
        "header, entries = fip_util.decode_fip(open(sys.argv[1], 'rb').read())\n"
        "print({e.fip_type: e.data for e in entries})"
    )
    assert binman(source, file).strip() == repr(images)


NEWER = ("rmm-fw", "cca-cert", "core-swd-cert", "plat-key-cert")
"""Names that binman does not know; test_binman_writes... shows that it carries one of them all the same."""


def test_real_firmware_makes_the_package_that_fiptool_makes(
    fiptool: Run, firmware: Callable[[str], Path], tmp_path: Path
) -> None:
    files = {
        "soc-fw": firmware("usr/lib/u-boot/qemu-riscv64/u-boot.bin"),
        "nt-fw": firmware("usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
        "tos-fw-extra1": firmware("usr/lib/u-boot/qemu_arm64/u-boot.bin"),
    }
    theirs = tmp_path / "theirs.fip"
    fiptool("create", "--align", 512, *(word for name, path in files.items() for word in (f"--{name}", path)), theirs)
    ours = tmp_path / "ours.fip"
    payloads = [Payload.of(names.BY_OPTION[name].guid, path.read_bytes()) for name, path in files.items()]
    with ours.open("wb") as out:
        out.writelines(fip.write(payloads, align=512))
    assert ours.read_bytes() == theirs.read_bytes()
    with ours.open("rb") as file:
        assert fip.read_payload(file, fip.read(file)[BL33.guid]) == files["nt-fw"].read_bytes()
