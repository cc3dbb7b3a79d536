# SPDX-License-Identifier: Apache-2.0
"""Which machines run, as commands find them, and what one request to one of them answers. Nothing is mounted here."""

import fcntl
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from livefw.abi import guid
from livefw.cli.machine import control
from livefw.cli.main import main
from livefw.errors import PermissionDenied, UsageError
from livefw.machine import runtime
from livefw.machine.catalog import ALL_FAULTS
from livefw.machine.config import load
from livefw.machine.control import ControlServer, answer
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineFiles
from livefw.machine.machine import Machine

Run = Callable[..., Machine]


@contextmanager
def running(machine: Machine, name: str) -> Iterator[Machine]:
    """A machine that commands find, with its claim and its socket."""
    claim = runtime.NameClaim(name, platform=machine.config.name)
    server = ControlServer(partial(answer, machine), claim.socket_path)
    stop, told = os.pipe()
    thread = threading.Thread(target=server.serve, args=[stop])
    thread.start()
    try:
        yield machine
    finally:
        os.write(told, b"x")
        thread.join()
        server.close()
        claim.release()
        machine.close()
        os.close(stop)
        os.close(told)


@pytest.fixture
def run() -> Iterator[Run]:
    """Let machines run until the test ends."""
    with ExitStack() as stack:

        def start(platform: str, name: str = "") -> Machine:
            machine = Machine(load(platform), real_time=True)
            machine.boot()
            return stack.enter_context(running(machine, name or platform))

        yield start


class Told:
    """The command in this process."""

    def __init__(self, captured: pytest.CaptureFixture[str], *words: str) -> None:
        self.code = main(["machine", *words])
        self.out, self.err = captured.readouterr()


@pytest.fixture
def livefw(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    return lambda *words: Told(capsys, *words)


Livefw = Callable[..., Told]


def test_the_machine_that_is_meant(run: Run, livefw: Livefw) -> None:
    none = livefw("show")
    assert (none.code, "no machine runs" in none.err) == (3, True)
    run("vera")
    assert livefw("show").out.startswith("vera: ")
    run("fvp")
    several = livefw("show")
    assert (several.code, "several machines run: fvp, vera" in several.err) == (2, True)
    assert "hint: livefw machine show --machine fvp\n" in several.err
    assert livefw("show", "--machine", "vera").out.startswith("vera: ")
    other = livefw("show", "--machine", "other")
    assert (other.code, "no machine other runs" in other.err) == (3, True)
    assert "livefw machine list" in other.err


def test_a_machine_that_is_gone_is_not_listed(run: Run, livefw: Livefw) -> None:
    run("vera")
    base = Path(runtime.directory())
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(base / "dead.sock"))
    (base / "none.sock").touch()
    (base / "torn.lock").write_bytes(b'{"name": "to')
    with closing(socket.socket(socket.AF_UNIX)) as torn:
        torn.bind(str(base / "torn.sock"))
        torn.listen()
        assert [state.name for state in runtime.running()] == ["vera"]
    assert livefw("show").code == 0


def test_the_driver_is_unloaded_and_loaded(run: Run, livefw: Livefw) -> None:
    machine = run("vera")
    name = machine.config.driver
    assert livefw("driver", "unload").out == f"driver {name} was unloaded\n"
    assert f"driver {name} (not loaded)" in livefw("show").out
    assert livefw("driver", "unload").code == 3
    assert livefw("driver", "load").out == f"driver {name} was loaded\n"
    machine.inject(FaultRequest(name="agent-gone"))
    assert livefw("reload").out == f"driver {name} was unloaded and loaded again; it found nothing to show\n"


