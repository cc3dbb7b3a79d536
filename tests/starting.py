# SPDX-License-Identifier: Apache-2.0
"""The command as a process that need not load itself: forked from one in which all its modules are.

Nine tenths of what a start costs is loading modules, and tests start the command thousands of times. What comes out is
the same: descriptors, environment, working directory and umask are those of the test, and the process ends as it always
does (`livefw.cli.main.command`). Who tests the start itself uses `subprocess`.
"""

import atexit
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import pty
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from subprocess import CompletedProcess
from types import MappingProxyType
from typing import Any, NoReturn

import livefw

_REQUEST_LIMIT = 1 << 18
_OF_THE_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "COVERAGE_")
"""Beginnings of the names of variables that an interpreter heeds when it starts."""
Limits = Mapping[int, int] | Mapping[str, int]
"""By the kind (`resource`); a key of JSON is text."""


def run(
    words: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    limits: Limits = MappingProxyType({}),
    **options: Any,
) -> CompletedProcess[str]:
    """Run ``livefw WORD...`` to its end, with nothing on its standard input.

    ``limits`` are those of `resource`, soft and hard. It starts as any process with options of `subprocess.run` other
    than ``cwd``, with another environment of the interpreter itself, and while another thread runs one.
    """
    command = [sys.executable, "-m", "livefw", *map(str, words)]
    can_fork = options.keys() <= {"cwd"} and _of_the_start(environment) == _of_the_start(os.environ)
    if can_fork and _running.acquire(blocking=False):
        with _taken() as forker:
            return forker.run(command, environment, limits, str(options.get("cwd") or os.getcwd()))
    if limits:
        options["preexec_fn"] = partial(_limit, limits)
    named: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": environment, "encoding": "utf-8"}
    return subprocess.run(command, capture_output=True, check=False, **named, **options)


def at_terminal(
    words: Sequence[str | Path], *, environment: Mapping[str, str], columns: int, lines: int
) -> tuple[int, str]:
    """Run ``livefw WORD...`` to its end at a terminal of that size, in a session of its own.

    Returns the exit code, and what was written there.
    """
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with open(screen, "rb", buffering=0) as file:
        if _of_the_start(environment) == _of_the_start(os.environ) and _running.acquire(blocking=False):
            with _taken() as forker:
                code, written = forker.run_at_terminal([*map(str, words)], environment, terminal, file)
        else:
            command = [sys.executable, "-m", "livefw", *map(str, words)]
            own: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
            with subprocess.Popen(command, env=environment, start_new_session=True, **own) as process:
                os.close(terminal)
                (written,) = _read(file)
            code = process.returncode
    return code, written.decode().replace("\r\n", "\n")


_running = threading.Lock()


@contextmanager
def _taken() -> "Iterator[_Forker]":
    """Let nobody else run one until then."""
    try:
        yield _forker(os.getpid())
    except BaseException:  # the time of a test is over, for one: nobody takes its answer for that to the next
        _forker(os.getpid()).kill()
        _forker.cache_clear()
        raise
    finally:
        _running.release()


def _limit(limits: Limits) -> None:
    for kind, most in limits.items():
        resource.setrlimit(int(kind), (most, most))


def _of_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_OF_THE_START)}


@cache
def _forker(_: int) -> "_Forker":
    """One for each process of tests."""
    return _Forker()


class _Forker:
    """The process in which all modules are. It ends when our end of its socket is closed.

    It is no child of ours: tests look at all children of their process.
    """

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.run(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=Path(__file__).parents[1],
                pass_fds=[theirs.fileno()],
                check=True,
            )
        self._pid = int(self._socket.recv(64))
        atexit.register(self._socket.close)

    def run(
        self, command: list[str], environment: Mapping[str, str], limits: Limits, cwd: str
    ) -> CompletedProcess[str]:
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        with open(out, "rb", buffering=0) as out_file, open(err, "rb", buffering=0) as err_file:
            self._begin(command[3:], environment, limits, cwd, [their_out, their_err])
            told = [data.decode() for data in _read(out_file, err_file)]
            return CompletedProcess(command, self._end(), *told)

    def run_at_terminal(
        self, words: list[str], environment: Mapping[str, str], terminal: int, screen: Any
    ) -> tuple[int, bytes]:
        """The terminal is closed; what comes out of it is read from the screen."""
        self._begin(words, environment, {}, os.getcwd(), [terminal])
        (written,) = _read(screen)
        return self._end(), written

    def _begin(
        self, words: list[str], environment: Mapping[str, str], limits: Limits, cwd: str, descriptors: list[int]
    ) -> None:
        """Send it all, and close the descriptors: two are those of its output, and one is its terminal."""
        umask = os.umask(0)
        os.umask(umask)
        request = json.dumps([words, dict(environment), dict(limits), cwd, umask]).encode()
        try:
            socket.send_fds(self._socket, [request], descriptors)
        finally:
            for each in descriptors:
                os.close(each)

    def _end(self) -> int:
        """Its exit code, once it has ended."""
        return int(self._socket.recv(64))

    def kill(self) -> None:
        """With what it has forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        atexit.unregister(self._socket.close)
        self._socket.close()


def _read(*files: Any) -> list[bytes]:
    """All that comes out of pipes, or onto a screen."""
    found = dict.fromkeys(files, b"")
    with selectors.DefaultSelector() as waiting:
        for file in files:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                data = b""
                with suppress(OSError):  # EIO: nobody is at the other end of a terminal any more
                    data = key.fileobj.read(1 << 16)  # type: ignore[union-attr]
                found[key.fileobj] += data
                if not data:
                    waiting.unregister(key.fileobj)
    return list(found.values())


def _serve(number: int) -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    for module in pkgutil.walk_packages(livefw.__path__, "livefw."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # of a library that is not here
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    ours = socket.socket(fileno=number)
    ours.send(str(os.getpid()).encode())
    while True:
        request, descriptors, *_ = socket.recv_fds(ours, _REQUEST_LIMIT, 2)
        if not request:
            return
        pid = os.fork()
        if not pid:
            os.close(number)
            _become(descriptors, *json.loads(request))
        for each in descriptors:
            os.close(each)
        ours.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _become(
    descriptors: list[int], words: list[str], environment: dict[str, str], limits: Limits, cwd: str, umask: int
) -> NoReturn:
    if len(descriptors) == 1:
        os.setsid()
        descriptors *= 3
    for number, descriptor in enumerate(descriptors, 3 - len(descriptors)):
        os.dup2(descriptor, number)
    for descriptor in {*descriptors}:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.umask(umask)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = [str(Path(livefw.__file__).with_name("__main__.py")), *words]
    from livefw.cli.main import command

    _limit(limits)
    command()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
