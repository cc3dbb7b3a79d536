# SPDX-License-Identifier: Apache-2.0
"""The driver of dkms/ in a real kernel against its model: the same steps, and the same answers, log, uevents and calls.

The steps that test_driver.py has come first, then what a seed makes by chance; `steps.LOOSE` says what may differ. The
seed differs each day, and a failure prints how to play it again. LIVEFW_SEED and LIVEFW_STEPS choose others.
soak_steps.py has more of what chance makes.
"""

import datetime
import json
import os
import queue
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.qemu import steps, steps_made
from tests.qemu.scripts import CACHE
from tests.qemu.steps import LIMITED, ModelPlayer, Played, Seen
from tests.qemu.test_module import QUIET, Module, module

from livefw.machine.qemu import guest_python, initramfs, kernel_file
from livefw.machine.qemu.initramfs import ArchiveFile
from livefw.machine.qemu.machine import QemuMachine
from livefw.machine.qemu.process import QemuConfig

__all__ = ["module"]

GUEST = Path(__file__).with_name("steps_guest.py")
SEED = int(os.environ.get("LIVEFW_SEED") or datetime.datetime.now(tz=datetime.UTC).date().toordinal())
STEPS = int(os.environ.get("LIVEFW_STEPS", "2000"))
SILENCE = 300.0
"""Seconds without a line after which a guest is dead. Nothing that a guest does takes long."""


class Real(NamedTuple):
    """What the guest showed, step by step; and the calls up to each step that changed the machine, and at the end."""

    seen: list[Seen]
    calls: list[list[str]]
    changes: list[Any]


