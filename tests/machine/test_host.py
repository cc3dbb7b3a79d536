# SPDX-License-Identifier: Apache-2.0
"""The two ways to drive a kernel, and the files of a machine without a file system."""

import errno
import threading
from collections.abc import Callable, Iterator

import pytest

from livefw.abi import guid
from livefw.errors import UsageError
from livefw.kernel.clock import MonotonicClock
from livefw.kernel.os import KernelPanic, Os
from livefw.kernel.scripted import ScriptedFirmware
from livefw.machine.config import MachineConfig
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineClock, MachineFiles
from livefw.machine.host import RealRunner
from livefw.machine.machine import Machine
from livefw.testing.machine import ModelMachine

RMM = str(guid.RMM.guid)
LFA = "/sys/firmware/lfa"
MS = 1_000_000


@pytest.fixture
def real() -> Iterator[tuple[Os, RealRunner]]:
    clock = MonotonicClock()
    os = Os(conduit=ScriptedFirmware(), clock=clock, cpus=2)
    runner = RealRunner(os, clock)
    yield os, runner
    runner.close()


def test_timers_fire_without_anybody_waiting(real: tuple[Os, RealRunner]) -> None:
    os, runner = real
    fired = threading.Event()

    async def work() -> None:
        await os.sleep(MS)
        fired.set()

    runner.start(work(), name="work")
    assert fired.wait(20)


def test_an_earlier_timer_is_not_kept_waiting_by_a_later_one(real: tuple[Os, RealRunner]) -> None:
    os, runner = real
    late = runner.start(os.sleep(3600 * 1000 * MS), name="late")
    runner.run(os.sleep(MS), name="early")
    assert not late.wait(0)


def test_many_threads_may_use_one_kernel(real: tuple[Os, RealRunner]) -> None:
    os, runner = real
    done: list[int] = []

    async def work(number: int) -> None:
        await os.sleep(number * MS // 10)
        await os.relax()
        done.append(number)

    threads = [threading.Thread(target=lambda n=number: runner.run(work(n), name="work")) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(40))


def test_an_error_reaches_who_asked_and_nobody_else(real: tuple[Os, RealRunner]) -> None:
    os, runner = real

    async def fails() -> None:
        await os.sleep(MS)
        raise FileNotFoundError

    job = runner.start(os.sleep(2 * MS), name="other")
    with pytest.raises(FileNotFoundError):
        runner.run(fails(), name="fails")
    job.wait()
    job.result()


def test_switching_off_lets_waiters_go(config: MachineConfig) -> None:
    machine = Machine(config, real_time=True)
    job = machine.runner.start(machine.os.sleep(3600 * 1000 * MS), name="long")
    machine.close()
    assert job.wait()
    with pytest.raises(KernelPanic, match="switched off"):
        job.result()


def test_the_same_activation_in_both_times(config: MachineConfig) -> None:
    told = []
    for real_time in (False, True):
        machine = Machine(config, real_time=real_time)
        machine.boot()
        write = MachineFiles(machine).start_write(f"{LFA}/{RMM}/activate", b"1\n")
        assert write.wait(60)
        told.append((write.error, [call.text.partition(" ")[2] for call in machine.trace]))
        machine.close()
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda files: files.read(f"{LFA}/{RMM}/activate"), errno.EACCES),
        (lambda files: files.read(f"{LFA}/{RMM}/none"), errno.ENOENT),
        (lambda files: files.read(f"{LFA}/{RMM}/name/none"), errno.ENOTDIR),
        (lambda files: files.read(LFA), errno.EISDIR),
        (lambda files: files.names(f"{LFA}/{RMM}/name"), errno.ENOTDIR),
        (lambda files: files.names(f"{LFA}/none"), errno.ENOENT),
        (lambda files: files.records(f"{LFA}/none"), errno.ENOENT),
    ],
)
def test_files_raise_what_system_calls_say(
    bench: Callable[..., ModelMachine], read: Callable[[MachineFiles], object], error: int
) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what counts
        read(bench().files)
    assert caught.value.errno == error


def test_a_write_tells_how_it_ended_and_goes_on_unwatched(bench: Callable[..., ModelMachine]) -> None:
    made = bench()
    assert made.write(RMM, "name") == "EACCES"
    assert made.write("none", "activate") == "ENOENT"
    write = made.files.start_write(f"{LFA}/{RMM}/activate", b"1\n")
    with pytest.raises(ValueError, match="not ended"):
        _ = write.error
    assert not write.wait(0)
    MachineClock(made.model).sleep(5)
    assert made.read(RMM, "current_version") == "1.1"
    assert write.wait(0)
    assert (write.error, write.opened) == (0, True)


@pytest.mark.parametrize(
    ("name", "told"), [("activate", (0, True)), ("name", (errno.EACCES, False)), ("none", (errno.ENOENT, False))]
)
def test_a_write_tells_whether_the_file_was_opened(
    bench: Callable[..., ModelMachine], name: str, told: tuple[int, bool]
) -> None:
    write = bench().files.start_write(f"{LFA}/{RMM}/{name}", b"1\n")
    with pytest.raises(ValueError, match="not ended"):
        _ = write.opened
    assert write.wait(60)
    assert (write.error, write.opened) == told


def test_a_write_that_the_driver_refused_was_opened(bench: Callable[..., ModelMachine]) -> None:
    write = bench().files.start_write(f"{LFA}/{RMM}/cancel", b"1\n")
    assert write.wait(60)
    assert (write.error, write.opened) == (errno.EINVAL, True)


def test_records_of_the_kernel_log(bench: Callable[..., ModelMachine]) -> None:
    records = bench().files.records("/dev/kmsg")
    assert records[0].endswith(b",-;Arm LFA: Live Firmware Activation: detected v1.0\n")


def test_a_dead_kernel_is_eio(bench: Callable[..., ModelMachine]) -> None:
    made = bench()
    made.model.inject(FaultRequest(name="reset"))
    assert made.write(RMM, "activate") == "EIO"
    assert made.read(RMM, "name") == "EIO"


def test_virtual_time_passes_only_when_told(bench: Callable[..., ModelMachine]) -> None:
    made = bench()
    clock = MachineClock(made.model)
    before = clock.now()
    assert clock.now() == before
    clock.sleep(1000)
    assert clock.now() == pytest.approx(before + 1000)


@pytest.mark.parametrize("driver", ["v1", "v2", "v3", "nv3"])
def test_a_reload_waits_for_what_goes_on_and_leaves_a_driver_that_works(
    bench: Callable[..., ModelMachine], driver: str
) -> None:
    made = bench(driver=driver)
    made.model.inject(FaultRequest(name="slow", ms=5000.0))
    write = made.files.start_write(f"{LFA}/{RMM}/activate", b"1\n")
    assert not write.wait(1)
    reloading = made.model.reload()
    assert not reloading.wait(1)
    with pytest.raises(UsageError, match="already"):
        made.model.reload()
    assert reloading.wait(60)
    assert reloading.result()
    assert write.wait(0), "a file that is being written is not removed under the writer"
    made.model.clear_faults()
    made.pass_time()
    before = made.model.platform.next_commit
    made.model.stage(RMM, "7.7")
    assert made.read(RMM, "activation_pending") == "1"
    answer = made.write(RMM, "activate")
    if driver == "v1":  # it cannot PRIME in two steps
        assert answer == "ECANCELED"
    else:
        assert (answer, len(made.model.platform.commits(before))) == ("ok", 1)
