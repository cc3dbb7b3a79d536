# SPDX-License-Identifier: Apache-2.0
"""A machine put together: firmware, the conduit with its faults and its trace, the kernel with the driver, the tree."""

import uuid
from collections.abc import Coroutine
from typing import Any

from livefw import suggest
from livefw.abi.guid import BY_GUID, Guid
from livefw.abi.version import ComponentVersion
from livefw.errors import NothingToDo, UsageError
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Rmm
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.kernel.clock import MS, MonotonicClock, VirtualClock
from livefw.kernel.conduit import Conduit
from livefw.kernel.lfa import VERSIONS, make_driver
from livefw.kernel.os import Os
from livefw.kernel.sysfs import Attribute, BinaryAttribute, Directory, Kmsg, Tree
from livefw.machine import catalog, faults, stalls, tdx
from livefw.machine.config import MachineConfig
from livefw.machine.dispatch import ConduitDispatcher
from livefw.machine.host import KernelJob, RealRunner, Runner, VirtualRunner
from livefw.machine.injection import Injector
from livefw.machine.tdx import TdxHalf
from livefw.machine.trace import CallTrace

_DIRECTORIES = ("/dev", "/proc", "/proc/sys", "/proc/sys/kernel", "/sys", "/sys/firmware", "/sys/devices")
"""Directories that are there from the start and never go."""

_SETTLING = 10 * MS
"""Between the driver's loading and the first program: some versions answer EBUSY until a worker has cleaned up."""


