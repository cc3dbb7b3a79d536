# SPDX-License-Identifier: Apache-2.0
"""A real driver in a real kernel against the model of it: the same commands on both, and the same answers.

Runs where LIVEFW_TEST_DRIVER names the version, an arm64 kernel, and the driver's module if it is not built in:
``nv3 vmlinuz lfa_fw.ko``. No distribution of Debian has one (docs/reference/kernel.md).
"""

import os
import pty
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.qemu.scripts import CACHE, LIVEFW, printed_by

from livefw.kernel.lfa import VERSIONS

SCRIPT = Path(__file__).with_name("driver.sh")
RUN = [*LIVEFW, "run", "--platform", "vera"]

BUSY, CANCELED, TAKEN = "Device or resource busy", "Operation canceled", ""

ORDERS = {
    "the first activates, the second is refused": (TAKEN, CANCELED),
    "the second activates, the first is refused": (CANCELED, TAKEN),
    "one after the other": (TAKEN, TAKEN),
    "both are refused": (CANCELED, CANCELED),
    "the second is told to come later": (TAKEN, BUSY),
}
"""What the first and the second of two writers of ``activate`` were told."""

RACE = frozenset({"the first activates, the second is refused", "the second activates, the first is refused"})
ONE_CPU = RACE | {"one after the other", "both are refused"}
"""Where the only CPU is in a slow PRIME, the second writer comes into the first one's pauses."""

ACCEPTED = {
    "v1": frozenset({"both are refused"}),  # it cannot PRIME in steps, and makes the second wait
    "v2": RACE,
    "v3": RACE,
    "nv3": frozenset({"the second is told to come later"}),
    "lw1": frozenset({"the second is told to come later"}),
}
"""By version; what is a race of the real driver, and was seen to go both ways there and here, is one here."""


class Played(NamedTuple):
    """What a script printed, but for the two writers; and how those were told apart."""

    release: str
    lines: list[str]
    order: str


def played(printed: list[str]) -> Played:
    """Take a script's lines apart; AssertionError for two writers who were told something without a name."""
    begin, end = printed.index("TWO WRITERS"), printed.index("ONE WRITER")
    told = {
        words[2].rstrip(":"): answer
        for each in printed[begin:end]
        if (words := each.partition(": ")[0].split())[:1] == ["put"] and words[2:] and words[1].endswith("/activate")
        for answer in [each.partition(": ")[2]]
    }
    names = [name for name, answers in ORDERS.items() if answers == (told.get("first"), told.get("second"))]
    assert len(names) == 1, f"two writers were told {told}"
    return Played(printed[0].removeprefix("RELEASE "), printed[1 : begin + 1] + printed[end:], names[0])


def accepted(version: str, cpus: int) -> frozenset[str]:
    """Orders of two writers that a version may show."""
    return ONE_CPU if cpus == 1 and ACCEPTED[version] is RACE else ACCEPTED[version]


def names_of(driver: str) -> str:
    """The script's NAMES."""
    return "checked" if VERSIONS[driver].checks_error_names else ""


def of_the_model(driver: str, cpus: int, folder: Path, *, release: str) -> Played:
    environment = dict(os.environ) | {"LIVEFW_RUNTIME_DIR": str(folder / "run"), "ROOT": str(folder / "root")}
    environment["NAMES"] = names_of(driver)
    words = ["--driver", driver, "--notification", "dt", "--cpus", str(cpus), "--mount", environment["ROOT"]]
    with ExitStack() as stack:
        machine = stack.enter_context(
            subprocess.Popen(
                [*RUN, "--json", "--kernel", release, *words], env=environment, stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(machine.terminate)
        assert machine.stdout is not None
        while machine.stdout.readline() not in {"}\n", ""}:
            pass
        read, write = os.pipe()
        script = stack.enter_context(
            subprocess.Popen(["bash", SCRIPT], env=environment, stdin=read, stdout=subprocess.PIPE, text=True)
        )
        return played(list(printed_by(script, write, environment)))


def of_the_kernel(driver: str, cpus: int, kernel: str, modules: list[str], folder: Path) -> Played:
    environment = dict(os.environ) | {"LIVEFW_RUNTIME_DIR": str(folder / "run")}
    script = f"NAMES={names_of(driver)}\n" + SCRIPT.read_text(encoding="utf-8")
    words = ["--cpus", str(cpus), "--qemu", kernel, "--busybox", str(CACHE / "kernel/root/bin/busybox")]
    words += ["--guest-command", script, "--append", "loglevel=1"]
    words += [word for module in modules for word in ("--kernel-module", module)]
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        [*RUN, *words], env=environment, stdin=terminal, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as machine:
        try:
            return played(list(printed_by(machine, keyboard, environment)))
        finally:
            machine.terminate()


def told(first: str, second: str) -> list[str]:
    """What a script prints that has two writers, who were told this."""
    writers = [f"put x/activate second: {second}", "Arm LFA: in between", f"put x/activate first: {first}"]
    return ["RELEASE 6.12.0", "before", "TWO WRITERS", *writers, "ONE WRITER", "after"]


@pytest.mark.parametrize("name", ORDERS)
def test_orders_are_told_by_name_and_kept_out_of_the_comparison(name: str) -> None:
    assert played(told(*ORDERS[name])) == ("6.12.0", ["before", "TWO WRITERS", "ONE WRITER", "after"], name)


@pytest.mark.parametrize("answers", [("Input/output error", ""), (BUSY, TAKEN), (BUSY, BUSY)])
def test_an_order_without_a_name_fails(answers: tuple[str, str]) -> None:
    with pytest.raises(AssertionError, match="two writers were told"):
        played(told(*answers))


@pytest.mark.parametrize(
    ("version", "cpus", "refused"),
    [
        ("v1", 2, "the first activates, the second is refused"),
        ("v2", 2, "the second is told to come later"),
        ("v3", 4, "one after the other"),
        ("nv3", 1, "the second activates, the first is refused"),
    ],
)
def test_each_version_has_its_orders(version: str, cpus: int, refused: str) -> None:
    assert refused not in accepted(version, cpus)
    assert accepted(version, cpus) <= set(ORDERS)
    assert set(ACCEPTED) == set(VERSIONS)


DRIVER = os.environ.get("LIVEFW_TEST_DRIVER", "").split()

if DRIVER:

    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("cpus", [1, 2, 4])
    def test_a_real_driver_answers_as_its_model(cpus: int, tmp_path: Path) -> None:
        version, kernel, *modules = DRIVER
        (tmp_path / "model").mkdir()
        (tmp_path / "kernel").mkdir()
        real = of_the_kernel(version, cpus, kernel, modules, tmp_path / "kernel")
        model = of_the_model(version, cpus, tmp_path / "model", release=real.release)
        assert len(model.lines) > 300
        assert real.lines == model.lines
        assert {real.order, model.order} <= accepted(version, cpus)
