# SPDX-License-Identifier: Apache-2.0
"""What a drive is used for, and whether a copy elsewhere would carry it: what is unknown is not safe.

Understood are mounts, swap, and holders of block devices (md, device mapper, so LVM, dm-crypt and the OSDs of Ceph),
btrfs with several devices, and what udev read of a device (members of ZFS pools). A loss is carried by an md array that
is redundant, complete and at rest, by btrfs with redundant profiles, and by ZFS and Ceph where their own tools say so.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from livefw.files.links import resolve
from livefw.files.protocol import Files
from livefw.providers.base import Reason
from livefw.providers.nvme import arrays
from livefw.providers.nvme.attributes import names, read
from livefw.providers.nvme.copies import Tool, osd_carries, pool_carries
from livefw.providers.nvme.drives import Drive, namespaces

_BLOCK = "/sys/class/block"
_MOUNTS = "/proc/1/mountinfo"
"""Those of the machine. A process that may not read it sees its own, which are the same outside of a container."""
_SWAPS = "/proc/swaps"
_BTRFS = "/sys/fs/btrfs"
_ZFS = "/proc/spl/kstat/zfs"
_UDEV = "/run/udev/data"
"""udev's database (systemd, ``src/libsystemd/sd-device``): what it read of a block device, by its number."""
_MOST_DEPTH = 8
"""Layers of block devices that are followed: a tree of them cannot be deeper in practice."""
_BOOT = frozenset({"/", "/boot", "/boot/efi", "/efi", "/usr", "/var"})
_REDUNDANT_PROFILES = frozenset({"raid1", "raid1c3", "raid1c4", "raid10", "raid5", "raid6"})
_PROFILES = _REDUNDANT_PROFILES | {"single", "dup", "raid0"}

_BOOT_DRIVE = Reason("boot", "the machine depends on it: {uses}", "activate it from another system, or accept a loss")
_IN_USE = Reason("in-use", "no redundant copy in sync is known of {uses}", "stop what uses it, or make a copy first")
_UNWELL = Reason("in-use", "the copy in the array {name} is on {member}, and {why}", "replace that one first")
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


class _Machine(NamedTuple):
    """What the uses of one drive are judged by; ``tool`` is None where no program is to be asked."""

    files: Files
    mounts: Mounts
    parts: frozenset[str]
    """Names of the drive's block devices and their partitions."""
    tool: Tool | None


def hazards(files: Files, drive: Drive, tool: Tool | None = None) -> tuple[Reason, ...]:
    """What on this machine, or on others, would suffer if the drive did not survive.

    Without a ``tool`` neither programs nor other drives are asked, and less is known to have a copy.
    """
    found = list(_shared(drive))
    devices = [each for path in namespaces(files, drive) for each in (path, *_partitions(files, path))]
    if not devices:
        return tuple(found)
    mounts = read_mounts(files)
    if mounts is None:
        return (*found, _USES_UNKNOWN)
    machine = _Machine(files, mounts, frozenset(map(_base, devices)), tool)
    uses: list[Use] = []
    for path in devices:
        found += _degraded(machine, path)
        uses += _uses(machine, path)
    if boot := [use.name for use in uses if use.boot]:
        found.append(_BOOT_DRIVE.fill(uses=_some(boot)))
    if bare := [use.name for use in uses if not use.carried and not use.boot]:
        found.append(_IN_USE.fill(uses=_some(bare)))
    pools = names(files, _ZFS, folders_of=_ZFS)
    if pools and not uses and not all(_content(files, path) for path in devices):
        found.append(_ZFS_UNKNOWN.fill(pools=_some(pools)))
    return tuple(dict.fromkeys(found))


def in_flight(files: Files, drive: Drive) -> int | None:
    """I/O requests that the kernel has under way at a drive; None if it does not show them."""
    counts: list[int] = []
    for path in namespaces(files, drive):
        words = read(files, f"{path}/inflight").split()
        if len(words) != 2 or not all(word.isascii() and word.isdecimal() for word in words):
            return None
        counts += map(int, words)
    return sum(counts) if counts else None


def read_mounts(files: Files) -> Mounts | None:
    """What is mounted and swapped to; None if it cannot be read."""
    text = read(files, _MOUNTS) or _own_mounts(files)
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
    swaps = [line.split()[0] for line in read(files, _SWAPS).splitlines()[1:] if line.strip()]
    return Mounts(by_number, by_source, frozenset(swaps))


def _own_mounts(files: Files) -> str:
    try:
        return read(files, f"{resolve(files, '/proc/self')}/mountinfo")
    except OSError:
        return ""


