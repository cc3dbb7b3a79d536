# SPDX-License-Identifier: Apache-2.0
"""A directory of modelled TDX images, laid out like Intel's repository: what a provider chooses from.

Version numbers and the compatibility table are those of Intel's repository (``mapping_file.json``, commit
``14c28ce0``). Security versions and CPUs are read from the images of commit ``7a162249``; those of releases after it
are invented, and continue where the known ones end. The modules themselves are the model's own.
"""

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from livefw.abi.tdx import Svn, TdxVersion
from livefw.abi.tdx_image import LAYOUT_2
from livefw.firmware.tdx_image import ModuleSpec, build

SPR, EMR, SRF, GNR, GNR_D = 0x806F8, 0xC06F0, 0xA06F0, 0xA06D0, 0xA06E0
"""CPUID.1:EAX of Sapphire Rapids, Emerald Rapids, Sierra Forest, Granite Rapids and -D, as modules name them."""

_BOTH = ("1.5.00", "2.0.00")
_OLD = ("1.5.00",)
_NEW = ("2.0.00",)


class ReleaseSpec(NamedTuple):
    """One line of the table; versions are spelled as the table spells them."""

    version: str
    min_running: str
    min_seamldr: tuple[str, ...]
    strict_from: tuple[str, ...]
    features: str
    svn: Svn
    cpus: tuple[int, ...]

    @property
    def module(self) -> ModuleSpec:
        """What to build its image from."""
        return ModuleSpec(TdxVersion.parse(self.version), self.svn, self.cpus)


RELEASES = tuple(
    ReleaseSpec(f"{series}.{update}", minimum, loaders, tuple(f"{series}.{u}" for u in strict), features, svn, cpus)
    for series, update, minimum, loaders, strict, features, svn, cpus in (
        ("1.5", "01", "1.5.01", _OLD, (), "0xF0FBF", Svn(1, 4), (SPR, EMR)),
        ("1.5", "05", "1.5.01", _BOTH, ("01",), "0x1F0FBF", Svn(1, 5), (SPR, EMR, SRF)),
        ("1.5", "06", "1.5.01", _BOTH, (), "0x2E1F0FBF", Svn(1, 6), (SPR, EMR, SRF)),
        ("1.5", "08", "1.5.01", _BOTH, ("06",), "0x22E1F0FBF", Svn(1, 7), (SPR, EMR, SRF)),
        ("1.5", "09", "1.5.01", _BOTH, (), "0x26F1F0FBF", Svn(1, 8), (SPR, EMR, SRF)),
        ("1.5", "13", "1.5.01", _BOTH, ("06", "08"), "0x226F1F0FBF", Svn(1, 10), (SPR, EMR, SRF)),
        ("1.5", "16", "1.5.01", _BOTH, (), "0x226F3F0FBF", Svn(1, 11), (SPR, EMR, SRF)),
        ("1.5", "24", "1.5.01", _OLD, ("16", "20"), "0xD1326F3F0FBF", Svn(1, 12), (SPR, EMR)),
        ("1.5", "25", "1.5.01", _NEW, ("16", "20", "24"), "0xD1326F3F0FBF", Svn(1, 12), (SRF,)),
        ("2.0", "02", "2.0.02", _NEW, (), "0x22E1F0FBF", Svn(3, 3), (GNR,)),
        ("2.0", "04", "2.0.04", _NEW, (), "0x26F1F0FBF", Svn(3, 4), (GNR, GNR_D)),
        ("2.0", "05", "2.0.04", _NEW, ("04",), "0x26F1F0FBF", Svn(3, 4), (GNR, GNR_D)),
        ("2.0", "08", "2.0.04", _NEW, (), "0x10326F3F0FBF", Svn(3, 5), (GNR, GNR_D)),
    )
)


@cache
def image(version: str, *, layout: int = LAYOUT_2) -> bytes:
    """The image of a release in the table; KeyError if there is none."""
    spec = {release.version: release for release in RELEASES}[version].module
    return build(ModuleSpec(spec.version, spec.svn, spec.cpus, layout=layout))


def table(releases: Iterable[ReleaseSpec] = RELEASES, *, strict: bool = True) -> dict[str, Any]:
    """``mapping_file.json`` of these releases, in the newer revision or, without ``strict``, in the older."""
    return {
        "Header": {"Info": "modelled releases", "Version": "1.0"},
        "tdx_module_releases": [
            {
                "version": release.version,
                "min_module_version_for_td_preserving": release.min_running,
                **({"strict_compat_versions": list(release.strict_from)} if strict else {}),
                "min_seamldr_versions": list(release.min_seamldr),
                "tdx_feature0": release.features,
            }
            for release in releases
        ],
    }


def files(releases: Iterable[ReleaseSpec] = RELEASES) -> dict[str, bytes]:
    """Contents of the directory by relative path: every release, and the table."""
    found = {
        f"joined_files/{release.version.rpartition('.')[0]}/tdx_module_{release.version}.blob": image(release.version)
        for release in releases
    }
    return found | {"mapping_file.json": json.dumps(table(releases), indent=1).encode()}


def write(folder: str, images: Mapping[str, bytes], mapping: dict[str, Any]) -> None:
    """Write images, by the version in their file name, and the table into ``folder``; OSError as the file system."""
    root = os.path.join(folder, "joined_files")
    os.makedirs(root, exist_ok=True)
    for version, data in images.items():
        series = os.path.join(root, version.rpartition(".")[0])
        os.makedirs(series, exist_ok=True)
        with open(os.path.join(series, f"tdx_module_{version}.blob"), "wb") as file:
            file.write(data)
    with open(os.path.join(folder, "mapping_file.json"), "w", encoding="utf-8") as file:
        json.dump(mapping, file, indent=1)
