# SPDX-License-Identifier: Apache-2.0
"""Each failure of a live activation that was reported in public, or seen with a kernel, and what livefw makes of it."""

import errno
from collections.abc import Callable
from typing import NamedTuple

import pytest

from livefw.abi.nvme import CommitAction
from livefw.activation.outcome import Outcome
from livefw.files.protocol import DeviceCall, DeviceReply
from livefw.machine.nvme.subsystem import DriveSpec

from .drive import Machine

ACTIVATED, FAILED, REFUSED, UNKNOWN = Outcome.ACTIVATED, Outcome.FAILED, Outcome.REFUSED, Outcome.UNKNOWN


def _as_it_is(_: Machine) -> None: ...


def _leaves_with_an_error(machine: Machine) -> None:
    """The commit is answered with "Input/output error", and the drive is not on the bus any more."""
    real = machine.files.devices["/dev/nvme0"]

    class Leaving:
        def call(self, call: DeviceCall) -> DeviceReply:
            if call.data[0] != 0x10:
                return real.call(call)
            machine.remove("nvme0")
            return DeviceReply(errno.EIO, call.data)

    machine.files.devices["/dev/nvme0"] = Leaving()


def _boots(machine: Machine) -> None:
    machine.block()
    machine.mount(("259:0", "/", "/dev/nvme0n1"))


def _armed_by_another(machine: Machine) -> None:
    machine.drives[0].commit(2, CommitAction.ARM)


class Row(NamedTuple):
    """Where it was reported; the outcome, its code, what runs, what sysfs shows; the drive, its faults, what happens.

    ``word`` is in the warning or the reason. ``ignoring``: whether the user ignores all checks, to see what happens.
    """

    source: str
    outcome: Outcome
    code: str
    runs: str = "2.0"
    sysfs: str = "2.0"
    word: str = ""
    spec: DriveSpec = DriveSpec()
    faults: tuple[str, ...] = ()
    happens: Callable[[Machine], None] = _as_it_is
    ignoring: bool = True


