# SPDX-License-Identifier: Apache-2.0
"""A real driver in a real kernel against the model of it: the same commands on both, and the same answers.

Runs where LIVEFW_TEST_DRIVER names the version, an arm64 kernel, and the driver's module if it is not built in:
``nv3 vmlinuz lfa_fw.ko``. No distribution of Debian has one (docs/kernel.md).
"""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE", Path.home() / ".cache/livefw"), "kernel")
SCRIPT = Path(__file__).with_name("driver.sh")
LIVEFW = [sys.executable, "-m", "livefw", "machine"]
RUN = [*LIVEFW, "run", "--platform", "vera"]
MARK = "Arm LFA:"


def answers(process: "subprocess.Popen[str]", reply: int, environment: dict[str, str]) -> Iterator[str]:
    """What the script printed, while its wishes are granted."""
    assert process.stdout is not None
    lines = (line.rstrip("\r\n") for line in process.stdout)
    for line in lines:
        if line == "BEGIN":
            break
    for line in lines:
        if line == "END":
            return
        if line.startswith("HOST:"):
            done = subprocess.run(
                [*LIVEFW, *line[5:].split()], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            os.write(reply, b"\n")
        elif line.strip():
            yield line


def of_the_model(driver: str, cpus: int, folder: Path) -> list[str]:
    environment = dict(os.environ) | {"LIVEFW_RUNTIME_DIR": str(folder / "run"), "ROOT": str(folder / "root")}
    words = ["--driver", driver, "--notification", "dt", "--cpus", str(cpus), "--mount", environment["ROOT"]]
    with ExitStack() as stack:
        machine = stack.enter_context(
            subprocess.Popen([*RUN, "--json", *words], env=environment, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(machine.terminate)
        assert machine.stdout is not None
        while machine.stdout.readline() not in {"}\n", ""}:
            pass
        read, write = os.pipe()
        script = stack.enter_context(
            subprocess.Popen(["bash", SCRIPT], env=environment, stdin=read, stdout=subprocess.PIPE, text=True)
        )
        found = list(answers(script, write, environment))
        log = subprocess.run([*LIVEFW, "log"], env=environment, capture_output=True, text=True, check=True).stdout
    return found + [MARK + line.partition(MARK)[2] for line in log.splitlines() if MARK in line]


def of_the_kernel(cpus: int, kernel: str, modules: list[str], folder: Path) -> list[str]:
    environment = dict(os.environ) | {"LIVEFW_RUNTIME_DIR": str(folder / "run")}
    words = ["--cpus", str(cpus), "--qemu", kernel, "--busybox", str(CACHE / "root/bin/busybox")]
    words += ["--guest-command", SCRIPT.read_text(encoding="utf-8"), "--append", "loglevel=1"]
    words += [word for module in modules for word in ("--kernel-module", module)]
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        [*RUN, *words], env=environment, stdin=terminal, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as machine:
        try:
            return list(answers(machine, keyboard, environment))
        finally:
            machine.terminate()


DRIVER = os.environ.get("LIVEFW_TEST_DRIVER", "").split()

if DRIVER:

    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("cpus", [1, 2, 4])
    def test_a_real_driver_answers_as_its_model(cpus: int, tmp_path: Path) -> None:
        version, kernel, *modules = DRIVER
        (tmp_path / "model").mkdir()
        (tmp_path / "kernel").mkdir()
        model = of_the_model(version, cpus, tmp_path / "model")
        assert len(model) > 300
        assert of_the_kernel(cpus, kernel, modules, tmp_path / "kernel") == model
