# SPDX-License-Identifier: Apache-2.0
"""A roll-out stops at the first wave in which something is wrong, and what it tells is true.

What really happened is known from the calls that each modelled firmware received, and from the history on each host.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

from ..conftest import below
from .conftest import LIVEFW, Controller
from .cores import CACHE
from .namespaces import NamespaceHost, Sshd

pytestmark = pytest.mark.timeout(900)  # the longest takes thirty seconds, and ten times that on a busy machine

BOOK = "livefw.fleet.rollout"
RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
GATE = ["sh", "-c", "echo gate >>/run/gates"]
Variables = Mapping[str, Any]


class Host(Protocol):
    """A host in the inventory, with the modelled machine behind it."""

    name: str
    machine: Machine

    def variables(self) -> dict[str, Any]: ...


class Row(NamedTuple):
    """A host in the table at the end."""

    wave: int
    outcome: str
    ok: str
    stop: str
    evidence: str


def rows_of(text: str) -> dict[str, Row]:
    """The table in what a run printed."""
    found = {}
    for line in re.findall(r'^ +"(.{24} .{4}  .{15} .{4} .{9}  .*)",?$', text, re.MULTILINE):
        host, wave, outcome, ok, stop = (
            line[first:last].strip() for first, last in ((0, 24), (25, 29), (31, 46), (47, 51), (52, 61))
        )
        if host != "HOST":
            found[host] = Row(int(wave), outcome, ok, stop, json.loads(f'"{line[63:]}"'))
    return found


def recap_of(text: str, what: str) -> dict[str, int]:
    """A count of each host in the recap."""
    return {host: int(count) for host, count in re.findall(rf"^(\S+) +: ok=.*?{what}=(\d+)", text, re.MULTILINE)}


def calls(host: Host, name: str = "LFA_PRIME|LFA_ACTIVATE") -> int:
    """How often the firmware was asked to do something."""
    trace = host.machine.trace
    return sum(bool(re.fullmatch(name, call.name)) for call in (*trace, *trace.inside))


class Fleet:
    """A controller and its inventory."""

    def __init__(self, folder: Path, controller: Controller) -> None:
        self.folder = folder
        self.controller = controller
        self.controller.environment |= {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
        }
        self.kept = folder / "kept"

    def command(self, hosts: Mapping[str, Variables], options: Variables) -> list[str]:
        """The roll-out on these hosts, in this order."""
        inventory = self.folder / "hosts.json"
        common = {
            "ansible_python_interpreter": sys.executable,
            "rollout_component": "tf-rmm",
            "rollout_version": "1.1",
            "rollout_livefw": {"executable": str(LIVEFW)},
            "rollout_bake_seconds": 0,
            "rollout_settle_interval": 1,
            "rollout_gate_retries": 1,
            "rollout_gate_interval": 1,
            "rollout_directory": str(self.kept),
            **options,
        }
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}), encoding="utf-8")
        return ["ansible-playbook", "-i", str(inventory), BOOK]

    def run(self, hosts: Mapping[str, Variables], *words: str, code: int = 0, **options: Any) -> str:
        return self.controller.run(*self.command(hosts, options), *words, code=code)

    def found(self, host: str) -> dict[str, Any]:
        """What was kept of a host."""
        kept: dict[str, Any] = json.loads((self.kept / f"{host}.json").read_text(encoding="utf-8"))
        return kept


# Hosts that are reached by the connection local: as any user, who can mount


class LocalHost:
    """A modelled machine below a directory; ``variables`` say where."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._root = name, folder / name
        self.machine = Machine(replace(load("vera"), cpus=4), real_time=True)
        self.machine.boot()
        self._root.mkdir()
        self._tree = MountedTree(self.machine.tree, self.machine.runner, directory=str(self._root))

    def variables(self) -> dict[str, Any]:
        places = {"executable": str(LIVEFW), "root": str(self._root), "state_dir": f"{self._root}.state"}
        return {"ansible_connection": "local", "rollout_livefw": places}

    def close(self) -> None:
        self._tree.close()
        self.machine.close()


