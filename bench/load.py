# SPDX-License-Identifier: Apache-2.0
"""Root's calls while ordinary users flood the daemon, on a history of 100,000 activations.

The users are real accounts by number, each with every connection that it may have and sixteen calls in each, which are
asked again as soon as they are answered. It takes less than a minute: for want of time it measures less, and says so.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, NamedTuple

from bench.daemon import COMPONENTS, planted, served
from bench.measure import Aim, NotHere, Row, seconds
from bench.records import fill
from livefw.daemon.fwupd.devices import device_id
from livefw.dbus.client import CallFailed, Client, MethodCall

USERS = range(4001, 4009)
ACTIVATIONS = 100_000
TIMES, MEMORY_MIB = 3, 200
"""How many times its quiet median root's calls may take, and what the daemon may take with its processes."""
_BUDGET_S = 50.0
"""After which no flood is begun that would not be over in time."""
_ROUNDS, _COMMANDS = 25, 9
_FLOODED_S = 6.0
"""For one flood, measuring included."""
_ONCE_S = 3.0
"""For one call, to find out which is dearest."""
_OWN, _FWUPD = ("/org/livefw", "org.livefw.Livefw1"), ("/", "org.freedesktop.fwupd")
_AT_ONCE = "GetDevices"
"""What is answered by the thread that talks alone, and so most often."""
_GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d0"
_CALLS = {
    "History": MethodCall(*_OWN, "History", "ss", ("", "")),
    "Verify": MethodCall(*_OWN, "Verify"),
    "Plan": MethodCall(*_OWN, "Plan", "asas", ([], [])),
    "Show": MethodCall(*_OWN, "Show", "as", ([_GUID] * 200,)),
    "GetHistory": MethodCall(*_FWUPD, "GetHistory"),
    "GetReleases": MethodCall(*_FWUPD, "GetReleases", "s", (device_id(f"lfa:{_GUID}"),)),
    _AT_ONCE: MethodCall(*_FWUPD, _AT_ONCE),
}

_FLOOD = """
import ast, select, sys, time
from livefw.dbus.client import Client
from livefw.dbus.wire import Message, MessageType
path, interface, member, signature, body, socket = sys.argv[1:]
ask = Message(MessageType.CALL, 1, ast.literal_eval(body), signature, path=path, interface=interface, member=member)
clients = {}
waiting = select.epoll()
end = time.monotonic() + 4
try:
    while len(clients) < 128 and time.monotonic() < end:
        client = Client(socket, timeout=5)
        for _ in range(16):
            client.send(ask)
        clients[client.fileno()] = client
        waiting.register(client.fileno(), select.EPOLLIN)
except OSError:
    pass
print(len(clients), flush=True)
while clients:
    for number, _ in waiting.poll():
        try:
            clients[number].receive()
            clients[number].send(ask)
        except OSError:
            waiting.unregister(number)
            clients.pop(number).close()
"""


class _Quiet(NamedTuple):
    """Medians in seconds; ``command`` is None where there is no fwupdmgr."""

    call: float
    command: float | None


