# SPDX-License-Identifier: Apache-2.0
"""What depends on a drive. Only a redundant array that is complete and at rest carries it; unknown is not safe."""

from collections.abc import Callable

import pytest

from livefw.activation.outcome import Outcome
from livefw.machine.nvme.subsystem import DriveSpec

from .drive import MOUNTED, Machine

Make = Callable[[Machine], None]


def _unused(machine: Machine) -> None:
    machine.block()


def _mounted(machine: Machine) -> None:
    machine.block()
    machine.mount(("259:0", "/srv", "/dev/nvme0n1"))


def _root_on_a_partition(machine: Machine) -> None:
    machine.block("nvme0n1p2", number="259:2", parent=machine.block())
    machine.mount(("259:2", "/", "/dev/nvme0n1p2"))


def _swap(machine: Machine) -> None:
    machine.block()
    machine.files.tree["/proc/swaps"] = b"Filename Type Size Used Priority\n/dev/nvme0n1 partition 1 0 -2\n"


def _mirror(machine: Machine, point: str = "/srv", **texts: str) -> None:
    whole = {"md__level": "raid1", "md__degraded": "0", "md__sync_action": "idle"} | texts
    machine.hold(machine.block(), "md0", **whole)
    machine.mount(("9:0", point, "/dev/md0"))


def _boot_mirror(machine: Machine) -> None:
    _mirror(machine, "/")


def _degraded_mirror(machine: Machine) -> None:
    _mirror(machine, md__degraded="1")


def _rebuilding_mirror(machine: Machine) -> None:
    _mirror(machine, md__sync_action="recover")


def _mirror_of_unknown_state(machine: Machine) -> None:
    _mirror(machine, md__sync_action="")


def _stripes(machine: Machine) -> None:
    _mirror(machine, md__level="raid0")


def _volume_on_a_mirror(machine: Machine) -> None:
    _mirror(machine)
    machine.hold("/sys/devices/virtual/block/md0", "dm-0", dm__name="vg-data", dev="253:0")
    machine.mount(("253:0", "/srv", "/dev/mapper/vg-data"))


def _volume_of_an_osd(machine: Machine) -> None:
    machine.hold(machine.block(), "dm-0", dm__name="ceph--1-osd--block--2", dev="253:0")


def _btrfs(machine: Machine, profile: str = "raid1", missing: str = "0") -> None:
    machine.block()
    top = "/sys/fs/btrfs/5b2c8f1e-0000"
    machine.files.links |= {f"{top}/devices/nvme0n1": "../../x", f"{top}/devices/sdb": "../../y"}
    for kind in ("data", "metadata", "system"):
        machine.files.tree[f"{top}/allocation/{kind}/{profile}/total_bytes"] = b"1\n"
        machine.files.tree[f"{top}/allocation/{kind}/flags"] = b"1\n"
    for number in ("1", "2"):
        machine.files.tree[f"{top}/devinfo/{number}/missing"] = f"{missing}\n".encode()


def _striped_btrfs(machine: Machine) -> None:
    _btrfs(machine, "raid0")


def _incomplete_btrfs(machine: Machine) -> None:
    _btrfs(machine, missing="1")


def _zfs(machine: Machine) -> None:
    machine.block()
    machine.files.tree["/proc/spl/kstat/zfs/tank/state"] = b"ONLINE\n"


def _mounts_unreadable(machine: Machine) -> None:
    machine.block()
    del machine.files.tree[MOUNTED]


def _holder_vanishes(machine: Machine) -> None:
    machine.hold(machine.block(), "dm-3")
    del machine.files.links["/sys/class/block/dm-3"]


@pytest.mark.parametrize(
    ("make", "codes", "names"),
    [
        (_unused, [], ""),
        (_mounted, ["in-use"], "/srv"),
        (_root_on_a_partition, ["boot"], "/"),
        (_swap, ["boot"], "swap on nvme0n1"),
        (_mirror, [], ""),
        (_boot_mirror, ["boot"], "/"),
        (_degraded_mirror, ["in-use", "in-use"], "md0 is degraded"),
        (_rebuilding_mirror, ["in-use", "in-use"], "md0 is recover"),
        (_mirror_of_unknown_state, ["in-use", "in-use"], "unknown state"),
        (_stripes, ["in-use"], "/srv"),
        (_volume_on_a_mirror, [], ""),
        (_volume_of_an_osd, ["in-use"], "ceph--1-osd--block--2"),
        (_btrfs, [], ""),
        (_striped_btrfs, ["in-use"], "btrfs 5b2c8f1e"),
        (_incomplete_btrfs, ["in-use"], "btrfs"),
        (_zfs, ["in-use"], "tank"),
        (_mounts_unreadable, ["in-use"], "cannot be read"),
        (_holder_vanishes, ["in-use"], "dm-3"),
    ],
)
def test_what_depends_on_a_drive_is_found(make: Make, codes: list[str], names: str) -> None:
    machine = Machine().staged()
    make(machine)
    found = machine.component().hazards
    assert [each.code for each in found] == codes
    assert names in "".join(each.text for each in found)
    # The checks that these are stop an activation, unless each is ignored.
    stopped = machine.activate(ignore=())
    assert (stopped.outcome, stopped.why.code) == (
        (Outcome.REFUSED, codes[0]) if codes else (Outcome.ACTIVATED, "version-arrived")
    )
    if codes:
        assert machine.activate(ignore=tuple(set(codes))).outcome is Outcome.ACTIVATED


def test_block_device_below_the_subsystem_is_found() -> None:
    """Native multipath: the controller's directory has only ``nvme0c0n1``, which is hidden."""
    machine = Machine(DriveSpec(controllers=2)).staged()
    subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    machine.files.links["/sys/class/nvme-subsystem/nvme-subsys0"] = "../../devices/virtual/nvme-subsystem/nvme-subsys0"
    machine.files.links[f"{subsystem}/nvme0"] = "../../../pci0000:00/nvme/nvme0"
    machine.block(parent=subsystem)
    machine.mount(("259:0", "/", "/dev/nvme0n1"))
    assert [each.code for each in machine.component().hazards] == ["shared", "boot"]


def test_unhealthy_drive_is_not_activated() -> None:
    machine = Machine(faults=["unhealthy"]).staged()
    result = machine.activate(ignore=())
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, "health")
    assert "spare is below its threshold" in result.why.text
