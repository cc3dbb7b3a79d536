# SPDX-License-Identifier: Apache-2.0
"""Checks: each finds what it is for, reads what a kernel shows, and is ignored by name only, where it may be."""

import errno
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.activation.checks import hooks
from livefw.activation.checks.facts import Facts, cpu_list
from livefw.activation.checks.table import (
    CHECKS,
    CheckContext,
    ImageFindings,
    Problem,
    Weight,
    examine,
    examine_staging,
    require_ignorable,
    require_known,
    require_sound,
)
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.lock.machine_lock import LockedFor, LockHolder
from livefw.activation.policy.document import DEFAULT, parse
from livefw.activation.policy.reader import SettingsError
from livefw.activation.policy.window import Window
from livefw.errors import UsageError
from livefw.files.host import HostFiles
from livefw.providers.base import Component, Cost, Reading, Reason, Rendezvous, Version
from livefw.providers.component import RestartScope

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=ZoneInfo("UTC"))
COMPONENT = Component(
    "lfa",
    RMM,
    "TF-RMM",
    Version("1.9", (1, 9)),
    pending=True,
    pending_version=Version("1.10", (1, 10)),
    cost=Cost(Rendezvous.REQUIRED, resets_cpu=False),
)
HOT = COMPONENT._replace(readings=((Reading.TEMPERATURE, 71),))
OTHER = COMPONENT._replace(id="47d4086d-4cfe-9846-9b95-2950cbbd5a00", name="BL31")


