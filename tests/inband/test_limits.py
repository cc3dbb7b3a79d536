# SPDX-License-Identifier: Apache-2.0
"""Bounds of files and devices at their very limit: as much is looked at, and one more is not."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from livefw.abi.guid import Guid
from livefw.abi.microcode import patches
from livefw.abi.pfrut import Capsule, CapsuleKind

Make = Callable[..., Any]


def patch(signatures: int) -> bytes:
    """A microcode update with so many CPUs in its extended table (Intel SDM, volume 3)."""
    head = [1, 0x30, 0x07012026, 0x806F8, 0, 1, 1, 48, 96 + 20 + 12 * signatures, 0, 0, 0]
    head[4] = -sum(head) & 0xFFFFFFFF
    row = (0x806F8, 1, head[4])
    checksum = -(signatures + signatures * sum(row)) & 0xFFFFFFFF
    table = struct.pack("<II12x", signatures, checksum) + struct.pack("<III", *row) * signatures
    return struct.pack("<12I", *head) + bytes(48) + table


def test_signatures_of_a_microcode_update() -> None:
    (found,) = patches(patch(64))
    assert len(found.cpus) == 65  # with that of the header
    with pytest.raises(ValueError, match="table of signatures"):
        list(patches(patch(65)))
    with pytest.raises(ValueError, match="a header is invalid"):
        list(patches(patch(64)[:-1]))


@pytest.mark.parametrize(("number", "seen"), [(1, True), (15, True), (16, False)])
def test_devices_of_pfrut(make: Make, number: int, seen: bool) -> None:
    image = Capsule(CapsuleKind.CODE, 0x100, 6, Guid(bytes(range(16))), 2).encode()
    bench = make("pfrut", '[pfrut]\ncapsule = "/opt/c.cap"', **{"/opt/c.cap": image})
    bench.files.devices[f"/dev/acpi_pfr_update{number}"] = bench.pfr  # beside the first one
    found = {each.id for each in bench.provider.discover().components}
    assert found == {"0/code", "0/driver"} | ({f"{number}/code", f"{number}/driver"} if seen else set())
