# SPDX-License-Identifier: Apache-2.0
"""What nobody can confirm, and what may not be as it is shown, bears its mark in text, JSON, history and metrics."""

import json
from pathlib import Path

import pytest

from livefw.errors import ExitCode
from livefw.machine.faults import FaultRequest

from .mounts import Mounts, mount
from .world import RMM_GUID, SCP_GUID, Setup

__all__ = ["mount"]
ACTIVATE = ("activate", "--measure", "off")


@pytest.fixture
def accepting(tmp_path: Path) -> tuple[str, str]:
    """Settings that take the mechanism's word for the RMM."""
    directory = tmp_path / "settings"
    directory.mkdir()
    (directory / "livefw.toml").write_text('accept-unconfirmed = ["tf-rmm"]\n', encoding="ascii")
    return "--settings", str(directory)


@pytest.mark.fuse
def test_a_success_without_a_witness_is_marked_where_it_is_accepted(mount: Mounts, accepting: tuple[str, str]) -> None:
    mounted = mount(Setup("fvp", "v3", "tells nothing").config())
    said = mounted.livefw(*ACTIVATE, RMM_GUID)
    assert said.code == ExitCode.UNKNOWN, said
    assert "nothing here can confirm it" in said.out
    assert "accept-unconfirmed" in said.out
    planned = mounted.livefw(*accepting, "plan", RMM_GUID)
    assert "a success may remain unconfirmed" in planned.out
    said = mounted.livefw(*accepting, "--json", *ACTIVATE, RMM_GUID)
    (result,) = json.loads(said.out)["results"]
    assert (said.code, result["outcome"], result["confirmed"]) == (ExitCode.DONE, "activated", False)
    newest, before = json.loads(mounted.livefw("--json", "history").out)["history"]
    assert newest["outcome"]["confirmed"] is False
    assert before["outcome"]["code"] == "unconfirmed"
    assert "activated (unconfirmed)" in mounted.livefw("history").out


@pytest.mark.fuse
def test_a_version_that_may_be_old_is_marked_wherever_it_is_shown(mount: Mounts) -> None:
    mounted = mount(Setup("vera", "nv3").config())
    mounted.machine.stage(SCP_GUID, "7.7")
    mounted.machine.inject(FaultRequest(name="notify-refused", component=SCP_GUID, times=1))
    said = mounted.livefw(*ACTIVATE, SCP_GUID)
    assert (said.code, "may be a version from before" in said.out) == (ExitCode.UNKNOWN, True), said
    listed = mounted.livefw("list")
    assert "2.7?" in listed.out
    assert "may be outdated" in listed.err
    assert "the version shown may be outdated: the result of an attempt" in mounted.livefw("show", SCP_GUID).out
    assert json.loads(mounted.livefw("--json", "history").out)["history"][0]["outcome"]["copy"] is True
    mounted.machine.stage(RMM_GUID)
    assert mounted.livefw(*ACTIVATE, RMM_GUID).code == ExitCode.DONE
    listed = mounted.livefw("list")  # the driver has scanned: what it shows now is what runs
    assert ("7.7 " in listed.out, listed.err) == (True, "")


@pytest.mark.fuse
def test_a_dead_rmm_is_told_in_the_answer_in_show_and_in_the_plan(mount: Mounts) -> None:
    mounted = mount(Setup("vera", "v3").config())
    mounted.machine.stage(RMM_GUID)
    mounted.machine.inject(FaultRequest(name="activation-failed", component=RMM_GUID, times=1))
    said = mounted.livefw(*ACTIVATE, RMM_GUID)
    assert "all Realms are lost" in said.out
    assert "power-cycle the machine" in said.out
    refused = mounted.livefw(*ACTIVATE, RMM_GUID)
    assert (refused.code, "cold boot" in refused.out) == (ExitCode.REFUSED, True), refused
    assert "failed-this-boot" in mounted.livefw("plan", RMM_GUID).out
    assert "cold boot" in mounted.livefw("show", RMM_GUID).out