class Console:
    """Whole lines of what a guest prints."""

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._rest = b""

    def show(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.lines.put(line.decode("utf-8", "replace").strip("\r"))

    def __iter__(self) -> Iterator[str]:
        while (line := self.lines.get(timeout=SILENCE)) is not None:
            yield line


def archive(player: ModelPlayer, module: Module, python: str) -> bytes:
    played = [
        (
            each.step,
            len([line for line in each.seen.lines if not LIMITED.search(line)]),
            len(each.seen.uevents),
            each.listed,
            each.seen.answer == "EBUSY",
        )
        for each in player.steps
    ]
    files = [
        *(each for each in guest_python.entries(python) if not each.name.startswith("opt/livefw/")),
        ArchiveFile("steps.json", stat.S_IFREG | 0o644, json.dumps(played).encode()),
        ArchiveFile("steps.py", stat.S_IFREG | 0o644, GUEST.read_bytes()),
        ArchiveFile("livefw_lfa.ko", stat.S_IFREG | 0o644, module.files[0].read_bytes()),
    ]
    command = "$(ls /usr/bin/python3.??) -u /steps.py"
    return initramfs.build(os.fspath(CACHE / "kernel/root/bin/busybox"), command=command, more=files)


class Guest:
    """Plays the steps of a model on a kernel."""

    def __init__(self, player: ModelPlayer, module: Module, python: str, cpus: int, folder: Path) -> None:
        self.player = player
        self.console = Console()
        kernel, initrd = folder / "kernel", folder / "initrd"
        kernel.write_bytes(kernel_file.image(os.fspath(module.kernel)) or module.kernel.read_bytes())
        initrd.write_bytes(archive(player, module, python))
        config = QemuConfig(
            kernel=os.fspath(kernel),
            initrd=os.fspath(initrd),
            arguments=f"console=ttyAMA0 panic=-1 {QUIET}",
            cpus=cpus,
        )
        self.machine = QemuMachine(
            player.machine.config, config, screen=self.console.show, ended=lambda: self.console.lines.put(None)
        )
        self._calls = 0

    def play(self) -> Real:
        real = Real([], [], [])
        timed = False
        self.machine.boot()
        try:
            for line in self.console:
                if line.startswith("#"):
                    played = self.player.steps[int(line[1:])]
                    real.calls.append(self._taken(timed=timed))
                    timed = played.timed
                    real.changes.append(self._change(played))
                    self.machine.type(b"\n")
                elif line.startswith("@"):
                    number, *seen = json.loads(line[1:])
                    assert number == len(real.seen)
                    real.seen.append(Seen(*seen))
                    timed = timed or self.player.steps[number].timed
                elif line == "END":
                    break
            real.calls.append(self._taken(timed=timed))
            assert not self.machine.problems
        finally:
            self.machine.close()
        return real

    def _change(self, played: Played) -> Any:
        said = steps.change(self.machine, played.step)
        if played.step[1] == "notify":
            # The work item has no end that a program sees; its calls are what the model had, or time tells.
            end = time.monotonic() + 20
            while len(self._seen()) < len(steps.grouped(played.calls)) and time.monotonic() < end:
                time.sleep(0.005)
        return said

    def _seen(self) -> list[str]:
        with self.machine.runner.lock:
            return steps.grouped(steps.calls_of(self.machine.trace.since(self._calls), timed=False))

    def _taken(self, *, timed: bool) -> list[str]:
        with self.machine.runner.lock:
            calls = list(self.machine.trace.since(self._calls))
            self._calls = self.machine.trace.next_sequence
        return steps.grouped(steps.calls_of(calls, timed=timed))


def of_the_model(played: list[Played]) -> list[tuple[int, list[str]]]:
    """The calls up to each step that changes the machine, with that step's number."""
    parts: list[tuple[int, list[str]]] = []
    calls: list[str] = []
    for number, each in enumerate(played):
        if each.step[0] == "host":
            parts.append((number, steps.grouped(calls)))
            calls = []
        calls += each.calls
    return [*parts, (len(played), steps.grouped(calls))]


def differences(player: ModelPlayer, real: Real) -> Iterator[tuple[int, Any, Any]]:
    """Step, what the model had, what the kernel had."""
    for number, (model, kernel) in enumerate(zip(player.steps, real.seen, strict=False)):
        if model.step[0] != "host":
            yield from ((number, m, k) for m, k in [(model.seen.answer, kernel.answer)] if m != k)
        limited = [line for line in model.seen.lines if LIMITED.search(line)]
        lines = [line for line in model.seen.lines if line not in limited]
        strange = [line for line in kernel.lines if LIMITED.search(line) and "suppressed" not in line]
        if strange and not set(strange) <= set(limited):
            yield number, limited, strange
        told = [line for line in kernel.lines if not LIMITED.search(line)]
        if told != lines:
            yield number, lines, told
        if kernel.uevents != model.seen.uevents:
            yield number, model.seen.uevents, kernel.uevents
    changes = [each.seen.answer for each in player.steps if each.step[0] == "host"]
    yield from ((-1, m, k) for m, k in zip(changes, real.changes, strict=False) if m != k)
    for (number, model_calls), kernel_calls in zip(of_the_model(player.steps), real.calls, strict=False):
        if model_calls != kernel_calls:
            yield number, model_calls, kernel_calls


def report(player: ModelPlayer, found: list[tuple[int, Any, Any]]) -> str:
    found = sorted(found, key=lambda row: row[0])
    first = found[0][0]
    lines = [f"{number}: {player.steps[number].step}" for number in range(max(first - 12, 0), first + 1)
             if number < len(player.steps)]  # fmt: skip
    lines += [f"step {number}\n  model:  {model}\n  kernel: {kernel}" for number, model, kernel in found[:8]]
    return "\n".join(lines)


def compare(
    module: Module,
    python: str,
    folder: Path,
    *,
    seed: int,
    steps: int,
    cpus: int,
    begin: Callable[[ModelPlayer, int], None],
) -> str:
    """Play on both; what differs."""
    release = module.kernel.name.removeprefix("vmlinuz-")
    player = steps_made.made(seed, steps, cpus=cpus, release=release, begin=begin)
    real = Guest(player, module, python, cpus, folder).play()
    if found := list(differences(player, real)):
        return report(player, found)
    return "" if len(real.seen) == len(player.steps) >= steps else f"{len(real.seen)} of {len(player.steps)} steps"


@pytest.mark.timeout(1200)
def test_the_module_does_what_its_model_does(module: Callable[[str], Module], python: str, tmp_path: Path) -> None:
    differs = compare(module("default"), python, tmp_path, seed=SEED, steps=STEPS, cpus=4, begin=steps_made.fixed)
    assert not differs, f"LIVEFW_SEED={SEED} LIVEFW_STEPS={STEPS} pytest {__file__}\n{differs}"