KERNEL = "Linux 7.3.4, NVMe/TCP"
ROWS = {
    "announced": Row(KERNEL, ACTIVATED, "version-arrived"),
    "not announced, and sysfs stale": Row(
        "nvme-cli#1981, nvme-cli#2941", ACTIVATED, "version-arrived", sysfs="1.0", faults=("no-event",)
    ),
    "Identify fails in the window": Row(
        "nvme-cli#3396", ACTIVATED, "arrived-after-silence", sysfs="1.0", faults=("identify-fails", "no-event")
    ),
    "Identify tells of another drive in the window": Row(
        "nvme-cli#3396", ACTIVATED, "arrived-after-silence", sysfs="1.0", faults=("identify-wrong", "no-event")
    ),
    "Identify never answers again": Row(
        "nvme-cli#3396",
        UNKNOWN,
        "no-identify",
        "1.0",
        "1.0",
        "does not tell what runs",
        spec=DriveSpec(activation_s=1000),
        faults=("identify-fails", "no-event"),
    ),
    "success, and the version never changes": Row(
        "nvme-cli#2576", FAILED, "false-success", "1.0", "1.0", faults=("changes-nothing",)
    ),
    "leaves the bus with an error": Row(
        "ceph-cm-ansible#866", FAILED, "device-gone", "1.0", "1.0", "left the machine", happens=_leaves_with_an_error
    ),
    "never answers again": Row("ceph-cm-ansible#866", FAILED, "device-gone", "1.0", "1.0", faults=("dies",)),
    "boot drive": Row(
        "ceph-cm-ansible#866", REFUSED, "boot", "1.0", "1.0", "depends on it: /", happens=_boots, ignoring=False
    ),
    "unhealthy drive": Row(
        "ceph-cm-ansible af04216", REFUSED, "health", "1.0", "1.0", "spare", faults=("unhealthy",), ignoring=False
    ),
    "read-only afterwards": Row(
        "Base Specification 2.0, critical warning bit 3",
        ACTIVATED,
        "arrived-with-damage",
        word="media are read-only",
        faults=("read-only",),
    ),
    "longer than MTFA, and the kernel resets": Row(
        KERNEL, ACTIVATED, "arrived-by-reset", word="kernel reset the controller", faults=("too-slow",)
    ),
    "longer than MTFA, and nobody resets": Row(
        KERNEL, ACTIVATED, "arrived-late", sysfs="1.0", word="MTFA is 1 s", faults=("too-slow", "no-event")
    ),
    "MTFA not reported": Row(KERNEL, ACTIVATED, "version-arrived", spec=DriveSpec(mtfa=0, activation_s=20)),
    "another version": Row(KERNEL, UNKNOWN, "version-astray", "ODD", "ODD", faults=("other-version",)),
    "slot damaged": Row(
        KERNEL, UNKNOWN, "version-contradicts", "1.0", "1.0", "slot 2 is empty", faults=("damages-slot",)
    ),
    "needs a controller reset (10Bh, 110h, 111h)": Row(
        KERNEL, REFUSED, "reset-required", "1.0", "1.0", "not live", faults=("commit-needs-controller-reset",)
    ),
    "prohibited (113h)": Row(
        KERNEL, REFUSED, "version-refused", "1.0", "1.0", "prohibits", faults=("commit-activation-prohibited",)
    ),
    "would take longer than MTFA (112h)": Row(
        KERNEL, REFUSED, "too-long", "1.0", "1.0", "MTFA", faults=("commit-maximum-time-violation",)
    ),
    "armed for the next reset by another program (action 1)": Row(
        "fwupd#5671", REFUSED, "reset-required", "1.0", "1.0", "next reset", happens=_armed_by_another
    ),
    "no activation without a reset": Row(
        "fwupd#5671", REFUSED, "reset-required", "1.0", "1.0", "not live", spec=DriveSpec(without_reset=False)
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_outcome_is_what_runs(case: str) -> None:
    row = ROWS[case]
    machine = Machine(row.spec, faults=row.faults).staged()
    row.happens(machine)
    result = machine.activate() if row.ignoring else machine.activate(ignore=())
    assert (result.outcome, result.why.code) == (row.outcome, row.code)
    assert machine.drives[0].firmware == row.runs
    assert machine.controllers[0].version == row.sysfs
    told = f"{result.why.text} {result.claim.warning if result.claim else ''}"
    assert row.word in told


def test_action_3_is_what_the_drive_is_asked_for() -> None:
    """nvme-cli#3325: a refactoring refused it."""
    machine = Machine().staged()
    machine.activate()
    assert machine.drives[0].commits == [(2, CommitAction.REPLACE), (2, CommitAction.ACTIVATE)]


def test_drive_that_cannot_be_read_hides_no_other() -> None:
    """nvme-cli#802: the third of three drives."""
    ids = [f"livefw_modelled_NVMe_LFW000{number}" for number in (1, 2, 3)]
    machine = Machine(*(DriveSpec(serial=ident[-7:]) for ident in ids))
    machine.files.break_for_ever("/dev/nvme2", errno.EIO)
    for ident in ids[:2]:
        assert machine.stage(DriveSpec().image("2.0"), ident).reply == "accepted"
        assert machine.activate(ident).outcome is ACTIVATED
    third = machine.component(ids[2])
    assert ([each.code for each in third.reasons], third.pending) == (["unreadable"], None)
    assert machine.activate(ids[2]).outcome is REFUSED


@pytest.mark.parametrize("fault", ["dies", "read-only"])
def test_damage_is_never_a_plain_success(fault: str) -> None:
    """What must not be read over: neither is `version-arrived`, and a dead drive is told until the next boot."""
    result = Machine(faults=[fault]).staged().activate()
    assert result.claim is not None
    assert result.why.code != "version-arrived"
    assert (result.claim.lasting is not None) == (fault == "dies")
