# SPDX-License-Identifier: Apache-2.0
"""Firmware that lies: what C makes of it, and that the model survives where the kernel might not."""

import errno
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernel.postings import ALL

from livefw.abi.guid import RMM, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.smccc import WORD, Registers
from livefw.abi.version import ComponentVersion
from livefw.kernel.clock import SECOND
from livefw.kernel.lfa import VERSIONS
from livefw.kernel.lfa.codes import error_name
from livefw.kernel.lfa.inventory import MOST_IMAGES
from livefw.kernel.log import CAPACITY, Level
from livefw.kernel.scripted import AGAIN, DONE, Answer, ScriptedFirmware, Working
from livefw.kernel.virtual import advance
from livefw.testing.driver import ModelDriver

RMM_ID = str(RMM.guid)


def row(guid: Guid, flags: int = 0b0011) -> InventoryResult:
    return InventoryResult(guid, InventoryFlag(flags), ComponentVersion(1, 0), ComponentVersion(1, 1))


COUNTS = [  # get_nr_lfa_components returns x0 or x1 as unsigned long, and update_fw_images_tree keeps an int of it
    ((0, 0), 0),
    ((0, 1), 1),
    ((0, 2), 2),
    ((0, 1 << 31), 0),  # the most negative int
    ((0, 1 << 32), 0),
    ((0, (1 << 32) + 2), 2),
    ((0, 1 << 63), 0),
    ((0, (1 << 63) + 1), 1),
    ((0, WORD), 0),
    ((0, WORD - 1), 0),
    ((LfaStatus.WRONG_STATE.word, 2), 0),
    ((2, 0), 2),  # an error above 0 passes as a count
    ((1 << 63, 2), 0),
]


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(("words", "expected"), COUNTS)
def test_absurd_counts(version: str, words: tuple[int, ...], expected: int) -> None:
    firmware = ScriptedFirmware([row(RMM.guid), row(Guid(bytes(16)))])
    firmware.script(Function.GET_INFO, words)
    bench = ModelDriver(firmware, version=version)
    assert bench.load() is bool(expected)
    assert len(bench.guids()) == expected
    assert firmware.count(Function.GET_INVENTORY) == expected


@pytest.mark.parametrize("version", ALL)
def test_two_thousand_million_components_end_somewhere(version: str) -> None:
    firmware = ScriptedFirmware([row(RMM.guid)])
    firmware.script(Function.GET_INFO, (0, (1 << 31) - 1))
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    assert bench.guids() == (RMM_ID,)
    assert firmware.count(Function.GET_INVENTORY) == MOST_IMAGES
    assert any(line.startswith("model: 2147483647 components reported") for line in bench.lines())


@pytest.mark.parametrize("version", ["v1", "nv3"])
def test_inventing_guids_fills_no_memory(version: str) -> None:
    firmware = ScriptedFirmware()
    firmware.script(Function.GET_INFO, (0, (1 << 31) - 1))
    fresh = itertools.count()
    firmware.script(Function.GET_INVENTORY, lambda registers: (0, next(fresh), 7, 0b11))
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    assert len(bench.guids()) == MOST_IMAGES
    assert bench.write(bench.guids()[0], "activate") == 0
    bench.settle()
    assert len(bench.guids()) == MOST_IMAGES  # others than before, and not more


@pytest.mark.parametrize("version", ALL)
def test_a_guid_reported_twice_is_one_image_with_the_last_id(version: str) -> None:
    firmware = ScriptedFirmware([row(RMM.guid, 0b0011), row(Guid(bytes(16))), row(RMM.guid, 0b1011)])
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    assert bench.guids() == (RMM_ID, str(Guid(bytes(16))))
    assert bench.read(RMM_ID, "cpu_rendezvous") == "0\n"
    assert bench.write(RMM_ID, "activate") == 0
    prime = next(call for call in firmware.calls if call.registers[0] == Function.PRIME)
    assert prime.registers[1] == 2


@pytest.mark.parametrize("version", ALL)
def test_guids_that_differ_in_one_bit_are_different_images(version: str) -> None:
    near = [Guid(bytes([*bytes(15), 1 << bit])) for bit in range(8)]
    bench = ModelDriver(ScriptedFirmware([row(guid) for guid in near]), version=version)
    assert bench.load()
    assert bench.guids() == tuple(map(str, near))


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("code", [LfaStatus.INVALID_PARAMETERS, LfaStatus.BUSY, LfaStatus.CRITICAL_ERROR])
def test_errors_in_the_middle_of_an_inventory(version: str, code: LfaStatus) -> None:
    others = [Guid(bytes([*bytes(15), number])) for number in range(4)]
    firmware = ScriptedFirmware([row(guid) for guid in others])
    answers: list[Answer] = [row(guid).encode() for guid in others]
    answers[2] = code
    firmware.script(Function.GET_INVENTORY, *answers)
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    assert bench.guids() == tuple(str(guid) for guid in others if guid != others[2])


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_flags_that_change_between_calls(version: str) -> None:
    """may_reset_cpu appears after the inventory: the cached 0 counts, and the activation goes on."""
    firmware = ScriptedFirmware([row(RMM.guid)])
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    firmware.components = [row(RMM.guid, 0b0111)]
    assert bench.read(RMM_ID, "activation_pending") == "1\n"
    assert bench.read(RMM_ID, "may_reset_cpu") == "0\n"
    assert bench.write(RMM_ID, "activate") == 0
    bench.settle()
    assert bench.read(RMM_ID, "may_reset_cpu") == "1\n"
    assert bench.write(RMM_ID, "activate") == errno.ECANCELED


