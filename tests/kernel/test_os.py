# SPDX-License-Identifier: Apache-2.0
"""The modelled kernel: scheduling, SMCs on CPUs, stop_machine, hotplug, panic."""

import pytest

from livefw.abi.lfa import LfaStatus
from livefw.abi.smccc import Held, Registers, Restart
from livefw.kernel.clock import MS, SECOND, START, US, VirtualClock
from livefw.kernel.os import KernelPanic, Os, Smc
from livefw.kernel.scripted import DONE, ScriptedFirmware, Working
from livefw.kernel.virtual import Deadlock, advance, run, settle

CALL = Registers(0xC400_0000)


def machine(cpus: int = 2) -> tuple[Os, VirtualClock, ScriptedFirmware]:
    clock, firmware = VirtualClock(), ScriptedFirmware()
    firmware.script(CALL[0], DONE)
    return Os(conduit=firmware, clock=clock, cpus=cpus), clock, firmware


def test_sleep_takes_exactly_its_time() -> None:
    os, clock, _ = machine()
    run(os, clock, os.sleep(3 * SECOND))
    assert clock.now() == START + 3 * SECOND
    run(os, clock, os.relax())
    assert clock.now() == START + 3 * SECOND + US


def test_tasks_run_in_the_order_in_which_they_became_ready() -> None:
    os, clock, _ = machine()
    order: list[str] = []

    async def work(name: str, *pauses: int) -> None:
        for pause in pauses:
            order.append(name)
            await os.sleep(pause)
        order.append(name)

    for name, pauses in (("a", (2, 2)), ("b", (1, 1)), ("c", (2,))):
        os.spawn(work(name, *pauses), name=name)
    settle(os, clock)
    assert "".join(order) == "abcb" + "acb" + "a"


def test_the_result_of_a_task_is_its_return_or_its_exception() -> None:
    os, clock, _ = machine()

    async def fails() -> int:
        await os.sleep(1)
        raise OSError(5, "no")

    task = os.spawn(fails(), name="fails")
    with pytest.raises(RuntimeError, match="fails has not finished"):
        task.result()
    with pytest.raises(OSError, match="no"):
        run(os, clock, fails())
    assert task.done


def test_an_exception_in_a_worker_is_a_defect_and_comes_out() -> None:
    os, _, _ = machine()

    async def defect() -> None:
        raise ZeroDivisionError

    os.queue_work(defect(), name="worker")
    with pytest.raises(ZeroDivisionError):
        os.step()


def test_as_many_smcs_at_once_as_there_are_cpus() -> None:
    os, clock, firmware = machine(cpus=3)
    firmware.script(CALL[0], Working(10 * MS))
    tasks = [os.spawn(os.smc(CALL), name=str(number)) for number in range(7)]
    os.step()
    assert sorted(call.cpu for call in firmware.calls) == [0, 1, 2]
    for task in tasks:
        advance(os, clock, task)
    assert clock.now() == START + 30 * MS
    assert len(firmware.calls) == 7


def test_a_held_cpu_takes_no_other_call() -> None:
    os, clock, firmware = machine(cpus=2)
    firmware.script(CALL[0], Held(), DONE)
    held = os.spawn(os.smc(CALL), name="held")
    os.step()
    cpu = firmware.calls[0].cpu
    for _ in range(3):
        run(os, clock, os.smc(CALL))
    assert {call.cpu for call in firmware.calls[1:]} == {1 - cpu}
    firmware.release(cpu, 0, 7)
    run(os, clock, os.smc(CALL))
    os.step()
    assert held.result()[:2] == (0, 7)


def test_a_task_that_waits_for_ever_is_a_deadlock_in_virtual_time() -> None:
    os, clock, firmware = machine()
    firmware.script(CALL[0], Held())
    with pytest.raises(Deadlock, match="can never continue"):
        run(os, clock, os.smc(CALL))


def test_advance_stops_at_a_time() -> None:
    os, clock, _ = machine()
    task = os.spawn(os.sleep(10 * SECOND), name="sleeper")
    advance(os, clock, task, until_ns=START + 4 * SECOND)
    assert (clock.now(), task.done) == (START + 4 * SECOND, False)
    advance(os, clock, task)
    assert (clock.now(), task.done) == (START + 10 * SECOND, True)


