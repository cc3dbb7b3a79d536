# SPDX-License-Identifier: Apache-2.0
"""Writing to activate and cancel: errno, calls, pacing, budgets, log. Sources: lfa_fw.c of the version in each row."""

import errno
from typing import NamedTuple

import pytest
from tests.kernel.postings import ALL

from livefw.abi.guid import BL31, FVP_SP1, RMM, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.smccc import WORD, Restart, signed64
from livefw.abi.version import ComponentVersion
from livefw.kernel.clock import MS, SECOND, US
from livefw.kernel.os import KernelPanic
from livefw.kernel.scripted import AGAIN, DONE, Answer, ScriptedFirmware, Working
from livefw.testing.driver import ModelDriver

RMM_ID, SP_ID, BL31_ID = str(RMM.guid), str(FVP_SP1.guid), str(BL31.guid)
P, A, C = Function.PRIME, Function.ACTIVATE, Function.CANCEL
INFO, INVENTORY = Function.GET_INFO, Function.GET_INVENTORY
OK, FAILED = 0, errno.ECANCELED


def row(guid: Guid, flags: int = 0b0011) -> InventoryResult:
    return InventoryResult(guid, InventoryFlag(flags), ComponentVersion(1, 0), ComponentVersion(1, 1))


def loaded(version: str, *, cpus: int = 2, spin_ns: int = US) -> tuple[ModelDriver, ScriptedFirmware]:
    firmware = ScriptedFirmware([row(RMM.guid), row(FVP_SP1.guid, 0b1011), row(BL31.guid, 0b0111)])
    bench = ModelDriver(firmware, version=version, cpus=cpus, spin_ns=spin_ns)
    assert bench.load()
    firmware.calls.clear()
    return bench, firmware


def functions(firmware: ScriptedFirmware) -> list[int]:
    return [call.registers[0] for call in firmware.calls]


class Case(NamedTuple):
    """Scripted answers, and what each version makes of them: errno, and the calls of PRIME, ACTIVATE and CANCEL."""

    what: str
    answers: dict[Function, tuple[Answer, ...]]
    errnos: dict[str, int]
    calls: dict[str, str]


def case(
    what: str,
    answers: dict[Function, tuple[Answer, ...]],
    errnos: tuple[int, int, int, int],
    calls: tuple[str, str, str, str],
) -> Case:
    return Case(what, answers, dict(zip(ALL, errnos, strict=True)), dict(zip(ALL, calls, strict=True)))


BUSY, DEVICE = LfaStatus.BUSY, LfaStatus.DEVICE_ERROR
CASES = [
    case("success", {}, (OK,) * 4, ("PAA",) * 4),
    *(case(f"PRIME {code.name}", {P: (code,)}, (FAILED,) * 4, ("P",) * 4) for code in LfaStatus if code < 0),
    *(
        case(f"ACTIVATE {code.name}, CANCEL works", {A: (code,)}, (OK, FAILED, FAILED, FAILED), ("PAAC",) * 4)
        for code in LfaStatus
        if code < 0 and code != BUSY
    ),
    *(
        case(f"ACTIVATE {code.name}, CANCEL refused", {A: (code,), C: (DEVICE,)}, (FAILED,) * 4, ("PAAC",) * 4)
        for code in LfaStatus
        if code < 0 and code != BUSY
    ),
    case("ACTIVATE BUSY once", {A: (BUSY, BUSY, DONE)}, (OK, FAILED, OK, OK), ("PAAC", "PAAC", "PAAAA", "PAAAA")),
    case("one CPU fails", {A: (DONE, DEVICE, DONE)}, (OK, FAILED, FAILED, FAILED), ("PAAC",) * 4),
    case("PRIME again", {P: (AGAIN, AGAIN, DONE)}, (FAILED, OK, OK, OK), ("P?", "PPPAA", "PPPAA", "PPPAA")),
    case("ACTIVATE again", {A: (AGAIN, AGAIN, DONE)}, (OK, OK, OK, OK), ("PAA??C", "PAAAA", "PAAAA", "PAAAA")),
    case("PRIME fails half-way", {P: (AGAIN, DEVICE)}, (FAILED,) * 4, ("P?", "PP", "PP", "PPC")),
    case("an error with bit 0 of x1 set is an error", {P: ((DEVICE.word, 1),)}, (FAILED,) * 4, ("P",) * 4),
    # Codes above 0 that nobody defined: PRIME takes them for success, ACTIVATE of v1 does not.
    case("PRIME 5", {P: ((5, 0),)}, (OK,) * 4, ("PAA",) * 4),
    case("ACTIVATE 5", {A: ((5, 0),)}, (OK,) * 4, ("PAAC", "PAA", "PAA", "PAA")),
    # An int keeps 32 bits: a failure whose low half is 0 goes on as success.
    case("PRIME 1<<63", {P: ((1 << 63, 0),)}, (OK,) * 4, ("PAA",) * 4),
    case("ACTIVATE 1<<63", {A: ((1 << 63, 0),)}, (OK,) * 4, ("PAA",) * 4),
    # The inner CALL_AGAIN is -33, and the firmware may say so.
    case("ACTIVATE -33", {A: ((-33 & WORD,), (-33 & WORD,), DONE)}, (OK,) * 4, ("PAAC", "PAAAA", "PAAAA", "PAAAA")),
]
LETTERS = {int(P): "P", int(A): "A", int(C): "C", 0: "?"}


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("given", CASES, ids=lambda given: given.what)
def test_errno_and_calls_of_an_activation(version: str, given: Case) -> None:
    bench, firmware = loaded(version)
    for function, answers in given.answers.items():
        firmware.script(function, *answers)
    assert bench.write(RMM_ID, "activate") == given.errnos[version]
    calls = "".join(LETTERS[word] for word in functions(firmware) if word not in (INFO, INVENTORY))
    assert calls == given.calls[version]


