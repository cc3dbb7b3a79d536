# SPDX-License-Identifier: Apache-2.0
"""A machine in virtual time, with short words for what a program on it does; for tests and experiments."""

import errno
import os

from livefw.machine.config import MachineConfig
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.machine import Machine

_LFA = "/sys/firmware/lfa"


class Bench:
    """A machine, not booted yet. Files are named by component GUID and attribute; errors come as names of errnos."""

    def __init__(self, config: MachineConfig) -> None:
        self.machine = Machine(config)
        self.files = MachineFiles(self.machine)

    def read(self, guid: str, attribute: str) -> str:
        """What the file says, without its newline, or the name of the errno."""
        try:
            return self.files.read(f"{_LFA}/{guid}/{attribute}").decode().rstrip("\n")
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def write(self, guid: str, attribute: str, text: str = "1\n", *, seconds: float = 120) -> str:
        """``ok``, the name of the errno, or ``blocked`` if it goes on after so many virtual seconds."""
        write = self.files.start_write(f"{_LFA}/{guid}/{attribute}", text.encode())
        if not write.wait(seconds):
            return "blocked"
        return errno.errorcode[write.error] if write.error else "ok"

    def rest(self, seconds: float = 1) -> None:
        """Let time pass: an activation is followed by a clean-up that takes a moment."""
        MachineClock(self.machine).sleep(seconds)

    @property
    def guids(self) -> list[str]:
        """Directories of components; none if there is no tree."""
        return self.files.names(_LFA) if self.files.exists(_LFA) else []

    @property
    def log(self) -> str:
        """The kernel log."""
        return "\n".join(record.text for record in self.machine.os.log)

    @property
    def trace(self) -> str:
        """All calls that ended, one a line."""
        return "\n".join(call.text for call in self.machine.trace)


def shell_in(directory: str | os.PathLike[str], command: str) -> list[str]:
    """The command line of a shell that runs ``command`` in a directory of a machine mounted by this very process.

    Never ``subprocess(cwd=...)`` there: Python starts a child by vfork with the interpreter lock held, the child
    enters the directory before it becomes another program, and the thread that would answer needs that lock.
    """
    return ["bash", "-c", 'cd -- "$0" && eval "$1"', os.fspath(directory), command]
