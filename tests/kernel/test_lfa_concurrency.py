# SPDX-License-Identifier: Apache-2.0
"""Who waits for whom. Sources: lfa_lock of v1, smc_lock of v2 and v3, lfa_activation_lock of nv3 (lfa_fw.c of each)."""

import errno

import pytest
from tests.kernel.postings import ALL

from livefw.abi.guid import FVP_SP1, RMM, Guid
from livefw.abi.lfa import Function, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.version import ComponentVersion
from livefw.kernel.clock import MS, SECOND, US
from livefw.kernel.lfa.inventory import CLEANUP_NS
from livefw.kernel.scripted import AGAIN, DONE, Answer, ScriptedFirmware, Working
from livefw.testing.driver import ModelDriver

RMM_ID, SP_ID = str(RMM.guid), str(FVP_SP1.guid)
P, A, C = Function.PRIME, Function.ACTIVATE, Function.CANCEL
STEPS = {int(P): "P", int(A): "A", int(C): "C"}


def row(guid: Guid, flags: int = 0b1011) -> InventoryResult:
    return InventoryResult(guid, InventoryFlag(flags), ComponentVersion(1, 0), ComponentVersion(1, 1))


def loaded(
    version: str, scripts: dict[Function, tuple[Answer, ...]], *, cpus: int = 4
) -> tuple[ModelDriver, ScriptedFirmware]:
    """Two images that need no rendezvous and get none, so that calls take one CPU each."""
    firmware = ScriptedFirmware([row(RMM.guid), row(FVP_SP1.guid)])
    bench = ModelDriver(firmware, version=version, cpus=cpus)
    assert bench.load()
    for guid in (RMM_ID, SP_ID):
        assert bench.write(guid, "force_cpu_rendezvous", b"0") == 0
    for function, answers in scripts.items():
        firmware.script(function, *answers)
    firmware.calls.clear()
    return bench, firmware


def steps(firmware: ScriptedFirmware) -> str:
    return " ".join(
        f"{STEPS[call.registers[0]]}{call.registers[1]}" for call in firmware.calls if call.registers[0] in STEPS
    )


SLOW: dict[Function, tuple[Answer, ...]] = {P: (Working(10 * MS),), A: (Working(10 * MS),)}


@pytest.mark.parametrize(
    ("version", "order", "errnos", "duration_ms"),
    [
        ("v1", "P0 P1 A0 A1", (0, 0), 40),  # one mutex, which changes hands between the phases
        ("v2", "P0 P1 A0 A1", (0, 0), 30),  # both PRIMEs at once; one ACTIVATE at a time
        ("v3", "P0 P1 A0 A1", (0, 0), 30),
        ("nv3", "P0 A0", (0, errno.EBUSY), 20),
    ],
)
def test_two_writers(version: str, order: str, errnos: tuple[int, int], duration_ms: int) -> None:
    bench, firmware = loaded(version, SLOW)
    start = bench.clock.now()
    tasks = [bench.start(bench.writing(guid, "activate")) for guid in (RMM_ID, SP_ID)]
    assert tuple(bench.wait(task) for task in tasks) == errnos
    assert steps(firmware) == order
    assert bench.clock.now() - start == duration_ms * MS


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_two_writers_of_one_image_interleave(version: str) -> None:
    bench, firmware = loaded(version, {P: (AGAIN, AGAIN, DONE)})
    tasks = [bench.start(bench.writing(RMM_ID, "activate")) for _ in range(2)]
    assert [bench.wait(task) for task in tasks] == [0, 0]
    assert steps(firmware) == "P0 P0 P0 P0 A0 A0"


@pytest.mark.parametrize("version", ALL)
def test_cancel_during_a_prime_call_reaches_the_firmware_at_once(version: str) -> None:
    bench, firmware = loaded(version, SLOW)
    task = bench.start(bench.writing(RMM_ID, "activate"))
    bench.sleep(1 * MS)
    start = bench.clock.now()
    assert bench.write(RMM_ID, "cancel") == 0
    assert bench.clock.now() == start
    assert steps(firmware) == "P0 C0"
    assert bench.wait(task) == 0


@pytest.mark.parametrize(
    ("version", "waits_ms"),
    [("v1", 0), ("v2", 9), ("v3", 9), ("nv3", 9)],  # v1's cancel and reads take no lock
)
@pytest.mark.parametrize("what", ["cancel", "activation_pending"])
def test_cancel_and_reads_wait_for_an_activate_attempt(version: str, waits_ms: int, what: str) -> None:
    bench, firmware = loaded(version, {A: (Working(10 * MS),)})
    task = bench.start(bench.writing(RMM_ID, "activate"))
    bench.sleep(1 * MS)
    assert steps(firmware) == "P0 A0"
    start = bench.clock.now()
    if what == "cancel":
        assert bench.write(SP_ID, "cancel") == 0
    else:
        assert bench.read(SP_ID, "activation_pending") == "1\n"
    assert bench.clock.now() - start == waits_ms * MS
    assert bench.wait(task) == 0


