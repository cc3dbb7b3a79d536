# SPDX-License-Identifier: Apache-2.0
"""The model of the driver in dkms/, by its documents (Documentation/lfa.rst, ABI/testing/sysfs-firmware-lfa).

That the real one does the same, tests/qemu/test_model_of_module.py says.
"""

import errno
from typing import Any, NamedTuple

import pytest

from livefw.abi.guid import FVP_SP1, RMM, SCP_BL2U, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.smccc import WORD, Registers
from livefw.abi.version import ComponentVersion
from livefw.kernel.clock import MS, SECOND
from livefw.kernel.lfa import Notification
from livefw.kernel.log import RateLimit
from livefw.kernel.scripted import AGAIN, DONE, Answer, ScriptedFirmware, Working
from livefw.testing.driver import LFA, ModelDriver

R, S, C = (str(known.guid) for known in (RMM, FVP_SP1, SCP_BL2U))
P, A, X, INVENTORY = Function.PRIME, Function.ACTIVATE, Function.CANCEL, Function.GET_INVENTORY
READY, ALONE = 0b0011, 0b1011


def row(guid: str, current: str = "1.0", flags: int = READY) -> InventoryResult:
    return InventoryResult(
        Guid.parse(guid), InventoryFlag(flags), ComponentVersion.parse(current), ComponentVersion(9, 9)
    )


def loaded(*rows: InventoryResult, cpus: int = 2, **more: Any) -> tuple[ModelDriver, ScriptedFirmware]:
    firmware = ScriptedFirmware(rows or [row(R)])
    bench = ModelDriver(firmware, version="lw1", cpus=cpus, **more)
    assert bench.load()
    firmware.calls.clear()
    return bench, firmware


def made(firmware: ScriptedFirmware) -> str:
    """The calls so far, by their first letter, with the sequence id where they have one."""
    letters = {P: "P", A: "A", X: "X", INVENTORY: "g", Function.GET_INFO: "i", Function.VERSION: "v"}
    return " ".join(
        letters[Function(call.registers[0])]
        + ("" if call.registers[0] == Function.GET_INFO else f"{call.registers[1]:x}")
        for call in firmware.calls
    )


def on_cpu(answers: dict[int, Answer]) -> Any:
    """An answer by how many CPUs have asked before."""
    asked = iter(range(1000))
    return lambda registers: answers.get(next(asked), DONE)


class Case(NamedTuple):
    """An activation: what PRIME and ACTIVATE answer one after the other, and what comes of it."""

    prime: tuple[Answer, ...]
    activate: tuple[Answer, ...]
    code: int
    last: str
    calls: str
    log: str


