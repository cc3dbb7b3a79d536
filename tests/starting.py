# SPDX-License-Identifier: Apache-2.0
"""The command as a process that need not load itself: forked from one in which all its modules are.

Nine tenths of what a start costs is loading modules, and tests start the command thousands of times. What comes out is
the same: descriptors, environment, working directory and umask are those of the test, and the process ends as it always
does (`livefw.cli.main.command`). Who tests the start itself uses `subprocess`.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
        try:
            return _forker(os.getpid()).run(command, dict(environment), limits, str(options.get("cwd") or os.getcwd()))
        except BaseException:  # the time of a test is over, for one: nobody takes its answer for that to the next
            _forker(os.getpid()).kill()
            _forker.cache_clear()
            raise
        finally:
            _running.release()
    if limits:
        options["preexec_fn"] = partial(_limit, limits)
    named: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": environment, "encoding": "utf-8"}
    return subprocess.run(command, capture_output=True, check=False, **named, **options)


_running = threading.Lock()


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

    def run(self, command: list[str], environment: dict[str, str], limits: Limits, cwd: str) -> CompletedProcess[str]:
        umask = os.umask(0)
        os.umask(umask)
        request = json.dumps([command[3:], environment, dict(limits), cwd, umask]).encode()
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        with open(out, "rb", buffering=0) as out_file, open(err, "rb", buffering=0) as err_file:
            try:
                socket.send_fds(self._socket, [request], [their_out, their_err])
            finally:
                os.close(their_out)
                os.close(their_err)
            told = [data.decode() for data in _read(out_file, err_file)]
            return CompletedProcess(command, int(self._socket.recv(64)), *told)

    def kill(self) -> None:
        """With what it has forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        atexit.unregister(self._socket.close)
        self._socket.close()


def _read(*files: Any) -> list[bytes]:
    """All that comes out of pipes."""
    found = dict.fromkeys(files, b"")
    with selectors.DefaultSelector() as waiting:
        for file in files:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
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
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
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
