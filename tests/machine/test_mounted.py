# SPDX-License-Identifier: Apache-2.0
"""A mounted machine under use by other programs: what goes on while one write blocks, and what vanishes."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from livefw.abi import guid
from livefw.abi.lfa import Function
from livefw.errors import UsageError
from livefw.machine.config import MachineConfig, load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse import mount
from livefw.machine.machine import Machine
from livefw.testing.mounted import shell_in

RMM = str(guid.RMM.guid)
SCP = str(guid.SCP_BL2U.guid)
Mounted = Callable[[MachineConfig], tuple[Machine, Path]]
pytestmark = pytest.mark.fuse


def shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shell_in(directory, command),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )


def begin_activation(directory: Path) -> subprocess.Popen[str]:
    """``echo 1 > activate`` in the background."""
    return subprocess.Popen(
        shell_in(directory, "echo 1 > activate"), stderr=subprocess.PIPE, text=True, env={"LC_ALL": "C"}
    )


def primed(machine: Machine, times: int = 1) -> None:
    """Return when the firmware has answered so many PRIMEs; the trace's own lock paces the looking."""
    while True:
        with machine.runner.lock:
            if sum(call.registers[0] == Function.PRIME for call in machine.trace) >= times:
                return
        machine.runner.run(machine.os.sleep(1_000_000), name="look again")


