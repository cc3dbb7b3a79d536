# SPDX-License-Identifier: Apache-2.0
"""Codes that scripts see when the firmware itself fails, and what is waited for after each way to end."""

import errno

import pytest

from livefw.providers.base import Phase, Reply
from livefw.providers.fake import FakeResult
from livefw.providers.lfa import request
from livefw.providers.lfa.fake import RMM, FakeLfa

# DEN0147, "Return codes"; lfa_fw.c writes them with LFA_ before. The second word is ours, and never changes.
CODES = {
    "NOT_SUPPORTED": "not-supported",
    "BUSY": "firmware-busy",
    "AUTH_ERROR": "auth-failed",
    "NO_MEMORY": "no-memory",
    "CRITICAL_ERROR": "critical-error",
    "DEVICE_ERROR": "device-error",
    "WRONG_STATE": "wrong-state",
    "INVALID_PARAMETERS": "invalid-parameters",
    "COMPONENT_WRONG_STATE": "component-wrong-state",
    "INVALID_ADDRESS": "invalid-address",
    "ACTIVATION_FAILED": "firmware-activation-failed",
    "TIMED_OUT": "timed-out",
}


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("call", ["LFA_PRIME", "LFA_ACTIVATE"])
def test_a_failure_of_the_firmware_has_the_code_that_scripts_know(call: str, name: str) -> None:
    bench = FakeLfa()
    bench.add()
    line = f"Arm LFA: {call} for image TF-RMM failed: LFA_{name}"
    bench.files.answers[bench.path("activate")] = [FakeResult(errno.ECANCELED, effect=lambda: bench.files.say(line))]
    running = bench.provider.activate(RMM, lambda _: None)
    assert running.wait(None)
    claim = running.claim
    assert claim.reason
    assert (claim.reply, claim.firmware_code, claim.reason.code) == (Reply.FAILED, name, CODES[name])
    assert claim.log == (line,)


def test_each_code_of_the_firmware_is_in_the_table() -> None:
    assert {name: reason.code for name, reason in request.FIRMWARE.items()} == CODES


ENDS = [
    # action, errno; only an activation that succeeded has changed what the tree shows
    ("activate", 0, True),
    ("activate", errno.ECANCELED, False),
    ("activate", errno.EINVAL, False),
    ("activate", errno.EIO, False),
    ("activate", errno.ENODEV, False),
    ("activate", -1, False),
    ("cancel", 0, False),
    ("cancel", errno.EINVAL, False),
]


@pytest.mark.parametrize(("action", "error", "settles"), ENDS)
def test_only_after_a_success_the_tree_is_left_to_settle(action: str, error: int, settles: bool) -> None:
    bench = FakeLfa()
    bench.add()
    phases: list[Phase] = []
    # A component that has left the inventory reads as zeros, and is waited for.
    gone = FakeResult(error, effect=lambda: bench.set("activation_capable", "0"))
    bench.files.answers[bench.path(action)] = [gone]
    ask = bench.provider.activate if action == "activate" else bench.provider.cancel
    running = ask(RMM, lambda progress: phases.append(progress.phase))
    bench.files.reads.clear()
    assert running.wait(None)
    assert phases == [Phase.RUNNING, Phase.SETTLING][: 1 + settles]
    assert (bench.path("activation_capable") in bench.files.reads) is settles
    assert (bench.clock.passed > 0) is settles
