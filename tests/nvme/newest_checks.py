# SPDX-License-Identifier: Apache-2.0
"""What is checked on the newest kernel that Debian has: where it differs from kernel_checks.py, a drive that carries
/boot, and the kernel's own driver of the firmware upload class, through which a TDX module is updated."""

import os
import sys
import time

from ..daemon.systemd_guest import Checks, main, registers, run
from . import kernel_checks
from .kernel_guest import (
    FIRST,
    SECOND,
    activate,
    ask,
    attribute,
    connect,
    identify,
    kernel_log,
    key,
    livefw,
    no_io_error,
    reset,
    slots,
    stage,
)

CHECKS: Checks = {}
check = registers(CHECKS)


@check
def newest_kernel_connects_to_the_drives() -> object:
    """As in `kernel_checks`. Of the package the files are enough, and installed it would be compiled as a whole."""
    run("dpkg", "--unpack", "--force-unsafe-io", kernel_checks.PACKAGE, code=0)
    os.makedirs("/etc/livefw", exist_ok=True)
    return kernel_checks.kernel_connects_to_the_drives()


@check
def announced_activation_is_shown_at_once() -> object:
    """Linux reads the version anew where the drive announced the activation; 6.1 does not (`kernel_checks`)."""
    name, since = connect(FIRST), time.time()
    stage(FIRST, "2.0")
    step = next(each for each in livefw("plan")["steps"] if each["component"]["key"] == key(FIRST))
    assert (step["stopped"], step["component"]["pending_version"]) == (False, "2.0"), step
    (result,) = activate(FIRST)
    assert (result["outcome"], result["code"]) == ("activated", "version-arrived"), result
    assert identify(name)["fr"].strip() == "2.0"
    assert slots(name) == (2, 0, ["1.0", "2.0"])
    assert attribute(name, "firmware_rev") == "2.0"
    no_io_error(since)
    return run("livefw", "history").out


@check
def activation_that_nothing_announces_is_not_shown() -> object:
    """sysfs keeps the old version, until the controller is reset."""
    name, since = connect(SECOND), time.time()
    stage(SECOND, "2.0")
    ask("fault", fault={"name": "nvme-no-event", "component": SECOND})
    try:
        (result,) = activate(SECOND)
    finally:
        ask("clear")
    assert (result["outcome"], result["code"]) == ("activated", "version-arrived"), result
    assert identify(name)["fr"].strip() == "2.0"
    assert attribute(name, "firmware_rev") == "1.0"
    no_io_error(since)
    reset(name)
    assert attribute(name, "firmware_rev") == "2.0"
    return result["text"]


@check
def activation_that_takes_too_long_ends_with_a_reset() -> object:
    """The kernel waits for MTFA, resets the controller, and shows what the drive tells then."""
    name, since = connect(FIRST), time.time()
    stage(FIRST, "3.0")
    ask("fault", fault={"name": "nvme-too-slow", "component": FIRST})
    try:
        (result,) = activate(FIRST)
    finally:
        ask("clear")
    assert (result["outcome"], result["code"]) == ("activated", "arrived-by-reset"), result
    assert identify(name)["fr"].strip() == "3.0"
    assert attribute(name, "firmware_rev") == "3.0"
    assert any("Fw activation timeout, reset controller" in line for line in kernel_log(since))
    return result["text"]


check(kernel_checks.drive_that_the_machine_depends_on_is_refused)


@check
def upload_node_answers_each_step() -> object:
    """A JSON line for each of upload_steps.py, on the node of the kernel's own driver; the test compares them."""
    run("modprobe", "test_firmware", code=0)
    return run(sys.executable, "-B", "-m", "tests.tdx.upload_steps", code=0, PYTHONPATH="/run/test").out


def chosen() -> Checks:
    """What the machine makes; where it was given the file `every`, a mirror instead, which takes longer."""
    if not os.path.exists("every"):
        return CHECKS
    parts = (
        newest_kernel_connects_to_the_drives,
        kernel_checks.mirror_is_updated_under_load,
        kernel_checks.kernel_forgets_the_drives,
    )
    return {part.__name__: part for part in parts}


if __name__ == "__main__":
    sys.exit(main(chosen()))