@pytest.fixture
def local_hosts(tmp_path: Path) -> Iterator[dict[str, LocalHost]]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    with ExitStack() as stack:
        hosts = {}
        for name in ("first", "second", "third"):
            hosts[name] = LocalHost(name, tmp_path)
            stack.callback(hosts[name].close)
        yield hosts


def gone(folder: Path) -> dict[str, Any]:
    """A host that cannot be reached: the status is ssh's own for that."""
    program = folder / "ssh"
    program.write_text("#!/bin/sh\nexit 255\n")
    program.chmod(0o755)
    return {"ansible_connection": "ssh", "ansible_ssh_executable": str(program)}


@pytest.mark.fuse
def test_a_wave_that_stops_a_roll_out(
    controller: Controller, local_hosts: dict[str, LocalHost], tmp_path: Path
) -> None:
    """An unreachable canary, a host that fails beside a good one, and a good wave, which Ansible alone treats alike."""
    fleet = Fleet(tmp_path, controller)
    first, second, third = local_hosts.values()
    others = {"second": second.variables(), "third": third.variables()}

    planned = fleet.run(others, "--check", rollout_waves=[1])
    assert {name: row[:3] for name, row in rows_of(planned).items()} == {
        "second": (1, "would-activate", "yes"),
        "third": (2, "would-activate", "yes"),
    }
    halted = fleet.run({"gone": gone(tmp_path), **others}, code=2, rollout_waves=[1, 2])
    assert {name: (row.outcome, row.ok) for name, row in rows_of(halted).items()} == {
        "gone": ("unreachable", "no"),
        "second": ("not begun", "-"),
        "third": ("not begun", "-"),
    }
    assert calls(second) == calls(third) == 0

    first.machine.inject(FaultRequest(name="auth-error", component=RMM))
    gates = tmp_path / "gates"
    hosts = {"first": first.variables(), **others}
    gate: dict[str, Any] = {"rollout_gate_command": ["sh", "-c", f"echo {{{{ inventory_hostname }}}} >>{gates}"]}
    halted = fleet.run(hosts, code=2, rollout_waves=[2], **gate)
    rows = rows_of(halted)
    assert [(row.outcome, row.ok) for row in rows.values()] == [
        ("failed", "no"),
        ("activated", "yes"),
        ("not begun", "-"),
    ]
    assert "auth-failed" in rows["first"].evidence
    assert sorted(gates.read_text().split()) == ["first", "second"]
    assert calls(third) == 0

    # One that is wrong can be tolerated, but not in the first wave; and at the end it is not forgotten.
    hosts = {"second": second.variables(), "first": first.variables(), "third": third.variables()}
    done = fleet.run(hosts, code=2, rollout_waves=[1, 2], rollout_tolerated="50%", **gate)
    assert {name: row[:3] for name, row in rows_of(done).items()} == {
        "second": (1, "nothing-to-do", "yes"),
        "first": (2, "failed", "no"),
        "third": (2, "activated", "yes"),
    }
    assert "1 of 3 hosts are not as they should be" in done
    assert recap_of(done, "changed") == {"second": 0, "first": 0, "third": 1}
    for name, outcome in (("second", "nothing-to-do"), ("third", "activated")):
        kept = fleet.found(name)
        (activation,) = kept["activations"]
        assert (kept["rollout"]["outcome"], kept["rollout"]["activation"]) == (outcome, activation["activation"])


def test_the_waves_are_shown_without_a_connection(controller: Controller, tmp_path: Path) -> None:
    hosts = {
        name: {**gone(tmp_path), "rack": name[0], "rollout_domains": ["{{ rack }}"], "rollout_canary": name == "b2"}
        for name in ("a1", "a2", "b1", "b2", "c1")
    }
    shown = Fleet(tmp_path, controller).run(hosts, "--tags", "waves")
    waves = re.findall(r'"wave \d: \d of 5: ([^"]+)"', shown)
    assert waves == ["b2", "a1 b1 c1", "a2"]
    assert set(recap_of(shown, "unreachable").values()) == {0}


