# SPDX-License-Identifier: Apache-2.0
"""A shell and a Python interpreter in a place of their own, for the commands of one page.

The place stands for a whole machine: below it are a home, a working directory, and livefw's state and runtime
directories. What is shown of it is without the place, so that the paths look as they do elsewhere, and can be used in
commands. Nothing is left when
a session ends: processes are found by a variable in their environment, wherever they have gone.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

HOME = "home/you"
_MARK = "LIVEFW_DOCUMENTS"
_ANSWER_S = 60.0
_END_S = 10.0
_MOST_BYTES = 1_000_000
_PLACES = re.compile(r"(?<![\w./-])/(?=(home/you|run/livefw|var/lib/livefw)\b)")
_INTERPRETER = Path(__file__).with_name("interpreter.py")


class SessionError(Exception):
    """A command of a page did not end, wrote without end, or left something behind."""


class Done(NamedTuple):
    """What came of a command."""

    output: list[str]
    exit_code: int


class _Pipe:
    """What can be read of a pipe so far."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.text = b""
        self.ended = False

    def read(self) -> None:
        """Take what is there; call it when something is."""
        data = os.read(self.descriptor, 65536)
        self.text += data
        self.ended = not data
        if len(self.text) > _MOST_BYTES:
            raise SessionError(f"more than {_MOST_BYTES} bytes of output")

    def close(self) -> None:
        os.close(self.descriptor)


class Session:
    """One page's shell and interpreter; a context manager that ends all that was started in it."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="livefw-")).resolve()
        self.directory = self.place / HOME / "work"
        self._token = f"{_MARK}={self.place.name}".encode()
        self._jobs: list[_Pipe] = []
        self._shell: subprocess.Popen[bytes] | None = None
        self._interpreter: subprocess.Popen[bytes] | None = None
        for name in ("run/livefw", "var/lib/livefw", f"{HOME}/work"):
            (self.place / name).mkdir(mode=0o700, parents=True)

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._output = _Pipe(reading)
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=writing,
            stderr=writing,
            cwd=self.directory,
            env=self._environment(),
            start_new_session=True,
        )
        os.close(writing)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_processes()
        for process in (self._shell, self._interpreter):
            if process:
                process.wait()
                for end in (process.stdin, process.stdout):
                    if end:
                        with contextlib.suppress(BrokenPipeError):
                            end.close()
        for pipe in (self._output, *self._jobs):
            pipe.close()
        left = [each for each in _mounts() if each.startswith(f"{self.place}/")]
        for directory in reversed(left):
            subprocess.run(["umount", "--lazy", directory], check=True)
        shutil.rmtree(self.place)
        if left:
            raise SessionError(f"still mounted when all processes had ended: {', '.join(map(self._shown, left))}")

    def write(self, path: str, text: str) -> None:
        """Write a file that the page shows."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, command: str) -> Done:
        """Run a command of the shell to its end."""
        return self._run(command, "")

    def start(self, command: str, enough: Callable[[list[str]], bool], patience_s: float) -> Done:
        """Start a command in the background; wait until its output is enough, or it has ended, or patience has."""
        fifo = str(self.place / f"job{len(self._jobs)}")
        os.mkfifo(fifo)
        job = _Pipe(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
        self._jobs.append(job)
        started = self._run(command, f" >{fifo} 2>&1")
        if started.exit_code == 0:
            self._read(lambda: job.ended or enough(self._lines(job.text)), job, patience_s)
        return Done([*started.output, *self._lines(job.text)], started.exit_code)

    def python(self, source: str, name: str, *, prompt: bool) -> Done:
        """Run Python in the page's interpreter; at a prompt the value of an expression is shown."""
        if not self._interpreter:
            self._interpreter = subprocess.Popen(
                [sys.executable, str(_INTERPRETER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=self.directory,
                env=self._environment(),
                start_new_session=True,
            )
        process = self._interpreter
        assert process.stdin is not None
        assert process.stdout is not None
        request = json.dumps({"source": source, "name": name, "prompt": prompt})
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()
        answer = _Pipe(process.stdout.fileno())
        if not self._read(lambda: answer.ended or answer.text.endswith(b"\n"), answer, _ANSWER_S):
            raise SessionError(f"Python has not ended after {_ANSWER_S:.0f} s")
        if answer.ended:
            raise SessionError("the interpreter has ended")
        told = json.loads(answer.text)
        return Done(self._shown(told["output"]).splitlines(), int(told["failed"]))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        programs = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return kept | {
            "COLUMNS": "80",
            "HOME": str(self.place / HOME),
            "LC_ALL": "C.UTF-8",
            "LIVEFW_RUNTIME_DIR": str(self.place / "run/livefw"),
            "LIVEFW_STATE": str(self.place / "var/lib/livefw"),
            "NO_COLOR": "1",
            "PATH": programs,
            "TERM": "dumb",
            "TZ": "UTC",
            _MARK: self.place.name,
        }

    def _run(self, command: str, redirection: str) -> Done:
        assert self._shell is not None
        assert self._shell.stdin is not None
        script, end = self.place / "command", f"<end of {self.place.name}>".encode()
        script.write_text(_PLACES.sub(f"{self.place}/", command), encoding="utf-8")
        self._output.text = b""
        line = f'eval "$(<{script})" </dev/null{redirection}; printf "\\n{end.decode()} %s\\n" "$?"\n'
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()

        def over() -> bool:
            return self._output.ended or (end in self._output.text and self._output.text.endswith(b"\n"))

        if not self._read(over, self._output, _ANSWER_S):
            written = "\n".join(self._lines(self._output.text))
            raise SessionError(f"{command}\nhas not ended after {_ANSWER_S:.0f} s; it has written\n{written}")
        output, ended, code = self._output.text.rpartition(b"\n" + end)
        if not ended:
            raise SessionError("the shell has ended")
        return Done(self._lines(output), int(code))

    def _read(self, ready: Callable[[], bool], waited: _Pipe, patience_s: float) -> bool:
        """Read everything that comes until there is enough: a process in the background must not be held up by us."""
        until = time.monotonic() + patience_s
        while not ready():
            pipes = {each.descriptor: each for each in (waited, self._output, *self._jobs) if not each.ended}
            found, _, _ = select.select(list(pipes), [], [], max(0.0, until - time.monotonic()))
            if not found:
                return False
            for descriptor in found:
                pipes[descriptor].read()
        return True

    def _lines(self, text: bytes) -> list[str]:
        return self._shown(text.decode(errors="backslashreplace")).splitlines()

    def _shown(self, text: str) -> str:
        return text.replace(str(self.place), "")

    def _end_processes(self) -> None:
        # One that is between fork and exec shows no environment; it is met in a later round.
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            own = [each.pid for each in (self._shell, self._interpreter) if each and each.poll() is None]
            pids = {*own, *self._pids()}
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            until = time.monotonic() + _END_S
            for pid in pids:
                _wait_for_end(pid, until)

    def _pids(self) -> Iterator[int]:
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if self._token in path.read_bytes().split(b"\0"):
                    yield int(path.parent.name)


def _wait_for_end(pid: int, until: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        finally:
            os.close(descriptor)


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        yield line.split()[4].decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")