def test_stop_machine_runs_on_every_online_cpu_and_stops_the_rest() -> None:
    os, clock, firmware = machine(cpus=4)
    os.cpu_off(1)
    ran: list[int] = []

    async def on_each(cpu: int, smc: Smc) -> int:
        await smc(CALL)
        for _ in range(cpu + 1):
            await os.relax()
        ran.append(cpu)
        return 0

    other = os.spawn(os.sleep(1), name="other")
    assert run(os, clock, os.stop_machine(on_each)) == 0
    assert ran == [0, 2, 3]
    assert sorted(call.cpu for call in firmware.calls) == [0, 2, 3]
    assert clock.now() == START + 4 * US
    os.step()
    assert other.done
    assert [(stall.start_ns, stall.end_ns, stall.cpus) for stall in os.stalls] == [(START, START + 4 * US, 3)]


@pytest.mark.parametrize(
    ("errors", "result"),
    [((0, 0, 0), 0), ((0, 5, 0), 5), ((5, 6, 0), 6), ((7, 0, -1), -1)],  # kernel/stop_machine.c: the last one stays
)
def test_stop_machine_returns_the_last_error(errors: tuple[int, ...], result: int) -> None:
    os, clock, _ = machine(cpus=3)

    async def on_each(cpu: int, smc: Smc) -> int:
        return errors[cpu]

    assert run(os, clock, os.stop_machine(on_each)) == result


def test_stop_machine_waits_for_cpus_in_firmware_and_keeps_new_calls_out() -> None:
    os, clock, firmware = machine(cpus=2)
    firmware.script(CALL[0], Working(10 * MS), DONE)
    slow = os.spawn(os.smc(CALL), name="slow")

    async def on_each(cpu: int, smc: Smc) -> int:
        return 0

    os.step()
    stopper = os.spawn(os.stop_machine(on_each), name="stopper")
    os.step()
    late = os.spawn(os.smc(CALL), name="late")
    os.step()
    assert [task.done for task in (slow, stopper, late)] == [False] * 3
    advance(os, clock, late)
    assert [task.done for task in (slow, stopper, late)] == [True] * 3
    assert [(stall.start_ns, stall.end_ns) for stall in os.stalls] == [(START + 10 * MS, START + 10 * MS)]


def test_two_stop_machines_run_one_after_the_other() -> None:
    os, clock, _ = machine(cpus=2)

    async def on_each(cpu: int, smc: Smc) -> int:
        await os.relax()
        return 0

    tasks = [os.spawn(os.stop_machine(on_each), name=str(number)) for number in range(3)]
    for task in tasks:
        advance(os, clock, task)
    assert [stall.start_ns for stall in os.stalls] == [START, START + US, START + 2 * US]


def test_hotplug() -> None:
    os, clock, firmware = machine(cpus=2)
    os.cpu_off(0)
    os.cpu_off(0)
    with pytest.raises(ValueError, match="last CPU"):
        os.cpu_off(1)
    online = [os.online]
    os.cpu_on(0)
    os.cpu_on(0)
    online.append(os.online)
    assert online == [(1,), (0, 1)]
    firmware.script(CALL[0], Working(MS))
    task = os.spawn(os.smc(CALL), name="task")
    os.step()
    with pytest.raises(RuntimeError, match="busy"):
        os.cpu_off(firmware.calls[0].cpu)
    advance(os, clock, task)


def test_a_reset_cpu_is_the_end_of_the_kernel() -> None:
    os, clock, firmware = machine(cpus=2)
    firmware.script(CALL[0], Restart(0x4000, 1))

    async def on_each(cpu: int, smc: Smc) -> int:
        await smc(CALL)
        return 0

    bystander = os.spawn(os.sleep(1), name="bystander")
    with pytest.raises(KernelPanic, match="0x4000"):
        run(os, clock, os.stop_machine(on_each))
    late = os.spawn(os.sleep(1), name="late")
    clock.advance_to(START + SECOND)
    os.step()
    assert not bystander.done
    assert not late.done
    assert [record.text.partition(":")[0] for record in os.log] == ["Kernel panic - not syncing"]


def test_uevents_keep_their_order_and_time() -> None:
    os, clock, _ = machine()
    os.uevent("add", "/devices/x", SUBSYSTEM="y")
    run(os, clock, os.sleep(5))
    os.uevent("change", "/devices/x")
    assert [(event.time_ns, event.action, event.environment) for event in os.uevents] == [
        (START, "add", (("SUBSYSTEM", "y"),)),
        (START + 5, "change", ()),
    ]


def test_a_virtual_clock_does_not_go_back() -> None:
    clock = VirtualClock()
    clock.advance_to(START + 5)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(START + 4)


def test_scripts_end_with_their_last_answer_and_unknown_calls_are_not_supported() -> None:
    os, clock, firmware = machine()
    firmware.script(CALL[0], (1,), (2,))
    assert [run(os, clock, os.smc(CALL))[0] for _ in range(3)] == [1, 2, 2]
    assert run(os, clock, os.smc(Registers(1)))[0] == LfaStatus.NOT_SUPPORTED.word