def machine(root: Path, files: dict[str, str]) -> Facts:
    for path, text in {
        "sys/devices/system/cpu/online": "0-3\n",
        "sys/devices/system/cpu/present": "0-3\n",
        "proc/loadavg": "0.40 0.2 0.1 1/100 1234\n",
        **files,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Facts(HostFiles(str(root)))


def situation(root: Path, files: dict[str, str], settings: str = "", **fields: Any) -> CheckContext:
    snapshot = machine(root, files).snapshot()
    return CheckContext(COMPONENT, snapshot, parse(settings.encode()), NOW)._replace(**fields)


DOG = {"sys/class/watchdog/watchdog0/state": "active\n", "sys/class/watchdog/watchdog0/timeout": "30\n"}
CPU = "sys/devices/system/cpu"
STATES = {f"{CPU}/hotplug/states": "  0: offline\n 10: slub:dead\n237: online\n"}
CPU1_LEAVES = STATES | {f"{CPU}/cpu1/hotplug/state": "150\n", f"{CPU}/cpu1/hotplug/target": "0\n"}
BAD: list[tuple[str, dict[str, str], str, dict[str, Any]]] = [
    ("policy", {}, "deny = ['lfa:*']", {}),
    ("policy", {}, "allow = ['tdx:*']", {}),
    ("pinned", {}, "[component.'*']\npin = '1.9'", {}),
    ("pinned", {}, "[component.'*']\npin = '1.9'", {"component": COMPONENT._replace(pending_version=None)}),
    ("forbidden", {}, "[[forbid]]\ncomponent = 'tf-*'\nfrom = '1.9'\nto = '1.1*'\nbecause = 'it hangs'", {}),
    ("pause", {}, "[limits]\npause = 1", {"component": COMPONENT._replace(readings=((Reading.PAUSE, 1.1),))}),
    ("pause", {}, "", {"component": COMPONENT._replace(readings=((Reading.PAUSE, 31.0),))}),
    ("temperature", {}, "[limits]\ntemperature = 70", {"component": HOT}),
    ("temperature", {}, "", {"component": COMPONENT._replace(hazards=(Reason("temperature", "too hot"),))}),
    ("wear", {}, "", {"component": COMPONENT._replace(readings=((Reading.WEAR, 101),))}),
    ("requests", {}, "[limits]\nrequests = 8", {"component": COMPONENT._replace(readings=((Reading.REQUESTS, 9),))}),
    ("kin", {}, "", {"kin_failure": "the last attempt on another one of its kind failed"}),
    ("settings-match", {}, "", {"unmatched": (UnmatchedPattern("deny", "tf-rm"), UnmatchedPattern("allow", "x"))}),
    ("busy", {}, "", {"holder": LockHolder(1, "lfa:x", "root", 0)}),
    ("settings-hold", {}, "", {"unmet": (Reason("setting-refused", "it could not be set"),)}),
    ("permission", {}, "", {"privileged": False}),
    ("order", {}, f"[[order]]\nfirst='{OTHER.key}'\nthen='TF-RMM'", {"waiting": (OTHER, COMPONENT)}),
    ("window", {}, "[[window]]\nfrom='22:00'\nto='23:00'\nzone='UTC'", {}),
    ("load", {"proc/loadavg": "4.1 1 1 1/1 1\n"}, "[limits]\nload = 1.0", {}),
    ("time", {}, "[limits]\nseconds = 5", {"usual_s": 5.5}),
    ("watchdog", DOG, "", {}),
    ("downgrade", {}, "", {"component": COMPONENT._replace(pending_version=Version("1.8", (1, 8)))}),
    ("requirements", {}, "", {"image": ImageFindings((Reason("requirement", "it requires more"),))}),
    ("signature", {}, "", {"image": ImageFindings((), Reason("unsigned", "it was changed"), blocks=True)}),
    ("signed", {}, "", {"image": ImageFindings((), Reason("unsigned", "it has no signature"))}),
    ("cpus-offline", {f"{CPU}/online": "0,2-3\n"}, "", {}),
    ("cpus-moving", {f"{CPU}/cpu0/hotplug/state": "238", f"{CPU}/cpu0/hotplug/target": "238"} | CPU1_LEAVES, "", {}),
    (
        "device-restart",
        {},
        "",
        {"component": COMPONENT._replace(cost=Cost(None, resets_cpu=False, restart=RestartScope.DEVICE))},
    ),
    *(
        (name, {}, "", {"component": COMPONENT._replace(hazards=(Reason(name, "so says the mechanism"),))})
        for name in ("health", "boot", "in-use", "shared", "attestation")
    ),
    ("last-attempt", {}, "", {"last_failure": "it failed"}),
    ("guests", {"sys/kernel/debug/kvm/4711-12/exits": "1", "sys/kernel/debug/kvm/blocking": "1"}, "", {}),
    ("guests", {"sys/fs/cgroup/misc.current": "tdx 2\nsev 0\n"}, "", {}),
    ("lockdown", {"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, "", {}),
    ("auto-activate", {}, "", {"component": COMPONENT._replace(settings=(("auto_activate", True),))}),
    ("failed-this-boot", {}, "", {"lasting": Reason("dead", "it is dead", "a cold boot")}),
    ("list-in-doubt", {}, "", {"doubt": Reason("list-in-doubt", "another is gone", "scan anew")}),
    ("result", {}, "", {"component": COMPONENT._replace(distrusted=Reason("distrusted", "an old driver"))}),
    ("stake", {}, "", {"component": COMPONENT._replace(at_stake="all is lost")}),
    ("unconfirmed", {}, "", {"component": COMPONENT._replace(unconfirmed=Reason("unconfirmed", "no version"))}),
    ("not-pending", {}, "", {"component": COMPONENT._replace(reasons=(Reason("not-pending", "none"),))}),
]


@pytest.mark.parametrize("row", range(len(BAD)), ids=lambda row: f"{BAD[row][0]}-{row}")
def test_a_bad_situation_is_found_and_nothing_else(tmp_path: Path, row: int) -> None:
    name, files, settings, fields = BAD[row]
    problems = examine(situation(tmp_path, files, settings, **fields))
    assert [problem.check for problem in problems] == [name]
    assert problems[0].text
    assert problems[0].stops is (problems[0].weight is not Weight.WARNING)


FIRST = f"[[order]]\nfirst='{OTHER.key}'\nthen='TF-RMM'"
AHEAD = 1 << 39
"""A time to come, in seconds: the clock may have been put back since."""

TEXTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "a component with a name": (FIRST, {"waiting": (OTHER,)}, "BL31 comes first and is still pending", OTHER.key),
    "a component without one": (
        FIRST,
        {"waiting": (OTHER._replace(name=""),)},
        f"{OTHER.id} comes first and is still pending",
        OTHER.key,
    ),
    "a holder that says what it does": (
        "",
        {"holder": LockHolder(7, "lfa:x", "root", AHEAD)},
        "another activation is running: lfa:x, by root, process 7, for 0 s",
        "livefw cancel lfa:x",
    ),
    "a holder that stages": (
        "",
        {"holder": LockHolder(7, "lfa:x", "root", AHEAD, LockedFor.STAGING)},
        "another staging is running: lfa:x, by root, process 7, for 0 s",
        "livefw history",
    ),
    "a holder that left no note": (
        "",
        {"holder": LockHolder(0, "", "", 0)},
        "another activation is running: its owner has not said which, by an unknown process",
        "wait",
    ),
    "a holder that has not": (
        "",
        {"holder": LockHolder(7, "", "root", AHEAD)},
        "another activation is running: its owner has not said which, by root, process 7, for 0 s",
        "wait",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_has_no_name_is_told_by_what_it_has(tmp_path: Path, name: str) -> None:
    settings, fields, text, hint = TEXTS[name]
    (problem,) = examine(situation(tmp_path, {}, settings, **fields))
    assert problem.text == text
    assert hint in problem.hint


COOL = COMPONENT._replace(
    readings=((Reading.PAUSE, 30.0), (Reading.TEMPERATURE, 70), (Reading.WEAR, 100), (Reading.REQUESTS, 10_000))
)
GOOD: list[tuple[dict[str, str], str, dict[str, Any]]] = [
    ({}, "", {}),
    ({}, "[component.'*']\npin = '1.10'", {}),
    ({}, "[limits]\ntemperature = 70", {"component": COOL}),
    ({}, "[limits]\nrequests = 8", {}),  # a device that does not report it
    ({}, "[[forbid]]\ncomponent = 'tf-*'\nfrom = '1.8'", {}),
    ({}, "[[forbid]]\ncomponent = 'tf-*'\nto = '1.1'", {}),
    ({}, "[[forbid]]\ncomponent = 'bl31'", {}),
    ({}, "[[forbid]]\ncomponent = '*'", {"component": COMPONENT._replace(pending_version=None)}),
    ({}, f"[[order]]\nfirst='{OTHER.key}'\nthen='TF-RMM'", {"waiting": (COMPONENT,)}),
    ({}, "[[window]]\nfrom='11:00'\nto='13:00'\nzone='UTC'", {}),
    ({"proc/loadavg": "3.9 1 1 1/1 1\n"}, "[limits]\nload = 1.0", {}),
    (DOG, "[limits]\nseconds = 30", {}),
    (DOG | {"sys/class/watchdog/watchdog0/state": "inactive\n"}, "", {}),
    ({}, "", {"component": COMPONENT._replace(pending_version=Version("1.8", (1, 8), reliable=False))}),
    ({}, "", {"component": COMPONENT._replace(current_version=None)}),
    (
        {f"{CPU}/online": "0\n"},
        "",
        {"component": COMPONENT._replace(cost=Cost(Rendezvous.OPTIONAL, resets_cpu=False))},
    ),
    ({f"{CPU}/cpu1/hotplug/state": "238\n", f"{CPU}/cpu1/hotplug/target": "238\n"}, "", {}),
    # Seen on Debian's 6.1: nobody has told the CPU that booted where it is to go.
    (STATES | {f"{CPU}/cpu0/hotplug/state": "237\n", f"{CPU}/cpu0/hotplug/target": "0\n"}, "", {}),
    ({"sys/kernel/security/lockdown": "[none] integrity confidentiality\n"}, "", {}),
    ({"sys/fs/cgroup/misc.current": "tdx 0\n"}, "", {}),
]


@pytest.mark.parametrize("row", range(len(GOOD)))
def test_a_good_situation_is_left_alone(tmp_path: Path, row: int) -> None:
    assert examine(situation(tmp_path, GOOD[row][0], GOOD[row][1], **GOOD[row][2])) == ()


def test_a_window_that_never_opens_is_told(tmp_path: Path) -> None:
    found = situation(tmp_path, {})
    never = Window(frozenset(), 60, 120, ZoneInfo("Europe/Berlin"))
    (problem,) = examine(found._replace(policy=found.policy._replace(window=(never,))))
    assert (problem.check, problem.text) == ("window", "no maintenance window opens in the next 8 years")


def test_every_check_has_a_bad_situation() -> None:
    assert {row[0] for row in BAD} >= {check.name for check in CHECKS}


def test_an_empty_machine_tells_nothing_and_stops_nothing(tmp_path: Path) -> None:
    snapshot = Facts(HostFiles(str(tmp_path))).snapshot()
    assert examine(CheckContext(COMPONENT, snapshot, DEFAULT, NOW)) == ()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_only_errors_can_be_ignored(tmp_path: Path, check: Any) -> None:
    row = next(row for row in BAD if row[0] == check.name)
    problem = examine(situation(tmp_path, row[1], row[2], **row[3]), ignore=[check.name])[0]
    assert problem.ignored is (check.weight is Weight.ERROR)
    if check.weight is Weight.ERROR:
        require_known([check.name])
        assert not problem.stops
    else:
        with pytest.raises(UsageError):
            require_known([check.name])


@pytest.mark.parametrize("check", [c for c in CHECKS if c.weight is Weight.ERROR], ids=lambda check: check.name)
def test_what_is_never_to_be_ignored_is_not(tmp_path: Path, check: Any) -> None:
    _, files, settings, fields = next(row for row in BAD if row[0] == check.name)
    found = situation(tmp_path, files, f"never-ignore = ['{check.name}']\n{settings}", **fields)
    problem = examine(found, ignore=[check.name])[0]
    assert (problem.ignored, problem.stops, problem.weight) == (False, True, Weight.FATAL)
    assert "cannot be ignored here: never-ignore in livefw.toml" in problem.hint
    with pytest.raises(UsageError, match="cannot be ignored here: never-ignore"):
        require_ignorable(["hook:other", check.name], found.policy)
    require_ignorable(["hook:other"], found.policy)


def test_a_step_that_is_forbidden_is_not_staged_either() -> None:
    policy = parse(b"[[forbid]]\ncomponent = '*'\nto = '1.8'\nbecause = 'it hangs'")
    (problem,) = examine_staging(COMPONENT._replace(current_version=None), Version("1.8", (1, 8)), policy)
    assert (problem.check, problem.weight, problem.stops) == ("forbidden", Weight.FATAL, True)
    assert problem.text == "the settings forbid this step, from * to 1.8: it hangs"


def test_what_is_never_to_be_ignored_is_not_while_staging() -> None:
    older, policy = Version("1.8", (1, 8)), parse(b"never-ignore = ['downgrade']")
    (problem,) = examine_staging(COMPONENT, older, policy, ignore=["downgrade"])
    assert problem.stops


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ("ignore = ['loud']", "ignore"),
        ("ignore = ['policy']", "ignore"),
        ("never-ignore = ['loud']", "never-ignore"),
        ("never-ignore = ['hook:']", "never-ignore"),
        ("never-ignore = ['guests']", "never-ignore"),  # it stops nothing
        ("never-ignore = ['Load']", "never-ignore"),
        ("group-may-ignore = ['loud']", "group-may-ignore"),
    ],
)
def test_the_settings_name_checks_that_there_are(settings: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        require_sound(parse(settings.encode()), file="some.toml")
    assert (caught.value.path, caught.value.file) == (key, "some.toml")


@pytest.mark.parametrize("settings", ["never-ignore = ['policy', 'load', 'hook:backup']", "group-may-ignore = true"])
def test_checks_that_there_are_may_be_named(settings: str) -> None:
    require_sound(parse(settings.encode()))


def test_a_misspelt_check_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="no check 'windows'"):
        require_known(["windows"])
    require_known(["hook:backup"])


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("", frozenset()),
        ("0", frozenset({0})),
        ("0-3,8", frozenset({0, 1, 2, 3, 8})),
        ("0-99999999999", None),
        ("3-1", None),
        ("-1", None),
        ("a", None),
        ("0-3:1/2", None),
        ("²", None),
    ],
)
def test_cpu_lists(text: str, cpus: frozenset[int] | None) -> None:
    assert cpu_list(text) == cpus