@pytest.mark.parametrize("version", ALL)
def test_nothing_runs_while_the_machine_is_stopped(version: str) -> None:
    bench, _ = loaded(version, {A: (Working(10 * MS),)})
    assert bench.write(RMM_ID, "force_cpu_rendezvous", b"1") == 0
    start = bench.clock.now()
    task = bench.start(bench.writing(RMM_ID, "activate"))
    cached = bench.start(bench.reading(SP_ID, "name"))
    assert not cached.done
    bench.wait(cached)
    assert bench.clock.now() - start == 10 * MS
    assert bench.wait(task) == 0
    assert [(stall.start_ns - start, stall.end_ns - start) for stall in bench.os.stalls] == [(0, 10 * MS)]


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_cancel_between_attempts_ends_the_activation(version: str) -> None:
    """The pause leaves the semaphore free, so CANCEL gets in; the next ACTIVATE then finds nothing primed."""
    bench, firmware = loaded(
        version, {A: (AGAIN, LfaStatus.INVALID_PARAMETERS), C: (DONE, LfaStatus.INVALID_PARAMETERS)}
    )
    task = bench.start(bench.writing(RMM_ID, "activate"))
    bench.sleep(5 * MS)
    start = bench.clock.now()
    assert bench.write(RMM_ID, "cancel") == 0
    assert bench.clock.now() == start
    assert bench.wait(task) == errno.ECANCELED
    assert steps(firmware) == "P0 A0 C0 A0 C0"
    assert bench.lines()[-2] == "Activation not cancelled for image TF-RMM: LFA_INVALID_PARAMETERS"


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
def test_reads_go_on_in_the_pauses(version: str) -> None:
    bench, _ = loaded(version, {A: (AGAIN,)})
    task = bench.start(bench.writing(RMM_ID, "activate"))
    for _ in range(20):
        bench.sleep(100 * MS)
        assert bench.read(RMM_ID, "activation_pending") == "1\n"
    assert not task.done
    assert bench.wait(task) == errno.ECANCELED


def test_nv3_is_busy_until_clean_up_has_ended() -> None:
    bench, _ = loaded("nv3", {})
    assert bench.write(RMM_ID, "activate") == 0
    assert bench.write(RMM_ID, "activate") == errno.EBUSY
    bench.sleep(CLEANUP_NS)
    assert bench.write(RMM_ID, "activate") == 0


@pytest.mark.parametrize(("version", "waits"), [("v1", True), ("v2", False), ("v3", False)])
def test_clean_up_of_others(version: str, waits: bool) -> None:
    """v1's worker holds the mutex that the next activation needs; those of v2 and v3 hold nothing that matters."""
    bench, _ = loaded(version, {})
    assert bench.write(RMM_ID, "activate") == 0
    start = bench.clock.now()
    assert bench.write(RMM_ID, "activate") == 0
    assert bench.clock.now() - start == (CLEANUP_NS if waits else 0)


def test_nv3_notifications_wait_where_writers_are_refused() -> None:
    bench, firmware = loaded("nv3", SLOW)
    firmware.script(
        Function.GET_INVENTORY,
        lambda registers: row(
            (RMM.guid, FVP_SP1.guid)[registers[1]], 0b1011 if firmware.count(A) < 2 else 0b1001
        ).encode(),
    )
    assert bench.write(SP_ID, "auto_activate", b"1") == 0
    writer = bench.start(bench.writing(RMM_ID, "activate"))
    notified = bench.start(bench.driver.notify())
    refused = bench.start(bench.writing(SP_ID, "activate"))
    assert bench.wait(refused) == errno.EBUSY
    assert bench.wait(writer) == 0
    bench.wait(notified)
    assert steps(firmware) == "P0 A0 P1 A1"


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_clean_up_during_another_rescan_takes_live_images_with_it(version: str) -> None:
    """Two activations without a lock around them: the first one's worker meets the second one's forgotten images.

    The directory comes back at once, but as a new one: open files are dead, and settings are lost.
    """
    bench, firmware = loaded(version, {})
    assert bench.write(RMM_ID, "activate") == 0
    slow = Working(2 * CLEANUP_NS, row(RMM.guid).encode())
    firmware.script(Function.GET_INVENTORY, slow, row(FVP_SP1.guid).encode())
    task = bench.start(bench.writing(SP_ID, "activate"))
    file = bench.tree.open(f"/sys/firmware/lfa/{SP_ID}/name", reading=True)
    bench.sleep(CLEANUP_NS + 1 * US)
    assert bench.guids() == ()
    assert bench.wait(task) == 0
    assert bench.guids() == (RMM_ID, SP_ID)
    assert bench.read(SP_ID, "force_cpu_rendezvous") == "1\n"
    with pytest.raises(OSError, match="No such device"):
        bench.run(file.read(10, 0))


@pytest.mark.parametrize("version", ["v2", "v3", "nv3"])
@pytest.mark.parametrize(("function", "calls"), [(P, 3001), (A, 1001)])
def test_unloading_in_the_middle_of_an_activation(version: str, function: Function, calls: int) -> None:
    """nv3 aborts with a CANCEL of exactly the id that it had primed; the others run on to their end."""
    bench, firmware = loaded(version, {function: (AGAIN,)})
    task = bench.start(bench.writing(RMM_ID, "activate"))
    bench.sleep(1 * SECOND)
    remover = bench.start(bench.driver.remove())
    assert bench.wait(task) == errno.ECANCELED
    bench.wait(remover)
    assert bench.guids() == ()
    assert steps(firmware).endswith(f"{STEPS[int(function)]}0 C0")
    assert firmware.count(function) == (101 if version == "nv3" else calls)
    complaints = [line for line in bench.lines() if "failed" in line or "timed out" in line]
    assert len(complaints) == (0 if version == "nv3" else 1)