@pytest.mark.parametrize("version", ALL)
def test_a_component_that_resets_cpus_is_refused_before_anything_is_called(version: str) -> None:
    bench, firmware = loaded(version)
    assert bench.write(BL31_ID, "activate") == FAILED
    assert firmware.calls == []
    assert "CPU reset not supported by kernel driver" in bench.lines()


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("code", [code for code in LfaStatus if code < 0])
def test_cancel_refused(version: str, code: LfaStatus) -> None:
    bench, firmware = loaded(version)
    firmware.script(C, code)
    assert bench.write(RMM_ID, "cancel") == errno.EINVAL
    assert functions(firmware) == [C]


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(
    ("guid", "force", "skips"),
    [  # x2 bit 0: only if the component allows it and the administrator did not forbid it
        (RMM_ID, b"1", False),
        (RMM_ID, b"0", False),
        (SP_ID, b"1", False),
        (SP_ID, b"0", True),
    ],
)
def test_rendezvous(version: str, guid: str, force: bytes, skips: bool) -> None:
    bench, firmware = loaded(version, cpus=4)
    assert bench.write(guid, "force_cpu_rendezvous", force) == OK
    assert bench.write(guid, "activate") == OK
    seq_id = bench.guids().index(guid)
    activations = [call for call in firmware.calls if call.registers[0] == A]
    assert {call.registers for call in activations} == {activations[0].registers}
    assert activations[0].registers[1:6] == (seq_id, int(skips), 0, 0, 0)
    assert sorted(call.cpu for call in activations) == ([activations[0].cpu] if skips else [0, 1, 2, 3])
    assert len(bench.os.stalls) == (0 if skips else 1)


@pytest.mark.parametrize("version", ALL)
def test_the_rescan_asks_for_every_component(version: str) -> None:
    bench, firmware = loaded(version)
    assert bench.write(RMM_ID, "activate") == OK
    assert functions(firmware) == [P, A, A, INFO, *[INVENTORY] * 3]
    reused = firmware.calls[-1].registers[2:]
    assert any(reused) is (version == "v1")  # results of the previous component, in registers that carry no input


class Budget(NamedTuple):
    """Calls until the driver gives up, and when it does."""

    version: str
    function: Function
    answer: Answer
    calls: int
    duration_ns: int


BUDGETS = [  # LFA_PRIME_BUDGET_MS 30000, LFA_ACTIVATE_BUDGET_MS 10000, both with 10 ms between calls; one CPU
    *(Budget(version, P, AGAIN, 3001, 30 * SECOND) for version in ("v2", "v3", "nv3")),
    *(Budget(version, A, AGAIN, 1001, 10 * SECOND) for version in ("v2", "v3", "nv3")),
    *(Budget(version, A, BUSY, 1001, 10 * SECOND) for version in ("v3", "nv3")),
    # The limit is looked at between calls only: slow calls overrun it by one call.
    *(Budget(version, P, Working(7 * SECOND, AGAIN), 5, 35 * SECOND + 40 * MS) for version in ("v2", "v3", "nv3")),
    *(Budget(version, A, Working(60 * SECOND, AGAIN), 1, 60 * SECOND) for version in ("v2", "v3", "nv3")),
]


