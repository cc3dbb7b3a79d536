# SPDX-License-Identifier: Apache-2.0
"""What a driver's file ``last_error`` proves. Texts and errno: dkms/Documentation/ABI/testing/sysfs-firmware-lfa."""

import errno

import pytest

from livefw.providers.base import Claim, Reply, Witness
from livefw.providers.fake import FakeResult
from livefw.providers.lfa.fake import RMM, FakeLfa

LOST = Witness.MAY_GO_ON
FAILED = Witness.FAILED

FAILURES = [
    # errno, last_error, the firmware's code, reason, witness
    (errno.EKEYREJECTED, "PRIME LFA_AUTH_ERROR -3", "AUTH_ERROR", "auth-failed", FAILED),
    (errno.ENOMEM, "PRIME LFA_NO_MEMORY -4", "NO_MEMORY", "no-memory", FAILED),
    (errno.EINVAL, "PRIME LFA_WRONG_STATE -7", "WRONG_STATE", "wrong-state", FAILED),
    (errno.EIO, "PRIME LFA_DEVICE_ERROR -6", "DEVICE_ERROR", "device-error", FAILED),
    (errno.EIO, "PRIME LFA_UNKNOWN -77", None, "activation-failed", FAILED),
    (errno.ETIMEDOUT, "PRIME LFA_BUSY -2 timed out", "TIMED_OUT", "timed-out", FAILED),
    (errno.ETIMEDOUT, "ACTIVATE LFA_SUCCESS 0 timed out", "TIMED_OUT", "timed-out", LOST),
    (errno.EIO, "ACTIVATE LFA_CRITICAL_ERROR -5", "CRITICAL_ERROR", "critical-error", FAILED),
    (errno.ECANCELED, "ACTIVATE LFA_ACTIVATION_FAILED -11", "ACTIVATION_FAILED", "firmware-activation-failed", FAILED),
    (errno.EINVAL, "ACTIVATE LFA_COMPONENT_WRONG_STATE -9 on 1 of 4 CPUs", "COMPONENT_WRONG_STATE",
     "component-wrong-state", LOST),
    # a file that is empty, or that no driver writes: errno has a cause by itself, or has not
    (errno.EKEYREJECTED, "none", "AUTH_ERROR", "auth-failed", Witness.NONE),
    (errno.ETIMEDOUT, "", "TIMED_OUT", "timed-out", Witness.NONE),
    (errno.ECANCELED, "PRIME LFA_AUTH_ERROR -3; rm -rf /", None, "activation-failed", Witness.NONE),
    (errno.ECANCELED, "ACTIVATE AUTH_ERROR -3", None, "activation-failed", Witness.NONE),
]  # fmt: skip


def failed(bench: FakeLfa, action: str, error: int, text: str) -> Claim:
    bench.add(driver="lw1", last_error=text)
    bench.files.answers[bench.path(action)] = [FakeResult(error)]
    ask = bench.provider.activate if action == "activate" else bench.provider.cancel
    running = ask(RMM, lambda _: None)
    assert running.wait(None)
    return running.claim


@pytest.mark.parametrize(("error", "text", "code", "reason", "witness"), FAILURES)
def test_what_failed_is_in_the_file(
    bench: FakeLfa, error: int, text: str, code: str | None, reason: str, witness: Witness
) -> None:
    claim = failed(bench, "activate", error, text)
    assert claim.reason is not None
    assert (claim.reply, claim.firmware_code, claim.reason.code) == (Reply.FAILED, code, reason)
    assert claim.witness is witness


@pytest.mark.parametrize(
    ("error", "reply", "reason"),
    [
        (errno.EOPNOTSUPP, Reply.DECLINED, "resets-cpu"),
        (errno.ESHUTDOWN, Reply.FAILED, "driver-ends"),
        (errno.ENOENT, Reply.DECLINED, "vanished"),
    ],
)
def test_what_was_refused_is_not_in_the_file(bench: FakeLfa, error: int, reply: Reply, reason: str) -> None:
    """The file is of an earlier call then."""
    claim = failed(bench, "activate", error, "ACTIVATE LFA_CRITICAL_ERROR -5")
    assert claim.reason is not None
    assert (claim.reply, claim.firmware_code, claim.reason.code) == (reply, None, reason)
    assert claim.witness is Witness.NONE


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("CANCEL LFA_BUSY -2", "BUSY", "cannot-cancel-now"),
        ("CANCEL LFA_INVALID_PARAMETERS -8", "INVALID_PARAMETERS", "nothing-to-cancel"),
        ("none", None, "nothing-to-cancel"),
    ],
)
def test_why_a_cancel_was_refused_is_in_the_file(bench: FakeLfa, text: str, code: str | None, reason: str) -> None:
    claim = failed(bench, "cancel", errno.EINVAL, text)
    assert claim.reason is not None
    assert (claim.reply, claim.firmware_code, claim.reason.code) == (Reply.REFUSED, code, reason)


def test_the_file_is_shown(bench: FakeLfa) -> None:
    bench.add(driver="lw1", last_error="PRIME LFA_AUTH_ERROR -3")
    component = bench.provider.inspect(RMM)
    assert component is not None
    assert dict(component.details)["last_error"] == "PRIME LFA_AUTH_ERROR -3"