# Hosts in namespaces


class Fault(NamedTuple):
    """What is wrong on a canary, and what a roll-out has to tell of it."""

    outcome: str
    ok: bool
    evidence: str
    arrange: Callable[[NamespaceHost], Variables]
    gated: bool = True
    asked: bool = True
    """Whether the firmware is asked for anything."""


def _inject(name: str) -> Callable[[NamespaceHost], Variables]:
    def arrange(host: NamespaceHost) -> Variables:
        host.machine.inject(FaultRequest(name=name, component=RMM))
        return {}

    return arrange


def _settings(text: str) -> Callable[[NamespaceHost], Variables]:
    def arrange(host: NamespaceHost) -> Variables:
        host.run("sh", "-c", "cat >/etc/livefw/livefw.toml", text=text)
        return {}

    return arrange


def _closed() -> str:
    """A window that is open at another time of the day."""
    start, end = (datetime.now(UTC) + timedelta(hours=hours) for hours in (6, 7))
    return f'[[window]]\nzone = "UTC"\nfrom = "{start:%H:%M}"\nto = "{end:%H:%M}"\n'


def _unreachable(host: NamespaceHost) -> Variables:
    return {"ansible_ssh_common_args": "-F none -o ProxyCommand=false"}


def _too_slow(host: NamespaceHost) -> Variables:
    host.machine.inject(FaultRequest(name="hang", component=RMM, function="PRIME"))
    return {"rollout_time_limit": 6, "rollout_settle_seconds": 1}


def _stalled(host: NamespaceHost) -> Variables:
    return {"rollout_stall_limit_ms": 1e-6}


def _too_old(host: NamespaceHost) -> Variables:
    """A livefw without --to, which is asked for the version that has to be pending."""
    error = {"kind": "usage", "exit_code": 2, "message": "activate has no option '--to'"}
    answer = json.dumps({"schema": "livefw/1", "error": error})
    script = f"#!/bin/sh\ncase \" $* \" in *' activate '*) echo '{answer}'; exit 2;; esac\nexec {LIVEFW} \"$@\"\n"
    host.run("sh", "-c", "cat >/run/livefw-old && chmod 755 /run/livefw-old", text=script.replace("'--to'", "--to"))
    return {"rollout_livefw": {"executable": "/run/livefw-old"}}


def _full(host: NamespaceHost) -> Variables:
    fill = "dd if=/dev/zero of=/var/lib/livefw/full bs=4k 2>/dev/null"
    host.run("sh", "-c", f"mount -t tmpfs -o size=64k,mode=755 tmpfs /var/lib/livefw; {fill}; true")
    return {}


FAULTS = {
    "unreachable": Fault("unreachable", False, "unreachable", _unreachable, gated=False, asked=False),
    "refused": Fault("refused", False, "policy", _settings('deny = ["tf-rmm"]\n'), gated=False, asked=False),
    "window": Fault("refused", False, "window", _settings(_closed()), gated=False, asked=False),
    "full": Fault("refused", False, "history", _full, gated=False, asked=False),
    "too-old": Fault("failed", False, "too old", _too_old, asked=False),
    "failed": Fault("failed", False, "auth-failed", _inject("auth-error")),
    "unknown": Fault("unknown", False, "lost", _inject("reset")),
    # On a busy machine it may not have begun when its time is up.
    "too-slow": Fault("unknown", False, "not finished|Timed out", _too_slow),
    "stalled": Fault("activated", False, "longest stop", _stalled),
    "lost": Fault("activated", True, "version-arrived", _inject("endless-prime")),
    "good": Fault("activated", True, "version-arrived", lambda host: {}),
}
OTHERS = ["other0", "other1"]
KILLED = ["died", "later"]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, NamespaceHost]]:
    """Fifteen hosts."""
    if os.geteuid() != 0:
        pytest.skip("only root can make namespaces with a /sys of their own")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    folder = tmp_path_factory.mktemp("hosts")
    sshd = Sshd.find(folder, CACHE / "sshd")
    if sshd is None:
        pytest.skip("ssh or sshd is missing; scripts/setup.sh packages fetches them for the tests")
    with ExitStack() as stack:
        made = {}
        for name in (*FAULTS, *OTHERS, *KILLED):
            made[name] = NamespaceHost(name, folder, sshd)
            stack.callback(made[name].close)
        for host in made.values():
            host.wait()
        yield made


