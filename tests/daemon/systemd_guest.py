# SPDX-License-Identifier: Apache-2.0
"""The inside of a virtual machine of virtual_machine.py: how its checks are made, run and told.

Runs with Debian's own Python and its standard library only. Each check is told as one JSON line on the second serial
line; they are one story on one machine, so that each finds what the ones before it have left.
"""

import json
import os
import pty
import pwd
import select
import signal
import socket
import subprocess
import termios
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from livefw.activation.history.journal import Activation

TOLD_ON = "/dev/ttyS1"
PATIENCE_S = 480.0
"""How long anything may take before a check gives up; an emulated CPU is twenty times slower than a real one."""
_EACH_S = 0.25
SERVICE = "livefwd.service"
DROP_IN = "/run/systemd/system/livefwd.service.d/test.conf"
SOCKET = "/run/livefw/fwupd.sock"
MODEL = "/run/model"
LFA = "/sys/firmware/lfa"
MODEL_RUNTIME = "/run/model-runtime"

NO_PLUGIN = "the plugin for fwupd could not be built"
"""What the check of it has seen then."""

Check = Callable[[], object]
Checks = dict[str, Check]
"""In their order, by name; what a check returns is shown as what was seen."""


def registers(checks: Checks) -> Callable[[Check], Check]:
    """A decorator that registers a check under the name of its function."""

    def register(work: Check) -> Check:
        checks[work.__name__] = work
        return work

    return register


class Done(NamedTuple):
    """A program that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it said."""
        return self.out + self.err


def run(*words: str, user: str = "root", code: int | None = None, **environment: str) -> Done:
    """Run a program as somebody; AssertionError if it ends with another code than the one wanted."""
    done = subprocess.run(
        words,
        env=_environment(user) | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
        **_as(user),
    )
    made = Done(done.returncode, done.stdout, done.stderr)
    assert code is None or made.code == code, f"{' '.join(words)}: {made}"
    return made


def begin(*words: str, said: Path) -> "subprocess.Popen[bytes]":
    """Start a program that goes on beside the check, and says what it says in a file."""
    with said.open("wb") as file:
        return subprocess.Popen(words, env=_environment("root"), stdin=subprocess.DEVNULL, stdout=file, stderr=file)


def _as(user: str) -> dict[str, Any]:
    if user == "root":
        return {"cwd": "/"}
    account = pwd.getpwnam(user)
    return {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": os.getgrouplist(user, account.pw_gid),
        "cwd": "/",
    }


def _environment(user: str) -> dict[str, str]:
    home = pwd.getpwnam(user).pw_dir
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": home, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}


def until(what: Callable[[], object], why: str) -> Any:
    """Wait until something is true, and give it back."""
    end = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < end, f"has not come: {why}"
        time.sleep(_EACH_S)
    return found


def fwupdmgr(*words: str, user: str = "root", code: int | None = None) -> Done:
    """fwupd's client, led to the daemon as `livefw fwupdmgr` does it."""
    return run("fwupdmgr", *words, user=user, code=code, FWUPD_DBUS_SOCKET=SOCKET)


