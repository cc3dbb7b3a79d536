# SPDX-License-Identifier: Apache-2.0
"""The state of a component: what `list`, `show` and `plan` say is what the checks of a plan find, and nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.lock.machine_lock import Lock, LockedFor
from livefw.activation.paths import paths_for
from livefw.activation.status import TAKES_RESET
from livefw.providers.codes import codes
from livefw.providers.lfa.fake import RMM, FakeLfa
from livefw.providers.registry import MECHANISMS

KEY = f"lfa:{RMM}"
OTHER = "0509b633-5734-422f-a681-6096e932d93a"
NOW = datetime.now(UTC)


def closed(days: int) -> str:
    """A window that opens in so many days, at noon of that day in UTC."""
    day = (NOW + timedelta(days=days)).strftime("%a").lower()
    return f"[[window]]\ndays = ['{day}']\nfrom = '12:00'\nto = '12:01'\nzone = 'UTC'\n"


class State(NamedTuple):
    """How a tree differs from one with a pending image, and the state that follows. ``text`` is how it begins."""

    code: str
    text: str
    settings: str = ""
    attributes: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, str] = MappingProxyType({})
    checks: tuple[str, ...] = ()
    """Codes of the reasons, the first one first."""


CPUS = "/sys/devices/system/cpu"
STATES = {
    "an image is pending": State("ready", "ready"),
    "none is": State("up-to-date", "up to date", attributes={"activation_pending": "0"}, checks=("not-pending",)),
    "it may reset CPUs": State("needs-reset", "needs reset", attributes={"may_reset_cpu": "1"}, checks=("resets-cpu",)),
    "it cannot be activated live": State(
        "needs-reset", "needs reset", attributes={"activation_capable": "0"}, checks=("not-capable",)
    ),
    "its flag makes no sense": State(
        "unreadable", "unreadable", attributes={"activation_pending": "perhaps"}, checks=("unreadable",)
    ),
    "denied": State("held", "held: deny", "deny = ['tf-rmm']", checks=("policy",)),
    "not allowed": State("held", "held: allow", "allow = ['no-such']", checks=("policy",)),
    "another version is pinned": State("held", "held: pin", "[component.tf-rmm]\npin = '9'", checks=("pinned",)),
    "the window opens in two days": State("held", "held: window until ", closed(2), checks=("window",)),
    "denied, and the window is closed": State(
        "held", "held: deny +1", "deny = ['tf-rmm']\n" + closed(2), checks=("policy", "window")
    ),
    "the window is closed, and that is ignored": State("ready", "ready", "ignore = ['window']\n" + closed(2)),
    "the load is too high": State(
        "held",
        "held: load",
        "[limits]\nload = 0.1",
        files={"/proc/loadavg": "9.0 9.0 9.0 1/2 3\n", f"{CPUS}/online": "0-3\n", f"{CPUS}/present": "0-3\n"},
        checks=("load",),
    ),
    "a CPU is offline": State(
        "held",
        "held: cpus-offline",
        files={f"{CPUS}/online": "0-2\n", f"{CPUS}/present": "0-3\n"},
        checks=("cpus-offline",),
    ),
    "a watchdog would expire": State(
        "held",
        "held: watchdog",
        files={
            "/sys/class/watchdog/watchdog0/state": "active\n",
            "/sys/class/watchdog/watchdog0/timeout": "10\n",
        },
        checks=("watchdog",),
    ),
    "the version would go back": State(
        "held",
        "held: downgrade",
        attributes={"current_version": "2.0", "pending_version": "1.9"},
        checks=("downgrade",),
    ),
    "strict, and a pattern matches nothing": State(
        "held", "held: settings-match", "strict = true\ndeny = ['tf-rm']", checks=("settings-match",)
    ),
}
"""Settings, attributes of the LFA driver (its ABI document), and facts of the kernel's ABI."""


def arrange(root: Any, state: State) -> None:
    bench = FakeLfa()
    bench.add(driver="v3", **state.attributes)
    root.plant(bench)
    for path, text in state.files.items():
        root.file(path).parent.mkdir(parents=True, exist_ok=True)
        root.file(path).write_text(text)
    if state.settings:
        root.file("/etc/livefw").mkdir(parents=True)
        root.file("/etc/livefw/livefw.toml").write_text(state.settings)


