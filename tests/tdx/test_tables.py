# SPDX-License-Identifier: Apache-2.0
"""Tables of the provider: verdicts, log lines, CPU lists."""

import pytest

from livefw.providers.base import Reply
from livefw.providers.tdx.log import recognise
from livefw.providers.tdx.platform import cpu_list
from livefw.providers.tdx.request import VERDICTS, ReportedError, Runs, Slots, UploadState, verdict

SIGHTS = [
    (UploadState(told, runs, slots), verdict(UploadState(told, runs, slots)))
    for told in ReportedError
    for runs in Runs
    for slots in Slots
]


def test_every_sight_has_a_verdict_and_only_the_right_one_is_success() -> None:
    accepted = {sight for sight, row in SIGHTS if row.reply is Reply.ACCEPTED}
    assert accepted == {
        UploadState(ReportedError.NOTHING, Runs.TARGET, Slots.ONE_LESS),
        UploadState(ReportedError.NOTHING, Runs.TARGET, Slots.UNTOLD),
    }
    assert all(row.reason is not None for _, row in SIGHTS if row.reply is not Reply.ACCEPTED)
    assert {row for _, row in SIGHTS} == set(VERDICTS)


def test_a_lost_module_is_never_called_anything_else() -> None:
    reasons = {row.reason.code for sight, row in SIGHTS if sight.runs is Runs.NONE and row.reason}
    assert reasons == {"module-lost"}


LINES = [
    ("seamldr: SEAMCALL (0x8000000000000001) failed: 0x8000000000010004", "SEAMLDR_INSTALL EUNSUPCPU"),
    ("seamldr: SEAMCALL (0x8000000000000001) failed: 0x80000000000000ff", "SEAMLDR_INSTALL 0x80000000000000ff"),
    ("virt/tdx: SEAMCALL (0x0000000000000034) failed: 0xc000000100000000", "TDH_SYS_SHUTDOWN 0xc000000100000000"),
    ("virt/tdx: SEAMCALL (0x0000000000000099) failed: 0x1", "0x99 0x1"),
    ("virt/tdx: module not loaded", "TDH_SYS_INIT module not loaded"),
    ("virt/tdx: 1048576 KB allocated for PAMT", None),
    ("kvm: SEAMCALL (0x1) failed: 0x1", None),
    ("seamldr: SEAMCALL (0xzz) failed: 0x1", None),
]


@pytest.mark.parametrize(("text", "code"), LINES)
def test_log_lines(text: str, code: str | None) -> None:
    assert recognise(text) == code


CPU_LISTS = [
    ("0-3", {0, 1, 2, 3}),
    ("0,2-3", {0, 2, 3}),
    ("7", {7}),
    ("", None),
    ("0-", None),
    ("3-1", None),
    ("0-99999999999", None),
    ("0-65536", None),
    ("0,,1", None),
    ("a", None),
    ("-1", None),
]


@pytest.mark.parametrize(("text", "cpus"), CPU_LISTS)
def test_cpu_lists(text: str, cpus: set[int] | None) -> None:
    assert cpu_list(text) == cpus