@pytest.mark.parametrize(
    ("words", "coming"), [(("driver", "unload"), ""), (("reload",), "; it is loaded again after that")]
)
def test_a_driver_that_is_at_work_is_waited_for_only_a_while(
    run: Run, livefw: Livefw, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], coming: str
) -> None:
    monkeypatch.setattr(control, "_DRIVER_PATIENCE", 0.05)
    machine = run("vera")
    # PRIME is the first call. This driver ends an activation before the next call once it is to go away.
    machine.inject(FaultRequest(name="hang", function="PRIME"))
    MachineFiles(machine).start_write(f"/sys/firmware/lfa/{guid.RMM.guid}/activate", b"1\n")
    assert [call.name for call in machine.trace.inside] == ["LFA_PRIME"]
    said = livefw(*words)
    assert (said.code, said.out) == (0, f"driver {machine.config.driver} waits for running work in it{coming}\n")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("fault", "--list"), 0, "WHAT HAPPENS"),
        (("fault", "--clear"), 0, "all faults are cleared"),
        (("fault",), 2, "name a fault"),
        (("fault", "busy", "--times", "2"), 0, "from now on: "),
        (("fault", "gremlin"), 2, "no fault"),
        (("fault", "slow", "--ms", "5", "--cpu", "0"), 2, "no option cpu"),
        (("cpu", "off", "1"), 0, "CPUs are online"),
        (("cpu", "off", "4096"), 2, "4096"),
        (("notify",), 0, "sent a notification (acpi)\n"),
    ],
)
def test_one_request_has_one_answer(run: Run, livefw: Livefw, words: tuple[str, ...], code: int, part: str) -> None:
    run("vera")
    said = livefw(*words)
    assert (said.code, part in said.out + said.err) == (code, True), said.out + said.err


def test_faults_are_listed_without_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "machine", "fault", "--list"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)["faults"]}
    assert listed.keys() == ALL_FAULTS.keys()
    assert listed["slow"]["options"][0] == "times"


def test_a_driver_that_does_not_listen_is_told(run: Run, livefw: Livefw) -> None:
    run("fvp")
    assert "; this driver does not listen to it on this machine" in livefw("notify").out


SHOWN: dict[str, Any] = {
    "name": "x",
    "description": "a machine",
    "cpus": 4,
    "online": 3,
    "agent": "tfa-2026",
    "driver": "v3",
    "loaded": True,
    "notification": "acpi",
    "notes": [],
    "invented": [],
    "components": [],
    "primed": {"component": None, "prime": "none"},
    "realms": None,
    "running_realms": [],
    "lost_realms": [],
    "tdx": None,
    "waiting": [],
    "stopped": False,
    "stalls": [],
    "panic": None,
}
RMM_SHOWN = {
    "guid": str(guid.RMM.guid),
    "name": "",
    "kind": "rmm",
    "current_version": "1.0",
    "staged_version": None,
    "dead": True,
    "refused_because": "\x1b[2Jno signature",
}
TDX_SHOWN = {"module": "1.5.06", "state": "ready", "slots": 3, "tds": {"running": 2, "dead": 0}}
CALL = {"cpu": 1, "function": "LFA_PRIME", "seconds": 6.4}


