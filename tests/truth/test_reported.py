# SPDX-License-Identifier: Apache-2.0
"""What was reported as untrue, at the outermost face: a mounted machine, or a modelled BMC, and the command."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livefw.abi.guid import Guid
from livefw.errors import ExitCode
from livefw.kernel.lfa import VERSIONS
from livefw.kernel.lfa.versions import Notification
from livefw.machine.faults import FaultRequest

from .mounts import Mounted, Mounts, livefw, mount
from .world import RMM_GUID, SCP_GUID, Setup

__all__ = ["mount"]
ACTIVATE = ("activate", "--measure", "off")
FIRST, SECOND = "0509b633-5734-422f-a681-6096e932d93a", "3ab71f81-32b9-496d-841b-e3d0e9fd1a48"


def runs(machine: Mounted, component: str) -> str:
    """The version that really runs."""
    return str(machine.machine.platform.version(Guid.parse(component)))


@pytest.mark.fuse
@pytest.mark.parametrize("driver", ["v2", "v3", "nv3"])  # v1 cannot prime an image in several steps
def test_a_refusal_of_one_round_is_told_as_what_runs_then(mount: Mounts, driver: str) -> None:
    """The platform is asked once a round (TF-A, lfa_main.c), and all its CPUs hear the same."""
    mounted = mount(Setup("vera", driver).config())
    mounted.machine.stage(SCP_GUID, "7.7")
    mounted.machine.inject(FaultRequest(name="notify-refused", component=SCP_GUID, times=1))
    said = mounted.livefw(*ACTIVATE, SCP_GUID)
    assert (runs(mounted, SCP_GUID), said.code) == ("2.7", ExitCode.UNKNOWN), said
    said = mounted.livefw(*ACTIVATE, SCP_GUID)
    assert (runs(mounted, SCP_GUID), said.code) == ("7.7", ExitCode.DONE), said


@pytest.mark.fuse
@pytest.mark.parametrize("fault", ["activation-failed", "critical-error", "endless-activate"])
@pytest.mark.parametrize("driver", VERSIONS)
def test_a_failed_rmm_is_not_said_to_be_activated_because_its_firmware_says_so(
    mount: Mounts, driver: str, fault: str
) -> None:
    """TF-A 2.14 answers the failure with success and clears the pending flag."""
    mounted = mount(Setup("fvp", driver, "old").config())
    mounted.machine.stage(RMM_GUID)
    mounted.machine.inject(FaultRequest(name=fault, component=RMM_GUID))
    before = mounted.machine.platform.next_commit
    said = mounted.livefw(*ACTIVATE, RMM_GUID)
    assert mounted.machine.platform.commits(before) == ()
    assert said.code in (ExitCode.FAILED, ExitCode.UNKNOWN), said


@pytest.mark.fuse
@pytest.mark.parametrize("driver", VERSIONS)
def test_nothing_is_said_to_be_activated_by_firmware_that_is_gone(mount: Mounts, driver: str) -> None:
    """Some versions of the driver take -1 in 32 bits for success, and FVP's pending flag never clears."""
    mounted = mount(Setup("fvp", driver, "tells nothing").config())
    mounted.machine.inject(FaultRequest(name="agent-gone-32"))
    said = mounted.livefw(*ACTIVATE, RMM_GUID)
    # lw1 asks the firmware at each read, and nothing is tried where it cannot tell what is pending.
    assert said.code in ((ExitCode.REFUSED,) if driver == "lw1" else (ExitCode.FAILED, ExitCode.UNKNOWN)), said


@pytest.mark.fuse
def test_one_component_is_not_said_to_be_activated_where_another_was(mount: Mounts) -> None:
    """A GUID that is reported twice for one scan leaves two directories with one sequence id."""
    config = replace(Setup("vera", "nv3").config(), notification=Notification.DT, cpus=2)
    mounted = mount(config)
    for component in (FIRST, SECOND):
        mounted.file(component, "force_cpu_rendezvous").write_text("0\n")
    mounted.machine.stage(FIRST, "27.0")
    mounted.machine.inject(FaultRequest(name="duplicate-guid", component=SECOND))
    mounted.file(FIRST, "activation_pending").read_text()
    mounted.livefw(*ACTIVATE, FIRST)
    mounted.machine.clear_faults()
    mounted.machine.stage(SECOND, "28.0")
    mounted.file(SECOND, "activation_pending").read_text()
    before = mounted.machine.platform.next_commit
    refused = mounted.livefw(*ACTIVATE, SECOND)
    assert (refused.code, "--ignore list-in-doubt" in refused.out) == (ExitCode.REFUSED, True), refused
    assert not list(mounted.machine.platform.commits(before))
    said = mounted.livefw(*ACTIVATE, SECOND, "--ignore", "list-in-doubt")
    came = {str(commit.guid) for commit in mounted.machine.platform.commits(before)}
    assert came, "nothing was activated, so nothing is tested"
    assert (said.code == ExitCode.DONE) <= (SECOND in came), said


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Path]:
    """A modelled BMC that reports success and does nothing, and the root of a machine that talks to it."""
    root = tmp_path / "b"
    command = [sys.executable, "-m", "livefw", "machine", "bmc", str(root), "--pattern", "start", "--seconds", "0.3"]
    with subprocess.Popen([*command, "--fault", "false-success"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        server.stdout.readline()
        yield root
        server.terminate()


def test_a_bmc_that_reports_success_and_does_nothing_is_not_believed(bmc: Path, tmp_path: Path) -> None:
    """The old version runs on, a signed measurement is unchanged, and livefw itself staged another version."""
    image, archive = tmp_path / "i.bin", tmp_path / "i.cab"
    image.write_bytes(b"version=9.9.9 image")
    made = livefw(
        tmp_path,
        *("image", "cab", str(archive), "--image", str(image)),
        *("--component", "redfish:model/pmfw-a", "--version", "9.9.9"),
    )
    assert made.code == ExitCode.DONE, made
    staged = livefw(tmp_path, "--root", str(bmc), "--settings", f"{bmc}/etc/livefw", "stage", "pmfw-a", str(archive))
    assert staged.code == ExitCode.DONE, staged
    said = livefw(tmp_path, "--root", str(bmc), "--settings", f"{bmc}/etc/livefw", *ACTIVATE, "redfish:model/pmfw-a")
    assert said.code in (ExitCode.FAILED, ExitCode.UNKNOWN), said
    listed = livefw(tmp_path, "--root", str(bmc), "--settings", f"{bmc}/etc/livefw", "list")
    assert "1.2.0" in listed.out
