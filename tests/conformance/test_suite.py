# SPDX-License-Identifier: Apache-2.0
"""The conformance suite: our agent passes it, another one does not, and the reports say so."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from livefw.abi.lfa import Function, LfaStatus
from livefw.abi.smccc import SMCCC_ARCH_FEATURES, SMCCC_VERSION, WORD, Exit, Registers, Restart
from livefw.cli.main import main
from livefw.conformance.caller import AgentCaller
from livefw.conformance.checks import CHECKS
from livefw.conformance.gdb import Gdb
from livefw.conformance.platform import COMPONENTS
from livefw.conformance.report import ConformanceReport, junit
from livefw.conformance.run import CheckResult, CheckVerdict, run
from livefw.conformance.steps import AllRestart
from livefw.errors import UsageError
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentSpec


def make(profile: str, *, cpus: int = 4, specs: tuple[ComponentSpec, ...] = COMPONENTS) -> AgentCaller:
    return AgentCaller(specs, PROFILES[profile], cpus=cpus)


def names(results: list[CheckResult], verdict: CheckVerdict) -> set[str]:
    return {result.check.name for result in results if result.verdict is verdict}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("cpus", [2, 4, 16])
def test_our_agent_passes(profile: str, cpus: int) -> None:
    results = list(run(make(profile, cpus=cpus), profile=profile, dangerous=True))
    assert [result for result in results if result.verdict is not CheckVerdict.PASSED] == []
    assert [result.check for result in results] == [check for check in CHECKS if profile in check.profiles]


@pytest.mark.parametrize("profile", PROFILES)
def test_one_cpu_misses_only_what_needs_two(profile: str) -> None:
    results = list(run(make(profile, cpus=1), profile=profile))
    assert names(results, CheckVerdict.NOT_APPLICABLE) == {
        check.name for check in CHECKS if check.cpus > 1 and profile in check.profiles and not check.dangerous
    }
    assert names(results, CheckVerdict.FAILED) == set()


@pytest.mark.parametrize("agent", PROFILES)
@pytest.mark.parametrize("expected", PROFILES)
def test_every_profile_is_told_from_the_others(agent: str, expected: str) -> None:
    failed = names(list(run(make(agent), profile=expected)), CheckVerdict.FAILED)
    assert bool(failed) == (agent != expected)


def test_components_that_are_missing_are_named() -> None:
    results = list(run(make("tfa-2026", specs=COMPONENTS[:2]), profile="tfa-2026"))
    missing = [result for result in results if result.verdict is CheckVerdict.NOT_APPLICABLE]
    assert names(results, CheckVerdict.FAILED) == set()
    assert all("needs the component" in result.detail for result in missing)
    assert len(missing) > 20


class Lying(AgentCaller):
    """Answers one function with another status, whatever the agent says."""

    function: int = Function.VERSION
    change: tuple[int, ...] = ()
    lost = False

    def begin(self, cpu: int, registers: Registers) -> None:
        self.asked = registers
        super().begin(cpu, registers)

    def outcome(self, cpu: int, *, patience: float) -> Exit | None:
        ended = super().outcome(cpu, patience=patience)
        if self.asked[0] != self.function or not isinstance(ended, Registers):
            return ended
        return None if self.lost else ended.returning(*self.change)


LIES = [
    (Function.VERSION, (0x2_0000,), "version is 1.0"),
    (Function.FEATURES, (0,), "features"),
    (Function.GET_INFO, (0, 1 << 40), "inventory: every id"),
    (Function.GET_INVENTORY, (0,), "inventory: id N"),
    (Function.PRIME, (LfaStatus.BUSY.word,), "prime: again"),
    (Function.ACTIVATE, (0, 0), "activate: nothing primed"),
    (Function.CANCEL, (0,), "cancel: nothing primed"),
    (Function.CANCEL, (0, *range(1, 8)), "cancel: twice"),
]


@pytest.mark.parametrize(("function", "change", "check"), LIES)
def test_a_lie_is_found(function: Function, change: tuple[int, ...], check: str) -> None:
    caller = Lying(COMPONENTS, PROFILES["tfa-2026"], cpus=4)
    caller.function, caller.change = function, change
    assert check in names(list(run(caller, profile="tfa-2026")), CheckVerdict.FAILED)


class Without(AgentCaller):
    """Firmware with SMCCC 1.5 and no LFA at all, as TF-A 2.12 for QEMU."""

    def begin(self, cpu: int, registers: Registers) -> None:
        super().begin(cpu, registers)
        none = Registers(WORD, *registers[1:])
        if registers[0] == SMCCC_VERSION:
            self._last[cpu] = Registers(0x1_0005, *registers[1:])
        elif registers[0] != SMCCC_ARCH_FEATURES:
            self._last[cpu] = none


def test_firmware_without_an_agent_is_told_once() -> None:
    results = list(run(Without(COMPONENTS, PROFILES["tfa-2026"], cpus=2), profile="tfa-2026"))
    failed = [result for result in results if result.verdict is CheckVerdict.FAILED]
    assert [result.check.name for result in failed] == ["version is 1.0", "version: the identifier is W0"]
    assert failed[0].detail == "step 1: VERSION(): x0 is -1 (NOT_SUPPORTED), not 0x10000"
    passed = names(results, CheckVerdict.PASSED)
    assert len(passed) == 7
    assert {"SMCCC: version is 1.2 or later", "SMCCC: features", "unknown call 0xc40002e7"} < passed
    others = {result.detail for result in results if result.verdict is CheckVerdict.NOT_APPLICABLE}
    assert "there is no LFA agent: VERSION is not supported" in others
    assert all("no LFA agent" in detail or "needs the component" in detail for detail in others)


def test_an_smccc_that_is_too_old_is_found() -> None:
    caller = Lying(COMPONENTS, PROFILES["tfa-2026"], cpus=4)
    caller.function, caller.change = SMCCC_VERSION, (0x1_0001,)
    failed = names(list(run(caller, profile="tfa-2026")), CheckVerdict.FAILED)
    assert failed == {"SMCCC: version is 1.2 or later"}


def test_a_call_that_never_ends_is_told() -> None:
    caller = Lying(COMPONENTS, PROFILES["tfa-2026"], cpus=4)
    caller.function, caller.lost = Function.CANCEL, True
    failed = [each for each in run(caller, profile="tfa-2026") if each.check.name == "cancel: nothing primed"]
    assert "CPU 0 did not return from CANCEL" in failed[0].detail


class Warm(AgentCaller):
    """Firmware that nobody can restart."""

    booted = False

    def fresh(self) -> bool:
        return False if self.booted else super().fresh()


@pytest.mark.parametrize("profile", PROFILES)
def test_firmware_that_runs_on_needs_no_restart(profile: str) -> None:
    caller = Warm(COMPONENTS, PROFILES[profile], cpus=4)
    caller.booted = True
    results = list(run(caller, profile=profile))
    assert names(results, CheckVerdict.FAILED) == set()
    spoiling = [check.name for check in CHECKS if check.spoils and profile in check.profiles and not check.dangerous]
    assert names(results, CheckVerdict.NOT_APPLICABLE) == {"prime: before any inventory", *spoiling[1:]}
    assert not spoiling or spoiling[0] in names(results, CheckVerdict.PASSED)


def test_a_check_that_fails_leaves_its_cpus_to_the_next() -> None:
    """CPU 1 is in a PRIME whose CANCEL did not answer as expected."""
    caller = Warm(COMPONENTS, PROFILES["tfa-2.15"], cpus=2)
    caller.booted = True
    results = list(run(caller, profile="tfa-2026"))
    assert "cancel: during prime" in names(results, CheckVerdict.FAILED)
    assert [result for result in results if "inside the firmware" in result.detail] == []


def test_restart_at_another_place_is_a_failure() -> None:
    class Elsewhere(AgentCaller):
        def outcome(self, cpu: int, *, patience: float) -> Exit | None:
            ended = super().outcome(cpu, patience=patience)
            return Restart(4, 4) if isinstance(ended, Restart) else ended

    results = list(run(Elsewhere(COMPONENTS, PROFILES["bet1"], cpus=2), profile="bet1"))
    restarting = {check.name for check in CHECKS if any(isinstance(step, AllRestart) for step in check.steps)}
    assert names(results, CheckVerdict.FAILED) == restarting


@pytest.mark.parametrize("profile", PROFILES)
def test_names_are_unique_and_sources_given(profile: str) -> None:
    checks = [check for check in CHECKS if profile in check.profiles]
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.source for check in checks)


def test_what_spoils_and_what_is_dangerous_comes_last() -> None:
    assert list(CHECKS) == sorted(CHECKS, key=lambda check: (bool(check.dangerous), check.spoils))


class Fragile(AgentCaller):
    """Right firmware that dies of reads beyond its table, and notes which CPUs are inside it between two checks."""

    def __init__(self, profile: str, *, cpus: int) -> None:
        self.beyond: list[Registers] = []
        self.lost: list[int] = []
        self.wedged = False
        super().__init__(COMPONENTS, PROFILES[profile], cpus=cpus)

    def fresh(self) -> bool:
        if hasattr(self, "_agent"):
            now = self._agent.state
            self.lost += [cpu for cpu, _ in now.held]
            self.wedged = self.wedged or (now.component is None and now.prime != "none")
        return super().fresh()

    def begin(self, cpu: int, registers: Registers) -> None:
        released = not self._profile.serialised
        reads = {Function.ACTIVATE: released, Function.PRIME: self._profile.name == "tfa-2.14"}
        free = self._agent.state.lock_holder is None  # a call that is BUSY reads nothing
        if free and registers[1] >= len(COMPONENTS) and any(reads[each] for each in reads if each == registers[0]):
            self.beyond.append(registers)
        super().begin(cpu, registers)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_no_check_loses_a_cpu_or_wedges_right_firmware(profile: str, cpus: int) -> None:
    caller = Fragile(profile, cpus=cpus)
    results = list(run(caller, profile=profile))
    caller.fresh()
    assert names(results, CheckVerdict.FAILED) == set()
    assert (caller.beyond, caller.lost, caller.wedged) == ([], [], False)


@pytest.mark.parametrize(("profile", "beyond"), [("tfa-2.14", 4), ("tfa-2.15", 2)])
def test_dangerous_checks_do_what_they_say(profile: str, beyond: int) -> None:
    caller = Fragile(profile, cpus=2)
    asked: list[int] = []
    begin = caller.begin

    def noting(cpu: int, registers: Registers) -> None:
        begin(cpu, registers)
        if caller.beyond and caller.beyond[-1] is registers:
            asked.append(cpu)

    caller.begin = noting  # type: ignore[method-assign]
    list(run(caller, profile=profile, dangerous=True))
    caller.fresh()
    assert (len(caller.beyond), caller.wedged) == (beyond, True)
    assert set(asked) == {1}, "the CPU that can be spared"


def test_command_reports_in_three_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.xml"
    assert main(["--json", "conformance", "--agent", "bet1", "--junit", str(file)]) == 0
    document = json.loads(capsys.readouterr().out)["conformance"]
    assert [each["profile"] for each in document] == ["bet1"]
    assert document[0]["counts"]["failed"] == 0
    suite = ElementTree.parse(file).getroot()[0]
    assert suite.get("tests") == str(len(document[0]["checks"])) == str(len(suite))
    assert main(["conformance", "--cpus", "2"]) == 0
    told = capsys.readouterr().out
    assert told.count("2 CPUs: ") == len(PROFILES)
    assert told.count("were skipped: see --dangerous") == 2
    assert main(["--json", "conformance", "--agent", "tfa-2.14", "--cpus", "2", "--dangerous"]) == 0
    document = json.loads(capsys.readouterr().out)["conformance"][0]
    dangerous = [each for each in document["checks"] if each["dangerous"]]
    assert [each["verdict"] for each in dangerous] == ["passed"] * 5
    assert document["counts"] == {"passed": len(document["checks"]), "failed": 0, "not applicable": 0}


def test_junit_tells_failures_and_what_was_left_out() -> None:
    results = list(run(make("tfa-2.14", cpus=1), profile="bet1"))
    suite = ElementTree.fromstring(junit([ConformanceReport("bet1", 1, tuple(results))]))[0]
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure")) > 0
    assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped")) > 0


@pytest.mark.parametrize("arguments", [["--cpus", "0"], ["--cpus", "17"], ["--agent", "none"]])
def test_what_cannot_be_meant(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", *arguments]) == 2
    assert "livefw: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["nowhere", "localhost:\N{SUPERSCRIPT TWO}", "localhost:" + "9" * 5000, "localhost:65536"]
)
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="neither HOST:PORT nor unix:PATH"):
        Gdb(address)