@pytest.fixture
def fleet(controller: Controller, tmp_path: Path) -> Iterator[Fleet]:
    # The path of a socket of ssh has to be short.
    with tempfile.TemporaryDirectory(prefix="livefw-") as folder:
        yield Fleet(Path(folder), controller)


def gates(host: NamespaceHost) -> int:
    return host.run("sh", "-c", "cat /run/gates 2>/dev/null; true").stdout.count("gate")


def history(host: NamespaceHost) -> list[str]:
    """The outcomes in its history, oldest first."""
    done = host.run(str(LIVEFW), "--json", "history", check=False)
    found = json.loads(done.stdout).get("history", [])
    return [each["outcome"]["outcome"] if each["outcome"] else "unfinished" for each in reversed(found)]


def command_of(pid: int) -> bytes:
    """Of a process; nothing if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def when(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """Wait until something is so, while a process runs."""
    while not condition():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)


@pytest.mark.fuse
def test_every_fault_is_told_and_stops_the_roll_out(fleet: Fleet, hosts: dict[str, NamespaceHost]) -> None:
    """All in the first wave. Each is judged by itself, and one that is not as it should be is enough."""
    canaries = {name: hosts[name].variables() | dict(fault.arrange(hosts[name])) for name, fault in FAULTS.items()}
    inventory = {name: hosts[name].variables() for name in OTHERS} | {
        name: {**variables, "rollout_canary": True} for name, variables in canaries.items()
    }
    options = {"rollout_waves": [len(FAULTS), len(OTHERS)], "rollout_gate_command": GATE}

    command = fleet.command(inventory, options)
    lost = hosts["lost"]
    with fleet.controller.start(*command) as process:
        when(lambda: calls(lost, "LFA_PRIME"), process)
        lost.disconnect()
        lost.machine.clear_faults()
        text, _ = process.communicate()
    assert process.returncode == 2, text
    rows = rows_of(text)
    assert set(rows) == set(inventory)
    for name, fault in FAULTS.items():
        host, row = hosts[name], rows[name]
        assert row[:3] == (1, fault.outcome, "yes" if fault.ok else "no"), (name, text)
        assert re.search(fault.evidence, row.evidence), (name, row)
        assert gates(host) == fault.gated, name
        assert bool(calls(host)) == fault.asked, name
        ended = [] if not fault.asked and fault.outcome != "refused" else history(host)
        told = {"too-slow": ["unfinished"], "full": []}.get(name, [fault.outcome] if ended else [])
        assert ended == told, name
        assert fleet.found(name)["rollout"]["outcome"] == fault.outcome
    assert {rows[name][1:3] for name in OTHERS} == {("not begun", "-")}
    assert re.search(r"halted after wave 1 of 2", text)
    reached = {name: calls(hosts[name]) for name in (*FAULTS, *OTHERS)}

    # A run after it changes nothing, and asks for nothing where it is not known how the last one has ended.
    again = fleet.run(inventory, code=2, **options)
    assert set(recap_of(again, "changed").values()) == {0}
    assert {name: row.ok for name, row in rows_of(again).items()} == {name: row.ok for name, row in rows.items()}
    for name in (*FAULTS, *OTHERS):
        assert calls(hosts[name]) == reached[name] or name == "failed", name  # which may be tried again
    for name in OTHERS:
        assert calls(hosts[name]) == gates(hosts[name]) == 0
        assert history(hosts[name]) == []


_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec -= 86400;
    return failed;
}
"""
"""A clock that is a day slow, for everything that a host runs."""