@pytest.mark.parametrize("budget", BUDGETS)
def test_budgets(budget: Budget) -> None:
    bench, firmware = loaded(budget.version, cpus=1)
    firmware.script(budget.function, budget.answer)
    start = bench.clock.now()
    assert bench.write(RMM_ID, "activate") == FAILED
    assert bench.clock.now() - start == budget.duration_ns
    assert firmware.count(budget.function) == budget.calls
    assert functions(firmware)[-1] == C
    assert INVENTORY not in functions(firmware)


@pytest.mark.parametrize("function", [P, A])
def test_v1_has_no_limit(function: Function) -> None:
    """Its second call has x0 = 0, so firmware has to answer that, too, for the loop to go on."""
    bench, firmware = loaded("v1", spin_ns=SECOND)
    firmware.script(function, AGAIN)
    firmware.script(0, AGAIN)
    task = bench.start(bench.writing(RMM_ID, "activate"))
    bench.os.step()
    if function is A:
        deadline = bench.clock.now() + 1000 * SECOND
        while bench.clock.now() < deadline:  # every CPU is stopped: nothing but the activation runs
            due = bench.os.deadline()
            assert due is not None
            bench.clock.advance_to(due)
            bench.os.step()
    else:
        bench.sleep(1000 * SECOND)
    assert not task.done
    assert firmware.count(0) >= 1000
    firmware.script(0, DONE)
    assert bench.wait(task) == OK


def test_v1_sends_the_results_of_one_call_with_the_next() -> None:
    """lfa_fw.c v1: arm_smccc_1_2_invoke(&reg, &reg) in a loop."""
    bench, firmware = loaded("v1", cpus=1)
    firmware.script(P, (0, 1, 22, 33))
    firmware.script(0, (0, 0))
    assert bench.write(RMM_ID, "activate") == OK
    assert [call.registers[:5] for call in firmware.calls[:2]] == [(P, 0, 0, 0, 0), (0, 1, 22, 33, 0)]


def test_v1_stops_the_machine_once_and_others_once_per_attempt() -> None:
    for version, stalls in (("v1", 1), ("v2", 3), ("v3", 3), ("nv3", 3)):
        bench, firmware = loaded(version)
        again: tuple[Answer, ...] = (Working(MS, AGAIN),) * 4
        firmware.script(A, *again, DONE)
        firmware.script(0, Working(MS, AGAIN), Working(MS, AGAIN), DONE)
        assert bench.write(RMM_ID, "activate") == OK
        assert len(bench.os.stalls) == stalls
        assert {stall.cpus for stall in bench.os.stalls} == {2}


LOGS = [
    ("success", {}, {"v1": ["Firmware activation succeeded"]}, ["TF-RMM: successfully activated"]),
    (
        "PRIME fails",
        {P: (LfaStatus.AUTH_ERROR,)},
        {"v1": ["LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR", "Firmware prime failed: LFA_AUTH_ERROR"]},
        ["LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR"],
    ),
    (
        "ACTIVATE fails, CANCEL works",
        {A: (DEVICE,)},
        {
            "v1": [
                *["ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR"] * 2,
                "Activation cancelled for image TF-RMM",
                "Firmware activation succeeded",
            ]
        },
        ["Activation cancelled for image TF-RMM", "LFA_ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR"],
    ),
    (
        "ACTIVATE and CANCEL fail",
        {A: (DEVICE,), C: (BUSY,)},
        {
            "v1": [
                *["ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR"] * 2,
                "Firmware activation could not be cancelled: LFA_BUSY",
                "Firmware activation failed: (efault)",  # EINVAL is no index of the table
            ]
        },
        [
            "Activation not cancelled for image TF-RMM: LFA_BUSY",
            "LFA_ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR",
        ],
    ),
    (
        "PRIME times out",
        {P: (AGAIN,)},
        {"v1": ["LFA_PRIME for image TF-RMM failed: LFA_NOT_SUPPORTED", "Firmware prime failed: LFA_NOT_SUPPORTED"]},
        ["LFA_PRIME for image TF-RMM timed out", "Activation cancelled for image TF-RMM"],
    ),
    (
        "ACTIVATE times out, which is logged under another name",
        {A: (AGAIN,)},
        {
            "v1": [
                *["ACTIVATE for image TF-RMM failed: LFA_NOT_SUPPORTED"] * 2,
                "Activation cancelled for image TF-RMM",
                "Firmware activation succeeded",
            ]
        },
        ["Activation cancelled for image TF-RMM", "LFA_ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR"],
    ),
    (
        "a code beyond the table",
        {P: ((-12 & WORD,),)},
        {"v1": ["LFA_PRIME for image TF-RMM failed: (efault)", "Firmware prime failed: (efault)"]},
        ["LFA_PRIME for image TF-RMM failed: LFA_DEVICE_ERROR"],
    ),
]


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(("what", "answers", "special", "usual"), LOGS, ids=[entry[0] for entry in LOGS])
def test_log(
    version: str,
    what: str,
    answers: dict[Function, tuple[Answer, ...]],
    special: dict[str, list[str]],
    usual: list[str],
) -> None:
    bench, firmware = loaded(version)
    for function, scripted in answers.items():
        firmware.script(function, *scripted)
    before = len(bench.lines())
    bench.write(RMM_ID, "activate")
    assert bench.lines()[before:] == special.get(version, usual)


