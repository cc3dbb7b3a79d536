# SPDX-License-Identifier: Apache-2.0
"""What an activation is judged by whose engine died: the kernel log and the drive's own history."""

from collections.abc import Callable

import pytest

from livefw.activation.outcome import Outcome
from livefw.activation.verdict import evidence
from livefw.activation.verdict.judgement import judge
from livefw.machine.nvme.subsystem import DriveSpec
from livefw.providers.base import Course, Memory, Witness
from livefw.providers.nvme.record import RecordMark

from .drive import Machine, onlooker

BOOT = "/proc/sys/kernel/random/boot_id"


def _died(machine: Machine, *, asked: bool = True) -> str:
    """The mark of an engine that died after it had asked, or before."""
    machine.files.tree[BOOT] = b"boot-1\n"
    mark = machine.provider.mark()
    if asked:
        running = machine.provider.activate(machine.ident, onlooker)
        running.wait(0)
        running.abandon()
    return mark


def _judged(machine: Machine, memory: Memory, boot: str = "boot-1") -> tuple[Outcome, str]:
    body = {"current_version": "1.0", "announced": "2.0", "boot_id": "boot-1"}
    after = machine.provider.inspect(machine.ident)
    found = judge(evidence.of_remains(body, after, memory, boot_id=boot), accept=False)
    return found.outcome, found.why.code


@pytest.mark.parametrize(
    ("spec", "faults", "witness", "outcome", "code"),
    [
        (DriveSpec(), [], Witness.SUCCEEDED, Outcome.ACTIVATED, "version-arrived"),
        (DriveSpec(ocp=False), [], Witness.NONE, Outcome.ACTIVATED, "version-arrived"),
        (DriveSpec(), ["changes-nothing"], Witness.SUCCEEDED, Outcome.UNKNOWN, "no-evidence"),
        (DriveSpec(), ["commit-activation-prohibited"], Witness.FAILED, Outcome.FAILED, "log-tells-failure"),
        (DriveSpec(), ["other-version"], Witness.SUCCEEDED, Outcome.UNKNOWN, "version-astray"),
        (DriveSpec(), ["dies"], Witness.FAILED, Outcome.FAILED, "device-gone"),
    ],
)
def test_drive_tells_what_the_dead_engine_did(
    spec: DriveSpec, faults: list[str], witness: Witness, outcome: Outcome, code: str
) -> None:
    machine = Machine(spec, faults=faults).staged()
    memory = machine.provider.recall(machine.ident, _died(machine))
    assert memory.witness is witness
    assert _judged(machine, memory) == (outcome, code)


def test_activation_that_is_still_under_way_is_waited_for() -> None:
    machine = Machine(DriveSpec(activation_s=0.9, announces=False)).staged()
    memory = machine.provider.recall(machine.ident, _died(machine))
    assert memory.log == ("activation 1: 1.0 to 2.0, Successful Completion",)
    assert 0.8 < machine.clock.passed < 2


def test_reset_by_the_kernel_is_told_and_counts_only_in_its_own_boot() -> None:
    machine = Machine(faults=["too-slow"]).staged()
    mark = _died(machine)
    memory = machine.provider.recall(machine.ident, mark)
    assert (memory.course, _judged(machine, memory)) == (Course.RESET, (Outcome.ACTIVATED, "arrived-by-reset"))
    machine.files.tree[BOOT] = b"boot-2\n"
    assert machine.provider.recall(machine.ident, mark).course is Course.CLEAN


def test_what_was_never_asked_for_is_known_from_the_history_of_the_drive() -> None:
    machine = Machine().staged()
    memory = machine.provider.recall(machine.ident, _died(machine, asked=False))
    assert (memory.complete, _judged(machine, memory)) == (True, (Outcome.CANCELLED, "not-asked"))


@pytest.mark.parametrize("spec", [DriveSpec(ocp=False), DriveSpec(mtfa=0), DriveSpec(mtfa=6000)])
def test_nothing_is_concluded_where_no_entry_may_mean_anything(spec: DriveSpec) -> None:
    machine = Machine(spec).staged()
    memory = machine.provider.recall(machine.ident, _died(machine, asked=False))
    assert (memory.complete, _judged(machine, memory)) == (False, (Outcome.UNKNOWN, "no-evidence"))


def test_live_activation_outlasts_a_reboot_and_one_at_a_reset_is_no_live_one() -> None:
    machine = Machine().staged()
    memory = machine.provider.recall(machine.ident, _died(machine))
    assert _judged(machine, memory, boot="boot-2") == (Outcome.ACTIVATED, "version-arrived")
    other = Machine(DriveSpec(without_reset=False)).staged()
    mark = _died(other, asked=False)
    other.provider.configure(other.ident, "at_reset", on=True)
    other.drives[0].reset()
    assert _judged(other, other.provider.recall(other.ident, mark), boot="boot-2") == (Outcome.UNKNOWN, "restarted")


def _removed(machine: Machine) -> None:
    machine.remove("nvme0")


def _silent(machine: Machine) -> None:
    machine.files.break_for_ever("/dev/nvme0", 5)


@pytest.mark.parametrize(("trouble", "course"), [(_removed, Course.GONE), (_silent, Course.CLEAN)])
def test_drive_that_cannot_be_asked(trouble: Callable[[Machine], None], course: Course) -> None:
    machine = Machine().staged()
    mark = _died(machine, asked=False)
    trouble(machine)
    memory = machine.provider.recall(machine.ident, mark)
    assert (memory.course, memory.complete) == (course, False)
    assert (memory.lasting is not None) == (course is Course.GONE)


@pytest.mark.parametrize(
    "text", ["", "x", "boot", "boot x", "boot 1 drive", "boot 1 =2", "boot 1 d=x", "boot 1 d=-1", "boot ²", "\0 9" * 9]
)
def test_garbage_is_no_mark_and_tells_nothing(text: str) -> None:
    assert RecordMark.parse(text) is None
    machine = Machine().staged()
    assert machine.provider.recall(machine.ident, text) == Memory()


@pytest.mark.parametrize(
    "each", [RecordMark("b", None, {}), RecordMark("-", -1, {"a_b": 0}), RecordMark("b", 7, {"a=b": 3})]
)
def test_mark_is_its_text(each: RecordMark) -> None:
    assert RecordMark.parse(str(each)) == each
