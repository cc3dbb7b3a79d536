# SPDX-License-Identifier: Apache-2.0
"""Activations through plain sysfs: what clients see meanwhile, and what is in the way."""

import shutil
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

from livefw.abi.lfa import Function
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.machine import Machine

from ..truth.world import RMM_GUID, SCP_GUID
from .conftest import IN_PROGRESS, NEEDS_ACTIVATION, Ended, Fwupd, Mounts, Start

pytestmark = pytest.mark.fuse


@pytest.fixture
def machine(mount: Mounts) -> Machine:
    """Two components with staged images."""
    made = mount(replace(load("vera"), driver="nv3"))
    made.stage(SCP_GUID)
    return made


class Waiting:
    """An activation that does not come to its end until the machine's faults are cleared."""

    def __init__(self, daemon: Fwupd, machine: Machine) -> None:
        daemon.device(SCP_GUID, lambda device: device["Flags"] & NEEDS_ACTIVATION)
        machine.inject(FaultRequest(name="endless-prime", component=SCP_GUID))
        self.ended: list[Ended | Exception] = []
        self._daemon = daemon
        self._thread = threading.Thread(target=self._run, name="client")
        self._thread.start()
        daemon.device(SCP_GUID, lambda device: in_progress(device) and self._primes(machine))

    @staticmethod
    def _primes(machine: Machine) -> bool:
        with machine.runner.lock:
            return any(call.registers[0] == Function.PRIME for call in machine.trace)

    def _run(self) -> None:
        try:
            self.ended.append(self._daemon.activate(SCP_GUID))
        except Exception as error:
            self.ended.append(error)

    def join(self) -> Ended | Exception:
        self._thread.join()
        return self.ended[0]


def in_progress(device: dict[str, Any]) -> bool:
    return bool(device.get("Problems", 0) & IN_PROGRESS)


def test_others_are_served_while_one_activates(machine: Machine, start: Start) -> None:
    daemon = start()
    waiting = Waiting(daemon, machine)
    listed = daemon.fwupdmgr("get-devices", "--json")
    assert (listed.returncode, "update-in-progress" in listed.stdout) == (0, True)
    assert daemon.activate(RMM_GUID) == Ended(
        "Busy", "failed to activate using arm_lfa: another activation is under way"
    )
    assert waiting.ended == []
    machine.clear_faults()
    assert waiting.join() == Ended()
    assert not in_progress(daemon.devices()[SCP_GUID])
    assert daemon.activate(RMM_GUID) == Ended()


def test_what_takes_too_long_is_unknown_until_it_ends(machine: Machine, start: Start) -> None:
    daemon = start(ActivateTimeout=50)
    waiting = Waiting(daemon, machine)
    ended = waiting.join()
    assert isinstance(ended, Ended)
    assert (ended.error, "the kernel has not answered after 50 ms, and goes on" in ended.text) == ("TimedOut", True)
    assert in_progress(daemon.devices()[SCP_GUID])
    assert daemon.activate(RMM_GUID).error == "Busy"
    machine.clear_faults()
    daemon.device(SCP_GUID, lambda device: device["Version"] == "2.8" and not in_progress(device))


def test_a_killed_daemon_leaves_the_truth_to_the_next_one(machine: Machine, start: Start) -> None:
    daemon = start()
    waiting = Waiting(daemon, machine)
    daemon.popen.send_signal(signal.SIGKILL)
    machine.clear_faults()
    ended = waiting.join()
    assert isinstance(ended, Ended)
    assert "NoReply" in ended.error
    daemon.end()
    device = start().device(SCP_GUID, lambda device: not device["Flags"] & NEEDS_ACTIVATION)
    assert device["Version"] == "2.8"


def test_a_failure_can_be_tried_again(machine: Machine, start: Start) -> None:
    daemon = start()
    machine.inject(FaultRequest(name="auth-error", component=SCP_GUID))
    failed = daemon.fwupdmgr("activate", SCP_GUID)
    assert (failed.returncode, "the kernel aborted the activation" in failed.stderr) == (1, True), failed.stderr
    assert daemon.activate(RMM_GUID) == Ended()  # the failed one does not hold the agent
    machine.clear_faults()
    assert daemon.activate(SCP_GUID) == Ended()


def test_a_false_success_of_the_first_driver_is_none(mount: Mounts, start: Start) -> None:
    machine = mount(replace(load("fvp"), driver="v1"))
    daemon = start()
    machine.inject(FaultRequest(name="busy", component=RMM_GUID, function="ACTIVATE"))
    ended = daemon.activate(RMM_GUID)
    assert (ended.error, "success was reported" in ended.text) == ("TimedOut", True)
    assert machine.platform.commits() == ()


def test_a_tree_that_is_read_only_names_the_unit(machine: Machine, start: Start) -> None:
    """What ``ProtectKernelTunables=yes`` of the packaged unit does to the daemon."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing; on Debian: apt-get install util-linux")
    daemon = start(read_only=True)
    ended = daemon.activate(RMM_GUID)
    assert (ended.error, "-/sys/firmware/lfa" in ended.text) == ("PermissionDenied", True)
    assert machine.platform.commits() == ()


def test_what_was_done_meanwhile_is_not_done_again(machine: Machine, start: Start) -> None:
    daemon = start(PollInterval=3_600_000)
    assert daemon.devices()[RMM_GUID]["Flags"] & NEEDS_ACTIVATION
    assert daemon.activate(RMM_GUID) == Ended()
    daemon.end()
    machine.stage(RMM_GUID)
    daemon = start(PollInterval=3_600_000)
    file = f"{daemon.root}/sys/firmware/lfa/{RMM_GUID}/activate"
    with open(file, "w", encoding="ascii") as activate:
        activate.write("1\n")
    assert daemon.activate(RMM_GUID).error == "NothingToDo"