class Machine:
    """One modelled machine. `boot` comes first; `close` last, in real time at least.

    In virtual time (the default) waiting costs nothing and one thread at a time may use it. With ``real_time`` it
    lives by the host's clock, and any thread may use it; ``runner.lock`` keeps the kernel still. ``images`` is where
    the firmware's images are kept, by default in memory.
    """

    def __init__(self, config: MachineConfig, *, real_time: bool = False, images: MemoryPlatform | None = None) -> None:
        self.config = config
        self.platform = images or MemoryPlatform(config.all_components)
        self.agent = LfaAgent(self.platform, profile=PROFILES[config.agent], cpus=config.cpus)
        self.injector = Injector(self.agent, cpus=config.cpus, extra_ns=self.agent.extra_ns)
        self.tree = Tree(Directory())
        self.os, self.trace, self.runner = _kernel(self.injector, self.agent, cpus=config.cpus, real_time=real_time)
        self.driver = make_driver(
            self.os,
            self.tree,
            version=VERSIONS[config.driver],
            notification=config.notification,
            kernel=config.running,
        )
        self._make_host_files()
        self.loaded = False
        """Whether the LFA driver is loaded, which those of the postings also are where they found nothing."""
        self.changing: KernelJob[bool] | None = None
        """The last change of the driver: `unload_driver`, `load_driver` or `reload`."""
        self.bmc: catalog.FaultyBmc | None = None
        """The BMC that shares its images (`livefw.machine.joined`); None without one."""
        self.tdx = (
            TdxHalf(config.tdx, self.os, self.tree, kernel=config.running, cpus=config.cpus) if config.tdx else None
        )

    def boot(self) -> bool:
        """Load the driver; whether there is anything to see. Faults of the description are in force before."""
        for request in self.config.faults:
            self.inject(request)
        return self.runner.run(self._probe(), name="probe")

    def unload_driver(self) -> KernelJob[bool]:
        """Unload the driver, as ``modprobe -r``; ends in False. Waits for running work in the driver.

        `NothingToDo` if it is not loaded; `UsageError` if there is none, or an earlier change is in progress.
        """
        with self.runner.lock:
            if not self.loaded:
                raise NothingToDo("the driver is not loaded", hint="livefw machine driver load")
            return self._change(self._unload())

    def load_driver(self) -> KernelJob[bool]:
        """Load the driver, as ``modprobe``; ends in what `boot` says. Errors as `unload_driver`."""
        with self.runner.lock:
            if self.loaded and self.config.all_components and (self.changing is None or self.changing.wait(0)):
                raise NothingToDo("the driver is loaded already", hint="livefw machine reload")
            return self._change(self._load())

    def reload(self) -> KernelJob[bool]:
        """`unload_driver`, if it is loaded, and `load_driver`."""
        with self.runner.lock:
            return self._change(self._reload())

    def stage(
        self,
        component: str,
        version: str | None = None,
        *,
        authentic: bool = True,
        takes_over: bool = True,
    ) -> ComponentVersion:
        """Put a new image where it becomes pending, as an updater would; its version, by default the next minor one.

        `UsageError` if there is no such component or the version cannot be.
        """
        with self.runner.lock:
            guid = self.find(component)
            staged = _next(self.platform.version(guid)) if version is None else _version(version)
            try:
                self.platform.stage(guid, staged, authentic=authentic, takes_over=takes_over)
            except ValueError as error:
                raise UsageError(str(error), hint="name a version") from error
        return staged

    def notify(self) -> KernelJob[None]:
        """Tell the driver that something changed, as the platform would; its handler runs by itself."""
        return self.runner.start(self.driver.notify(), name="notification")

    def inject(self, request: faults.FaultRequest) -> catalog.AnyFault:
        """Inject a fault from now on; `UsageError` if it is invalid."""
        with self.runner.lock:
            if request.name in tdx.TDX_FAULTS:
                return tdx.inject(self.tdx, request)
            if request.name in catalog.BMC_FAULTS:
                return catalog.inject_into_bmc(self.bmc, request)
            if request.name in catalog.DRIVE_FAULTS:
                raise UsageError("this machine has no NVMe drives", hint="livefw machine run --platform nvme")
            return faults.inject(self, request)

    def clear_faults(self) -> None:
        """Let everything behave from now on."""
        with self.runner.lock:
            faults.clear(self)
            if self.tdx:
                self.tdx.seam.clear_faults()
            if self.bmc:
                self.bmc.clear_faults()

    def cpu_on(self, cpu: int) -> None:
        """Turn a CPU on; `UsageError` if there is no such CPU."""
        with self.runner.lock:
            self.os.cpu_on(self._cpu(cpu))

    def cpu_off(self, cpu: int) -> None:
        """Turn a CPU off; `UsageError` if it is the last one, busy, or not there."""
        with self.runner.lock:
            try:
                self.os.cpu_off(self._cpu(cpu))
            except (ValueError, RuntimeError) as error:
                raise UsageError(str(error)) from error

    def find(self, text: str) -> Guid:
        """The component that somebody names by GUID, unique prefix of one, kind, or title; `UsageError`."""
        wanted = text.lower()
        components = self.platform.components()
        exact = [each.guid for each in components if wanted == str(each.guid)]
        found = exact or [
            each.guid
            for each in components
            if wanted and (str(each.guid).startswith(wanted) or wanted in {each.kind, title(each.guid).lower()})
        ]
        found = found or [each.guid for each in components if suggest.is_part(text, title(each.guid))]
        if len(set(found)) == 1:
            return found[0]
        names = ", ".join(map(str, found[:8] or (each.guid for each in components[:8])))
        if found:
            raise UsageError(f"{text!r} matches {len(set(found))} components", hint=f"name one of them: {names}")
        known = (word for each in components for word in (title(each.guid), each.kind, str(each.guid)))
        hint = suggest.hint(text, known, rest="livefw machine show lists the components")
        raise UsageError(f"there is no component {text[:60]!r}", hint=hint)

    @property
    def online(self) -> tuple[int, ...]:
        """CPUs that are on."""
        return self.os.online

    @property
    def rmm(self) -> Rmm | None:
        """The Realm Management Monitor, if the machine has one."""
        return next((each for each in self.platform.components() if isinstance(each, Rmm)), None)

    def close(self) -> None:
        """Switch off. Work that waits in the kernel never ends."""
        self.runner.close()

    def _change(self, work: Coroutine[Any, Any, bool]) -> KernelJob[bool]:
        if not self.config.all_components:
            work.close()
            raise UsageError("this machine has no LFA driver")
        if self.changing is not None and not self.changing.wait(0):
            work.close()
            raise UsageError("the driver is already being unloaded, and waits for running work in it")
        self.changing = self.runner.start(work, name="driver")
        return self.changing

    async def _unload(self) -> bool:
        await self.driver.remove()
        self.loaded = False
        return False

    async def _load(self) -> bool:
        found = await self._probe_driver()
        await self.os.sleep(_SETTLING)
        return found

    async def _probe_driver(self) -> bool:
        self.loaded = True
        found = await self.driver.probe()
        self.loaded = found or not self.driver.version.own
        return found

    async def _reload(self) -> bool:
        if self.loaded:
            await self._unload()
        return await self._load()

    async def _probe(self) -> bool:
        found = await self.tdx.probe() if self.tdx else False
        if self.config.all_components or not self.tdx:
            found = await self._probe_driver() or found
        await self.os.sleep(_SETTLING)
        return found

    def _cpu(self, cpu: int) -> int:
        if not 0 <= cpu < self.config.cpus:
            raise UsageError(f"there is no CPU {cpu}; there are 0 to {self.config.cpus - 1}")
        return cpu

    def _make_host_files(self) -> None:
        """What any program may want to know of the machine it is on."""
        for path in _DIRECTORIES:
            self.tree.make_directories(path)
        self.tree.make_directories("/dev").add("kmsg", Kmsg(self.os.log))
        possible = f"{_ranges(range(self.config.cpus))}\n"
        for path, text in (
            ("/proc/sys/kernel/arch", "x86_64\n" if self.config.tdx else "aarch64\n"),
            ("/proc/sys/kernel/osrelease", f"{self.config.kernel}\n"),
            ("/proc/sys/kernel/ostype", "Linux\n"),
            ("/proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n"),
            ("/sys/devices/system/cpu/possible", possible),
            ("/sys/devices/system/cpu/present", possible),
        ):
            self._add_text(path, text)
        self._add_file("/sys/devices/system/cpu/online", Attribute(mode=0o444, show=self._show_online))
        # One node for all who open it, whose locks meet there: no write to it waits, as one to a text attribute may.
        self._add_file("/sys/bus/cpu/uevent", BinaryAttribute(mode=0o200, read_at=_no_bytes, write_at=_heard))
        self._add_file("/run/livefw-model/stalls", Attribute(mode=0o444, show=self._show_stalls))

    def _add_text(self, path: str, text: str) -> None:
        async def show() -> str:
            return text

        self._add_file(path, Attribute(mode=0o444, show=show))

    def _add_file(self, path: str, node: Attribute | BinaryAttribute) -> None:
        parent, _, name = path.rpartition("/")
        self.tree.make_directories(parent).add(name, node)

    async def _show_stalls(self) -> str:
        return stalls.show(self.os, self.trace, online=_ranges(self.os.online))

    async def _show_online(self) -> str:
        return f"{_ranges(self.os.online)}\n"


