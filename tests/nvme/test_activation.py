# SPDX-License-Identifier: Apache-2.0
"""What a drive, the kernel and the process that asks do during an activation, and what livefw makes of it.

What runs decides (Identify), never the status of the command and never sysfs. Failures that were reported in public are
in `test_reported`, and how each fault ends in `test_ends`.
"""

import pytest

from livefw.abi.nvme import STATUS_NAMES, CommitAction
from livefw.activation.outcome import Outcome
from livefw.files.protocol import LOST, DeviceCall, DeviceReply
from livefw.machine.nvme.faults import STATUS_FAULTS
from livefw.machine.nvme.subsystem import DriveSpec
from livefw.providers.base import Reply

from .drive import Machine, onlooker

ACTIVATED = Outcome.ACTIVATED


@pytest.mark.parametrize("fault", STATUS_FAULTS)
def test_each_status_has_the_name_of_the_specification(fault: str) -> None:
    machine, status = Machine(faults=[fault]).staged(), STATUS_FAULTS[fault]
    result = machine.activate()
    assert result.claim is not None
    assert result.claim.firmware_code == STATUS_NAMES[status]
    assert result.claim.reason is not None
    assert result.why.code == result.claim.reason.code
    assert f"1.0 to 2.0, {STATUS_NAMES[status]}" in result.claim.log[-1]
    needs_reset = "reset-required" in [each.code for each in machine.component().reasons]
    assert needs_reset == (status in (0x10B, 0x110, 0x111))


def test_history_of_the_drive_and_lines_of_the_kernel_are_kept() -> None:
    machine = Machine(faults=["too-slow"]).staged()
    machine.files.say("nvme nvme0: of before")
    result = machine.activate()
    assert result.claim is not None
    assert result.claim.log == (
        "nvme nvme0: Fw activation timeout, reset controller",
        "activation 1: 1.0 to 2.0, Successful Completion",
    )
    assert Machine(DriveSpec(ocp=False)).staged().activate().outcome is ACTIVATED


def test_drive_that_leaves_the_bus_is_a_failure_that_lasts() -> None:
    machine = Machine(DriveSpec(activation_s=100, announces=False)).staged()
    running = machine.provider.activate(machine.ident, onlooker)
    assert not running.wait(1)
    machine.remove("nvme0")
    assert running.wait(None)
    claim = running.claim
    assert (claim.reply, claim.reason and claim.reason.code) == (Reply.FAILED, "drive-gone")
    assert claim.lasting == claim.reason


def test_drive_that_comes_back_in_time_is_judged_by_what_runs() -> None:
    machine = Machine(DriveSpec(activation_s=3, mtfa=50, announces=False)).staged()
    running = machine.provider.activate(machine.ident, onlooker)
    assert not running.wait(1)
    link, device = "/sys/class/nvme/nvme0", machine.files.devices["/dev/nvme0"]
    leads = machine.files.links[link]
    machine.remove("nvme0")
    assert not running.wait(1)
    machine.files.links[link], machine.files.devices["/dev/nvme0"] = leads, device
    machine.refresh()
    assert running.wait(None)
    assert running.claim.reply is Reply.ACCEPTED
    assert machine.clock.passed < 5


def test_request_whose_process_died_is_judged_by_what_runs() -> None:
    machine = Machine().staged()
    real = machine.files.devices["/dev/nvme0"]

    class Dying:
        def call(self, call: DeviceCall) -> DeviceReply:
            done = real.call(call)
            return done._replace(error=LOST) if call.data[0] == 0x10 else done

    machine.files.devices["/dev/nvme0"] = Dying()
    result = machine.activate()
    assert result.claim is not None
    assert result.claim.reply is Reply.LOST
    assert (result.outcome, result.after and result.after.current_version) == (
        ACTIVATED,
        machine.component().current_version,
    )


def test_request_that_is_given_up_before_it_began_asked_nothing() -> None:
    machine = Machine().staged()
    running = machine.provider.activate(machine.ident, onlooker)
    claim = running.abandon()
    assert (claim.reply, running.touched) == (Reply.REFUSED, False)
    assert [action for _, action in machine.drives[0].commits] == [CommitAction.REPLACE]


def test_request_that_nobody_follows_continues() -> None:
    machine = Machine(DriveSpec(activation_s=5, mtfa=100)).staged()
    running = machine.provider.activate(machine.ident, onlooker)
    assert not running.wait(1)
    claim = running.abandon()
    assert (claim.reply, claim.at_work) == (Reply.LOST, True)
    machine.clock.sleep(5)
    assert machine.component().pending is False
