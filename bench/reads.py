# SPDX-License-Identifier: Apache-2.0
"""One attribute through FUSE: open, read, close."""

import os
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter_ns

from bench.measure import Aim, Row, affinity
from bench.mounted import machine

READS = 500
TURNS = 8
SYSFS = "/sys/kernel/mm/transparent_hugepage/enabled"
"""An attribute of the real kernel, as a measure of what no server in user space can reach."""


def rows() -> Iterator[Row]:
    """Reader and server on one CPU, on two, and wherever the scheduler puts them: what differs is the hand-over."""
    with machine("fvp") as mounted:
        folder = f"{mounted.root}/sys/firmware/lfa"
        component = sorted(os.listdir(folder))[0]
        paths = {
            "cached attribute (name)": f"{folder}/{component}/name",
            "attribute that asks the firmware (activation_pending)": f"{folder}/{component}/activation_pending",
        }
        if os.path.exists(SYSFS):
            paths["real kernel's sysfs"] = SYSFS
        cpus = os.sched_getaffinity(0)
        first, last = {min(cpus)}, {max(cpus)}
        places = {"one CPU": (first, first), "two CPUs": (first, last), "as scheduled": (cpus, cpus)}
        taken: dict[tuple[str, str], list[int]] = {(what, where): [] for what in paths for where in places}
        for _ in range(TURNS):
            for where, (own, others) in places.items():
                with affinity(own, mounted.process, others):
                    for what, path in paths.items():
                        taken[what, where] += _latencies(path)
    for (what, where), latencies in taken.items():
        yield Row(f"read, {what}, {where}", median(latencies) / 1e3, "us p50", None if "real" in what else Aim(100))


def _latencies(path: str) -> list[int]:
    def read() -> None:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 4096)
        os.close(descriptor)

    return [_nanoseconds(read) for _ in range(READS)]


def _nanoseconds(action: Callable[[], object]) -> int:
    start = perf_counter_ns()
    action()
    return perf_counter_ns() - start
