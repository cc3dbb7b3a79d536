# SPDX-License-Identifier: Apache-2.0
"""The conformance suites in somebody's own test: agents and drivers that pass, that do not, and that are neither."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.lfa import Function, LfaStatus
from livefw.conformance.run import CheckVerdict
from livefw.errors import UsageError
from livefw.firmware.spec import ComponentKind
from livefw.testing import (
    AGENTS,
    DRIVERS,
    ComponentSpec,
    ConformanceError,
    Held,
    ModelAgent,
    ModelDriver,
    ModelMachine,
    MountedMachine,
    Registers,
    conformance,
    driver_conformance,
)


@pytest.mark.parametrize("profile", AGENTS)
def test_our_agent_passes(profile: str) -> None:
    report = conformance(lambda: ModelAgent(profile=profile).agent, profile=profile, dangerous=True)
    assert report.count(CheckVerdict.PASSED) == len(report.results) > 40


def test_an_agent_that_cannot_be_booted_again_passes_what_can_be_asked_of_it() -> None:
    report = conformance(ModelAgent(cpus=2).agent, cpus=2)
    left_out = {result.check.name for result in report.results if result.verdict is CheckVerdict.NOT_APPLICABLE}
    assert "prime: before any inventory" in left_out
    assert report.count(CheckVerdict.PASSED) > 40


class Small:
    """An agent with two calls and nothing to activate, which holds no CPU."""

    def call(self, cpu: int, registers: Registers) -> Registers:
        if registers[0] & 0xFFFF_FFFF == Function.VERSION:
            return registers.returning(0x2_0000)
        return registers.returning(LfaStatus.NOT_SUPPORTED.word)


def test_what_fails_is_an_error_with_a_report() -> None:
    with pytest.raises(ConformanceError, match=r"version is 1\.0: step 1") as caught:
        conformance(Small, cpus=1)
    assert caught.value.report.failed
    assert caught.value.report.profile == "bet1"


class Returns:
    """An agent that ends each call in something."""

    def __init__(self, what: object) -> None:
        self.what = what

    def call(self, cpu: int, registers: Registers) -> Any:
        return self.what


@pytest.mark.parametrize(
    ("what", "text"), [((0,), "expected Registers"), (None, "expected Registers"), (Held(1), "needs complete")]
)
def test_what_is_no_end_of_a_call_is_a_type_error(what: object, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        conformance(lambda: Returns(what))


def test_what_an_agent_raises_tells_in_which_check() -> None:
    class Broken:
        def call(self, cpu: int, registers: Registers) -> Registers:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        conformance(Broken())
    assert caught.value.__notes__ == ["in the check 'SMCCC: version is 1.2 or later'"]


@pytest.mark.parametrize("wrong", [{"profile": "tfa"}, {"cpus": 0}, {"cpus": 4097}])
def test_what_there_is_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        conformance(Small, **wrong)
    with pytest.raises(TypeError, match="has no method call"):
        conformance(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("platform", ["vera", "grid", "fvp"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_our_drivers_pass(platform: str, driver: str) -> None:
    with ModelMachine(platform, driver=driver) as machine:
        report = driver_conformance(machine, version=driver, activates=True)
        wrong = [each for each in report.results if each.verdict is not CheckVerdict.PASSED]
        assert len(report.results) == 13
        assert not wrong or (driver, wrong[0].check.name) == ("v1", "write: activate")
        expected = {"vera": "1.1", "fvp": "0.0"}
        assert platform == "grid" or machine.running("rmm") == ("1.0" if wrong else expected[platform])


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("expected", DRIVERS)
def test_drivers_are_told_apart_as_far_as_their_files_differ(driver: str, expected: str) -> None:
    alike = {driver, expected} == {"v2", "v3"} or driver == expected
    with ModelMachine(driver=driver) as machine:
        if alike:
            assert not driver_conformance(machine, version=expected).failed
        else:
            with pytest.raises(ConformanceError):
                driver_conformance(machine, version=expected)


def test_a_row_of_ones_own_is_a_driver_too() -> None:
    own = replace(DRIVERS["v3"], name="mine", attributes=(*DRIVERS["v3"].attributes[:-1],))
    driver = ModelDriver(ModelAgent(cpus=2).agent, version=own)
    driver.load()
    assert driver_conformance(driver, version=own, writes=True).profile == "mine"
    with pytest.raises(ConformanceError, match="lacks auto_activate"):
        driver_conformance(driver)


@pytest.mark.fuse
def test_a_directory_is_a_driver_too(mountable: None) -> None:
    with MountedMachine(driver="nv3") as machine:
        assert not driver_conformance(machine.root, version="nv3", activates=True).failed
        assert machine.running("rmm") == "1.1"


def _tree(directory: Path) -> Path:
    """The files of a v3 driver, written down; what cannot be read is left out."""
    with ModelMachine(driver="v3") as machine:
        for guid in machine.guids:
            (directory / "sys/firmware/lfa" / guid).mkdir(parents=True)
            for name in DRIVERS["v3"].attributes:
                text = machine.read(guid, name)
                (directory / "sys/firmware/lfa" / guid / name).write_text(f"{text}\n", encoding="utf-8")
    return directory


WRONG = [
    ("name", "TF-RMM", "read: one line"),
    ("name", "Realm manager\n", "read: names"),
    ("activation_pending", "yes\n", "read: flags"),
    ("auto_activate", "2\n", "read: settings"),
    ("current_version", "1\n", "read: versions"),
    ("pending_version", "1.4294967296\n", "read: versions"),
    ("extra", "\n", "tree: files of each component"),
    ("../README", None, "tree: a directory for each component"),
]


@pytest.mark.parametrize(("name", "text", "check"), WRONG)
def test_what_is_wrong_with_a_tree_is_found(tmp_path: Path, name: str, text: str | None, check: str) -> None:
    lfa = _tree(tmp_path) / "sys/firmware/lfa"
    (rmm,) = lfa.glob("6c0762a6-*")
    if text is None:
        (rmm / name).mkdir()
    else:
        (rmm / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConformanceError) as caught:
        driver_conformance(tmp_path)
    failed = {each.check.name for each in caught.value.report.results if each.verdict is CheckVerdict.FAILED}
    assert failed - {"tree: files of each component"} >= {check} - {"tree: files of each component"}
    assert check in failed
    assert "read: triggers cannot be read" in failed, "of plain files everything can be read"


def test_a_machine_without_a_driver_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConformanceError, match="ENOENT"):
        driver_conformance(tmp_path)
    with pytest.raises(UsageError, match="v1, v2, v3, nv3, lw1"):
        driver_conformance(tmp_path, version="v9")


class WithoutCancel:
    """Our agent under a GUID of somebody else's, with a CANCEL that does nothing."""

    def __init__(self) -> None:
        spec = ComponentSpec("c0ffee00-0000-4000-8000-000000000001", ComponentKind.CONTROLLER, "1.0", "1.1")
        self.agent = ModelAgent([spec], cpus=1).agent

    def call(self, cpu: int, registers: Registers) -> Any:
        if registers[0] == Function.CANCEL:
            return registers.returning(0)
        return self.agent.call(cpu, registers)

    def complete(self, cpu: int) -> Any:
        return self.agent.complete(cpu)

    def released(self) -> Any:
        return self.agent.released()


def test_components_that_nobody_knows_are_checked_too() -> None:
    with pytest.raises(ConformanceError) as caught:
        conformance(WithoutCancel, cpus=1)
    found = {each.check.name: each.verdict for each in caught.value.report.results}
    assert found["any component: prime and cancel"] is CheckVerdict.PASSED
    assert found["any component: activate"] is CheckVerdict.PASSED
    assert found["any component: cancel without prime"] is CheckVerdict.FAILED