def shown(root: Any, key: str = KEY) -> Any:
    """The state in the JSON of `list`, which that of `show` must equal, as the texts must."""
    (listed,) = (each for each in root.run("--json", "list").json["components"] if each["key"] == key)
    (detailed,) = root.run("--json", "show", key).json["components"]
    assert _timeless(detailed["state"]) == _timeless(listed["state"])
    (row,) = (line for line in root.run("list").out.splitlines() if key.partition(":")[2][:8] in line)
    text = listed["state"]["text"].partition(" for ")[0]
    assert f"  {text} " in row
    assert any(line.split()[:2] == ["state", text.split()[0]] for line in root.run("show", key).out.splitlines())
    return listed["state"]


def _timeless(state: Any) -> str:
    """A state without how long something has been running: time passes between two commands."""
    return re.sub(r"(for |\"seconds\": )\d+", r"\1N", json.dumps(state))


@pytest.mark.parametrize("name", STATES)
def test_the_state_is_what_a_plan_finds(empty: Any, name: str) -> None:
    wanted = STATES[name]
    arrange(empty, wanted)
    state = shown(empty)
    assert (state["code"], tuple(each["code"] for each in state["reasons"])) == (wanted.code, wanted.checks)
    assert state["text"].startswith(wanted.text)
    assert len(state["text"]) <= len("held: window until 31 Dec 23:59 +1")
    plan = empty.run("--json", "plan").json.get("steps", [])
    assert [step["component"]["state"]["text"] for step in plan] in ([state["text"]], [])
    assert [not step["stopped"] for step in plan] in ([state["code"] == "ready"], [])


def test_a_window_is_told_by_the_clock_of_this_machine(empty: Any) -> None:
    arrange(empty, State("held", "held", closed(2)))
    state = shown(empty)
    opens = datetime.fromisoformat(state["until"])
    assert (opens - NOW).days in (1, 2)
    assert opens.astimezone(UTC).strftime("%H:%M") == "12:00"
    assert state["text"].startswith(f"held: window until {opens.astimezone().strftime('%a')} ")


def test_a_check_that_runs_programs_is_not_made_for_a_list(ready: Any) -> None:
    """Its outcome is unknown until a plan is made."""
    hook = ready.file("/etc/livefw/checks.d/no")
    hook.parent.mkdir(parents=True)
    ran = ready.path.parent / "ran"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    hook.chmod(0o755)
    assert shown(ready)["code"] == "ready"
    assert not ran.exists()
    (step,) = ready.run("--json", "plan").json["steps"]
    assert (step["stopped"], step["component"]["state"]["text"]) == (True, "held: hook:no")
    assert ran.exists()


def test_settings_that_are_wrong_hide_only_themselves(ready: Any) -> None:
    ready.file("/etc/livefw").mkdir(parents=True)
    ready.file("/etc/livefw/livefw.toml").write_text("dney = []\n")
    done = ready.run("list")
    assert (done.code, "ready" in done.out) == (0, True)
    assert "dney" in done.err


@contextmanager
def at_work(root: Any, key: str = KEY, act: LockedFor = LockedFor.ACTIVATING) -> Iterator[None]:
    """Another engine holds the lock of the machine."""
    environment = root.environment
    path = paths_for(str(root.path), environment=environment).lock
    with Lock.acquire(path, str(root.path)) as lock:
        lock.describe(component=key, user="alice", act=act)
        yield


@pytest.mark.parametrize("act", [*LockedFor])
def test_what_is_running_is_told_with_whose_it_is(ready: Any, act: LockedFor) -> None:
    bench = FakeLfa()
    bench.add(OTHER, name="SCP")
    ready.plant(bench)
    with at_work(ready, act=act):
        state = shown(ready)
        assert (state["code"], state["text"].split(" for ")[0]) == (act, act)
        assert state["text"].endswith("s by alice")
        assert state["running"]["component"] == KEY
        assert (state["running"]["user"], state["running"]["act"]) == ("alice", act)
        assert shown(ready, f"lfa:{OTHER}")["text"] == "held: busy"
        plan = ready.run("plan")
        assert f"another {act.noun} is running: {KEY}, by alice, process " in plan.out
        assert ready.run("--json", "plan").json["running"]["user"] == "alice"
        done = ready.run("activate", "tf-rmm", "--yes")
        assert (done.code, f"{KEY} by alice, process " in done.err) == (4, True)
    assert shown(ready)["code"] == "ready"


