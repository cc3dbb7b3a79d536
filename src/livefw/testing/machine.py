# SPDX-License-Identifier: Apache-2.0
"""A modelled machine inside the test's own process, in virtual time or in real time."""

import errno
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from livefw import libraries
from livefw.errors import UsageError
from livefw.firmware.store_platform import open_platform
from livefw.machine.config import MachineConfig, load
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine
from livefw.machine.trace import TracedCall

if TYPE_CHECKING:
    from livefw.api import ConnectedHost
    from livefw.machine.joined import JoinedServer

_LFA = "/sys/firmware/lfa"

FaultSpec = str | Mapping[str, Any] | FaultRequest
"""A fault: ``"NAME"``, ``"NAME:COMPONENT"``, or the fields of a `FaultRequest`."""


class ModelMachine:
    """A modelled machine that has booted. As a context manager it is switched off at the end.

    In virtual time, the default, waiting costs nothing: a time limit of 30 seconds passes in a millisecond, and a test
    gives the same result on each run. Only one thread at a time may use it. With ``real_time`` the machine follows the
    host's clock, and any thread may use it.

    A component is named by its GUID, a unique prefix of it, its kind (``rmm``) or its public name (``TF-RMM``).

    Attributes:
        bmc: the BMC that shares its images (`livefw.machine.joined.JoinedServer`), None without one.
        model: the machine below, with its firmware, driver and kernel (`livefw.machine.machine.Machine`).
        files: the machine's files, in the shape that `livefw.files.protocol.Files` describes.
        clock: the machine's own clock, with ``now()`` and ``sleep(seconds)``.
    """

    def __init__(
        self,
        platform: str | MachineConfig = "vera",
        *,
        cpus: int | None = None,
        agent: str | None = None,
        driver: str | None = None,
        faults: Iterable[FaultSpec] = (),
        real_time: bool = False,
        boot: bool = True,
        store: str | os.PathLike[str] | None = None,
        bmc: bool = False,
    ) -> None:
        """Make a machine and boot it.

        Args:
            platform: name of a shipped platform, path of a machine's TOML file, or a description.
            cpus: number of CPUs, instead of the platform's.
            agent: name of an agent profile (`AGENTS`), instead of the platform's.
            driver: name of a driver version (`DRIVERS`), instead of the platform's.
            faults: faults that are in force before the driver loads.
            real_time: whether the machine follows the host's clock.
            boot: False leaves the driver unloaded; call `boot` later.
            store: directory of a store of signed images (``livefw image store init``), which the firmware boots and
                takes new ones from.
            bmc: whether there is a BMC on the loopback interface that brings images by Redfish. `connect` and every
                program that reads the machine's files then find the settings that link its inventory to the components.

        Raises:
            livefw.errors.UsageError: there is no such platform, agent, driver or fault; or a BMC for no component.
            livefw.errors.NotInstalled: the Python package cryptography is missing, for a store or a BMC.
            livefw.firmware.image.errors.ImageError: there is no such store, or no bank of it boots.
        """
        config = load(platform) if isinstance(platform, str) else platform
        changes = {"cpus": cpus, "agent": agent, "driver": driver}
        given = {name: value for name, value in changes.items() if value is not None}
        requests = tuple(fault_request(each) for each in faults)
        try:
            config = replace(config, **given, faults=(*config.faults, *requests))  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(str(error)) from error
        self._history: tempfile.TemporaryDirectory[str] | None = None
        images = open_platform(config.all_components, os.fspath(store)) if store is not None else None
        self.model = Machine(config, real_time=real_time, images=images)
        self.bmc: JoinedServer | None = None
        self.files = MachineFiles(self.model)
        self.clock = MachineClock(self.model)
        try:
            if bmc:
                self.bmc = _bmc(self.model)
            if boot:
                self.boot()
        except BaseException:
            self.close()
            raise

    def boot(self) -> bool:
        """Load the driver. Returns whether it found components."""
        return self.model.boot()

    def close(self) -> None:
        """Switch the machine off. Work that waits in its kernel never ends. No effect the second time."""
        if self.bmc is not None:
            self.bmc.close()
            self.bmc = None
        self.model.close()
        if self._history is not None:
            self._history.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # What a program on the machine can do.

    def read(self, component: str, attribute: str) -> str:
        """What a file of a component contains, without its newline, or the name of the errno, such as ``ENOENT``."""
        try:
            return self.files.read(self._path(component, attribute)).decode().rstrip("\n")
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def write(self, component: str, attribute: str, text: str = "1\n", *, seconds: float = 120) -> str:
        """Write to a file of a component.

        Returns ``ok``, the name of the errno, or ``blocked`` if the write has not ended after so many seconds of the
        machine's time.
        """
        write = self.files.start_write(self._path(component, attribute), text.encode())
        if not write.wait(seconds):
            return "blocked"
        return errno.errorcode[write.error] if write.error else "ok"

    def pass_time(self, seconds: float = 1) -> None:
        """Let time pass on the machine, for example for the driver's clean-up after an activation."""
        self.clock.sleep(seconds)

    @property
    def guids(self) -> list[str]:
        """GUIDs of the components that the driver shows; empty without a driver."""
        names = self.files.names(_LFA) if self.files.exists(_LFA) else []
        return [name for name in names if name not in self.model.driver.version.root_attributes]

    @property
    def log(self) -> str:
        """The kernel log."""
        return "\n".join(record.text for record in self.model.os.log)

    def connect(self, *, settings: str = "", measure: bool = False) -> "ConnectedHost":
        """Open this machine as `livefw.connect` opens a real one. Time that livefw waits passes on the machine.

        The history is kept from one host to the next, until `close`.

        Args:
            settings: text of livefw.toml.
            measure: whether to measure what an activation costs the CPUs.

        Raises:
            livefw.errors.UsageError: the settings are wrong.
        """
        from livefw.testing.host import connected

        if self._history is None:
            self._history = tempfile.TemporaryDirectory(prefix="livefw-")
        return connected(self.files, self.clock, self._history.name, settings=settings, measure=measure)

    # What a test can do to the machine, and see inside it.

    def stage(self, component: str, version: str | None = None, *, authentic: bool = True) -> str:
        """Stage a new image, as an updater does, by default of the next minor version. Returns its version.

        Raises:
            livefw.errors.UsageError: there is no such component, or the version is not valid.
        """
        return str(self.model.stage(component, version, authentic=authentic))

    def running(self, component: str) -> str:
        """The version that really runs, whatever the driver or a log says.

        Raises:
            livefw.errors.UsageError: there is no such component.
        """
        return str(self.model.platform.version(self.model.find(component)))

    def inject(self, fault: FaultSpec, component: str | None = None, **options: Any) -> None:
        """Inject a fault (`FAULTS`) from now on. ``options`` are further fields of `FaultRequest`.

        Raises:
            livefw.errors.UsageError: there is no such fault, or it cannot have that component or option.
        """
        request = fault_request(fault)
        named = options if component is None else {"component": component, **options}
        self.model.inject(fault_request(asdict(request) | named) if named else request)

    def clear_faults(self) -> None:
        """Remove all faults. Staged images stay as they are, and a CPU that hangs, hangs."""
        self.model.clear_faults()

    @property
    def calls(self) -> tuple[TracedCall, ...]:
        """All SMC calls that ended, oldest first."""
        return tuple(self.model.trace)

    @property
    def trace(self) -> str:
        """All SMC calls that ended, one on each line."""
        return "\n".join(call.text for call in self.calls)

    def _path(self, component: str, attribute: str) -> str:
        try:
            name = str(self.model.find(component))
        except UsageError:
            name = component  # which is ENOENT, unless the driver shows what the firmware no longer has
        return f"{_LFA}/{name}/{attribute}"


def _bmc(machine: Machine) -> "JoinedServer":
    libraries.load("cryptography")
    from livefw.machine.joined import JoinedServer  # only for a machine with a BMC

    return JoinedServer(machine, seconds=0.1)


def fault_request(fault: FaultSpec) -> FaultRequest:
    """A fault as the machine takes it. `UsageError` for fields that a `FaultRequest` does not have."""
    if isinstance(fault, FaultRequest):
        return fault
    if isinstance(fault, str):
        name, _, component = fault.partition(":")
        return FaultRequest(name=name, component=component or None)
    known = [field.name for field in fields(FaultRequest)]
    if unknown := sorted(set(fault) - set(known)):
        raise UsageError(f"a fault has no field {', '.join(unknown)}", hint=f"fields: {', '.join(known)}")
    if "name" not in fault:
        raise UsageError("a fault needs a name", hint="livefw machine fault --list")
    return FaultRequest(**fault)
