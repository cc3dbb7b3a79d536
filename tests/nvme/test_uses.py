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


def _twice_in_one_mirror(machine: Machine) -> None:
    _mirror(machine)
    whole = machine.place("nvme0") + "/nvme0n1"
    machine.hold(machine.block("nvme0n1p1", number="259:1", parent=whole), "md0", md__level="raid1")


def _copy_out_of_sync(machine: Machine) -> None:
    _mirror(machine)
    above = "/sys/devices/virtual/block/md0"
    machine.files.links[f"{above}/slaves/sdb"] = "../../sdb"
    machine.files.tree[f"{above}/md/dev-sdb/state"] = b"spare\n"


def _udev(machine: Machine, number: str, kind: str, label: str = "") -> None:
    text = f"S:disk/x\nE:ID_FS_TYPE={kind}\nE:ID_FS_LABEL={label}\n"
    machine.files.tree[f"/run/udev/data/b{number}"] = text.encode()


STATUS = """  pool: tank
 state: {state}
  scan: {scan}
config:

\tNAME                STATE     READ WRITE CKSUM
\ttank                ONLINE       0     0     0
\t  {vdev}            ONLINE       0     0     0
\t    /dev/nvme0n1    ONLINE       0     0     0
\t    /dev/nvme1n1    {other}       0     0     0

errors: No known data errors
"""


def _pool(
    machine: Machine,
    *,
    state: str = "ONLINE",
    scan: str = "scrub repaired 0B",
    vdev: str = "mirror-0",
    other: str = "ONLINE",
) -> None:
    _zfs(machine)
    _udev(machine, "259:0", "zfs_member", "tank")
    text = STATUS.format(state=state, scan=scan, vdev=vdev, other=other)
    machine.provider.tool = lambda command: text if list(command) == ["zpool", "status", "-LP", "tank"] else None


def _degraded_pool(machine: Machine) -> None:
    _pool(machine, state="DEGRADED")


def _pool_with_a_faulted_copy(machine: Machine) -> None:
    _pool(machine, other="FAULTED")


def _pool_in_a_resilver(machine: Machine) -> None:
    _pool(machine, scan="resilver in progress since Mon Nov 30")


def _striped_pool(machine: Machine) -> None:
    _pool(machine, vdev="nothing")


def _pool_without_a_tool(machine: Machine) -> None:
    _pool(machine)
    machine.provider.tool = lambda _: None


def _root_on_a_pool(machine: Machine) -> None:
    _pool(machine)
    machine.mount(("0:30", "/", "tank/ROOT/debian"))


def _no_pool_on_it(machine: Machine) -> None:
    _zfs(machine)
    _udev(machine, "259:0", "ext4")


OSD = "ad1e9f3c-6e1f-4a58-9d3f-0f6f2a5c7b11"


def _osd(machine: Machine, folder: str = "osd/ceph-7", answer: str | None = "") -> None:
    machine.hold(machine.block(), "dm-0", dm__name=f"ceph--1-osd--block--{OSD.replace('-', '--')}", dev="253:0")
    machine.files.tree[f"/var/lib/ceph/{folder}/fsid"] = f"{OSD}\n".encode()
    machine.provider.tool = lambda command: answer if list(command) == ["ceph", "osd", "ok-to-stop", "7"] else None


def _osd_in_a_container(machine: Machine) -> None:
    _osd(machine, "0c1d3a52-0000-0000-0000-000000000000/osd.7")


def _osd_that_is_needed(machine: Machine) -> None:
    _osd(machine, answer=None)


def _osd_of_another_host(machine: Machine) -> None:
    _osd(machine)
    machine.files.tree["/var/lib/ceph/osd/ceph-7/fsid"] = b"another\n"


def _bare_osd(machine: Machine) -> None:
    machine.block()
    _udev(machine, "259:0", "ceph_bluestore")


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
        (_twice_in_one_mirror, ["in-use", "in-use"], "more than once"),
        (_copy_out_of_sync, ["in-use", "in-use"], "out of sync on sdb"),
        (_pool, [], ""),
        (_degraded_pool, ["in-use"], "ZFS pool tank"),
        (_pool_with_a_faulted_copy, ["in-use"], "ZFS pool tank"),
        (_pool_in_a_resilver, ["in-use"], "ZFS pool tank"),
        (_striped_pool, ["in-use"], "ZFS pool tank"),
        (_pool_without_a_tool, ["in-use"], "ZFS pool tank"),
        (_root_on_a_pool, ["boot"], "ZFS pool tank"),
        (_no_pool_on_it, [], ""),
        (_osd, [], ""),
        (_osd_in_a_container, [], ""),
        (_osd_that_is_needed, ["in-use"], "ceph--1-osd"),
        (_osd_of_another_host, ["in-use"], "ceph--1-osd"),
        (_bare_osd, ["in-use"], "OSD of Ceph on nvme0n1"),
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


def _two_in_a_mirror(*, faults: tuple[str, ...] = ()) -> Machine:
    machine = Machine(DriveSpec(), DriveSpec(serial="LFW0002")).staged()
    for name, number in (("nvme0n1", "259:0"), ("nvme1n1", "259:1")):
        machine.hold(machine.block(name, number=number), "md0", md__level="raid1")
    machine.files.tree |= {
        f"/sys/devices/virtual/block/md0/md/{name}": text
        for name, text in (("degraded", b"0\n"), ("sync_action", b"idle\n"))
    }
    machine.mount(("9:0", "/srv", "/dev/md0"))
    machine.drives[1].faults = frozenset(faults)
    return machine


def test_copy_on_a_drive_that_is_not_well_is_none() -> None:
    assert _two_in_a_mirror().component().hazards == ()
    (found,) = _two_in_a_mirror(faults=("unhealthy",)).component().hazards
    assert (found.code, found.text) == (
        "in-use",
        "the copy in the array md0 is on nvme1n1, and it reports a critical warning",
    )
    machine = _two_in_a_mirror()
    machine.drives[1].dead = True
    assert "does not report its health" in machine.component().hazards[0].text


def test_figures_of_a_drive_are_those_that_it_and_the_kernel_report() -> None:
    machine = Machine(DriveSpec(mtfa=25, temperature=330, used=12))
    machine.files.tree[f"{machine.block()}/inflight"] = b"       3        4\n"
    assert dict(machine.component().readings) == {"pause": 2.5, "temperature": 57, "wear": 12, "requests": 7}
    machine.files.tree[f"{machine.block()}/inflight"] = b"many\n"
    assert "requests" not in dict(machine.component().readings)
    assert dict(Machine(DriveSpec(mtfa=0)).component().readings) == {"temperature": 36, "wear": 4}


def test_drive_that_calls_itself_too_hot_is_not_activated() -> None:
    machine = Machine(DriveSpec(temperature=343)).staged()
    result = machine.activate(ignore=())
    assert (result.outcome, result.why.code) == (Outcome.REFUSED, "temperature")
    assert "70 degrees C" in result.why.text
    assert Machine(DriveSpec(temperature=342)).staged().activate(ignore=()).outcome is Outcome.ACTIVATED
