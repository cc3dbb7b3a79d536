# SPDX-License-Identifier: Apache-2.0
"""ACPI for the guest: the tables that an arm64 kernel needs, and as much of EFI as it takes to find them.

An arm64 kernel gets ACPI tables from EFI only, and learns of EFI from ``/chosen`` of its device tree, where Linux's
EFI stub leaves it (Documentation/arch/arm/uefi.rst). No EFI has to run for that: a system table, a memory map and a
table of tables are data. Figures are of the ACPI Specification 6.0 and the UEFI Specification 2.10; the machine is
QEMU's virt.
"""

import struct
import zlib

from livefw.machine.qemu.fdt import Value

ARGUMENTS = "acpi=force efi=noruntime"
"""For the kernel: the device tree has more than ``/chosen``, and there are no runtime services to call."""
ADDRESS = 0x47D0_0000
"""Where `tables` have to be."""
_SIZE = 0x1_0000
"""Bytes that are set aside for them: a page of the largest size."""
_AT = {"configuration": 0x100, "vendor": 0x200, "map": 0x400, "tables": 0x1000}
"""Offsets; the system table is first."""

_MEMORY = 0x4000_0000
_CONVENTIONAL, _ACPI_RECLAIM, _WRITE_BACK = 7, 9, 8
"""Types of memory, and the attribute of all of it."""
_NOT_SECURE = 2
"""Of a property that Debian's kernels add, and insist on."""
_DESCRIPTOR = struct.Struct("<IIQQQQ")
_ACPI_20 = bytes.fromhex("71e86888 f1e4 d311 bc22 0080c73c8881")
"""The GUID 8868e871-e4f1-11d3-bc22-0080c73c8881, as EFI writes it down."""

_UART, _UART_INTERRUPT = 0x0900_0000, 33
_DISTRIBUTOR, _REDISTRIBUTORS, _REDISTRIBUTOR_SIZE = 0x0800_0000, 0x080A_0000, 0x2_0000
_TIMERS = (29, 30, 27, 26)
"""Interrupts of the secure, the physical, the virtual and the hypervisor's timer."""
_ALWAYS_ON = 1 << 2
_NOWHERE = (1 << 64) - 1
_HARDWARE_REDUCED, _PSCI = 1 << 20, 1
_NOTIFIED = 0x80
"""What a device of events says; LFA's driver takes any value."""
_LEVEL, _EDGE = 0b001, 0b011
"""Flags of an interrupt that its device consumes, active when high."""


def properties(memory_mb: int) -> dict[str, Value]:
    """What ``/chosen`` says of EFI."""
    return {
        "linux,uefi-system-table": (0, ADDRESS),
        "linux,uefi-mmap-start": (0, ADDRESS + _AT["map"]),
        "linux,uefi-mmap-size": (len(_map(memory_mb)),),
        "linux,uefi-mmap-desc-size": (_DESCRIPTOR.size,),
        "linux,uefi-mmap-desc-ver": (1,),
        "linux,uefi-secure-boot": (_NOT_SECURE,),
    }


def tables(*, cpus: int, memory_mb: int, notification: int) -> bytes:
    """All of it, for `ADDRESS`: ``notification`` is the interrupt by which the device ``ARML0003`` is notified."""
    out = bytearray(_AT["tables"])

    def place(data: bytes) -> int:
        out.extend(bytes(-len(out) % 64))
        out.extend(data)
        return ADDRESS + len(out) - len(data)

    dsdt = place(_table(b"DSDT", 2, _devices(cpus, notification)))
    listed = [place(each) for each in (_fadt(dsdt), _madt(cpus), _gtdt())]
    xsdt = place(_table(b"XSDT", 1, struct.pack(f"<{len(listed)}Q", *listed)))
    root = struct.pack("<8sx6sBIIQ4x", b"RSD PTR ", _OEM, 2, 0, 36, xsdt)
    root = _summed(root[:20], 8) + root[20:]
    root_at = place(_summed(root, 32))
    for name, data in {
        "configuration": _ACPI_20 + struct.pack("<Q", root_at),
        "vendor": "livefw\0".encode("utf-16-le"),
        "map": _map(memory_mb),
    }.items():
        out[_AT[name] : _AT[name] + len(data)] = data
    system = _system_table()
    out[: len(system)] = system
    return bytes(out)


def _system_table() -> bytes:
    vendor, configuration = (ADDRESS + _AT[name] for name in ("vendor", "configuration"))
    revision, size = 2 << 16 | 100, 120
    body = struct.pack("<QI4x6Q2QQQ", vendor, 1, *[0] * 8, 1, configuration)
    head = struct.pack("<8sIIII", b"IBI SYST", revision, size, 0, 0)
    return struct.pack("<8sIIII", b"IBI SYST", revision, size, zlib.crc32(head + body), 0) + body