def rows() -> Iterator[Row]:
    """Others than root cannot become other users."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise NotHere("it needs root and setpriv, to ask as other users")
    end = monotonic() + _BUDGET_S
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lfl")))
        folder.chmod(0o755)
        state = folder / "state"
        state.mkdir()
        fill(state, ACTIVATIONS)
        path = str(folder / "s")
        words = [sys.executable, "-m", "livefw.daemon.service", "--root", planted(folder / "root", pending=True)]
        words += ["--socket", path, "--bus", "", "--state", str(state), "--log-level", "error"]
        process = stack.enter_context(served(words, path))
        costs = {name: _cost(path, name) for name in _CALLS}
        dearest = max(costs, key=lambda name: costs[name])
        quiet = _medians(path, end)
        yield Row(f"root's List, {ACTIVATIONS:,} activations, {COMPONENTS} components, quiet", quiet.call * 1e3, "ms")
        if quiet.command:
            yield Row("root's fwupdmgr get-devices --json, the same", quiet.command * 1e3, "ms")
        for name in dict.fromkeys((dearest, _AT_ONCE)):
            what = f"{len(USERS)} users who ask for {name}, {costs[name] * 1e3:.0f} ms each"
            if monotonic() > end - _FLOODED_S:
                print(f"  not measured for want of time: {what}", file=sys.stderr)
                continue
            with _flood(path, name):
                loaded = _medians(path, min(end, monotonic() + _FLOODED_S))
            yield from _compared(quiet, loaded, what)
        yield Row(
            "memory of the daemon and its processes at most (VmHWM)", _memory_mib(process), "MiB", Aim(MEMORY_MIB)
        )


def _compared(quiet: _Quiet, loaded: _Quiet, what: str) -> Iterator[Row]:
    for subject, before, now in (
        ("List", quiet.call, loaded.call),
        ("fwupdmgr get-devices", quiet.command, loaded.command),
    ):
        if before and now:
            limit = round(before * TIMES * 1e3, 1)
            yield Row(f"root's {subject} among {what}", now * 1e3, "ms", Aim(limit), f"{now / before:.1f} times quiet")


def _cost(path: str, name: str) -> float:
    """Seconds of one call, as a user who is not root meets them; the first starts what it needs, and does not count."""
    call = _CALLS[name]
    words = ["setpriv", f"--reuid={USERS[0]}", f"--regid={USERS[0]}", "--clear-groups", sys.executable, "-c", _ONCE]
    words += [*_words(call), path]
    with suppress(subprocess.SubprocessError, ValueError):
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=_ONCE_S, env=_environment())
        return float(done.stdout)
    return _ONCE_S


_ONCE = """
import ast, sys, time
from livefw.dbus.client import MethodCall, CallFailed, Client
path, interface, member, signature, body, socket = sys.argv[1:]
with Client(socket, timeout=30) as client:
    for _ in range(2):
        begun = time.perf_counter()
        try:
            client.call(MethodCall(path, interface, member, signature, ast.literal_eval(body)))
        except CallFailed:
            pass
    print(time.perf_counter() - begun)
"""


def _words(call: MethodCall) -> list[str]:
    return [call.path, call.interface, call.member, call.signature, repr(call.body)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@contextmanager
def _flood(path: str, name: str) -> Iterator[None]:
    """All users ask, from the moment on at which each has asked with all connections that it got."""
    with ExitStack() as stack:
        flooding = []
        for uid in USERS:
            words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", sys.executable, "-c", _FLOOD]
            words += [*_words(_CALLS[name]), path]
            each = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=_environment())
            stack.callback(_end, each)
            flooding.append(each)
        for each in flooding:
            if each.stdout is not None:
                each.stdout.readline()
        yield


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def _medians(path: str, end: float) -> _Quiet:
    """Of root's call and, in turns with it, of fwupd's client; as many as there is time for."""
    calls, commands = list[float](), list[float]()
    client = shutil.which("fwupdmgr")
    for number in range(_ROUNDS):
        calls.append(seconds(lambda: _list(path)))
        if client and number < _COMMANDS:
            commands.append(seconds(lambda: _devices(client, path)))
        if monotonic() > end:
            break
    return _Quiet(median(calls), median(commands) if commands else None)


def _list(path: str) -> None:
    with Client(path, timeout=20) as client, suppress(CallFailed):
        client.call(MethodCall(*_OWN, "List"))


def _devices(program: str, path: str) -> None:
    environment = {**os.environ, "FWUPD_DBUS_SOCKET": path, "FWUPD_POLKIT_NOCHECK": "1"}
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [program, "get-devices", "--json"], env=environment, capture_output=True, check=False, timeout=20
        )


def _memory_mib(process: "subprocess.Popen[Any]") -> float:
    """The most that the daemon and each of its processes have had resident, together."""
    return sum(map(_most_kib, [process.pid, *_children(process.pid)])) / 1024


def _children(pid: int) -> Iterator[int]:
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError):
            yield from map(int, Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split())


def _most_kib(pid: int) -> int:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return 0
