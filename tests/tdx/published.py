# SPDX-License-Identifier: Apache-2.0
"""What Intel has published of its modules, as figures.

`MODULES` is read from the images, `RELEASES` from the compatibility table, both in Intel's repository
confidential-computing.tdx.tdx-module.binaries: the images and the older table at commit ``7a162249``, the newer table
at ``14c28ce0``.
"""

from typing import Any, NamedTuple

OLDER, NEWER = 11, 20
"""Releases in each table."""


class Module(NamedTuple):
    """A module: bytes of its pages, checksum of its image in either layout, and how it names itself."""

    version: str
    size: int
    checksum_1: int
    checksum_2: int
    svn: tuple[int, int]
    seamhash: str


MODULES = [
    Module(version, size, checksum_1, checksum_2, svn, f"{first}{second}")
    for version, size, checksum_1, checksum_2, svn, first, second in (
        (
            "1.5.01",
            417_792,
            0xD229,
            0x70C8,
            (1, 4),
            "9790d89a10210ec6968a773cee2ca05b5aa97309f36727a9",
            "68527be4606fc19e6f73acce350946c9d46a9bf7a63f8430",
        ),
        (
            "1.5.05",
            417_792,
            0x564C,
            0xF4EB,
            (1, 5),
            "1cc6a17ab799e9a693fac7536be61c12ee1e0fabada82d0c",
            "999e08ccee2aa86de77b0870f558c570e7ffe55d6d47fa04",
        ),
        (
            "1.5.06",
            413_696,
            0x06D5,
            0x9575,
            (1, 6),
            "5b38e33a6487958b72c3c12a938eaa5e3fd4510c51aeeab5",
            "8c7d5ecee41d7c436489d6c8e4f92f160b7cad34207b00c1",
        ),
        (
            "1.5.08",
            413_696,
            0x86D5,
            0x1575,
            (1, 7),
            "49b66faa451d19ebbdbe89371b8daf2b65aa3984ec901103",
            "43e9e2eec116af08850fa20e3b1aa9a874d77a65380ee7e6",
        ),
        (
            "1.5.09",
            446_464,
            0x041D,
            0x12B5,
            (1, 8),
            "bfb360ac8e6233a1bca1433caf7382d95c165b4a77fb00bf",
            "1435e5a08f300cdfead5ee68461afd9b6c728dce7534602d",
        ),
        (
            "1.5.13",
            446_464,
            0x73EE,
            0x8286,
            (1, 10),
            "27b67e0b20508f0acfb8a99df4283a7c86ae569d85d556a9",
            "1d4eb20e56b5d42d5e65b31a3a6996e8e461f104f32fdeec",
        ),
        (
            "1.5.16",
            471_040,
            0x56A7,
            0xC53A,
            (1, 11),
            "7bf063280e94fb051f5dd7b1fc59ce9aac42bb961df8d44b",
            "709c9b0ff87a7b4df648657ba6d1189589feab1d5a3c9a9d",
        ),
        (
            "2.0.02",
            536_576,
            0xF5B6,
            0x643A,
            (3, 3),
            "685f891ea5c20e8fa27b151bf34bf3b50fbaf7143cc53662",
            "727cbdb167c0ad8385f1f6f3571539a91e104a1c96d75e04",
        ),
        (
            "2.0.04",
            548_864,
            0xD97D,
            0x77FE,
            (3, 4),
            "64cae497e0c6221176fe8d3bc9d0cf25b4c97bb24cc16499",
            "f77102451f15bb24249f1aa3e5d3bf8897be74ad6c84e648",
        ),
        (
            "2.0.05",
            548_864,
            0x6208,
            0x0089,
            (3, 4),
            "6f65e570e3bc418d2576f31aada40f7f7ce1ea810f964aa9",
            "bc70066a89ac1fc6e0d6b76d3f86a16405172b2c3e078528",
        ),
        (
            "2.0.08",
            598_016,
            0x6C81,
            0xCAF7,
            (3, 5),
            "476a2997c62bccc78370913d0a80b956e3721b24272bc66c",
            "4d6307ced4be2865c40e26afac75f12df3425b03eb59ea7c",
        ),
    )
]