class Garbage:
    """Files that hold anything."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def names(self, path: str) -> list[str]:
        return [self._data.decode("latin-1").replace("/", "") or "x", "watchdog0", "1-2"]

    def read(self, path: str, limit: int = 4096) -> bytes:
        return self._data

    def exists(self, path: str) -> bool:
        return True

    def link(self, path: str) -> str:
        raise OSError(errno.EINVAL, "no link")

    def records(self, path: str) -> list[bytes]:
        return []

    def start_calls(self, path: str, calls: Any) -> Any:
        raise AssertionError(path)

    def trusted(self, path: str, limit: int = 4096, *, private: bool = False) -> bytes:
        raise AssertionError(path)

    settings_file = "livefw.toml"

    def settings(self, limit: int = 1 << 20) -> bytes:
        raise AssertionError

    def start_write(self, path: str, data: bytes) -> Any:
        raise OSError(errno.EACCES, "no")


@given(st.binary(max_size=30) | st.text("0123456789-, .[]tdx\n", max_size=30).map(str.encode))
def test_files_that_hold_anything_do_no_harm(data: bytes) -> None:
    snapshot = Facts(Garbage(data)).snapshot()
    assert all(0 <= cpu < 65_536 for cpu in (*snapshot.offline, *snapshot.moving))
    assert all(dog.seconds >= 0 for dog in snapshot.watchdogs)
    assert all(count is None or count >= 0 for count in snapshot.guests)
    found = examine(CheckContext(COMPONENT, snapshot, parse(b"[limits]\nload = 1"), NOW))
    assert {each.check for each in found} <= {"load", "watchdog", "cpus-offline", "cpus-moving", "guests", "lockdown"}
    assert all(each.text for each in found)


def hook(directory: Path, name: str, script: str, mode: int = 0o755) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    directory = tmp_path / "checks.d"
    directory.mkdir(mode=0o755)
    return directory


HOOKS = {
    "exit 0": None,
    "cat >/dev/null; exit 0": None,
    "echo no; echo do this; exit 1": Problem("hook:check", Weight.ERROR, "no", "do this"),
    "exit 1": Problem("hook:check", Weight.ERROR, "it failed without a reason"),
    "echo careful >&2; exit 2": Problem("hook:check", Weight.WARNING, "careful"),
    "exit 3": "exit code 3",
    "kill -9 $$": "signal 9",
    "exec yes": "more than",
    "exec 1>&- 2>&-; exec sleep 1000": "no reply",
    "sleep 1000": "no reply",
    "sleep 1000 & exit 0": None,  # what it leaves behind is ended, and keeps nobody waiting
    "grep -q TF-RMM || exit 1": None,
    'printf "\\377\\033[31m"; exit 1': Problem("hook:check", Weight.ERROR, "\\xff\x1b[31m"),
}


@pytest.mark.parametrize("script", HOOKS)
def test_hooks(checks: Path, script: str) -> None:
    hook(checks, "check", script)
    # The bound is generous where it is not what is tested: this machine may be busy.
    seconds = 0.2 if HOOKS[script] == "no reply" else 20.0
    found = hooks.examine(hooks.find(str(checks.parent)), {"name": "TF-RMM", "padding": "x" * 200_000}, seconds=seconds)
    expected = HOOKS[script]
    if expected is None:
        assert found == []
    elif isinstance(expected, Problem):
        assert found == [expected]
    else:
        assert [each.weight for each in found] == [Weight.ERROR]
        assert expected in found[0].text


def test_a_hook_knows_nothing_of_our_environment(checks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    hook(checks, "check", "echo $SECRET$HOME; ls /proc/self/fd | wc -l; exit 1")
    assert [(each.text, each.hint) for each in hooks.examine(hooks.find(str(checks.parent)), {})] == [("4", "")]


def test_hooks_run_in_order_and_only_those_that_are_meant(checks: Path) -> None:
    for name in ("b", "a", "a.dpkg-old", "c~", ".hidden"):
        hook(checks, name, "exit 1")
    hook(checks, "switched-off", "exit 1", mode=0o644)
    found = hooks.examine(hooks.find(str(checks.parent)), {})
    assert [each.check for each in found if each.stops] == ["hook:a", "hook:b"]
    told = {each.check: each.text for each in found if not each.stops}
    assert told["hook:switched-off"] == f"{checks}/switched-off is not executable and is not run"
    assert {*told} == {"hook:a.dpkg-old", "hook:c~", "hook:switched-off"}


def test_what_others_may_change_is_not_run_and_stops_the_activation(checks: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    hook(checks, "a", f"touch {proof}", mode=0o777)
    (checks / "b").symlink_to(hook(tmp_path, "elsewhere", f"touch {proof}"))
    os.mkfifo(checks / "c")
    hook(checks, "d", "#").write_bytes(b"no program")
    found = hooks.examine(hooks.find(str(checks.parent)), {})
    assert [each.check for each in found] == ["hook:a", "hook:b", "hook:c", "hook:d"]
    assert all(each.weight is Weight.ERROR for each in found)
    checks.chmod(0o777)
    hook(checks, "a", f"touch {proof}")
    assert "other than its owner may write" in hooks.examine(hooks.find(str(checks.parent)), {})[0].text
    assert not proof.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_what_belongs_to_another_user_is_not_run(checks: Path, tmp_path: Path) -> None:
    path = hook(checks, "a", f"touch {tmp_path}/proof")
    os.chown(path, 65534, 65534)
    assert "belongs to user 65534" in hooks.examine(hooks.find(str(checks.parent)), {})[0].text
    assert not (tmp_path / "proof").exists()
    assert stat.S_ISREG(path.stat().st_mode)


def test_no_directory_is_no_check(tmp_path: Path) -> None:
    assert hooks.find(str(tmp_path)) == ()
    assert hooks.find("") == ()
