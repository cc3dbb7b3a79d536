# SPDX-License-Identifier: Apache-2.0
"""What a drive is used for, and whether a copy elsewhere would carry it: what is unknown is not safe.

Understood are mounts, swap, and holders of block devices (md, device mapper, so LVM, dm-crypt and the OSDs of Ceph),
btrfs with several devices, and that ZFS pools exist. An md array that is redundant, complete and at rest carries the
loss of one drive; nothing else does, except btrfs with redundant profiles.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from livefw.files.links import resolve
from livefw.files.protocol import Files
from livefw.providers.base import Reason
from livefw.providers.nvme.drives import Drive, namespaces
from livefw.text import decode

_BLOCK = "/sys/class/block"
_MOUNTS = "/proc/1/mountinfo"
"""Those of the machine. A process that may not read it sees its own, which are the same outside of a container."""
_SWAPS = "/proc/swaps"
_BTRFS = "/sys/fs/btrfs"
_ZFS = "/proc/spl/kstat/zfs"
_MOST_BYTES = 1 << 20
"""Of the list of mounts that are read; a machine full of containers has some thousand lines."""
_MOST_DEPTH = 8
"""Layers of block devices that are followed: a tree of them cannot be deeper in practice."""
_BOOT = frozenset({"/", "/boot", "/boot/efi", "/efi", "/usr", "/var"})
_REDUNDANT_LEVELS = frozenset({"raid1", "raid4", "raid5", "raid6", "raid10"})
_REDUNDANT_PROFILES = frozenset({"raid1", "raid1c3", "raid1c4", "raid10", "raid5", "raid6"})
_PROFILES = _REDUNDANT_PROFILES | {"single", "dup", "raid0"}

_BOOT_DRIVE = Reason("boot", "the machine depends on it: {uses}", "activate it from another system, or accept a loss")
_IN_USE = Reason("in-use", "no redundant copy in sync is known of {uses}", "stop what uses it, or make a copy first")
_DEGRADED = Reason("in-use", "the array {name} is {state}", "wait until it is complete and at rest")
_ZFS_UNKNOWN = Reason("in-use", "ZFS pools are imported ({pools}), and whether they use it is unknown")
_USES_UNKNOWN = Reason("in-use", "what is mounted cannot be read")
_SHARED = Reason("shared", "{why}: other hosts may use it", "make sure that no other host does")


class Use(NamedTuple):
    """One use of a drive: what people know it by, whether the machine boots from it, and whether a copy carries it."""

    name: str
    boot: bool = False
    carried: bool = False


class Mounts(NamedTuple):
    """Mount points by ``major:minor`` and by source, and swap by device."""

    by_number: dict[str, list[str]]
    by_source: dict[str, list[str]]
    swaps: frozenset[str]


def hazards(files: Files, drive: Drive) -> tuple[Reason, ...]:
    """What on this machine, or on others, would suffer if the drive did not survive."""
    found = list(_shared(drive))
    devices = [each for path in namespaces(files, drive) for each in (path, *_partitions(files, path))]
    if not devices:
        return tuple(found)
    mounts = read_mounts(files)
    if mounts is None:
        return (*found, _USES_UNKNOWN)
    uses: list[Use] = []
    for path in devices:
        found += _degraded(files, path)
        uses += _uses(files, path, mounts)
    if boot := [use.name for use in uses if use.boot]:
        found.append(_BOOT_DRIVE.fill(uses=_some(boot)))
    if bare := [use.name for use in uses if not use.carried and not use.boot]:
        found.append(_IN_USE.fill(uses=_some(bare)))
    if (pools := _names(files, _ZFS, folders_of=_ZFS)) and not uses:
        found.append(_ZFS_UNKNOWN.fill(pools=_some(pools)))
    return tuple(dict.fromkeys(found))


def read_mounts(files: Files) -> Mounts | None:
    """What is mounted and swapped to; None if it cannot be read."""
    text = _read(files, _MOUNTS) or _own_mounts(files)
    if not text:
        return None
    by_number: dict[str, list[str]] = {}
    by_source: dict[str, list[str]] = {}
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) < 10 or "-" not in fields:
            continue
        after = fields[fields.index("-") + 1 :]
        by_number.setdefault(fields[2], []).append(fields[4])
        if len(after) > 1:
            by_source.setdefault(after[1], []).append(fields[4])
    swaps = [line.split()[0] for line in _read(files, _SWAPS).splitlines()[1:] if line.strip()]
    return Mounts(by_number, by_source, frozenset(swaps))


def _own_mounts(files: Files) -> str:
    try:
        return _read(files, f"{resolve(files, '/proc/self')}/mountinfo")
    except OSError:
        return ""


def _uses(files: Files, path: str, mounts: Mounts, depth: int = 0, *, carried: bool = False) -> Iterator[Use]:
    """Uses of a block device, and of what is built on it."""
    name = path.rpartition("/")[2]
    number = _read(files, f"{path}/dev").strip()
    points = {*mounts.by_number.get(number, ()), *mounts.by_source.get(f"/dev/{name}", ())}
    for point in sorted(points):
        yield Use(point, point in _BOOT, carried)
    if f"/dev/{name}" in mounts.swaps:
        yield Use(f"swap on {name}", boot=True, carried=carried)
    if pool := _btrfs(files, name):
        fs, redundant = pool
        if not points or redundant:  # its other devices have the mount point
            yield Use(f"btrfs {fs[:8]}", carried=carried or redundant)
    holders = _names(files, f"{path}/holders")
    if depth >= _MOST_DEPTH:
        holders = []
        yield Use(f"what is built on {name}", carried=False)
    for holder in holders:
        try:
            above = resolve(files, f"{_BLOCK}/{holder}")
        except OSError:
            yield Use(holder)
            continue
        safe = carried or _is_redundant(files, above)
        found = list(_uses(files, above, mounts, depth + 1, carried=safe))
        # A holder that nothing is known to use may be an OSD, or the disk of a guest.
        yield from found or [Use(_shown_name(files, above, holder), carried=safe)]


def _is_redundant(files: Files, path: str) -> bool:
    """Whether a block device is an md array that is redundant, complete and at rest."""
    return _read(files, f"{path}/md/level").strip() in _REDUNDANT_LEVELS and not _array_state(files, path)


def _degraded(files: Files, path: str) -> Iterator[Reason]:
    for holder in _names(files, f"{path}/holders"):
        try:
            above = resolve(files, f"{_BLOCK}/{holder}")
        except OSError:
            continue
        if _read(files, f"{above}/md/level").strip() in _REDUNDANT_LEVELS and (state := _array_state(files, above)):
            yield _DEGRADED.fill(name=holder, state=state)


def _array_state(files: Files, path: str) -> str:
    """What an array lacks; empty if it is complete and at rest. What it does not show counts as lacking."""
    degraded, action = (_read(files, f"{path}/md/{each}").strip() for each in ("degraded", "sync_action"))
    if degraded != "0":
        return "degraded" if degraded else "in an unknown state"
    return "" if action == "idle" else action or "in an unknown state"


def _btrfs(files: Files, name: str) -> tuple[str, bool] | None:
    """The btrfs with several devices that this one belongs to, and whether all its profiles are redundant."""
    for fs in _names(files, _BTRFS):
        devices = _names(files, f"{_BTRFS}/{fs}/devices")
        if name in devices and len(devices) > 1:
            kinds = [_names(files, f"{_BTRFS}/{fs}/allocation/{kind}") for kind in ("data", "metadata", "system")]
            profiles = [[each for each in kind if each in _PROFILES] for kind in kinds]
            missing = any(
                _read(files, f"{_BTRFS}/{fs}/devinfo/{each}/missing").strip() != "0"
                for each in _names(files, f"{_BTRFS}/{fs}/devinfo")
            )
            return fs, all(kind and _REDUNDANT_PROFILES.issuperset(kind) for kind in profiles) and not missing
    return None


def _shared(drive: Drive) -> Iterator[Reason]:
    first, told = drive.controllers[0], drive.identity
    if first.transport not in ("pcie", ""):
        yield _SHARED.fill(why=f"it is attached over {first.transport}")
    elif told and told.is_shared:
        yield _SHARED.fill(why="its subsystem has several ports or controllers (CMIC)")


def _partitions(files: Files, path: str) -> list[str]:
    name = path.rpartition("/")[2]
    pattern = re.compile(rf"{re.escape(name)}p\d+", re.ASCII)
    return [f"{path}/{each}" for each in sorted(_names(files, path)) if pattern.fullmatch(each)]


def _shown_name(files: Files, path: str, name: str) -> str:
    """How people call a device of the mapper, such as ``vg-root``."""
    return _read(files, f"{path}/dm/name").strip() or name


def _names(files: Files, path: str, *, folders_of: str = "") -> list[str]:
    try:
        names = sorted(files.names(path))
    except OSError:
        return []
    return [name for name in names if not folders_of or _names(files, f"{folders_of}/{name}")]


def _read(files: Files, path: str) -> str:
    try:
        return decode(files.read(path, _MOST_BYTES))
    except OSError:
        return ""


def _some(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:4]) + (", ..." if len(unique) > 4 else "")
