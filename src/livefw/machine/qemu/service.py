# SPDX-License-Identifier: Apache-2.0
"""A machine with a real kernel as a process: its control socket, until the guest is off or a signal ends it."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from livefw.firmware.store_platform import open_platform
from livefw.machine import runtime
from livefw.machine.config import MachineConfig
from livefw.machine.control import ControlServer, answer
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import QemuConfig
from livefw.machine.service import until_stopped


def serve(
    config: MachineConfig,
    qemu: QemuConfig,
    *,
    platform: str,
    ready: Callable[[QemuMachine], None],
    screen: Callable[[bytes], object],
    keyboard: int | None = None,
    store: str | None = None,
) -> tuple[str, ...]:
    """Run until the guest has switched itself off or somebody ends it; what went wrong below the guest.

    Arguments as in `livefw.machine.service.serve` and `QemuMachine`; only in a process's main thread.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(until_stopped())
        claim = runtime.NameClaim(config.name, platform=platform, store=store or "")
        stack.callback(claim.release)
        images = open_platform(config.all_components, store) if store is not None else None
        machine = QemuMachine(config, qemu, images=images, screen=screen, keyboard=keyboard, ended=stop.now)
        stack.callback(machine.close)
        machine.boot()
        control = ControlServer(partial(answer, machine), claim.socket_path)
        stack.callback(control.close)
        ready(machine)
        control.serve(stop.descriptor)
        return machine.finish()
