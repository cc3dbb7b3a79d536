# SPDX-License-Identifier: Apache-2.0
"""Discovery of ever more components: what one of them costs must not grow with their number."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial

from bench.measure import Aim, Row, interleave
from bench.mounted import machine
from livefw.files.host import HostFiles
from livefw.files.protocol import Files
from livefw.machine.config import load
from livefw.machine.files import MachineFiles
from livefw.machine.machine import Machine
from livefw.providers.registry import providers

SIZES = (10, 1_000, 10_000)
ROUNDS = 5
LEAST = 1_000
"""Components looked at in one measurement: a small tree is read as often as that takes."""


def rows() -> Iterator[Row]:
    """Microseconds per component, and the dearest of the sizes over the cheapest."""
    with ExitStack() as stack:
        yield from _compare("in process", {size: MachineFiles(_booted(size, stack)) for size in SIZES})
    with ExitStack() as stack:
        mounted = {size: stack.enter_context(machine("grid", "--components", str(size))) for size in SIZES}
        files = {size: stack.enter_context(closing(HostFiles(each.root))) for size, each in mounted.items()}
        yield from _compare("through FUSE", files)


def _booted(size: int, stack: ExitStack) -> Machine:
    grid = stack.enter_context(closing(Machine(load("grid").with_components(size))))
    grid.boot()
    return grid


def _compare(how: str, trees: Mapping[int, Files]) -> Iterator[Row]:
    medians = interleave({str(size): partial(_discover, tree, size) for size, tree in trees.items()}, rounds=ROUNDS)
    costs = {size: medians[str(size)] / _repeats(size) / size * 1e6 for size in trees}
    for size, cost in costs.items():
        yield Row(f"discovery {how}, {size:,} components", cost, "us each")
    spread = max(costs.values()) / min(costs.values())
    yield Row(f"discovery {how}, dearest size", spread, "times", Aim(1.5), "cheapest size")


def _repeats(size: int) -> int:
    return max(1, LEAST // size)


def _discover(files: Files, size: int) -> None:
    for _ in range(_repeats(size)):
        found = sum(len(provider.discover().components) for provider in providers(files))
        if found != size:
            raise RuntimeError(f"{found} components were found, not {size}")
