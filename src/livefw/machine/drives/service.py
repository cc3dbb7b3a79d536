# SPDX-License-Identifier: Apache-2.0
"""Drives as a process, with a control socket, until a signal ends it; and what may be asked of them there."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import msgspec

from livefw.errors import TransportError
from livefw.machine import runtime
from livefw.machine.control import ControlServer, respond
from livefw.machine.drives.platform import ADDRESS, DESCRIPTION, INVENTED, PLATFORM, specs
from livefw.machine.drives.served import Drives
from livefw.machine.faults import FaultRequest
from livefw.machine.service import until_stopped
from livefw.text import errno_text

NEWER = "2.0"
"""The version of the image that is written for each drive."""


class DriveFaultCommand(msgspec.Struct, tag_field="command", tag="fault", forbid_unknown_fields=True, frozen=True):
    """Make something go wrong from now on."""

    fault: FaultRequest

    def run(self, drives: Drives) -> Any:
        """What was injected."""
        fault = drives.inject(self.fault)
        return {"fault": fault.name, "where": fault.where, "text": fault.text}


class DriveClearCommand(msgspec.Struct, tag_field="command", tag="clear", forbid_unknown_fields=True, frozen=True):
    """Let everything behave."""

    def run(self, drives: Drives) -> Any:
        """Nothing to tell."""
        drives.clear_faults()
        return {}


class DriveShowCommand(msgspec.Struct, tag_field="command", tag="show", forbid_unknown_fields=True, frozen=True):
    """What the drives are."""

    def run(self, drives: Drives) -> Any:
        """Told from inside."""
        return {"description": DESCRIPTION, "drives": drives.state(), "invented": list(INVENTED)}


Request = DriveFaultCommand | DriveClearCommand | DriveShowCommand


def answer(drives: Drives, line: bytes) -> bytes:
    """Carry out one request to drives; as `livefw.machine.control.answer`."""
    return respond(line, Request, drives)


def serve_drives(count: int, *, name: str, ready: Callable[[Drives, str], None]) -> None:
    """Serve drives until a signal.

    ``ready`` is called once, with the drives and the path of an image with newer firmware for each of them. Only in a
    process's main thread, because of the signals. Raises what `livefw.machine.runtime.NameClaim` raises, and
    `TransportError` if no port can be bound.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(until_stopped())
        claim = runtime.NameClaim(name, platform=PLATFORM)
        stack.callback(claim.release)
        try:
            drives = Drives(specs(count))
        except OSError as error:
            raise TransportError(f"{ADDRESS}: {errno_text(error)}", errno=error.errno) from error
        stack.callback(drives.close)
        control = ControlServer(partial(answer, drives), claim.socket_path)
        stack.callback(control.close)
        ready(drives, stack.enter_context(_image(claim.folder)))
        control.serve(stop.descriptor)


@contextmanager
def _image(folder: str) -> Iterator[str]:
    """A file with an image that every drive takes, for as long as they are served."""
    path = os.path.join(folder, f"{NEWER}.bin")
    os.makedirs(folder, mode=0o755, exist_ok=True)
    with open(path, "wb") as file:
        file.write(specs(1)[0].image(NEWER))
    try:
        yield path
    finally:
        os.unlink(path)