def test_a_blocked_write_stalls_nobody_else(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(replace(config, driver="nv3"))
    directory = root / "sys/firmware/lfa" / RMM
    machine.inject(FaultRequest(name="endless-prime", component=RMM))
    with begin_activation(directory) as writer:
        primed(machine)
        assert shell("cat name current_version activation_pending", directory).stdout == "TF-RMM\n1.0\n1\n"
        assert len(shell("ls ..", directory).stdout.split()) == 3
        assert "Device or resource busy" in shell("echo 1 > activate", directory).stderr
        others = [begin_activation(root / "sys/firmware/lfa" / SCP) for _ in range(8)]
        assert ["Device or resource busy" in other.communicate()[1] for other in others] == [True] * 8
        # While a CPU is inside PRIME the agent is BUSY, which the driver tells as EINVAL; between the calls it cancels.
        while (cancelled := shell("echo 1 > cancel", directory)).returncode:
            assert "Invalid argument" in cancelled.stderr
        assert writer.poll() is None
        machine.clear_faults()
        assert writer.communicate()[1] == ""
    assert (directory / "current_version").read_text() == "1.1\n"


def test_many_writes_may_block_at_once(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(replace(config, driver="v1"))
    directory = root / "sys/firmware/lfa" / RMM
    machine.inject(FaultRequest(name="slow", ms=300, times=1))
    writers = [begin_activation(directory) for _ in range(12)]  # v1 makes all but one wait on a mutex
    assert (directory / "name").read_text() == "TF-RMM\n"
    errors = [writer.communicate()[1] for writer in writers]
    assert errors.count("") >= 1
    assert (directory / "current_version").read_text() == "1.1\n"


def test_ctrl_c_does_not_abort_a_write(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(config)
    directory = root / "sys/firmware/lfa" / RMM
    machine.inject(FaultRequest(name="endless-prime", component=RMM))
    with begin_activation(directory) as writer:
        primed(machine)
        writer.terminate()
        primed(machine, times=3)
        machine.clear_faults()
        writer.communicate()
    assert machine.platform.version(guid.RMM.guid) == (1, 1)


def test_the_writer_of_an_activation_that_never_returns_can_be_killed(mounted: Mounted, config: MachineConfig) -> None:
    """The machine that it modelled is lost then; a program of the host is not."""
    machine, root = mounted(config)
    directory = root / "sys/firmware/lfa" / RMM
    machine.inject(FaultRequest(name="hang", cpu=1))
    with begin_activation(directory) as writer:
        while not machine.os.hung:
            writer.poll()
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
    assert machine.os.stopped


def test_a_reader_is_served_while_a_refused_activation_has_ended(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(config)
    directory = root / "sys/firmware/lfa" / RMM
    machine.inject(FaultRequest(name="notify-refused", component=RMM, times=1))
    assert "error" in shell("echo 1 > activate", directory).stderr
    assert shell("echo 1 > activate; cat current_version", directory).stdout == "1.1\n"


def test_one_write_is_one_activation_however_long_it_is(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(config)
    descriptor = os.open(root / "sys/firmware/lfa" / RMM / "activate", os.O_WRONLY)
    try:
        assert os.write(descriptor, b"1" * 100_000) == 4096
    finally:
        os.close(descriptor)
    assert sum(call.registers[0] == Function.ACTIVATE for call in machine.trace) == 4, "one from each CPU"


def test_an_open_file_of_a_component_that_vanished_reads_enodev(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(config)
    tree = root / "sys/firmware/lfa"
    machine.inject(FaultRequest(name="vanish-after", component=RMM))
    with open(tree / RMM / "name", "rb", buffering=0) as name:
        assert name.read(3) == b"TF-"
        (tree / RMM / "activate").write_text("1\n")
        machine.runner.run(machine.os.sleep(50_000_000), name="clean-up")
        with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
            os.pread(name.fileno(), 100, 0)
    assert RMM not in os.listdir(tree)
    with pytest.raises(FileNotFoundError):
        (tree / RMM).stat()
    with pytest.raises(FileNotFoundError):
        (tree / RMM / "name").read_text()


def test_the_kernel_log_is_a_file_of_records(mounted: Mounted, config: MachineConfig) -> None:
    _, root = mounted(config)
    lines = shell("cat dev/kmsg", root).stdout.splitlines()
    assert lines[0].endswith(",-;Arm LFA: Live Firmware Activation: detected v1.0")
    assert shell("grep -c registered dev/kmsg", root).stdout == "1\n"
    assert "Permission denied" in shell("echo x > dev/kmsg", root).stderr


def test_what_a_program_wants_to_know_of_the_machine(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(config)
    machine.cpu_off(1)
    cpus = root / "sys/devices/system/cpu"
    assert [(cpus / name).read_text() for name in ("possible", "online")] == ["0-3\n", "0,2-3\n"]
    assert (root / "proc/sys/kernel/osrelease").read_text() == f"{config.kernel}\n"


def test_tools_see_a_plain_file_system(mounted: Mounted, config: MachineConfig) -> None:
    _, root = mounted(config)
    assert len(shell("find sys/firmware -type f", root).stdout.split()) == 33
    assert "activate: Permission denied" in shell("grep -r . sys/firmware", root).stderr
    assert len(shell("grep -rs . sys/firmware", root).stdout.splitlines()) == 25, "all but two empty names"
    assert shell("stat -f -c %T .", root).stdout == "fuseblk\n"
    assert shell("ls -l sys/firmware/lfa/*/activate", root).stdout.count("--w-------") == 3


def test_ten_thousand_components(mounted: Mounted) -> None:
    _, root = mounted(load("grid").with_components(10_000))
    tree = root / "sys/firmware/lfa"
    names = os.listdir(tree)
    assert len(set(names)) == len(names) == 10_000
    assert (tree / names[-1] / "activation_capable").read_text() == "1\n"


def test_a_dead_kernel_answers_with_an_error(mounted: Mounted, config: MachineConfig) -> None:
    machine, root = mounted(config)
    machine.inject(FaultRequest(name="reset"))
    assert "error" in shell("echo 1 > activate", root / "sys/firmware/lfa" / RMM).stderr
    assert machine.os.panic
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        (root / "sys/firmware/lfa" / RMM / "name").read_text()


def test_a_directory_that_cannot_be_used(mounted: Mounted, config: MachineConfig, tmp_path: Path) -> None:
    _, root = mounted(config)
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    for directory, reason in (
        (root, "in use"),
        (full, "not empty"),
        (full / "file", "Not a dir"),
        (full / "x", "No such"),
    ):
        with pytest.raises(UsageError, match=reason):
            mount.mount(str(directory))
    assert (root / "sys/firmware/lfa" / RMM / "name").read_text() == "TF-RMM\n", "the live one was left alone"
    assert not mount.remove_dead(str(root))