E, BUSY = LfaStatus, LfaStatus.BUSY
UNKNOWN = (-99 & WORD,)
FAILED = "LFA_{} for image TF-RMM failed: LFA_{}"
CASES = [
    Case((), (), 0, "ACTIVATE LFA_SUCCESS 0", "g0 P0 A0 A0 i g0", "TF-RMM: successfully activated"),
    Case((AGAIN, BUSY, DONE), (), 0, "ACTIVATE LFA_SUCCESS 0", "g0 P0 P0 P0 A0 A0 i g0",
         "TF-RMM: successfully activated"),
    Case((), (BUSY, BUSY, AGAIN, DONE), 0, "ACTIVATE LFA_SUCCESS 0", "g0 P0 A0 A0 A0 A0 A0 A0 i g0",
         "TF-RMM: successfully activated"),
    Case((E.AUTH_ERROR,), (), errno.EKEYREJECTED, "PRIME LFA_AUTH_ERROR -3", "g0 P0 X0",
         FAILED.format("PRIME", "AUTH_ERROR")),
    Case((E.NO_MEMORY,), (), errno.ENOMEM, "PRIME LFA_NO_MEMORY -4", "g0 P0 X0", FAILED.format("PRIME", "NO_MEMORY")),
    Case((E.WRONG_STATE,), (), errno.EINVAL, "PRIME LFA_WRONG_STATE -7", "g0 P0",
         FAILED.format("PRIME", "WRONG_STATE")),
    Case((AGAIN, E.WRONG_STATE), (), errno.EINVAL, "PRIME LFA_WRONG_STATE -7", "g0 P0 P0 X0",
         FAILED.format("PRIME", "WRONG_STATE")),
    Case((UNKNOWN,), (), errno.EIO, "PRIME LFA_UNKNOWN -99", "g0 P0 X0", FAILED.format("PRIME", "UNKNOWN")),
    Case(((5,),), (), errno.EIO, "PRIME LFA_UNKNOWN 5", "g0 P0 X0", FAILED.format("PRIME", "UNKNOWN")),
    Case((), (E.ACTIVATION_FAILED,), errno.ECANCELED, "ACTIVATE LFA_ACTIVATION_FAILED -11", "g0 P0 A0 A0 X0 i g0",
         FAILED.format("ACTIVATE", "ACTIVATION_FAILED")),
    Case((), (DONE, E.CRITICAL_ERROR), errno.EIO, "ACTIVATE LFA_CRITICAL_ERROR -5 on 1 of 2 CPUs",
         "g0 P0 A0 A0 X0 i g0", FAILED.format("ACTIVATE", "CRITICAL_ERROR")),
    Case((), (BUSY, E.DEVICE_ERROR), errno.EIO, "ACTIVATE LFA_DEVICE_ERROR -6 on 1 of 2 CPUs", "g0 P0 A0 A0 X0 i g0",
         FAILED.format("ACTIVATE", "DEVICE_ERROR")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.last}: {case.calls}")
def test_activation(case: Case) -> None:
    bench, firmware = loaded()
    for function, answers in ((P, case.prime), (A, case.activate)):
        if answers:
            firmware.script(function, *answers)
    assert bench.write(R, "activate") == case.code
    assert bench.read(R, "last_error") == f"{case.last}\n"
    assert made(firmware) == case.calls
    assert case.log in bench.lines()


@pytest.mark.parametrize(
    ("function", "answer", "seconds", "last"),
    [
        (P, BUSY, 30, "PRIME LFA_BUSY -2 timed out"),
        (P, AGAIN, 30, "PRIME LFA_SUCCESS 0 timed out"),
        (A, BUSY, 10, "ACTIVATE LFA_BUSY -2 timed out"),
        (A, AGAIN, 10, "ACTIVATE LFA_SUCCESS 0 timed out"),
        (A, Working(60 * SECOND, AGAIN), 60, "ACTIVATE LFA_SUCCESS 0 timed out"),
    ],
)
def test_a_loop_ends_after_its_time(function: Function, answer: Answer, seconds: int, last: str) -> None:
    bench, firmware = loaded()
    firmware.script(function, answer)
    before = bench.os.now()
    assert bench.write(R, "activate") == errno.ETIMEDOUT
    assert seconds * SECOND <= bench.os.now() - before <= seconds * SECOND + 100 * MS
    assert bench.read(R, "last_error") == f"{last}\n"
    assert f"LFA_{function.name} for image TF-RMM timed out" in bench.lines()
    # BUSY from PRIME has left nothing; everything else is taken back.
    assert firmware.count(X) == (0 if (function, answer) == (P, BUSY) else 1)


def test_two_writers() -> None:
    bench, firmware = loaded(row(R), row(S, flags=ALONE))
    firmware.script(P, Working(SECOND))
    first = bench.start(bench.writing(R, "activate"))
    calls = len(firmware.calls)
    assert bench.write(S, "activate") == errno.EBUSY
    assert len(firmware.calls) == calls
    assert bench.read(S, "last_error") == "none\n"
    assert bench.wait(first) == 0


def test_what_resets_cpus_is_refused() -> None:
    bench, firmware = loaded(row(R, flags=READY | InventoryFlag.MAY_RESET_CPU))
    assert bench.write(R, "activate") == errno.EOPNOTSUPP
    assert (made(firmware), bench.read(R, "last_error")) == ("g0", "none\n")


def test_what_was_primed_before_is_let_go_and_nobody_is_told() -> None:
    bench, firmware = loaded(row(R), row(S, flags=ALONE))
    bench.write(S, "force_cpu_rendezvous", b"0")
    assert bench.write(R, "activate") == 0
    firmware.calls.clear()
    firmware.script(X, LfaStatus.INVALID_PARAMETERS)
    assert bench.write(S, "activate") == 0
    assert made(firmware) == "g1 X0 P1 A1 i g0 g1"
    assert not any("cancelled" in line for line in bench.lines())
    firmware.calls.clear()
    assert bench.write(S, "activate") == 0
    assert made(firmware) == "g1 P1 A1 i g0 g1", "once, and not its own"


def test_a_guid_that_moved_is_looked_for_before_prime() -> None:
    bench, firmware = loaded(row(R), row(S, flags=ALONE))
    firmware.components.reverse()
    assert bench.write(R, "activate") == 0
    assert made(firmware).startswith("g0 i g0 g1 g1 P1 A1 A1")


@pytest.mark.parametrize(
    ("rows", "count", "shown", "lines"),
    [
        ([row(R), row(S), row(S)], None, "3", [f"{S} is listed more than once"]),
        ([row(R), row(S)], 3, "3", [f"component 2 cannot be read: {-errno.EINVAL}"]),
        ([row(R), row(S)], 1025, "3", ["Error getting number of LFA components"]),
        ([row(R), row(S)], 1 << 63, "3", ["Error getting number of LFA components"]),
    ],
    ids=["twice", "a hole", "too many", "far too many"],
)
def test_directories_stay_while_the_list_is_not_whole(
    rows: list[InventoryResult], count: int | None, shown: str, lines: list[str]
) -> None:
    bench, firmware = loaded(row(R), row(S), row(C, flags=ALONE))
    before = len(bench.lines())
    firmware.components = rows
    if count is not None:
        firmware.script(Function.GET_INFO, (0, count))
    bench.run(bench.driver.notify())
    bench.settle()
    assert bench.guids() == (R, S, C)
    assert [line for line in bench.lines()[before:] if "notified" not in line] == lines
    assert bench.run(read(bench, "count")) == f"{shown}\n"
    with pytest.raises(FileNotFoundError):
        bench.read(C, "activation_pending")
    assert bench.read(C, "pending_version") == "N/A\n"
    assert bench.write(C, "cancel") == errno.ENOENT


async def read(bench: ModelDriver, name: str) -> str:
    return (await bench.tree.open(f"{LFA}/{name}", reading=True).read(4096, 0)).decode()


def test_no_more_than_1024_directories_ever() -> None:
    bench, firmware = loaded()

    def invented(registers: Registers) -> tuple[int, ...]:
        return (0, len(firmware.calls), registers[1], 0) if registers[1] else (LfaStatus.BUSY.word,)

    firmware.script(INVENTORY, invented)
    firmware.script(Function.GET_INFO, (0, 1024))
    for _ in range(2):
        bench.run(bench.driver.notify())
        bench.settle()
    assert len(bench.guids()) == 1024
    assert any(line.startswith("no room for component") for line in bench.lines())
    assert len(bench.lines()) < 30, "lines are limited"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        (WORD, None),
        (0xFFFF_FFFF, None),
        (0x2_0003, "an agent of version 2.3 is not known here"),
        (0x7FFF_FFFF, "an agent of version 32767.65535 is not known here"),
    ],
)
def test_it_is_not_loaded_without_an_agent_that_it_knows(word: int, line: str | None) -> None:
    firmware = ScriptedFirmware([row(R)])
    firmware.script(Function.VERSION, (word,))
    bench = ModelDriver(firmware, version="lw1")
    assert not bench.load()
    assert (bench.guids(), bench.lines()) == ((), [line] if line else [])
    assert len(firmware.calls) == 1


