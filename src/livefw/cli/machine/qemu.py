# SPDX-License-Identifier: Apache-2.0
"""``livefw machine run --qemu KERNEL``: a real kernel on the modelled firmware."""

import argparse
import os
import sys
import threading
from contextlib import ExitStack, closing

from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, MechanismFailed, UsageError
from livefw.kernel.lfa import Notification
from livefw.machine.config import MachineConfig
from livefw.machine.qemu import guest_python, initramfs, kernel_file
from livefw.machine.qemu.frames import CPUS
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import MEMORY_MB, QemuConfig
from livefw.machine.qemu.scratch import Scratch
from livefw.machine.qemu.service import serve

_CONSOLE = "console=ttyAMA0"


def configure(parser: argparse.ArgumentParser) -> None:
    """The kernel, and what goes with it."""
    group = parser.add_argument_group("with a real kernel, in QEMU")
    group.add_argument("--qemu", metavar="KERNEL", help="boot this arm64 Image instead of the modelled driver")
    group.add_argument("--initrd", metavar="FILE", help="its initramfs, or")
    group.add_argument("--busybox", metavar="FILE", help="one made from a static arm64 busybox, with a shell")
    group.add_argument(
        "--disk", metavar="FILE", help="a raw image of its disk, which it writes to; --append root=/dev/nvme0n1"
    )
    group.add_argument("--kernel-module", metavar="FILE", action="append", default=[], help="a module to load there")
    group.add_argument(
        "--guest-python",
        metavar="DIR",
        nargs="?",
        const=guest_python.DEFAULT,
        help=f"livefw in there, with the Debian arm64 Python unpacked in DIR ({guest_python.DEFAULT})",
    )
    group.add_argument("--guest-command", metavar="TEXT", help="what to run there instead of the shell, then power off")
    group.add_argument("--append", metavar="TEXT", default="", help="more kernel arguments")
    group.add_argument("--memory", metavar="MIB", type=int, help=f"the guest's memory ({MEMORY_MB})")
    group.add_argument("--el1", action="store_true", help="start the kernel at EL1 instead of EL2")


_ONLY = ("initrd", "busybox", "disk", "kernel_module", "guest_python", "guest_command", "append", "memory", "el1")
"""Options that have no meaning without a real kernel."""
_SILENT_S = 10.0
"""A kernel has printed something by then; Debian's takes 2 seconds on a machine that is not busy."""
_SILENT = (
    "livefw: the guest's console has been silent for {seconds:.0f} s; to see more of its start: "
    "--append 'earlycon=pl011,0x9000000 ignore_loglevel'; Ctrl-C ends it"
)


def require_kernel(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` if an option is given that means nothing without a real kernel."""
    given = [f"--{name.replace('_', '-')}" for name in _ONLY if getattr(arguments, name)]
    if given:
        hint = f"livefw machine run --platform {arguments.platform} {given[0]} ... --qemu KERNEL"
        raise UsageError(f"machine run: {given[0]} is for a real kernel, and --qemu is missing", hint=hint)


def run(session: CommandSession, arguments: argparse.Namespace, config: MachineConfig) -> int:
    """Serve until the guest is off, or interrupted; 1 if the monitor or QEMU failed."""
    if arguments.mount:
        raise UsageError("a real kernel has its files inside; --mount is for modelled machines")
    if not arguments.busybox and (arguments.kernel_module or arguments.guest_command or arguments.guest_python):
        raise UsageError("--kernel-module, --guest-python and --guest-command go into an initramfs made with --busybox")
    if arguments.initrd and arguments.busybox:
        raise UsageError("--initrd and --busybox are one or the other")
    unpacked = kernel_file.image(arguments.qemu)
    with ExitStack() as stack:
        kernel = arguments.qemu
        if unpacked is not None:
            kernel = os.path.join(stack.enter_context(Scratch()).path, "kernel")
            with open(kernel, "wb") as file:
                file.write(unpacked)
        initrd = arguments.initrd
        if arguments.busybox:
            archive = initramfs.build(
                arguments.busybox,
                command=arguments.guest_command or "exec sh",
                modules=tuple(arguments.kernel_module),
                more=guest_python.entries(os.path.expanduser(python)) if (python := arguments.guest_python) else (),
            )
            initrd = os.path.join(stack.enter_context(Scratch()).path, "initrd")
            with open(initrd, "wb") as file:
                file.write(archive)
        qemu = QemuConfig(
            kernel=kernel,
            initrd=initrd,
            disk=arguments.disk,
            arguments=f"{_CONSOLE} panic=-1 {arguments.append}".strip(),
            cpus=min(config.cpus, CPUS),
            memory_mb=MEMORY_MB if arguments.memory is None else arguments.memory,
            el2=not arguments.el1,
            acpi=arguments.notification == Notification.ACPI,
        )
        console = stack.enter_context(closing(_Console(session)))

        def ready(machine: QemuMachine) -> None:
            _tell(session, machine)
            console.watch()

        problems = serve(
            config,
            qemu,
            platform=arguments.platform,
            ready=ready,
            screen=console.show,
            keyboard=0 if sys.stdin is not None and sys.stdin.isatty() else None,
            store=arguments.store,
        )
    if problems:
        raise MechanismFailed(f"the guest: {'; '.join(problems[:5])}")
    return ExitCode.DONE


class _Console:
    """The guest's console as a terminal is meant to get it, and a word if nothing comes."""

    def __init__(self, session: CommandSession) -> None:
        self._session = session
        self._heard = threading.Event()
        self._watcher = threading.Thread(target=self._wait, name="livefw-silence", daemon=True)

    def watch(self) -> None:
        """Begin to wait for the first byte."""
        self._watcher.start()

    def show(self, data: bytes) -> None:
        """Show what the guest prints."""
        self._heard.set()
        if not self._session.json:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def close(self) -> None:
        """Wait no longer."""
        self._heard.set()
        if self._watcher.ident is not None:
            self._watcher.join()

    def _wait(self) -> None:
        if not self._heard.wait(_SILENT_S):
            self._session.say(_SILENT.format(seconds=_SILENT_S))


def _tell(session: CommandSession, machine: QemuMachine) -> None:
    config = machine.config
    session.answer(
        lambda: f"{config.name} boots (agent {config.agent}, {config.cpus} CPUs); try: livefw machine trace --follow",
        lambda: {
            "machine": {
                "name": config.name,
                "pid": os.getpid(),
                "cpus": config.cpus,
                "agent": config.agent,
                "notification": config.notification,
                "invented": list(config.invented),
            }
        },
    )
