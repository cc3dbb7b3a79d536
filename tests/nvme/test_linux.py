# SPDX-License-Identifier: Apache-2.0
"""The model of Linux shows what Debian's kernel 7.3.4 showed of a controller over NVMe/TCP, case by case."""

from typing import NamedTuple

import pytest

from livefw.abi import nvme
from livefw.abi.nvme import AdminCommand, CommitAction, LogPage
from livefw.machine.nvme.linux import LIVE, RESETTING, LinuxController
from livefw.machine.nvme.subsystem import DriveSpec, Subsystem
from livefw.providers.fake import FakeClock


class Seen(NamedTuple):
    """A case: the status, states after 0.05 s and 1.25 s, versions after 4 s, AFI (of the model), lines logged."""

    spec: DriveSpec
    faults: tuple[str, ...]
    action: CommitAction
    status: int
    states: tuple[str, str]
    sysfs: str
    identify: str
    afi: int
    lines: int


ACTIVATE = CommitAction.ACTIVATE
KERNEL = {
    "announced": Seen(DriveSpec(activation_s=0.7), (), ACTIVATE, 0, (RESETTING, LIVE), "2.0", "2.0", 0x02, 0),
    "not announced": Seen(
        DriveSpec(activation_s=0.7, announces=False), (), ACTIVATE, 0, (LIVE, LIVE), "1.0", "2.0", 0x02, 0
    ),
    "needs reset": Seen(
        DriveSpec(), ("commit-needs-conventional-reset",), ACTIVATE, 0x10B, (LIVE, LIVE), "1.0", "1.0", 0x21, 0
    ),
    "longer than MTFA": Seen(DriveSpec(activation_s=3.0), (), ACTIVATE, 0, (RESETTING, LIVE), "2.0", "2.0", 0x02, 1),
    "armed": Seen(DriveSpec(), (), CommitAction.REPLACE_AND_ARM, 0, (LIVE, LIVE), "1.0", "1.0", 0x21, 0),
    "prohibited": Seen(
        DriveSpec(), ("commit-activation-prohibited",), ACTIVATE, 0x113, (LIVE, LIVE), "1.0", "1.0", 0x01, 0
    ),
}


@pytest.mark.parametrize("case", KERNEL)
def test_what_the_kernel_shows(case: str) -> None:
    seen, clock, lines = KERNEL[case], FakeClock(), list[str]()
    subsystem = Subsystem(seen.spec, clock.now, seen.faults)
    linux = LinuxController("nvme0", subsystem, lines.append)

    def send(command: AdminCommand, data: bytes = b"") -> tuple[int, bytes]:
        done = linux.ioctl(nvme.ADMIN_COMMAND, command.encode(), data)
        assert not done.error
        return done.value, done.data

    image = seen.spec.image("2.0", size=4096)
    assert send(nvme.firmware_download(0, len(image)), image)[0] == 0
    if seen.action is ACTIVATE:
        send(nvme.firmware_commit(2, CommitAction.REPLACE))
    assert send(nvme.firmware_commit(2, seen.action))[0] == seen.status
    clock.sleep(0.05)
    before = linux.state
    clock.sleep(1.2)
    assert (before, linux.state) == seen.states
    clock.sleep(3)
    assert linux.attributes()["firmware_rev"] == seen.sysfs
    told = nvme.ControllerIdentity.decode(send(nvme.identify_controller(), bytes(4096))[1])
    log = nvme.SlotLog.decode(send(nvme.get_log_page(LogPage.SLOTS, 512), bytes(512))[1])
    assert (told.firmware, log.encode()[0], len(lines)) == (seen.identify, seen.afi, seen.lines)