@pytest.mark.parametrize(
    ("function", "answer"), [(Function.GET_INFO, BUSY), (Function.GET_INFO, (0, 0)), (INVENTORY, BUSY)]
)
def test_it_is_not_loaded_without_an_inventory(function: Function, answer: Answer) -> None:
    firmware = ScriptedFirmware([row(R)])
    firmware.script(function, answer)
    bench = ModelDriver(firmware, version="lw1")
    assert not bench.load()
    assert not bench.tree.listdir("/sys/firmware")


def test_a_notification_tries_each_once_and_ends_at_the_first_failure() -> None:
    """As on Arm's FVP, whose pending flag never clears."""
    bench, firmware = loaded(row(R, flags=ALONE), row(S, flags=ALONE), row(C, flags=ALONE))
    for guid in (R, S, C):
        bench.write(guid, "force_cpu_rendezvous", b"0")
        bench.write(guid, "auto_activate", b"1")
    firmware.script(A, DONE, LfaStatus.DEVICE_ERROR)
    bench.run(bench.driver.notify())
    bench.settle()
    assert [call.registers[1] for call in firmware.calls if call.registers[0] == A] == [0, 1]
    assert bench.lines()[-1] == f"notified image activation failed: {-errno.EIO}"
    assert "TF-RMM: automatic activation succeeded" in bench.lines()


def test_uevents_name_the_files_that_changed() -> None:
    bench, firmware = loaded(row(R), row(S))
    firmware.components = [row(R, "2.0", flags=ALONE), row(C)]
    bench.run(bench.driver.notify())
    bench.settle()
    told = [
        (event.action, event.devpath.rpartition("/")[2], *dict(event.environment).values())
        for event in bench.os.uevents
    ]
    assert told == [
        *(("add", guid, "lfa") for guid in (R, S, C)),
        ("change", R, "lfa", "current_version cpu_rendezvous"),
        ("remove", S, "lfa"),
    ]
    assert bench.guids() == (R, C)


def test_removal_in_the_middle_of_an_activation() -> None:
    bench, firmware = loaded(row(R), row(S))
    firmware.script(P, AGAIN)
    opened = bench.tree.open(f"{LFA}/{S}/name", reading=True)
    write = bench.start(bench.writing(R, "activate"))
    bench.run(bench.driver.remove())
    assert bench.wait(write) == errno.ESHUTDOWN
    assert made(firmware).endswith("P0 X0")
    assert bench.lines()[-2:] == ["LFA_PRIME for image TF-RMM interrupted", "Activation cancelled for image TF-RMM"]
    with pytest.raises(OSError, match="No such device"):
        bench.run(opened.read(100, 0))
    assert not bench.tree.listdir("/sys/firmware")
    assert [event.action for event in bench.os.uevents] == ["add", "add", "remove", "remove"]
    firmware.script(P, DONE)
    assert bench.load()
    assert bench.write(R, "activate") == 0


def test_lines_are_limited_in_time() -> None:
    bench, _ = loaded(notification=Notification.NONE)
    limit = RateLimit(bench.os.log, bench.os.now, function="lfa_scan_row")
    assert [limit.allows() for _ in range(12)] == [True] * 10 + [False] * 2
    bench.sleep(RateLimit.INTERVAL_NS + 1)
    assert limit.allows()
    assert [record.text for record in bench.os.log][-1] == "lfa_scan_row: 2 callbacks suppressed"