def test_what_is_running_is_not_an_earlier_activation(ready: Any) -> None:
    with _journal(ready) as journal:
        activation = journal.begin(KEY, {"name": "TF-RMM"})
    with at_work(ready):
        assert "no outcome yet" not in ready.run("plan").out
        assert ready.run("--json", "plan").json["unfinished"] == []
        assert shown(ready)["activation"] == activation
    assert "an earlier activation has no outcome yet" in ready.run("plan").out
    state = shown(ready)
    assert (state["code"], state["text"], state["activation"]) == ("unfinished", "unfinished", activation)


def test_nothing_else_is_pending_while_the_last_one_is_running(empty: Any) -> None:
    bench = FakeLfa()
    bench.add(activation_pending="0")
    empty.plant(bench)
    with at_work(empty):
        done = empty.run("plan")
        assert (done.code, f"activation of {KEY} by alice" in done.err) == (3, True)
        assert shown(empty)["code"] == "activating"


@contextmanager
def _journal(root: Any) -> Iterator[Journal]:
    journal = Journal.open(root.environment["LIVEFW_STATE"])
    try:
        yield journal
    finally:
        journal.close()


def test_a_history_that_cannot_be_read_is_noted(ready: Any) -> None:
    state = ready.path.parent / "state"
    state.mkdir(mode=0o750)
    (state / "history.db").write_bytes(b"no database" * 1000)
    done = ready.run("--json", "list")
    assert done.code == 0
    assert [note["code"] for note in done.json["notes"]] == ["transport"]


def test_damage_that_lasts_until_a_reboot_needs_a_reset(ready: Any) -> None:
    boot_id = "11111111-2222-3333-4444-555555555555"
    ready.file("/proc/sys/kernel/random").mkdir(parents=True)
    ready.file("/proc/sys/kernel/random/boot_id").write_text(f"{boot_id}\n")
    with _journal(ready) as journal:
        activation = journal.begin(KEY, {"name": "TF-RMM"})
        lasting = {"code": "dead", "text": "it is dead", "hint": ""}
        body = {"outcome": "failed", "reason": "x", "boot_id": boot_id, "lasting": lasting}
        journal.end(activation, KEY, body, kind=RowKind.OUTCOME)
    assert shown(ready)["text"] == "needs reset"


def test_list_takes_the_state_directory(ready: Any) -> None:
    other = str(ready.path.parent / "other")
    journal = Journal.open(other)
    journal.begin(KEY, {"name": "TF-RMM"})
    journal.close()
    assert json.loads(ready.run("--json", "list", "--state", other).out)["components"][0]["state"]["code"] == (
        "unfinished"
    )
    assert shown(ready)["code"] == "ready"


def test_a_code_that_takes_a_reset_is_one_of_a_mechanism() -> None:
    known = {row.reason.code for name in MECHANISMS for row in codes(name).reasons}
    assert known >= TAKES_RESET


def test_a_history_that_says_nothing_is_opened_once(ready: Any) -> None:
    """Until it or the components change: what was found to be silent must not hide what comes after."""
    ready.plant(_with_other(activation_pending="0"))
    with _journal(ready) as journal:
        journal.end(journal.begin(KEY, {"name": "TF-RMM"}), KEY, {"outcome": "activated", "reason": "x"})

    def opens() -> bool:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "livefw", "--root", str(ready.path), "--json", "list"],
            env=ready.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        (component,) = (each for each in json.loads(done.stdout)["components"] if each["key"] == KEY)
        assert component["state"]["code"] in ("ready", "unfinished")
        return "sqlite3" in done.stderr

    opens()  # since when the image is pending is recorded, which changes the history
    opens()
    assert not opens()
    ready.file(f"/sys/firmware/lfa/{OTHER}/activation_pending").write_text("1\n")
    assert opens()
    opens()
    assert not opens()
    with _journal(ready) as journal:
        journal.begin(KEY, {"name": "TF-RMM"})
    assert opens()
    assert shown(ready)["code"] == "unfinished"


def _with_other(**texts: str) -> FakeLfa:
    bench = FakeLfa()
    bench.add()
    bench.add(OTHER, name="SCP", **texts)
    return bench