class Published(NamedTuple):
    """A row of the table; ``older_features`` is what the older revision says, empty where it has no such row."""

    version: str
    min_running: str
    strict_from: str
    min_seamldr: str
    features: str
    older_features: str

    def entry(self, *, older: bool) -> dict[str, Any]:
        """As it stands in a revision of the file; only the newer one tells from what an update is strict."""
        entry: dict[str, Any] = {
            "version": self.version,
            "min_module_version_for_td_preserving": self.min_running,
            "strict_compat_versions": self.strict_from.split(),
            "min_seamldr_versions": self.min_seamldr.split(),
            "tdx_feature0": self.features,
        }
        if older:
            del entry["strict_compat_versions"]
            entry["tdx_feature0"] = self.older_features
        return entry


_OLD, _NEW, _BOTH = "1.5.00", "2.0.00", "1.5.00 2.0.00"
RELEASES = [
    Published(*row)
    for row in (
        ("1.5.01", "1.5.01", "", _OLD, "0xF0FBF", "0xF0FBF"),
        ("1.5.05", "1.5.01", "1.5.01", _BOTH, "0x1F0FBF", "0x61F0FBF"),
        ("1.5.06", "1.5.01", "", _BOTH, "0x2E1F0FBF", "0x2E1F0FBF"),
        ("1.5.08", "1.5.01", "1.5.06", _BOTH, "0x22E1F0FBF", "0x22E1F0FBF"),
        ("1.5.09", "1.5.01", "", _BOTH, "0x26F1F0FBF", "0x26F1F0FBF"),
        ("1.5.13", "1.5.01", "1.5.06 1.5.08", _BOTH, "0x226F1F0FBF", "0x226F1F0FBF"),
        ("1.5.16", "1.5.01", "", _BOTH, "0x226F3F0FBF", "0x226F3F0FBF"),
        ("1.5.20", "1.5.01", "1.5.16", _BOTH, "0x10326F3F0FBF", ""),
        ("1.5.24", "1.5.01", "1.5.16 1.5.20", _OLD, "0xD1326F3F0FBF", ""),
        ("1.5.25", "1.5.01", "1.5.16 1.5.20 1.5.24", _NEW, "0xD1326F3F0FBF", ""),
        ("1.5.28", "1.5.01", "1.5.16 1.5.20 1.5.24 1.5.25", _BOTH, "0x18D1326F3F0FBF", ""),
        ("1.5.34", "1.5.01", "1.5.16 1.5.20 1.5.24 1.5.25 1.5.28", _BOTH, "0x15AD9326F3F1FBF", ""),
        ("2.0.02", "2.0.02", "", _NEW, "0x22E1F0FBF", "0x22E1F0FBF"),
        ("2.0.04", "2.0.04", "", _NEW, "0x26F1F0FBF", "0x12AF1F0FBF"),
        ("2.0.05", "2.0.04", "2.0.04", _NEW, "0x26F1F0FBF", "0x226F3F0FBF"),
        ("2.0.08", "2.0.04", "", _NEW, "0x10326F3F0FBF", "0x32A71F0FBF"),
        ("2.0.12", "2.0.04", "2.0.08", _NEW, "0x10326F3F0FBF", ""),
        ("2.0.14", "2.0.04", "2.0.08 2.0.12", _NEW, "0xD1326F3F0FBF", ""),
        ("2.0.16", "2.0.04", "2.0.08 2.0.12 2.0.14", _NEW, "0x18D1326F3F0FBF", ""),
        ("2.0.18", "2.0.04", "2.0.08 2.0.12 2.0.14 2.0.16", _NEW, "0x15AD9326F3F1FBF", ""),
    )
]


def table(*, older: bool) -> dict[str, Any]:
    """A revision of the compatibility table."""
    rows = [each.entry(older=older) for each in RELEASES if each.older_features or not older]
    return {"Header": {"Info": "as published", "Version": "1.0"}, "tdx_module_releases": rows}
