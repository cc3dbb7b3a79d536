# SPDX-License-Identifier: Apache-2.0
"""A process that runs a program and ends all of its descendants: ``python keeper.py DESCRIPTOR PATH [ARGUMENT...]``.

A program may start processes that start others, in their own sessions, with parents that have ended. Orphans go to the
nearest ancestor that is a subreaper (prctl(2), ``PR_SET_CHILD_SUBREAPER``). This process is one, and has no other
children than the program and its descendants. livefw itself has other children, which must not be ended or reaped.

The program has our standard streams. We end with its exit code; before that all its descendants are ended. If nobody
holds the other end of DESCRIPTOR, a pipe, any more, the same happens, and we end by SIGKILL.

Nothing of livefw is imported, because this is started for each program.
"""

import ctypes
import os
import resource
import select
import signal
import sys
from contextlib import suppress

SECONDS = 3.0
"""How long to wait for processes that were killed. One that waits for a disk, or runs as another user, may stay."""
_PR_SET_CHILD_SUBREAPER = 36
_CANNOT_RUN = 127


def main(arguments: list[str]) -> None:
    """Run the program, wait, end everything, and exit as it did."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the caller may have blocked the signal that ends the wait
    watch, command = int(arguments[0]), arguments[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.set_inheritable(watch, False)  # noqa: FBT003 - positional in the standard library
    try:
        program = os.posix_spawn(
            command[0], command, os.environ, setsid=True, setsigmask=(), setsigdef=signal.valid_signals()
        )
    except OSError as error:
        os.write(1, f"it cannot be run: {error.strerror}".encode())
        os._exit(_CANNOT_RUN)
    for stream in range(3):
        os.close(stream)
    answered = _wait(program, watch)
    # Before it is reaped: until then the kernel does not reuse its process id.
    with suppress(OSError):  # some may belong to another user by now
        os.killpg(program, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    _end_all(status if answered else -signal.SIGKILL)


def _wait(program: int, watch: int) -> bool:
    """Wait for the end of the program; False if the other end of the pipe was closed first."""
    poll = select.poll()
    end = os.pidfd_open(program)
    poll.register(end, select.POLLIN)
    poll.register(watch, 0)  # poll(2) always reports a hang-up
    return any(descriptor == end for descriptor, _ in poll.poll())


def _end_all(code: int) -> None:
    """Kill until there is no child left: the children of one that ends become ours."""
    signal.signal(signal.SIGALRM, lambda *_: _end(code))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    while True:
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except OSError:
                continue  # gone, or of another user
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            _end(code)


def _children() -> list[int]:
    if os.readlink("/proc/self") != str(os.getpid()):
        return []  # /proc belongs to another PID namespace, where these numbers mean other processes
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return [*map(int, file.read().split())]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == os.getpid()]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _end(code: int) -> None:
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core dump of this process
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(max(code, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
