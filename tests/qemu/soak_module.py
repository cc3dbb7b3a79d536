# SPDX-License-Identifier: Apache-2.0
"""The driver of dkms/ for long, and in a kernel that watches it; for ``make soak``, which builds that kernel.

``LIVEFW_ACTIVATIONS`` says how many activations, 1,000 by default.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.qemu.scripts import CACHE
from tests.qemu.test_module import CHECKOUT, KERNELS, Module, build, compiled, headers, module, run

__all__ = ["module"]

ACTIVATIONS = int(os.environ.get("LIVEFW_ACTIVATIONS", "1000"))
MOST_CPUS = 16
OFTEN = """
name = "often"
cpus = 4
agent = "bet1"
driver = "lw1"
notification = "dt"
[[components]]
guid = "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
kind = "rmm"
current_version = "1.0"
pending_version = "1.1"
pending_never_clears = true
prime_steps = 3
prime_ms = 1.0
activate_ms = 1.0
[[components]]
guid = "65922703-2f74-e644-8dff-579ac1ff0610"
kind = "controller"
current_version = "2.7"
"""
"""A machine whose image can be activated again and again."""

PRELUDE = """
L=/sys/firmware/lfa
G=6c0762a6-12f2-4b56-92cb-ba8f633606d9
R=$L/$G
M=/modules/000-livefw_lfa.ko
host() { echo "HOST:$*"; read -r answer; }
wait_for() {
    n=0
    while ! eval "$1" && [ $n -lt 2400 ]; do sleep 0.05; n=$((n + 1)); done
    eval "$1" || echo "never: $1"
}
is() { [ "$(cat $1 2>/dev/null)" = "$2" ]; }
warnings() {
    dmesg | grep -E 'BUG|WARN|Oops|Call trace|INFO: |KASAN|UBSAN|ODEBUG|suspicious|circular|recursive|inconsistent'
}
"""

EACH_CPU = """
echo BEGIN
echo 1 > $R/activate && cat $R/last_error
warnings
echo END
"""

# The readers and the hotplug go on until the file is gone. No reader starts a program: that would be most of the work.
LONG = """
touch /tmp/goes
for f in name current_version pending_version activation_pending cpu_rendezvous last_error; do
    while [ -e /tmp/goes ]; do read -r value < $R/$f; read -r value < $L/count; done 2> /dev/null &
done
while [ -e /tmp/goes ]; do
    for cpu in /sys/devices/system/cpu/cpu[123]; do echo 0 > $cpu/online; echo 1 > $cpu/online; done
    echo x >> /tmp/rounds
done &
echo BEGIN
n=0; done=0
while [ $n -lt {activations} ]; do
    n=$((n + 1))
    echo 1 > $R/activate && done=$((done + 1)) || cat $R/last_error
done
rm /tmp/goes; wait
echo "activated $done"
[ -s /tmp/rounds ] && echo "CPUs came and went"
n=0; while [ $n -lt 20 ]; do n=$((n + 1)); rmmod livefw_lfa && insmod $M || break; done
echo "loaded again $n"
"""

# A test of the kernel's own: it freezes all programs, tells the drivers of a suspend, and comes back after a second.
# The fault is in PRIME, which one CPU calls: if it ended amid the ACTIVATE of all, those that are let in would wait for
# those that were refused.
SUSPEND = """
echo 1 > /sys/module/suspend/parameters/pm_test_delay
echo freezer > /sys/power/pm_test
echo freeze > /sys/power/state; echo "suspend: $?"
echo 1 > $R/activate; echo "activate: $?"
host fault busy $G --function PRIME
{ echo 1 > $R/activate; } 2> /dev/null &
wait_for "is $R/last_error 'PRIME LFA_BUSY -2'"
{ echo freeze > /sys/power/state; } 2> /dev/null; echo "suspend: $?"
host fault --clear
wait %1; echo "activate: $?"
grep -q '^ debug_locks: *1$' /proc/lockdep_stats || echo "lockdep has given up"
warnings
echo END
"""

REBOOT = """
echo BEGIN
host fault busy $G --function ACTIVATE
echo 7 > /proc/sys/kernel/printk
{ echo 1 > $R/activate; } 2> /dev/null &
wait_for "is $R/last_error 'ACTIVATE LFA_BUSY -2'"
reboot -f
"""

SPARSE = (
    "KBUILD_CHECKSRC=2",
    "CHECK=sparse",
    # Two words of the newest kernel that sparse 0.6.4 does not know, or not as a constant.
    "CF=-D__typeof_unqual__=__typeof__ '-D__builtin_strlen(text)=(sizeof(text)-1)'",
)
NO_SCRIPT = ("scripts/checker-valid.sh: No such file", "specified, but sparse is not available or not up to date")
"""The newest kernel asks a script whether its checker is new enough, which Debian's headers do not have."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Module:
    """The driver for the kernel of debug-kernel.sh."""
    folder = CACHE / "debug-kernel"
    subprocess.run([Path(__file__).with_name("debug-kernel.sh")], check=True)
    return build(folder / "Image", folder / "source", tmp_path_factory.mktemp("watched"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_sparse_finds_nothing(module: Callable[[str], Module], kernel: str, tmp_path: Path) -> None:
    found = compiled(headers(module(kernel).kernel), tmp_path, *SPARSE).splitlines()
    assert [line for line in found if not any(text in line for text in NO_SCRIPT)] == []


@pytest.mark.timeout(0)
def test_checkpatch_finds_nothing(watched: Module) -> None:
    checkpatch, source = CACHE / "debug-kernel/source/scripts/checkpatch.pl", CHECKOUT / "dkms/livefw_lfa.c"
    words = ["perl", str(checkpatch), "--strict", "--terse", "--no-tree", "--file", str(source)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.timeout(0)
@pytest.mark.parametrize("cpus", range(1, MOST_CPUS + 1))
def test_each_number_of_cpus_takes_part(module: Callable[[str], Module], cpus: int, tmp_path: Path) -> None:
    assert run(module("default"), "fvp", PRELUDE + EACH_CPU, tmp_path, cpus=cpus) == ["ACTIVATE LFA_SUCCESS 0"]


@pytest.mark.timeout(0)
def test_reboot_ends_an_activation(module: Callable[[str], Module], tmp_path: Path) -> None:
    log = [line.partition("] ")[2] for line in run(module("default"), "fvp", PRELUDE + REBOOT, tmp_path, cpus=2)]
    assert [line for line in log if line.startswith("Arm LFA: ")] == [
        "Arm LFA: LFA_ACTIVATE for image TF-RMM interrupted",
        "Arm LFA: Activation cancelled for image TF-RMM",
    ]


DONE = [f"activated {ACTIVATIONS}", "CPUs came and went", "loaded again 20"]
"""What `LONG` prints."""


def long(module: Module, after: str, folder: Path) -> list[str]:
    machine = folder / "often.toml"
    machine.write_text(OFTEN, encoding="utf-8")
    script = PRELUDE + LONG.replace("{activations}", str(ACTIVATIONS)) + after
    return run(module, str(machine), script, folder, cpus=4)


@pytest.mark.timeout(0)
def test_activations_while_cpus_come_and_go(module: Callable[[str], Module], tmp_path: Path) -> None:
    assert long(module("default"), "warnings; echo END", tmp_path) == DONE


@pytest.mark.timeout(0)
def test_kernel_that_watches_has_nothing_to_say(watched: Module, tmp_path: Path) -> None:
    assert long(watched, SUSPEND, tmp_path) == [*DONE, "suspend: 0", "activate: 0", "suspend: 1", "activate: 0"]