@pytest.mark.parametrize(
    ("told", "lines", "never"),
    [
        ({}, ["3 of 4 CPUs online", "primed: nothing (none)"], "TDX"),
        ({"loaded": False}, ["driver v3 (not loaded)"], ""),
        ({"tdx": TDX_SHOWN}, ["TDX module 1.5.06, ready, 3 update slots", "TDs: 2 running, 0 dead"], "agent"),
        ({"tdx": TDX_SHOWN, "components": [RMM_SHOWN]}, ["agent tfa-2026", "TDX module 1.5.06"], ""),
        (
            {"components": [RMM_SHOWN]},
            [f"{guid.RMM.guid} is dead until a cold boot", "the firmware last refused: "],
            "\x1b",
        ),
        ({"components": [RMM_SHOWN | {"dead": False, "refused_because": None}]}, ["rmm"], "dead until"),
        ({"realms": {"running": 2, "lost": 0}}, ["Realms: 2 running, 0 lost"], "policy"),
        (
            {"realms": {"running": 0, "lost": 1}, "lost_realms": [{"id": 7, "lfa_policy": "allow"}]},
            ["lost Realms and their LFA policy: 7 (allow)", "GUESTS WERE LOST"],
            "running Realms and",
        ),
        (
            {"realms": {"running": 1, "lost": 0}, "running_realms": [{"id": 7, "lfa_policy": "allow"}]},
            ["running Realms and their LFA policy: 7 (allow)"],
            "LOST",
        ),
        (
            {"stalls": [{"start_ns": 0, "end_ns": 2_500_000}, {"start_ns": 5, "end_ns": 6}]},
            ["all CPUs were stopped 2 times, at most 2.5 ms"],
            "",
        ),
        (
            {"waiting": [CALL | {"works": None}]},
            ["CPU 1 has been in LFA_PRIME for 6 s and does not come back"],
            "until",
        ),
        ({"waiting": [CALL | {"works": True}], "stopped": True}, ["and works", "all CPUs are stopped until then"], ""),
        ({"waiting": [CALL | {"works": False}]}, ["and waits for other CPUs"], "stopped"),
        ({"stopped": True}, [], "stopped until then"),
        ({"panic": "a lockup"}, ["the kernel is dead: a lockup"], ""),
        ({"notes": ["one"], "invented": ["two"]}, ["note: one", "invented: two"], ""),
    ],
)
def test_a_machine_is_told_in_words(
    livefw: Livefw, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], lines: list[str], never: str
) -> None:
    """Whatever a machine answers, also one of another version of livefw."""

    class Client:
        def ask(self, command: str) -> dict[str, Any]:
            assert command == "show"
            return SHOWN | told

    monkeypatch.setattr(control, "connected", lambda _: nullcontext(Client()))
    said = livefw("show")
    assert said.code == 0
    for line in lines:
        assert line in said.out
    assert not never or never not in said.out


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LIVEFW_RUNTIME_DIR": "/a", "XDG_RUNTIME_DIR": "/b"}, "/a"),
        ({"XDG_RUNTIME_DIR": "/b"}, "/b/livefw"),
        ({"LIVEFW_RUNTIME_DIR": "", "XDG_RUNTIME_DIR": ""}, ""),
    ],
)
@pytest.mark.parametrize("uid", [0, 1000])
def test_where_machines_are_known(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str, uid: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    assert runtime.directory(environment) == (expected or ("/run/livefw" if uid == 0 else "/tmp/livefw-1000"))


def test_no_directory_is_no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "none"))
    assert runtime.running() == []


def _file(path: Path) -> None:
    path.touch()


def _link(path: Path) -> None:
    (path.parent / "other").mkdir()
    path.symlink_to(path.parent / "other")


def _writable(path: Path) -> None:
    path.mkdir()
    path.chmod(0o770)


@pytest.mark.parametrize(
    ("make", "text"),
    [(_file, "File exists"), (_link, "is not private to you"), (_writable, "is not private")],
)
def test_a_place_that_is_not_ours_alone_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Callable[[Path], None], text: str
) -> None:
    make(tmp_path / "place")
    monkeypatch.setenv("LIVEFW_RUNTIME_DIR", str(tmp_path / "place"))
    with pytest.raises(PermissionDenied, match=text) as caught:
        runtime.NameClaim("x", platform="vera")
    assert "LIVEFW_RUNTIME_DIR" in caught.value.hint


@pytest.mark.parametrize("state", [b"", b"{", b'{"name": 5}', b"\xff", b'{"x":' + b"[" * 60_000])
def test_a_name_is_taken_whatever_its_owner_has_written(state: bytes) -> None:
    first = runtime.NameClaim("x", platform="vera")
    lock = Path(runtime.directory(), "x.lock")
    with pytest.raises(UsageError, match=rf"a machine x is running already \(process {os.getpid()}\)"):
        runtime.NameClaim("x", platform="vera")
    lock.write_bytes(state)
    with pytest.raises(UsageError, match=r"a machine x is running already$"):
        runtime.NameClaim("x", platform="vera")
    first.release()
    assert os.listdir(runtime.directory()) == []
    lock.write_bytes(state)
    second = runtime.NameClaim("x", platform="vera")  # of a machine that died
    second.release()
    assert os.listdir(runtime.directory()) == []


def test_a_lock_whose_owner_leaves_in_this_very_moment_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our opening and our locking the owner removes the file: two would hold the same name."""
    first = runtime.NameClaim("x", platform="vera")
    real = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        first.release()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = runtime.NameClaim("x", platform="vera")
    with pytest.raises(UsageError, match="is running already"):
        runtime.NameClaim("x", platform="vera")
    second.release()
