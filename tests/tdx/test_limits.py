# SPDX-License-Identifier: Apache-2.0
"""Each bound of Intel's table and images at its very limit: as much is read, and one more is not."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import MODULE_OFFSET, PAGE, header2, with_checksum
from livefw.firmware import tdx_repository
from livefw.firmware.tdx_image import ModuleSpec, build
from livefw.providers.tdx import blob, mapping
from livefw.providers.tdx.blob import BlobError
from livefw.providers.tdx.mapping import MappingError

SOUND = build(ModuleSpec(TdxVersion(1, 5, 8), Svn(1, 7), (0x806F8,)))


def table(change: Callable[[dict[str, Any]], object]) -> mapping.Mapping:
    found = tdx_repository.table()
    change(found)
    return mapping.parse(json.dumps(found).encode())


def first(change: Callable[[dict[str, Any]], object]) -> mapping.Mapping:
    return table(lambda found: change(found["tdx_module_releases"][0]))


def releases(count: int) -> mapping.Mapping:
    def change(found: dict[str, Any]) -> None:
        row = found["tdx_module_releases"][0]
        found["tdx_module_releases"] = [
            row | {"version": f"1.{number // 100}.{number % 100:02}"} for number in range(count)
        ]

    return table(change)


def listed(count: int) -> mapping.Mapping:
    return first(lambda row: row.update(min_seamldr_versions=["1.5.00"] * count))


def text(length: int) -> mapping.Mapping:
    return first(lambda row: row.update(tdx_feature0="0x" + "0" * (length - 3) + "1"))


def bits(count: int) -> mapping.Mapping:
    return first(lambda row: row.update(tdx_feature0=hex((1 << count) - 1)))


def size(count: int) -> mapping.Mapping:
    data = json.dumps(tdx_repository.table()).encode()
    return mapping.parse(data + b" " * (count - len(data)))


def pages(count: int) -> blob.Blob:
    module = bytes(count * PAGE)
    image = header2(len(module)).encode() + SOUND[PAGE:MODULE_OFFSET] + module
    return blob.parse(with_checksum(image))


class Limit(NamedTuple):
    """How many are taken, something with so many, and what is said of one more."""

    most: int
    make: Callable[[int], object]
    error: type[ValueError]
    why: str


LIMITS = {
    "bytes of a table": Limit(1_048_576, size, MappingError, "larger than"),
    "releases": Limit(4_096, releases, MappingError, "4097 entries"),
    "entries of a list": Limit(4_096, listed, MappingError, "4097 entries"),
    "characters of a text": Limit(64, text, MappingError, "longer than 64"),
    "bits of the features": Limit(64, bits, MappingError, "hexadecimal number of 64 bits"),
    "pages of a module": Limit(496, pages, BlobError, "more than"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_exactly_as_much_is_taken_and_one_more_is_not(name: str) -> None:
    most, make, error, why = LIMITS[name]
    assert make(most)
    with pytest.raises(error, match=why):
        make(most + 1)
