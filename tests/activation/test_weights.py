# SPDX-License-Identifier: Apache-2.0
"""How much each check weighs, seen from outside: in a situation of its own it stops an activation or does not, by
default and where somebody wants it ignored."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.activation.checks.table import CHECKS
from livefw.activation.engine import ActivationRequest, Attempt
from livefw.activation.lock.machine_lock import Busy, Lock
from livefw.activation.outcome import Outcome
from livefw.activation.policy.reader import SettingsError
from livefw.errors import UsageError
from livefw.firmware.spec import ComponentKind
from livefw.machine.config import Grid, MachineConfig
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineFiles

Bench = Any
"""What the fixture `make` makes; see conftest.py."""
Make = Any

RMM = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
FIRST, SECOND = "0509b633-5734-422f-a681-6096e932d93a", "3ab71f81-32b9-496d-841b-e3d0e9fd1a48"
TWO = MachineConfig(name="two", agent="bet1", driver="v3", grid=Grid(count=2, pending_every=1, kind=ComponentKind.RMM))


class Overlaid:
    """A machine's files, and others that the model does not have."""

    def __init__(self, below: MachineFiles, texts: dict[str, str]) -> None:
        self._below = below
        self._texts = texts

    def read(self, path: str, limit: int = 4096) -> bytes:
        return self._texts[path].encode() if path in self._texts else self._below.read(path, limit)

    def names(self, path: str) -> list[str]:
        found = {name[len(path) :].strip("/").partition("/")[0] for name in self._texts if name.startswith(path + "/")}
        return sorted(found) if found else self._below.names(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


Arrange = Callable[[Bench], None]


def settings(text: str, **changes: Any) -> Arrange:
    """The settings say so, and the host is like this."""

    def arrange(bench: Bench) -> None:
        bench.settings = text
        bench.changes = changes

    return arrange


def shows(files: dict[str, str], text: str = "") -> Arrange:
    """The machine shows these files as well, with these contents."""

    def arrange(bench: Bench) -> None:
        bench.settings = text
        bench.changes = {"files": Overlaid(MachineFiles(bench.machine), files)}

    return arrange


def hook(script: str, mode: int = 0o755) -> Arrange:
    """An administrator's check."""

    def arrange(bench: Bench) -> None:
        directory = Path(bench.paths.settings) / "checks.d"
        directory.mkdir(parents=True)
        directory.chmod(0o755)
        (directory / "own").write_text(f"#!/bin/sh\n{script}\n")
        (directory / "own").chmod(mode)

    return arrange


def other_comes_first(bench: Bench) -> None:
    first, then = (step.component.key for step in bench.engine().plan(ActivationRequest()).steps)
    bench.settings = f"[[order]]\nfirst='{first}'\nthen='{then}'"


def took_long(bench: Bench) -> None:
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED
    bench.machine.stage(RMM)
    bench.settings = "[limits]\nseconds = 0.5"


def failed_before(bench: Bench) -> None:
    assert bench.one("tf-rmm").result.outcome is Outcome.FAILED


def took_anothers_place(bench: Bench) -> None:
    bench.machine.stage(FIRST, "27.0")
    bench.machine.inject(FaultRequest(name="duplicate-guid", component=SECOND))
    bench.run(f"lfa:{FIRST}")
    bench.machine.injector.rules.clear()
    bench.machine.stage(SECOND, "28.0")


def activated(bench: Bench) -> None:
    assert bench.one("tf-rmm").result.outcome is Outcome.ACTIVATED


def activates_by_itself(bench: Bench) -> None:
    bench.host().providers[0].configure(RMM, "auto_activate", on=True)


class Case(NamedTuple):
    """A situation in which one check speaks: whether it stops the activation, and whether it may be ignored."""

    check: str
    stops: bool
    ignorable: bool
    arrange: Arrange
    words: Sequence[str] = ("tf-rmm",)
    machine: dict[str, Any] = {"platform": "vera"}  # noqa: RUF012 - nobody changes it


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CPU1 = "/sys/devices/system/cpu/cpu1/hotplug"
DOG = "/sys/class/watchdog/watchdog0"
DEAD: list[FaultRequest] = [FaultRequest(name="activation-failed", component=RMM, times=1)]
NO_AUTHORITY = [FaultRequest(name="auth-error", component=RMM, times=1)]

# docs/reference/policy.md, "Checks": what stops at once, what somebody may answer for, and what is only told.
CASES = (
    Case("policy", True, False, settings("deny = ['tf-rmm']")),
    Case("pinned", True, False, settings("[component.tf-rmm]\npin = '1.7'")),
    Case("forbidden", True, False, settings("[[forbid]]\ncomponent = 'tf-rmm'")),
    Case("settings-match", True, False, settings("strict = true\ndeny = ['no-such-name']"), words=()),
    Case("permission", True, False, settings("", privileged=False)),
    Case("not-pending", True, False, activated),  # a reason of the mechanism itself
    Case("order", True, True, other_comes_first, ("@1",), {"platform": TWO}),
    Case("settings-hold", True, True, settings("[component.tf-rmm]\nsettings = {no_such = true}")),
    Case("window", True, True, settings("[[window]]\nfrom='01:00'\nto='02:00'\nzone='UTC'", now=lambda: NOON)),
    Case("load", True, True, shows({"/proc/loadavg": "99 1 1 1/1 1\n"}, "[limits]\nload = 0.5")),
    Case("time", True, True, took_long),
    Case("watchdog", True, True, shows({f"{DOG}/state": "active\n", f"{DOG}/timeout": "30\n"})),
    Case("downgrade", True, True, lambda bench: bench.machine.stage(RMM, "0.9")),
    Case("cpus-offline", True, True, lambda bench: bench.machine.cpu_off(5)),
    Case(
        "cpus-moving",
        True,
        True,
        shows(
            {
                "/sys/devices/system/cpu/present": "1\n",
                "/sys/devices/system/cpu/online": "1\n",
                f"{CPU1}/state": "150\n",
                f"{CPU1}/target": "0\n",
            }
        ),
    ),
    Case("failed-this-boot", True, True, failed_before, machine={"platform": "vera", "faults": DEAD}),
    Case(
        "list-in-doubt",
        True,
        True,
        took_anothers_place,
        (f"lfa:{SECOND}",),
        {"platform": "vera", "driver": "nv3", "agent": "bet1"},
    ),
    Case("hook:own", True, True, hook("echo no; exit 1")),
    Case("hook:own", True, True, hook("exit 0", 0o777)),  # it is not run: anybody may have written it
    Case("last-attempt", False, False, failed_before, machine={"platform": "vera", "faults": NO_AUTHORITY}),
    Case("guests", False, False, shows({"/sys/fs/cgroup/misc.current": "tdx 2\n"})),
    Case("guests", False, False, shows({"/sys/kernel/debug/kvm/4711-12/exits": "1\n"})),
    Case("stake", False, False, lambda _: None),
    Case("unconfirmed", False, False, lambda _: None, machine={"platform": "fvp"}),
    Case("result", False, False, lambda _: None, machine={"platform": "fvp", "driver": "v1"}),
    Case("lockdown", False, False, shows({"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"})),
    Case("auto-activate", False, False, activates_by_itself),
    Case("hook:own", False, True, hook("echo careful; exit 2")),
)
ASKING = {"LFA_PRIME", "LFA_ACTIVATE"}
BUSY = "busy"
"""The one check that an engine with the lock never makes: another engine has it."""


BEHIND_A_BMC = "device-restart"
"""No component of the machine itself restarts a device: tests/redfish/test_vendors.py has its situation."""
OF_A_MODULE = {"attestation"}
"""Nothing of an LFA component is on a list of relying parties: tests/tdx/test_attestation.py has its situation."""
OF_A_DEVICE = {"health", "boot", "in-use", "shared", "pause", "temperature", "wear", "requests", "kin"}
"""Nothing depends on firmware of the CPUs alone: tests/nvme has their situations."""
OF_AN_IMAGE = {"requirements", "signature", "signed"}
"""What is pending is activated without its archive: tests/activation/test_stage.py has archives."""


def test_every_check_of_the_engine_has_a_situation() -> None:
    assert {check.name for check in CHECKS} == {case.check for case in CASES if ":" not in case.check} - {
        "not-pending"
    } | {BUSY, BEHIND_A_BMC} | OF_A_DEVICE | OF_A_MODULE | OF_AN_IMAGE


def set_up(make: Make, case: Case) -> tuple[Bench, tuple[str, ...]]:
    bench = make(**case.machine)
    case.arrange(bench)
    words = tuple(
        bench.engine().plan(ActivationRequest()).steps[int(word[1:])].component.key if word.startswith("@") else word
        for word in case.words
    )
    return bench, words


def told(found: Any, check: str) -> bool:
    return check in {problem.check for problem in found.problems}


def tried(attempt: Attempt) -> bool:
    return attempt.result.outcome is not Outcome.REFUSED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_a_plan_tells_it_and_whether_it_would_stop(make: Make, case: Case) -> None:
    bench, words = set_up(make, case)
    step = bench.engine().plan(ActivationRequest(words or None)).steps[-1]
    assert told(step, case.check)
    assert step.stopped is case.stops
    assert {problem.check for problem in step.problems if problem.stops} == ({case.check} if case.stops else set())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_it_stops_an_activation_or_does_not(make: Make, case: Case) -> None:
    bench, words = set_up(make, case)
    before = bench.machine.trace.next_sequence
    attempt = bench.one(*words)
    assert told(attempt, case.check)
    assert tried(attempt) is not case.stops
    if case.stops:
        assert attempt.result.why.code == case.check
        assert ASKING.isdisjoint(call.name for call in bench.machine.trace.since(before))


@pytest.mark.parametrize("by", ["--ignore", "ignore of the settings"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_only_what_may_be_ignored_is(make: Make, case: Case, by: str) -> None:
    bench, words = set_up(make, case)
    order: dict[str, Any] = {}
    if by == "--ignore":
        order["ignore"] = (case.check,)
    else:
        bench.settings = f"ignore = ['{case.check}']\n{bench.settings}"
    before = bench.machine.trace.next_sequence
    if case.ignorable:
        assert not bench.engine().plan(ActivationRequest(words or None, **order)).steps[-1].stopped
        assert tried(bench.one(*words, **order))
        return
    wrong = UsageError if by == "--ignore" else SettingsError
    why = "there is no check" if case.check == "not-pending" else "cannot be ignored" if case.stops else "stops nothing"
    with pytest.raises(wrong, match=why):
        bench.engine().plan(ActivationRequest(words or None, **order))
    with pytest.raises(wrong, match=why):
        bench.run(*words, **order)
    assert ASKING.isdisjoint(call.name for call in bench.machine.trace.since(before))


def test_nobody_activates_beside_another(make: Make) -> None:
    bench = make("vera")
    with Lock.acquire(bench.paths.lock):
        (step,) = bench.engine().plan(ActivationRequest()).steps
        assert [problem.check for problem in step.problems if problem.stops] == [BUSY]
        with pytest.raises(Busy):
            bench.run("tf-rmm")
        for order in (ActivationRequest(ignore=(BUSY,)), ActivationRequest(("tf-rmm",), ignore=(BUSY,))):
            with pytest.raises(UsageError, match="cannot be ignored"):
                bench.engine().plan(order)
