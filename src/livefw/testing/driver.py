# SPDX-License-Identifier: Apache-2.0
"""A modelled LFA driver on any firmware, with a kernel and its tree, in virtual time and driven from plain code."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from livefw.kernel.clock import SECOND, US, VirtualClock
from livefw.kernel.lfa import VERSIONS, DriverVersion, Notification, make_driver
from livefw.kernel.os import KernelTask, Os
from livefw.kernel.release import Kernel
from livefw.kernel.sysfs import Directory, Tree
from livefw.kernel.virtual import advance, run, settle
from livefw.machine.files import TreeFiles
from livefw.machine.host import VirtualRunner
from livefw.testing.callee import AgentLike, WholeAgent

T = TypeVar("T")

LFA = "/sys/firmware/lfa"


class ModelDriver:
    """One LFA driver on an agent, which has ``call(cpu, registers)`` at least; nothing happens until `load`.

    ``version`` is one of `livefw.testing.DRIVERS` or a row of one's own.

    Images are named by the names of their directories. What a program would see as errno is a return value here.
    """

    def __init__(
        self,
        agent: AgentLike,
        *,
        version: str | DriverVersion = "v3",
        cpus: int = 2,
        notification: Notification = Notification.ACPI,
        spin_ns: int = US,
        kernel: Kernel = Kernel(),  # noqa: B008 - frozen
    ) -> None:
        self.clock = VirtualClock()
        self.os = Os(conduit=WholeAgent(agent), clock=self.clock, cpus=cpus, spin_ns=spin_ns)
        self.tree = Tree(Directory())
        row = version if isinstance(version, DriverVersion) else VERSIONS[version]
        self.driver = make_driver(self.os, self.tree, version=row, notification=notification, kernel=kernel)
        self.files = TreeFiles(self.tree, VirtualRunner(self.os, self.clock))

    def load(self) -> bool:
        """Load the driver and let its workers finish."""
        loaded = self.run(self.driver.probe())
        settle(self.os, self.clock)
        return loaded

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run kernel work to its end."""
        return run(self.os, self.clock, work)

    def start(self, work: Coroutine[Any, Any, T], *, name: str = "task") -> KernelTask[T]:
        """Begin kernel work and run what can run at once."""
        task = self.os.spawn(work, name=name)
        self.os.step()
        return task

    def wait(self, task: KernelTask[T]) -> T:
        """Let time pass until a task has ended."""
        advance(self.os, self.clock, task)
        return task.result()

    def sleep(self, ns: int) -> None:
        """Let a time pass for all running work."""
        self.run(self.os.sleep(ns))

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass for all running work."""
        self.sleep(int(seconds * SECOND))

    def settle(self) -> None:
        """Let time pass until no work is left."""
        settle(self.os, self.clock)

    async def reading(self, guid: str, attribute: str) -> str:
        """Read one file as kernel work; OSError as the system call."""
        file = self.tree.open(f"{LFA}/{guid}/{attribute}", reading=True)
        return (await file.read(4096, 0)).decode()

    async def writing(self, guid: str, attribute: str, data: bytes = b"1\n") -> int:
        """Write one file as kernel work; 0 or errno."""
        try:
            await self.tree.open(f"{LFA}/{guid}/{attribute}", writing=True).write(data)
        except OSError as error:
            return error.errno or 0
        return 0

    def read(self, guid: str, attribute: str) -> str:
        """The text of a file; OSError as the system call."""
        return self.run(self.reading(guid, attribute))

    def write(self, guid: str, attribute: str, data: bytes = b"1\n") -> int:
        """Write one file; 0 or errno."""
        return self.run(self.writing(guid, attribute, data))

    def guids(self) -> tuple[str, ...]:
        """Directories of images; none if there is no ``/sys/firmware/lfa`` either."""
        try:
            names = self.tree.listdir(LFA)
        except FileNotFoundError:
            return ()
        return tuple(name for name in names if name not in self.driver.version.root_attributes)

    def lines(self) -> list[str]:
        """The driver's log lines, without their common prefix."""
        return [record.text.removeprefix("Arm LFA: ") for record in self.os.log]