def shown(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit."""
    words = [f"--property={name}" for name in names]
    lines = run("systemctl", "show", unit, *words, code=0).out.splitlines()
    return dict(line.split("=", 1) for line in lines)


def state(unit: str) -> str:
    """``active``, ``inactive``, ``failed``, ..."""
    return shown(unit, "ActiveState")["ActiveState"]


def main_pid() -> int:
    """The daemon's process; 0 without one."""
    return int(shown(SERVICE, "MainPID")["MainPID"])


def stop_service() -> None:
    """Let the next client start it anew."""
    run("systemctl", "stop", SERVICE, code=0)
    run("systemctl", "reset-failed", SERVICE)
    assert state(SERVICE) == "inactive"


@contextmanager
def drop_in(text: str) -> Iterator[None]:
    """Change the service for one check only."""
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    stop_service()
    with open(DROP_IN, "w", encoding="ascii") as file:
        file.write(f"[Service]\n{text}\n")
    run("systemctl", "daemon-reload", code=0)
    try:
        yield
    finally:
        os.unlink(DROP_IN)
        run("systemctl", "daemon-reload", code=0)
        stop_service()


def journal(*words: str) -> list[dict[str, Any]]:
    """Entries of the system journal of this boot, oldest first."""
    run("journalctl", "--sync")
    lines = run("journalctl", "--boot", "--output=json", "--quiet", *words).out.splitlines()
    return [json.loads(line) for line in lines]


def messages(*words: str) -> str:
    """What the daemon has logged, in the words of `journal`."""
    return "\n".join(str(entry.get("MESSAGE")) for entry in journal(f"--unit={SERVICE}", *words))


def model(command: str, **fields: Any) -> None:
    """Change the modelled machine, by one line of JSON each way (`livefw.machine.control`)."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{MODEL_RUNTIME}/vera.sock")
        client.sendall(json.dumps({"command": command} | fields).encode() + b"\n")
        answer = client.recv(65_536)
    assert b"error" not in answer, answer


def start_model() -> None:
    """A modelled machine whose tree of files stands where this machine's own would be."""
    environment = ["--setenv=PYTHONPATH=/opt/model", f"--setenv=LIVEFW_RUNTIME_DIR={MODEL_RUNTIME}"]
    # Not the installed command, which takes nothing from PYTHONPATH: the model's library lies beside the package.
    run_it = ["python3", "-m", "livefw"]
    command = [*run_it, "machine", "run", "--platform", "vera", "--cpus", "4", "--mount", MODEL]
    run("systemd-run", "--unit=model", "--collect", *environment, *command, code=0)
    until(lambda: os.path.exists(MODEL + LFA), "the modelled machine")
    run("mount", "-t", "tmpfs", "tmpfs", "/sys/firmware", code=0)
    os.mkdir(LFA)
    run("mount", "--bind", MODEL + LFA, LFA, code=0)


def history() -> "list[Activation]":
    """The record, oldest first, as it stands in the file."""
    from livefw.activation.history.journal import Journal  # there since the package is

    journal = Journal.open_to_read("/var/lib/livefw")
    if journal is None:
        return []
    try:
        return list(journal.activations(since_ns=None))
    finally:
        journal.close()


def jobs() -> list[int]:
    """Processes that activate, whoever their parent is by now."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if b"livefw.daemon.jobs.process" in file.read():
                found.append(int(name))
    return found


class Terminal:
    """A person who has logged in on a terminal, and types a command that takes the place of the shell."""

    def __init__(self, command: str, *, user: str) -> None:
        self.text = ""
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            os.execve("/bin/login", ["login", "-f", user], {"TERM": "vt100", "LC_ALL": "C.UTF-8"})
        self.see("$ ")
        self.type(f"exec {command}")

    def see(self, word: str) -> None:
        """Wait until it shows this."""
        end = time.monotonic() + PATIENCE_S
        while word not in self.text:
            assert select.select([self._screen], [], [], end - time.monotonic())[0], f"no {word!r}: {self.text!r}"
            try:
                self.text += os.read(self._screen, 4096).decode("utf-8", "replace")
            except OSError as error:  # EIO: it has ended
                raise AssertionError(f"it ended without {word!r}: {self.text!r}") from error

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._screen, line.encode() + b"\n")

    def type_unseen(self, line: str) -> None:
        """Type a line once nothing is echoed any more; what is typed before that is thrown away."""
        until(lambda: not termios.tcgetattr(self._screen)[3] & termios.ECHO, "a terminal that echoes nothing")
        self.type(line)

    def end(self) -> int:
        """Read on to its end; its exit code."""
        while select.select([self._screen], [], [], PATIENCE_S)[0]:
            try:
                self.text += os.read(self._screen, 4096).decode("utf-8", "replace")
            except OSError:
                return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        os.kill(self._pid, signal.SIGKILL)
        raise AssertionError(f"it has not ended: {self.text!r}")


def main(checks: Checks) -> int:
    """Run all checks, and tell each."""
    line = os.open(TOLD_ON, os.O_WRONLY | os.O_NOCTTY)
    run("stty", "--file", TOLD_ON, "raw", code=0)

    def tell(told: dict[str, Any]) -> None:
        os.write(line, json.dumps(told).encode("ascii") + b"\n")

    for name, work in checks.items():
        start, seen, trouble = time.monotonic(), "", ""
        try:
            seen = str(work() or "")
        except Exception:
            trouble = traceback.format_exc()[-6000:]
            log = run("journalctl", "--boot", "--no-pager", "--lines=30", "--output=short-monotonic").out
            trouble += f"\n{log[-3000:]}"
        tell({"check": name, "seen": seen, "trouble": trouble, "seconds": round(time.monotonic() - start, 1)})
    os.close(line)
    return 0