@pytest.mark.parametrize(
    ("version", "refused", "cancelled", "prime"),
    [  # what the log calls an image whose name the driver does not know
        ("v1", "Firmware activation could not be cancelled: LFA_BUSY", "(unknown)", "(unknown)"),
        ("v2", "Activation not cancelled for image : LFA_BUSY", "", SP_ID),
        ("v3", f"Activation not cancelled for image {SP_ID}: LFA_BUSY", SP_ID, SP_ID),
        ("nv3", f"Activation not cancelled for image {SP_ID}: LFA_BUSY", SP_ID, SP_ID),
    ],
)
def test_names_in_the_log(version: str, refused: str, cancelled: str, prime: str) -> None:
    bench, firmware = loaded(version)
    firmware.script(C, BUSY, DONE)
    assert bench.write(SP_ID, "cancel") == errno.EINVAL
    assert bench.lines()[-1] == refused
    assert bench.write(SP_ID, "cancel") == OK
    assert bench.lines()[-1] == f"Activation cancelled for image {cancelled}"
    firmware.script(P, DEVICE)
    assert bench.write(SP_ID, "activate") == FAILED
    assert f"LFA_PRIME for image {prime} failed: LFA_DEVICE_ERROR" in bench.lines()


def test_v1_says_the_prefix_twice_for_a_vanished_image() -> None:
    bench, firmware = loaded("v1")
    firmware.components = [row(FVP_SP1.guid)]
    writers = [bench.start(bench.writing(guid, "activate")) for guid in (SP_ID, RMM_ID)]
    assert [bench.wait(task) for task in writers] == [OK, FAILED]
    texts = [record.text for record in bench.os.log]
    assert texts[-2:] == ["Arm LFA: Arm LFA: Invalid firmware sequence id", "Arm LFA: Firmware prime failed: (efault)"]


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("count", [0, -1 & WORD, LfaStatus.WRONG_STATE.word])
def test_a_failed_rescan_is_no_failed_activation(version: str, count: int) -> None:
    """v1 has dropped all its images by then and loses its directories; the others look first, and keep stale values."""
    bench, firmware = loaded(version)
    firmware.script(INFO, (0, count) if signed64(count) >= -1 else (count,))
    assert bench.write(RMM_ID, "activate") == OK
    bench.settle()
    assert bench.guids() == (() if version == "v1" else (RMM_ID, SP_ID, BL31_ID))
    if version != "v1":
        assert bench.read(RMM_ID, "current_version") == "1.0\n"
    assert "Error getting number of LFA components" in bench.lines()


@pytest.mark.parametrize("version", ALL)
def test_ids_follow_the_guid_after_an_activation(version: str) -> None:
    bench, firmware = loaded(version)
    firmware.components = [row(FVP_SP1.guid), row(Guid(b"\xaa" * 16)), row(RMM.guid)]
    assert bench.write(RMM_ID, "activate") == OK
    bench.settle()
    assert sorted(bench.guids()) == sorted([RMM_ID, SP_ID, str(Guid(b"\xaa" * 16))])
    firmware.calls.clear()
    assert bench.write(RMM_ID, "activate") == OK
    assert firmware.calls[0].registers[:2] == (P, 2)


@pytest.mark.parametrize("version", ALL)
def test_a_component_whose_query_fails_loses_its_directory(version: str) -> None:
    bench, firmware = loaded(version)
    firmware.script(
        INVENTORY, lambda registers: (DEVICE.word,) if registers[1] == 1 else firmware.components[registers[1]].encode()
    )
    assert bench.write(RMM_ID, "activate") == OK
    bench.settle()
    assert bench.guids() == (RMM_ID, BL31_ID)


@pytest.mark.parametrize("version", ALL)
def test_a_cpu_that_is_reset_takes_the_kernel_with_it(version: str) -> None:
    bench, firmware = loaded(version)
    firmware.script(A, Restart(0x8000_0000, 1))
    with pytest.raises(KernelPanic):
        bench.write(RMM_ID, "activate")
    assert [record.text for record in bench.os.log if record.level == 0] == [
        "Kernel panic - not syncing: CPU 0 was reset to 0x80000000, where no kernel is"
    ]
    assert bench.os.deadline() is None