def _uses(machine: _Machine, path: str, depth: int = 0, *, carried: bool = False) -> Iterator[Use]:
    """Uses of a block device, and of what is built on it."""
    files, mounts, name = machine.files, machine.mounts, _base(path)
    number = read(files, f"{path}/dev").strip()
    points = {*mounts.by_number.get(number, ()), *mounts.by_source.get(f"/dev/{name}", ())}
    for point in sorted(points):
        yield Use(point, point in _BOOT, carried)
    if f"/dev/{name}" in mounts.swaps:
        yield Use(f"swap on {name}", boot=True, carried=carried)
    if pool := _btrfs(files, name):
        fs, redundant = pool
        if not points or redundant:  # its other devices have the mount point
            yield Use(f"btrfs {fs[:8]}", carried=carried or redundant)
    yield from _by_content(machine, path, carried=carried)
    holders = names(files, f"{path}/holders")
    if depth >= _MOST_DEPTH:
        holders = []
        yield Use(f"what is built on {name}", carried=False)
    for holder in holders:
        try:
            above = resolve(files, f"{_BLOCK}/{holder}")
        except OSError:
            yield Use(holder)
            continue
        safe = carried or (arrays.is_redundant(files, above) and not arrays.lacks(files, above, machine.parts))
        found = list(_uses(machine, above, depth + 1, carried=safe))
        if not found:  # a holder that nothing is known to use may be an OSD, or the disk of a guest
            volume = _shown_name(files, above, holder)
            safe = safe or (machine.tool is not None and osd_carries(files, machine.tool, volume))
            found = [Use(volume, carried=safe)]
        yield from found


def _by_content(machine: _Machine, path: str, *, carried: bool) -> Iterator[Use]:
    """Uses that show nowhere but in what udev read of a device: a member of a ZFS pool, an OSD without a volume."""
    kind, label = _content(machine.files, path) or ("", "")
    if kind == "zfs_member":
        sources = machine.mounts.by_source.items()
        points = [each for source, found in sources if source.partition("/")[0] == label for each in found]
        mine = [f"/dev/{each}" for each in machine.parts if _content_of(machine.files, each) == ("zfs_member", label)]
        safe = carried or (machine.tool is not None and pool_carries(machine.tool, label, mine))
        yield Use(f"ZFS pool {label}", boot=not _BOOT.isdisjoint(points), carried=safe)
    elif kind.startswith("ceph"):
        yield Use(f"an OSD of Ceph on {_base(path)}", carried=carried)


def _content(files: Files, path: str) -> tuple[str, str] | None:
    """What udev read of a block device, kind and label; None if it has no entry, so that nothing is known."""
    text = read(files, f"{_UDEV}/b{read(files, f'{path}/dev').strip()}")
    fields = dict(line[2:].split("=", 1) for line in text.splitlines() if line.startswith("E:") and "=" in line)
    return (fields.get("ID_FS_TYPE", ""), fields.get("ID_FS_LABEL", "")) if text else None


def _content_of(files: Files, name: str) -> tuple[str, str] | None:
    try:
        return _content(files, resolve(files, f"{_BLOCK}/{name}"))
    except OSError:
        return None


def _degraded(machine: _Machine, path: str) -> Iterator[Reason]:
    """What the arrays lack that the drive is in, and who else in them is not well."""
    for holder in names(machine.files, f"{path}/holders"):
        try:
            above = resolve(machine.files, f"{_BLOCK}/{holder}")
        except OSError:
            continue
        if not arrays.is_redundant(machine.files, above):
            continue
        if state := arrays.lacks(machine.files, above, machine.parts):
            yield _DEGRADED.fill(name=holder, state=state)
        for member, why in arrays.unwell(machine.files, above, machine.parts) if machine.tool else ():
            yield _UNWELL.fill(name=holder, member=member, why=why)


def _btrfs(files: Files, name: str) -> tuple[str, bool] | None:
    """The btrfs with several devices that this one belongs to, and whether all its profiles are redundant."""
    for fs in names(files, _BTRFS):
        devices = names(files, f"{_BTRFS}/{fs}/devices")
        if name in devices and len(devices) > 1:
            kinds = [names(files, f"{_BTRFS}/{fs}/allocation/{kind}") for kind in ("data", "metadata", "system")]
            profiles = [[each for each in kind if each in _PROFILES] for kind in kinds]
            missing = any(
                read(files, f"{_BTRFS}/{fs}/devinfo/{each}/missing").strip() != "0"
                for each in names(files, f"{_BTRFS}/{fs}/devinfo")
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
    return [f"{path}/{each}" for each in sorted(names(files, path)) if pattern.fullmatch(each)]


def _shown_name(files: Files, path: str, name: str) -> str:
    """How people call a device of the mapper, such as ``vg-root``."""
    return read(files, f"{path}/dm/name").strip() or name


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _some(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:4]) + (", ..." if len(unique) > 4 else "")
