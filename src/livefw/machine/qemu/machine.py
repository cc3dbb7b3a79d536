# SPDX-License-Identifier: Apache-2.0
"""A machine whose operating system is a real kernel: the modelled firmware, and QEMU above it."""

import os
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from livefw.errors import Refused
from livefw.firmware.platform import MemoryPlatform
from livefw.kernel.lfa import Notification
from livefw.kernel.log import Level
from livefw.machine.config import MachineConfig
from livefw.machine.host import KernelJob
from livefw.machine.machine import Machine
from livefw.machine.qemu.bridge import Bridge
from livefw.machine.qemu.process import NOTIFICATION_INTID, Qemu, QemuConfig

_LONGEST_LINE = 4096
_PANIC = "Kernel panic - not syncing"
"""With which a kernel dies. With panic=-1 it resets the machine then, which ends QEMU as a power-off does."""
_LONGEST_PANIC = 200
_LAST_S = 10.0
"""Seconds for QEMU to end after it has closed its sockets."""
_MOST_AT_THE_END = 1024 * 1024
"""What a guest printed before it switched itself off may still be in the socket. One that prints for ever is cut."""


class _Sent:
    """The job of a notification: it is sent, and what the guest makes of it is the guest's."""

    def wait(self, seconds: float | None = None) -> bool:  # noqa: ARG002
        """It has ended."""
        return True

    def result(self) -> None:
        """Nothing."""


class QemuMachine(Machine):
    """Firmware, faults and trace of `Machine`; driver, CPUs and log are the guest's.

    ``screen`` gets what the guest prints; ``keyboard`` is a descriptor whose bytes go to the guest. ``ended`` is
    called once when the guest has switched itself off or QEMU died.
    """

    def __init__(
        self,
        config: MachineConfig,
        qemu: QemuConfig,
        *,
        images: MemoryPlatform | None = None,
        screen: Callable[[bytes], object] = lambda _: None,
        keyboard: int | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        notification = Notification.ACPI if qemu.acpi else Notification.DT
        super().__init__(replace(config, cpus=qemu.cpus, notification=notification), real_time=True, images=images)
        self._qemu_config = qemu
        self._screen = screen
        self._keyboard = keyboard
        self._ended = ended
        self._qemu: Qemu | None = None
        self._bridge: Bridge | None = None
        self._reader: threading.Thread | None = None
        self._stop = os.pipe2(os.O_CLOEXEC)
        self._panic = ""
        self._over = threading.Event()

    def boot(self) -> bool:
        """Start QEMU; returns at once. `UsageError` and `MechanismFailed` as `Qemu`."""
        for request in self.config.faults:
            self.inject(request)
        self.loaded = True  # for all that we know
        self._qemu = Qemu(self._qemu_config)
        self._bridge = Bridge(
            self._qemu.agent, self.trace, cpus=self.config.cpus, lost=self._lose, lock=self.runner.lock
        )
        self._reader = threading.Thread(target=self._read, args=(self._qemu.console,), name="livefw-qemu-console")
        self._reader.start()
        return True

    def notify(self) -> KernelJob[None]:
        """Raise the interrupt of the device tree's ``arm,lfa``, or of ACPI's device of events."""
        if self._bridge is not None:
            self._bridge.raise_interrupt(NOTIFICATION_INTID)
        return _Sent()

    def unload_driver(self) -> KernelJob[bool]:
        """The guest's own business."""
        raise _drivers_of_the_guest()

    def load_driver(self) -> KernelJob[bool]:
        """The guest's own business."""
        raise _drivers_of_the_guest()

    def reload(self) -> KernelJob[bool]:
        """The guest's own business."""
        raise _drivers_of_the_guest()

    @property
    def online(self) -> tuple[int, ...]:
        """CPUs that the guest has turned on."""
        return self._bridge.online if self._bridge else ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What should not have come from the monitor, how QEMU died, and a panic of the guest's kernel."""
        found = list(self._bridge.problems) if self._bridge else []
        if self._qemu and (failure := self._qemu.failure()):
            found.append(failure)
        return (*found, *filter(None, (self._panic,)))

    def cpu_on(self, cpu: int) -> None:
        """The guest's own business."""
        raise _not_ours(cpu)

    def cpu_off(self, cpu: int) -> None:
        """The guest's own business."""
        raise _not_ours(cpu)

    def wait(self, seconds: float) -> bool:
        """Wait until the guest has switched itself off; whether it has."""
        return self._qemu is None or self._qemu.wait(seconds)

    def type(self, text: bytes) -> None:
        """Type on the guest's console."""
        if self._qemu is not None:
            self._qemu.console.sendall(text)

    def finish(self) -> tuple[str, ...]:
        """The problems, once QEMU's exit code and the last lines of its console are there if it has ended by itself."""
        if self._over.is_set() and self.wait(_LAST_S) and self._reader is not None:
            self._reader.join(_LAST_S)
        return self.problems

    def _lose(self) -> None:
        self._over.set()
        self._ended()

    def close(self) -> None:
        """End the guest, whatever it does."""
        os.write(self._stop[1], b"x")
        if self._reader is not None:
            self._reader.join()
        if self._bridge is not None:
            self._bridge.close()
        if self._qemu is not None:
            self._qemu.close()
        for descriptor in self._stop:
            os.close(descriptor)
        super().close()

    def _read(self, console: socket.socket) -> None:
        """Show and log what the guest prints, and pass on what is typed."""
        watched: list[int] = [console.fileno(), self._stop[0]]
        if self._keyboard is not None:
            watched.append(self._keyboard)
        line = b""
        last_read = _MOST_AT_THE_END
        while True:
            readable, _, _ = select.select(watched, [], [])
            ending = self._stop[0] in readable
            if ending and (console.fileno() not in readable or last_read <= 0):
                return
            if not ending and self._keyboard in readable and self._keyboard is not None:
                typed = os.read(self._keyboard, 4096)
                if typed:
                    with suppress(OSError):
                        console.sendall(typed)
                else:
                    watched.remove(self._keyboard)
            if console.fileno() in readable:
                try:
                    data = console.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    return
                self._screen(data)
                last_read -= len(data) if ending else 0
                line = self._log_lines(line + data)

    def _log_lines(self, data: bytes) -> bytes:
        """Log whole lines; the beginning of the next."""
        *lines, rest = data.split(b"\n")
        with self.runner.lock:
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip("\r")
                self.os.log.write(Level.INFO, text)
                if not self._panic and (at := text.find(_PANIC)) >= 0:
                    self._panic = text[at : at + _LONGEST_PANIC]
        return rest[-_LONGEST_LINE:]


def _drivers_of_the_guest() -> Refused:
    return Refused("the driver belongs to the guest's kernel", hint="in the guest: modprobe -r, modprobe")


def _not_ours(cpu: int) -> Refused:
    return Refused(
        f"CPU {cpu} belongs to the guest's kernel", hint=f"in the guest: /sys/devices/system/cpu/cpu{cpu}/online"
    )