@pytest.mark.parametrize(
    ("word", "checked", "unchecked"),
    [
        *((status.word, f"LFA_{status.name}", f"LFA_{status.name}") for status in LfaStatus),
        (-12 & WORD, "LFA_DEVICE_ERROR", "(efault)"),
        (-32 & WORD, "LFA_DEVICE_ERROR", "(efault)"),  # the driver's own time-out: compared with its opposite sign
        (-110 & WORD, "LFA_DEVICE_ERROR", "(efault)"),
        (1 << 63, "LFA_SUCCESS", "(efault)"),
        (1 << 31, "LFA_DEVICE_ERROR", "(efault)"),
        (5, "LFA_SUCCESS", "(efault)"),
    ],
)
def test_error_names(word: int, checked: str, unchecked: str) -> None:
    """lfa_error_string of v2 on; lfa_error_strings[-x0] of v1, which reads past its end."""
    assert error_name(word, checked=True) == checked
    assert error_name(word, checked=False) == unchecked


@pytest.mark.parametrize("version", ALL)
def test_a_log_flood_is_bounded(version: str) -> None:
    firmware = ScriptedFirmware([row(RMM.guid)])
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    firmware.script(Function.CANCEL, LfaStatus.BUSY)
    for number in range(CAPACITY - 100):  # the rest of the flood, without a driver, which takes its time
        bench.os.log.write(Level.INFO, f"line {number}")
    before = bench.os.log.next_sequence
    for _ in range(300):
        assert bench.write(RMM_ID, "cancel") == errno.EINVAL
    kept = list(bench.os.log)
    assert bench.os.log.next_sequence >= before + 300
    assert len(kept) == CAPACITY
    assert kept[-1].sequence - kept[0].sequence == CAPACITY - 1
    assert "LFA_BUSY" in kept[-1].text


@pytest.mark.parametrize("version", ALL)
def test_ten_thousand_components_cost_one_query_each(version: str) -> None:
    firmware = ScriptedFirmware([row(Guid(number.to_bytes(16, "big"))) for number in range(10_000)])
    bench = ModelDriver(firmware, version=version)
    assert bench.load()
    assert len(bench.guids()) == 10_000
    assert len(firmware.calls) == 10_002


words = st.integers(0, WORD)
near_zero = st.integers(-40, 40).map(lambda value: value & WORD)
results = st.tuples(near_zero | words, st.sampled_from([0, 1, 2, 3]) | words, words, words, words, words)
answers: st.SearchStrategy[Answer] = (
    results
    | st.sampled_from(list(LfaStatus))
    | st.sampled_from([AGAIN, DONE])
    | st.integers(0, 3 * SECOND).map(lambda ns: Working(ns, AGAIN))
)
scripts = st.dictionaries(
    st.sampled_from([*Function, 0]), st.lists(answers, min_size=1, max_size=4), max_size=len(Function) + 1
)


@settings(max_examples=settings().max_examples * 3 // 5)
@given(version=st.sampled_from(ALL), early=scripts, late=scripts, force=st.booleans())
def test_whatever_firmware_answers(
    version: str, early: dict[int, list[Answer]], late: dict[int, list[Answer]], force: bool
) -> None:
    """Files stay readable, errno stays within what the driver has, time limits hold where there are any."""
    firmware = ScriptedFirmware([row(RMM.guid, 0b1011)])
    for function, answer in early.items():
        firmware.script(function, *answer)
    if Function.GET_INFO in early:
        firmware.script(Function.GET_INFO, (0, 3))
    bench = ModelDriver(firmware, version=version, spin_ns=SECOND)
    bench.load()
    for function, answer in late.items():
        if function != Function.GET_INFO:
            firmware.script(function, *answer)
    for guid in bench.guids()[:2]:
        if guid not in bench.guids():
            continue  # it went away with the activation of the one before it
        bench.write(guid, "force_cpu_rendezvous", b"1" if force else b"0")
        task = bench.os.spawn(bench.writing(guid, "activate"), name="writer")
        advance(bench.os, bench.clock, task, until_ns=bench.clock.now() + 100 * SECOND)
        if not task.done:
            assert VERSIONS[version].prime.budget_ns is None
            return  # v1, for ever in one of its loops
        assert task.result() in (0, errno.ECANCELED, errno.EBUSY)
        assert bench.write(guid, "cancel") in (0, errno.EINVAL, errno.ENOENT)
        bench.settle()
    for guid in bench.guids()[:2]:
        Guid.parse(guid)
        for name in ("activation_capable", "may_reset_cpu", "cpu_rendezvous", "force_cpu_rendezvous"):
            assert bench.read(guid, name) in ("0\n", "1\n")
        assert bench.read(guid, "activation_pending") in ("0\n", "1\n")
        assert bench.read(guid, "pending_version").endswith("\n")
        ComponentVersion.parse(bench.read(guid, "current_version").strip())


def test_registers_beyond_the_results_are_the_callers_own() -> None:
    """A BET0 agent writes x0 to x3 only; the driver passes zeros, so versions read as not provided."""
    firmware = ScriptedFirmware([row(RMM.guid)])
    firmware.script(Function.GET_INVENTORY, row(RMM.guid).encode_bet0())
    bench = ModelDriver(firmware, version="v3")
    assert bench.load()
    assert bench.read(RMM_ID, "current_version") == "0.0\n"
    assert bench.read(RMM_ID, "pending_version") == "N/A\n"
    assert firmware.calls[-1].registers == Registers(Function.GET_INVENTORY, 0)
