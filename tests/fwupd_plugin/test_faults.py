# SPDX-License-Identifier: Apache-2.0
"""Every fault of the model's table: what the plugin tells beside what ``livefw activate`` tells, and what is true.

Without livefw's engine the plugin has no kernel log, so it may say "unknown" where livefw knows more. What else it says
is true, and contradicts nothing that livefw says.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from livefw.activation.outcome import Outcome
from livefw.kernel.lfa import VERSIONS
from livefw.machine.config import MachineConfig
from livefw.machine.faults import FAULTS

from ..truth.world import FIRMWARE, NOT_TOLD, RMM_GUID, STAGED, Fault, Setup, Told, Turn, World
from .conftest import IN_PROGRESS, NEEDS_ACTIVATION, Ended, Mounts, Start

OUTCOMES = {
    "": Outcome.ACTIVATED,
    "Write": Outcome.FAILED,
    "TimedOut": Outcome.UNKNOWN,
    **dict.fromkeys(
        ("Busy", "NeedsUserAction", "NotFound", "NotSupported", "NothingToDo", "PermissionDenied"), Outcome.REFUSED
    ),
}
"""The outcome that each of fwupd's errors stands for (README of the plugin)."""
PATIENCE_MS = 500
"""So long the plugin waits for the kernel: some faults let it never answer. On a slow machine more becomes unknown."""
ALL = bool(os.environ.get("LIVEFW_FWUPD_PLUGIN"))
"""Set by `make fwupd-plugin`, which plays every driver on every firmware."""
ALWAYS = [(driver, "tells all") for driver in ("v1", "nv3", "lw1")]
"""The first posted driver, the last one, and that of dkms/, which tells failures apart."""
PLAYED = [(driver, firmware) for driver in VERSIONS for firmware in FIRMWARE] if ALL else ALWAYS


def _quick(config: MachineConfig) -> MachineConfig:
    """The same machine, whose firmware takes no time for its work."""
    quick = (replace(each, prime_ms=0.0, activate_ms=1.0) for each in config.all_components)
    return replace(config, components=tuple(quick), grid=None)


def _fault(name: str) -> Fault:
    return Fault(name, ms=20.0 if "ms" in FAULTS[name].options else None)


def _livefw(setup: Setup, name: str, directory: Path) -> Told:
    world = World(setup, directory)
    try:
        told = world.play(Turn(RMM_GUID, STAGED, (_fault(name),)))
    finally:
        world.close()
    assert told is not None
    return told


@pytest.mark.fuse
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("driver", "firmware"), PLAYED)
def test_the_plugin_tells_what_livefw_tells(
    driver: str, firmware: str, start: Start, mount: Mounts, tmp_path: Path
) -> None:
    setup = Setup(driver=driver, firmware=firmware)
    livefw = {name: _livefw(setup, name, tmp_path / name) for name in FAULTS}
    mount(_quick(setup.config()))
    daemon = start(ActivateTimeout=PATIENCE_MS)
    wrong = []
    for name in FAULTS:
        machine = mount(_quick(setup.config()))
        daemon.device(RMM_GUID, lambda device: not device.get("Problems", 0) & IN_PROGRESS)
        machine.stage(RMM_GUID, STAGED)
        daemon.device(RMM_GUID, lambda device: device["Flags"] & NEEDS_ACTIVATION)
        machine.inject(_fault(name).request(RMM_GUID))
        ended = daemon.activate_now(RMM_GUID)
        took_over = STAGED in {str(commit.version) for commit in machine.platform.commits()}

        told, outcome = livefw[name], _outcome(ended)
        by_chance = name == "pending-flips"  # whether it is refused depends on how often the flag was read
        agrees = by_chance or outcome is Outcome.UNKNOWN or told.outcome in (outcome, NOT_TOLD, Outcome.UNKNOWN)
        true = outcome is Outcome.UNKNOWN or took_over == (outcome is Outcome.ACTIVATED)
        if not (agrees and true):
            wrong.append(f"{name}: livefw {told}, plugin {outcome}: {ended.text}, took over: {took_over}")
    mount(_quick(setup.config()))  # a write that waits in the kernel ends with its machine
    assert wrong == []


def _outcome(ended: Ended) -> Outcome:
    assert (ended.error == "TimedOut") == ("outcome unknown: " in ended.text)
    return OUTCOMES[ended.error]
