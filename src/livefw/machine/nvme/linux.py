# SPDX-License-Identifier: Apache-2.0
"""What Linux makes of a modelled subsystem: its attributes in sysfs, the ioctl, a line in the log.

Seen with the kernels of Debian, 6.12 and 7.3.4: an activation that an event announces makes the controller
``resetting`` until the drive processes commands again, and the version in sysfs is read anew; one that nothing
announces leaves the state and the version as they were. One that takes longer than MTFA ends with a reset of the
controller, after which the version is what the drive tells then. Linux 6.1 differs in the first: it keeps the version.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from livefw.abi import nvme
from livefw.abi.nvme import AdminCommand, AdminOpcode
from livefw.machine.nvme.controller import Controller, Property, Submission
from livefw.machine.nvme.subsystem import Subsystem

LIVE, RESETTING, DEAD = "live", "resetting", "dead"
_DEFAULT_MTFA_S = 60.0
"""What the kernel waits for where the controller reports no MTFA: its timeout of admin commands."""
TIMEOUT_LINE = "nvme {name}: Fw activation timeout, reset controller"


@dataclass(frozen=True, slots=True)
class IoctlReply:
    """An errno or 0, what the call returned, and the data that came back."""

    error: int = 0
    value: int = 0
    data: bytes = b""


@dataclass(slots=True)
class LinuxController:
    """A controller as ``/dev/NAME`` and its directory in sysfs. ``log`` takes lines of the kernel log."""

    name: str
    subsystem: Subsystem
    log: Callable[[str], None]
    cntlid: int = 1
    transport: str = "pcie"
    version: str = field(init=False)
    _controller: Controller = field(init=False)
    _waits_until: float | None = field(init=False, default=None)
    """Until when the kernel waits for an activation that was announced."""

    def __post_init__(self) -> None:
        self._controller = Controller(self.subsystem, self.cntlid)
        self._controller.set_property(Property.CC, 1)
        announced = Submission(0, AdminOpcode.SET_FEATURES, 0, 0x0B, nvme.OAES_ACTIVATION, 0, 0)
        self._controller.admin(announced)
        self._ask_for_event()
        self.version = self.subsystem.firmware

    @property
    def state(self) -> str:
        """As in the attribute of this name."""
        self._catch_up()
        if self.subsystem.dead:
            return DEAD
        return RESETTING if self._waits_until is not None else LIVE

    def attributes(self) -> dict[str, str]:
        """Names and texts of its attributes, without the newline."""
        spec, state = self.subsystem.spec, self.state
        return {
            "model": spec.model,
            "serial": spec.serial,
            "firmware_rev": self.version,
            "state": state,
            "transport": self.transport,
            "subsysnqn": spec.subnqn,
            "cntlid": str(self.cntlid),
        }

    def ioctl(self, request: int, argument: bytes, data: bytes) -> IoctlReply:
        """``NVME_IOCTL_ADMIN_CMD`` with the data that the command points to."""
        self._catch_up()
        if request != nvme.ADMIN_COMMAND:
            return IoctlReply(errno.ENOTTY)
        command = AdminCommand.decode(argument)
        if self.subsystem.dead:
            return IoctlReply(errno.ENODEV)
        sent = data if command.opcode & 1 else b""
        asked = Submission(
            1, command.opcode, command.nsid, command.cdw10, command.cdw11, command.cdw12, command.length, sent
        )
        done = self._controller.admin(asked)
        if done is None:
            return IoctlReply(errno.EIO)  # aborted after its timeout
        back = done.data[: command.length].ljust(command.length, b"\0") if done.data else data
        return IoctlReply(0, done.status, back)

    def _ask_for_event(self) -> None:
        self._controller.admin(Submission(2, AdminOpcode.ASYNC_EVENT, 0, 0, 0, 0, 0))

    def _catch_up(self) -> None:
        """What the kernel's work on the activation has done by now."""
        self.subsystem.advance()
        for _ in self._controller.due():
            self._waits_until = self.subsystem.now() + (self.subsystem.spec.mtfa / 10 or _DEFAULT_MTFA_S)
            self._ask_for_event()
        if self._waits_until is None:
            return
        if not self.subsystem.paused:
            self._waits_until = None
            self.version = self.subsystem.firmware
        elif self.subsystem.now() >= self._waits_until:
            self._waits_until = None
            self.log(TIMEOUT_LINE.format(name=self.name))
            self.subsystem.reset()
            self.version = self.subsystem.firmware
