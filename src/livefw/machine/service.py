# SPDX-License-Identifier: Apache-2.0
"""A machine as a process: mounted, with its control socket, until a signal or an unmount from outside ends it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from livefw import libraries, reading
from livefw.errors import TransportError
from livefw.firmware.store_platform import open_platform
from livefw.machine import runtime
from livefw.machine.config import MachineConfig
from livefw.machine.control import ControlServer, answer
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine
from livefw.text import errno_text

if TYPE_CHECKING:
    from livefw.machine.joined import JoinedServer

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(
    config: MachineConfig,
    *,
    name: str,
    platform: str,
    directory: str | None,
    ready: Callable[[Machine, str], AbstractContextManager[object] | None],
    store: str | None = None,
    bmc_seconds: float | None = None,
) -> None:
    """Run a machine until it is stopped; then nothing of it is left.

    ``directory`` is where to mount it, by default a folder in the runtime directory; one that is missing is made.
    ``ready`` is called once with the machine and its mount point, when every file can be used; what it returns is
    entered then, and left before anything of the machine ends. ``store`` is a folder whose images the firmware boots
    and takes new ones from. ``bmc_seconds`` is how long each task takes of a BMC that shares them; None for no BMC.

    Only in a process's main thread, because of the signals. Raises what `livefw.machine.runtime.NameClaim`,
    `livefw.machine.fuse.mount.mount` and `livefw.firmware.store_platform.open_platform` raise.
    """
    # Other processes get both paths, so they must be absolute.
    store = reading.absolute(store) if store is not None else None
    with ExitStack() as stack:
        stop = stack.enter_context(until_stopped())
        claim = runtime.NameClaim(name, platform=platform, store=store or "")
        stack.callback(claim.release)
        images = open_platform(config.all_components, store) if store is not None else None
        machine = Machine(config, real_time=True, images=images)
        stack.callback(machine.close)
        machine.boot()
        if bmc_seconds is not None:
            stack.callback(_bmc(machine, bmc_seconds).close)
        directory = reading.absolute(directory or claim.folder)
        claim.record(mount=directory)
        stack.enter_context(_made(directory))
        mounted = MountedTree(
            machine.tree, machine.runner, directory=directory, ended=stop.now, hung=lambda: machine.os.hung
        )
        stack.callback(mounted.close)
        control = ControlServer(partial(answer, machine), claim.socket_path)
        stack.callback(control.close)
        if beside := ready(machine, mounted.directory):
            stack.enter_context(beside)
        control.serve(stop.descriptor)


def _bmc(machine: Machine, seconds: float) -> "JoinedServer":
    libraries.load("cryptography")
    from livefw.machine.joined import JoinedServer  # only for a machine with a BMC

    try:
        return JoinedServer(machine, seconds=seconds)
    except OSError as error:
        raise TransportError(f"127.0.0.1: {errno_text(error)}", errno=error.errno) from error


@contextmanager
def _made(directory: str) -> Iterator[None]:
    """Make a mount point that is missing, and take it away again. What else is wrong with it is for mounting to say."""
    try:
        os.mkdir(directory)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.rmdir(directory)


class Stop:
    """A descriptor that can be read once somebody wants the end."""

    def __init__(self) -> None:
        self.descriptor, self.write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def now(self) -> None:
        """Ask for the end; from any thread."""
        with suppress(BlockingIOError):
            os.write(self.write_end, b"x")


@contextmanager
def until_stopped() -> Iterator[Stop]:
    """Turn the signals that end a process into something to wait for; what they were before comes back."""
    stop = Stop()
    # The descriptor first: a signal between the two lines would be taken and forgotten.
    wakeup = signal.set_wakeup_fd(stop.write_end)
    before = {number: signal.signal(number, lambda *_: None) for number in _ENDING}
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(stop.descriptor)
        os.close(stop.write_end)