def _map(memory_mb: int) -> bytes:
    end = _MEMORY + (memory_mb << 20)
    areas = [(_CONVENTIONAL, _MEMORY, ADDRESS), (_ACPI_RECLAIM, ADDRESS, ADDRESS + _SIZE),
             (_CONVENTIONAL, ADDRESS + _SIZE, end)]  # fmt: skip
    return b"".join(_DESCRIPTOR.pack(kind, 0, at, 0, (to - at) >> 12, _WRITE_BACK) for kind, at, to in areas)


# Tables of ACPI, chapter 5.

_OEM = b"LIVEFW"


def _summed(data: bytes, at: int) -> bytes:
    """With a byte that makes the sum of all of them 0."""
    return data[:at] + bytes([-(sum(data) - data[at]) & 0xFF]) + data[at + 1 :]


def _table(signature: bytes, revision: int, body: bytes) -> bytes:
    head = struct.pack("<4sIBB6s8sI4sI", signature, 36 + len(body), revision, 0, _OEM, _OEM, 1, _OEM, 1)
    return _summed(head + body, 9)


def _fadt(dsdt: int) -> bytes:
    table = bytearray(276)
    struct.pack_into("<I", table, 112, _HARDWARE_REDUCED)
    struct.pack_into("<H", table, 129, _PSCI)
    struct.pack_into("<Q", table, 140, dsdt)
    return _table(b"FACP", 6, bytes(table[36:]))


def _madt(cpus: int) -> bytes:
    parts = [struct.pack("<BBHIQIB3x", 12, 24, 0, 0, _DISTRIBUTOR, 0, 3)]
    parts += [struct.pack("<BB2xIIIIIQQQQIQQB3x", 11, 80, cpu, cpu, 1, 0, 0, 0, 0, 0, 0, 0, 0, cpu, 0)
              for cpu in range(cpus)]  # fmt: skip
    parts += [struct.pack("<BB2xQI", 14, 16, _REDISTRIBUTORS, cpus * _REDISTRIBUTOR_SIZE)]
    return _table(b"APIC", 4, bytes(8) + b"".join(parts))


def _gtdt() -> bytes:
    timers = b"".join(struct.pack("<II", interrupt, _ALWAYS_ON) for interrupt in _TIMERS)
    return _table(b"GTDT", 2, struct.pack("<Q4x", _NOWHERE) + timers + struct.pack("<QII", _NOWHERE, 0, 0))


# The namespace, in AML (chapters 19 and 20).


def _devices(cpus: int, notification: int) -> bytes:
    """CPUs, the UART, the device of LFA, and the one of events, which turns an interrupt into a notification."""
    uart = b"\x86" + struct.pack("<HBII", 9, 1, _UART, 0x1000) + _interrupt(_LEVEL, _UART_INTERRUPT)
    notify = b"\x86\x5c\x2e_SB_LFA0" + _integer(_NOTIFIED)
    parts = [_device(f"C{cpu:03d}", "ACPI0007", cpu) for cpu in range(cpus)]
    parts += [
        _device("COM0", "ARMH0011", 0, _named("_CRS", _resources(uart))),
        _device("LFA0", "ARML0003", 0),
        _device(
            "GED0",
            "ACPI0013",
            0,
            _named("_CRS", _resources(_interrupt(_EDGE, notification))),
            b"\x14" + _sized(b"_EVT\x01" + notify),
        ),
    ]
    return b"\x10" + _sized(b"\\_SB_" + b"".join(parts))


def _device(name: str, hardware: str, number: int, *more: bytes) -> bytes:
    ids = _named("_HID", b"\x0d" + hardware.encode() + b"\0") + _named("_UID", _integer(number))
    return b"\x5b\x82" + _sized(name.encode() + ids + b"".join(more))


def _named(name: str, value: bytes) -> bytes:
    return b"\x08" + name.encode() + value


def _integer(value: int) -> bytes:
    return b"\x0a" + bytes([value]) if value < 1 << 8 else b"\x0b" + struct.pack("<H", value)


def _resources(descriptors: bytes) -> bytes:
    whole = descriptors + b"\x79\0"
    return b"\x11" + _sized(_integer(len(whole)) + whole)


def _interrupt(flags: int, number: int) -> bytes:
    return b"\x89" + struct.pack("<HBBI", 6, flags, 1, number)


def _sized(body: bytes) -> bytes:
    """With its length in front, which counts itself."""
    size = len(body) + 1
    if size < 1 << 6:
        return bytes([size]) + body
    size += 1
    if size < 1 << 12:
        return bytes([1 << 6 | size & 0xF, size >> 4]) + body
    raise ValueError(f"{len(body)} bytes are too many")