async def _no_bytes(offset: int, size: int) -> bytes:  # noqa: ARG001 - the shape of every reader
    return b""


async def _heard(offset: int, data: bytes) -> None:
    """Nobody on the modelled machine listens for the events of its buses."""


def title(guid: Guid) -> str:
    """The public name of a component, or nothing."""
    known = BY_GUID.get(guid)
    return known.title if known else ""


def _kernel(firmware: Conduit, agent: Conduit, *, cpus: int, real_time: bool) -> tuple[Os, CallTrace, Runner]:
    clock = MonotonicClock() if real_time else VirtualClock()
    trace = CallTrace(firmware, clock.now)
    os = Os(conduit=ConduitDispatcher(trace, rest=agent), clock=clock, cpus=cpus)
    runner = RealRunner(os, clock) if isinstance(clock, MonotonicClock) else VirtualRunner(os, clock)
    return os, trace, runner


def _next(version: ComponentVersion) -> ComponentVersion:
    return ComponentVersion(version.major, version.minor + 1)


def _version(text: str) -> ComponentVersion:
    try:
        return ComponentVersion.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _ranges(cpus: range | tuple[int, ...]) -> str:
    """A CPU list as the kernel prints it, such as ``0-3,6``."""
    parts: list[str] = []
    first = last = -2
    for cpu in (*cpus, -2):
        if cpu == last + 1:
            last = cpu
            continue
        if first >= 0:
            parts.append(f"{first}-{last}" if last > first else f"{first}")
        first = last = cpu
    return ",".join(parts)
