# SPDX-License-Identifier: Apache-2.0
"""What a kernel reads of the ACPI tables and of EFI; that a real one finds LFA's device there is in test_module.py."""

import os
import struct
import zlib
from pathlib import Path

import pytest

from livefw.errors import UsageError
from livefw.machine.qemu import acpi
from livefw.machine.qemu.process import QemuConfig

INTERRUPT = 232


def table(blob: bytes, address: int) -> tuple[bytes, bytes]:
    """Signature and bytes of the table at an address, whose sum is 0."""
    at = address - acpi.ADDRESS
    (size,) = struct.unpack_from("<I", blob, at + 4)
    data = blob[at : at + size]
    assert (len(data), sum(data) & 0xFF) == (size, 0)
    return data[:4], data


@pytest.mark.parametrize("cpus", [1, 16])
def test_tables_are_found_from_the_system_table(cpus: int) -> None:
    blob = acpi.tables(cpus=cpus, memory_mb=512, notification=INTERRUPT)
    head = bytearray(blob[:120])
    assert head[:8] == b"IBI SYST"
    (crc,) = struct.unpack_from("<I", head, 16)
    head[16:20] = bytes(4)
    assert crc == zlib.crc32(head)
    (configuration,) = struct.unpack_from("<Q", head, 112)
    (root,) = struct.unpack_from("<Q", blob, configuration - acpi.ADDRESS + 16)
    pointer = blob[root - acpi.ADDRESS :][:36]
    assert (pointer[:8], sum(pointer[:20]) & 0xFF, sum(pointer) & 0xFF) == (b"RSD PTR ", 0, 0)
    _, xsdt = table(blob, struct.unpack_from("<Q", pointer, 24)[0])
    found = dict(table(blob, address) for (address,) in struct.iter_unpack("<Q", xsdt[36:]))
    assert {name: len(data) for name, data in found.items()} == {
        b"FACP": 276,
        b"APIC": 36 + 8 + 24 + 80 * cpus + 16,
        b"GTDT": 96,
    }
    signature, dsdt = table(blob, struct.unpack_from("<Q", found[b"FACP"], 140)[0])
    assert (signature, dsdt.count(b"ACPI0007"), dsdt.count(b"ARML0003")) == (b"DSDT", cpus, 1)
    assert struct.pack("<HBBI", 6, 0b011, 1, INTERRUPT) in dsdt


def test_the_map_has_all_memory_once_and_sets_the_tables_aside() -> None:
    blob = acpi.tables(cpus=16, memory_mb=1024, notification=INTERRUPT)
    words = {name: value for name, value in acpi.properties(1024).items() if isinstance(value, tuple)}
    at, (size,) = words["linux,uefi-mmap-start"][1] - acpi.ADDRESS, words["linux,uefi-mmap-size"]
    end, kinds = 0x4000_0000, []
    for kind, _, address, _, pages, _ in struct.iter_unpack("<IIQQQQ", blob[at : at + size]):
        assert address == end
        end += pages << 12
        kinds.append((kind, address))
    assert end == 0x4000_0000 + (1024 << 20)
    assert kinds[1] == (9, acpi.ADDRESS)
    assert len(blob) <= kinds[2][1] - acpi.ADDRESS


@pytest.mark.parametrize(("memory", "initrd"), [(0, 0), (191, 0), (512, 161 << 20), (1 << 30, 0)])
def test_memory_that_cannot_be(memory: int, initrd: int, tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "file")
    with open(path, "wb") as file:
        file.truncate(initrd)
    QemuConfig(kernel=path, initrd=path, memory_mb=1024)
    with pytest.raises(UsageError, match=f"memory: {memory} MiB is not between"):
        QemuConfig(kernel=path, initrd=path, memory_mb=memory)