@pytest.mark.fuse
def test_a_controller_that_dies_in_each_step(fleet: Fleet, hosts: dict[str, NamespaceHost], tmp_path: Path) -> None:
    """Run again each time, it activates nothing twice, and waits for the rest of the bake time by the history."""
    if shutil.which("cc") is None:
        pytest.skip("cc is missing; scripts/setup.sh packages installs it for the tests")
    died, later = (hosts[name] for name in KILLED)
    inventory = {name: hosts[name].variables() for name in KILLED}
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", str(library)], input=_CLOCK, text=True, check=True)
    died.run("sh", "-c", "cat >/etc/ld.so.preload", text=f"{library}\n")
    slow = int(died.run("date", "+%s").stdout)
    assert slow < datetime.now(UTC).timestamp() - 80_000

    def die(task: str, until: Callable[[], object] = lambda: True, **options: Any) -> str:
        """Run it, and end all of the controller in a task."""
        command = fleet.command(inventory, {"rollout_gate_command": GATE, "rollout_bake_seconds": 3600, **options})
        text = ""
        with fleet.controller.start(*command) as process:
            assert process.stdout is not None
            for line in process.stdout:
                text += line
                if task in line:
                    break
            else:
                pytest.fail(f"it did not come to {task}: {text}")
            when(until, process)
            # Its workers have sessions of their own; and below them are the hosts, which live on.
            for pid in [process.pid, *(each for each in below(process.pid) if b"ansible-playbook" in command_of(each))]:
                os.kill(pid, signal.SIGKILL)
        return text

    die("Look at the machine")
    assert calls(died) == 0
    died.machine.inject(FaultRequest(name="endless-prime", component=RMM))
    die(": Activate]", lambda: calls(died, "LFA_PRIME"))
    died.machine.clear_faults()
    # Its activation goes on; the next run waits for it, begins none, and bakes by the clock of the host.
    text = die("Pausing for")
    (seconds,) = map(int, re.findall(r"Pausing for (\d+) seconds", text))
    assert 0 < seconds <= 3600
    assert (
        re.search(r"skipping: \[died\]", text.partition(": Activate]")[2].partition("TASK")[0]) or "changed" not in text
    )
    once = calls(died)
    for task in (": Run the gate command]", ": Verdict]"):
        die(task, rollout_bake_seconds=0)
    assert calls(later) == 0
    done = fleet.run(inventory, rollout_gate_command=GATE)
    assert {name: row[:3] for name, row in rows_of(done).items()} == {
        "died": (1, "nothing-to-do", "yes"),
        "later": (2, "activated", "yes"),
    }
    assert calls(died) == once
    assert history(died) == history(later) == ["activated"]


def test_a_bmc(controller: Controller, bmc: Path, tmp_path: Path) -> None:
    """What is behind a BMC is staged, activated and attested."""
    fleet = Fleet(tmp_path, controller)
    places = {"executable": str(LIVEFW), "root": str(bmc), "settings": str(bmc / "etc/livefw")}
    hosts = {"bmc1": {"ansible_connection": "local"}}
    image = tmp_path / "pmfw.bin"
    image.write_bytes(b"version=2.0.0")
    options: dict[str, Any] = {
        "rollout_component": "pmfw-a",
        "rollout_version": "2.0.0",
        "rollout_image": str(image),
        "rollout_livefw": {**places, "state_dir": str(tmp_path / "state")},
        "rollout_attestation": True,
    }
    done = fleet.run(hosts, **options)
    assert rows_of(done)["bmc1"][:3] == (1, "activated", "yes"), done
    assert recap_of(done, "changed") == {"bmc1": 2}  # staged and activated
