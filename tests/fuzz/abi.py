# SPDX-License-Identifier: Apache-2.0
"""What crosses the wire: registers, GUIDs, versions, headers of capsules, statements of SPDM."""

import struct
from collections.abc import Iterator

from livefw.abi import lfa, nvme, pfrut, sfs, spdm
from livefw.abi.guid import BL31, RMM, Guid
from livefw.abi.microcode import Patch, patches
from livefw.abi.smccc import Registers
from livefw.abi.tdx import TdxVersion
from livefw.abi.version import ComponentVersion, InterfaceVersion
from livefw.archive import version_format
from livefw.providers.component import dotted

from .target import Target


def _guid(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    found, other = Guid.parse(text), Guid.parse_efi(text)
    assert str(found) == text.lower() == other.efi
    assert Guid.from_registers(*found.to_registers()) == found
    return found, other


def _versions(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    found: list[object] = [version_format.shape(text), dotted(text)]
    written, _, declared = text.partition(" ")
    made = version_format.like(written, "0x00010203", declared)
    assert made is None or (version_format.integer(made) is not None and len(made) == len("0x00010203"))
    found.append(version_format.like(written, "1.2.3", declared))
    for kind in (ComponentVersion, TdxVersion):
        try:
            version = kind.parse(text)
        except ValueError:
            continue
        assert kind.parse(str(version)) == version
        found.append(version)
    word = int.from_bytes(data[:8], "little")
    assert ComponentVersion.decode(word).encode() == word
    if not word >> 31:
        assert InterfaceVersion.decode(word).encode() == word
    return found


_CALLS = (
    lfa.FeaturesRequest,
    lfa.InfoRequest,
    lfa.InventoryRequest,
    lfa.PrimeRequest,
    lfa.ActivateRequest,
    lfa.CancelRequest,
)
_ANSWERS = (lfa.InfoResult, lfa.InventoryResult, lfa.StepResult)


def _microcode(data: bytes) -> object:
    found = _patches(data)
    return found, _patches(_mended(data))


def _patches(data: bytes) -> list[Patch] | str:
    try:
        found = list(patches(data))
    except ValueError as error:
        return str(error)
    assert 48 * len(found) <= len(data)
    assert all(len(each.cpus) <= 65 for each in found)
    return found


def _mended(data: bytes) -> bytes:
    """The same with the first checksum made right."""
    if len(data) < 48:
        return data
    size = 48 + (struct.unpack_from("<I", data, 28)[0] or 2000)
    part = data[:size][: len(data[:size]) // 4 * 4]
    rest = sum(struct.unpack(f"<{len(part) // 4}I", part)) - struct.unpack_from("<I", data, 16)[0]
    return data[:16] + struct.pack("<I", -rest & 0xFFFFFFFF) + data[20:]


def _update(revision: int, *, extended: tuple[tuple[int, int], ...] = ()) -> bytes:
    table = struct.pack("<II12x", len(extended), 0) + b"".join(struct.pack("<III", *pair, 0) for pair in extended)
    table = table if extended else b""
    head = struct.pack("<12I", 1, revision, 0x10232025, 0x806F8, 0, 1, 0x87, 16, 64 + len(table), 0, 0x2B000010, 0)
    return _mended(head + bytes(range(16)) + table)


def microcode_seeds() -> Iterator[bytes]:
    yield _update(0x2B000643)
    yield _update(0x2B000643) + _update(0x2B000644, extended=((0x806F7, 0x87), (0x806F6, 0x10)))


def _capsule(data: bytes) -> object:
    found = pfrut.Capsule.parse(data)
    assert pfrut.Capsule.parse(found.encode()) == found
    return found


def capsule_seeds() -> Iterator[bytes]:
    made = pfrut.Capsule(pfrut.CapsuleKind.DRIVER, 1, 7, BL31.guid, 3).encode(b"body")
    return iter((made, pfrut.Capsule(pfrut.CapsuleKind.CODE, 1, 7, RMM.guid, None).encode()))


def _devices(data: bytes) -> object:
    """Answers of ioctls, which have one size each: brought to it, or left as they are."""
    size = data[0] if data else 0
    readers = (
        (pfrut.Capability.decode, pfrut.CAPABILITY_BYTES),
        (sfs.decode_update, sfs.UPDATE_BYTES),
        (sfs.decode_versions, sfs.VERSIONS_BYTES),
    )
    read, wanted = readers[size % 3]
    raw = data[1:].ljust(wanted, b"\0")[:wanted] if size < 240 else data[1:]
    found = read(raw)
    if isinstance(found, pfrut.Capability):
        assert found.encode() == raw
    if isinstance(found, sfs.Versions):
        assert sfs.encode_versions(found) == raw
        return len(found.blob), found.status, found.extended
    return found


_NVME = (
    (nvme.AdminCommand.decode, nvme.PASSTHROUGH_BYTES),
    (nvme.ControllerIdentity.decode, nvme.IDENTIFY_BYTES),
    (nvme.SlotLog.decode, nvme.SLOT_LOG_BYTES),
    (nvme.HealthLog.decode, nvme.HEALTH_BYTES),
    (nvme.decode_history, nvme.HISTORY_BYTES),
)


def _nvme(data: bytes) -> object:
    """What a drive tells of itself: brought to its size, or left as it is."""
    kind, raw = (data[0], data[1:]) if data else (0, b"")
    read, size = _NVME[kind % 5]
    found = read(raw.ljust(size, b"\0")[:size] if kind < 240 else raw)
    if isinstance(found, nvme.ControllerIdentity):
        assert 4 <= found.piece_bytes <= 1 << 20
        assert 1 <= found.slots <= nvme.MOST_SLOTS
    if isinstance(found, nvme.SlotLog):
        assert all(len(found.version(slot)) <= 32 for slot in range(9))
    return found


def _nvme_seeds() -> Iterator[bytes]:
    yield b"\0" + nvme.firmware_download(4096, 4096).encode()
    yield b"\1" + nvme.ControllerIdentity(1, "S", "M", "1.0", 5, 1, 0x200, 4, 0x15, 10, 1, 2, "nqn").encode()
    yield b"\2" + nvme.SlotLog(1, 2, ("1.0", "2.0", "", "", "", "", "")).encode()[:64]
    yield b"\3" + nvme.HealthLog(nvme.CriticalWarning.READ_ONLY, 300, 100, 10, 1).encode()[:16]
    yield b"\4" + nvme.encode_history((nvme.ActivationRecord(1, 2, 3, "1.0", "2.0", 2, 3, 0),))


NONCE = bytes(range(32))


def _spdm(data: bytes) -> object:
    found = spdm.parse(data, nonce=NONCE, signature_bytes=96)
    assert found.signed + found.signature == data
    assert b"".join(block.encode() for block in found.blocks) in data
    assert len(spdm.signed_message(found.version, found.signed, "SHA384")) >= 100 or found.version < 0x12
    return found.version, found.blocks


def _spdm_seeds() -> Iterator[bytes]:
    blocks = (spdm.Block(1, 0, b"\1" * 48), spdm.Block(2, 0x80, b"raw"))
    for version in spdm.VERSIONS:
        asked = spdm.request(version, NONCE)
        yield asked + spdm.response(version, blocks, bytes(32)) + bytes(96)
        yield b"before" + asked + spdm.response(version, (), bytes(32)) + bytes(96)


def _registers(data: bytes) -> object:
    """x0 to x17 as firmware leaves them, or a caller, to every decoder."""
    registers = Registers(*struct.unpack("<18Q", data.ljust(144, b"\0")[:144]))
    told: list[object] = [lfa.status(registers)]
    for call in _CALLS:
        asked = call.decode(registers)
        assert call.decode(asked.encode()) == asked
        told.append(asked)
    for kind in _ANSWERS:
        answer = kind.decode(registers)
        assert kind.decode(Registers(*answer.encode())) == answer
        told.append(answer)
    return told


TARGETS = (
    Target("guid", _guid, lambda: (str(RMM.guid).encode(), BL31.guid.efi.upper().encode()), (ValueError,), longest=64),
    Target("versions", _versions, lambda: (b"2.14", b"1.5.08", b"4294967295.0", b"1.2.3.4"), longest=64),
    Target("registers", _registers, lambda: (bytes(144), bytes(range(144))), longest=144),
    Target("microcode", _microcode, microcode_seeds),
    Target("pfrut-capsule", _capsule, capsule_seeds, (ValueError,), longest=1024),
    Target("ioctl-answers", _devices, lambda: (b"\0", b"\1name", b"\2blob", b"\xf0"), (ValueError,)),
    Target("nvme-answers", _nvme, _nvme_seeds, (ValueError,), longest=4097),
    Target("spdm", _spdm, _spdm_seeds, (spdm.SpdmError,), words=(NONCE,), longest=1024),
)
