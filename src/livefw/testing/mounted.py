# SPDX-License-Identifier: Apache-2.0
"""A modelled machine whose files any program can use: mounted by FUSE below a directory, in real time."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from livefw.api import ConnectedHost, connect
from livefw.errors import UsageError
from livefw.machine.config import MachineConfig
from livefw.machine.fuse.server import MountedTree
from livefw.testing.machine import FaultSpec, ModelMachine


class MountedMachine(ModelMachine):
    """A modelled machine in real time, mounted on a temporary directory.

    Its files are at ``root`` / ``sys/firmware/lfa/...``. `run` starts a program whose history, lock and sockets
    are the machine's own; `livefw` runs livefw on it. `close` unmounts, and removes everything. Use it as a context
    manager, so that this happens also when a test fails.

    The files are served by a thread of this process. Therefore do not start a program with a current directory below
    ``root`` (``subprocess.run(cwd=...)``); use `shell_in`.

    Attributes:
        root: the mount point.
        environment: the environment of programs that `run` starts. ``LIVEFW_TEST_ROOT`` in it is ``root``.
    """

    def __init__(
        self,
        platform: str | MachineConfig = "vera",
        *,
        cpus: int | None = None,
        agent: str | None = None,
        driver: str | None = None,
        faults: Iterable[FaultSpec] = (),
        boot: bool = True,
    ) -> None:
        """Make a machine, boot and mount it. Arguments as for `ModelMachine`.

        Raises:
            livefw.errors.UsageError: as `ModelMachine`.
            livefw.errors.TransportError: this system cannot mount; the hint says what is missing.
            livefw.errors.PermissionDenied: this user may not mount.
        """
        self._stack = ExitStack()
        with ExitStack() as stack:
            super().__init__(platform, cpus=cpus, agent=agent, driver=driver, faults=faults, real_time=True, boot=boot)
            stack.callback(self.model.close)
            base = Path(tempfile.mkdtemp(prefix="livefw-"))
            self.root = base / "root"
            self.root.mkdir()
            stack.callback(_remove, base, self.root)
            tree = MountedTree(
                self.model.tree, self.model.runner, directory=str(self.root), hung=lambda: self.model.os.hung
            )
            stack.callback(tree.close)
            self.environment = os.environ | {
                "LIVEFW_STATE": str(base / "state"),
                "LIVEFW_RUNTIME_DIR": str(base / "run"),
                "LIVEFW_TEST_ROOT": str(self.root),
            }
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Unmount the machine, switch it off, and remove its directory. No effect the second time."""
        self._stack.close()

    def connect(self, *, settings: str = "", measure: bool = False) -> ConnectedHost:
        """Open this machine by `livefw.connect`, through its files. Arguments and errors as for `ModelMachine`."""
        directory = self.root.parent / "settings"
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "livefw.toml").write_text(settings, encoding="utf-8")
        state = self.environment["LIVEFW_STATE"]
        return connect(str(self.root), settings=str(directory), state=state, measure=measure)

    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        environment: Mapping[str, str] | None = None,
        seconds: float = 60,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end, with empty standard input.

        Args:
            command: the program and its arguments.
            environment: variables in addition to `environment`.
            seconds: time limit. The program is then killed, with every process of its session.

        Raises:
            subprocess.TimeoutExpired: the program did not end in time.
            OSError: the program cannot be started.
        """
        if Path.cwd().is_relative_to(self.root):
            raise UsageError("the current directory is on the machine", hint="livefw.testing.shell_in")
        variables = {**self.environment, **(environment or {})}
        with subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def livefw(self, *words: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run livefw on this machine, such as ``livefw("--json", "list")``. Errors as `run`."""
        return self.run([sys.executable, "-m", "livefw", "--root", self.root, *words], seconds=seconds)


def _remove(base: Path, root: Path) -> None:
    root.rmdir()  # first: it fails if the machine is still mounted, and then nothing below may be removed
    shutil.rmtree(base)


def shell_in(directory: str | os.PathLike[str], command: str) -> list[str]:
    """The command line of a shell that runs ``command`` in a directory of a machine that this process has mounted.

    Never ``subprocess.run(cwd=...)`` there: Python starts a child by vfork with the interpreter lock held, the child
    enters the directory before it becomes another program, and the thread that would answer needs that lock.
    """
    return ["bash", "-c", 'cd -- "$0" && eval "$1"', os.fspath(directory), command]
