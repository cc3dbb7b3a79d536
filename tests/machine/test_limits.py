# SPDX-License-Identifier: Apache-2.0
"""Each bound of a modelled machine at its very limit: as much is taken, and one more is not."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from livefw.errors import LivefwError
from livefw.machine.bmc.form import parts
from livefw.machine.config import Grid, MachineConfig, load
from livefw.machine.faults import FaultRequest
from livefw.machine.machine import Machine


def cpus(count: int) -> object:
    return MachineConfig(name="x", cpus=count)


def components(count: int) -> object:
    return MachineConfig(name="x", grid=Grid(count=count))


def letters(count: int) -> object:
    return MachineConfig(name="x" * count)


def tds(count: int) -> object:
    spec = load("tdx-gnr").tdx
    assert spec
    return replace(spec, tds=count)


def fault(**more: object) -> object:
    machine = Machine(MachineConfig(name="x", grid=Grid(count=1)))
    machine.boot()
    guid = next(iter(machine.platform.components())).guid
    machine.inject(FaultRequest(component=str(guid), **more))  # type: ignore[arg-type]  # names and values of its fields
    machine.close()
    return machine


def times(count: int) -> object:
    return fault(name="auth-error", times=count)


def milliseconds(count: int) -> object:
    return fault(name="slow", ms=float(count))


def parts_of_a_form(count: int) -> object:
    rows = "".join(f'--b\r\nContent-Disposition: form-data; name="p{number}"\r\n\r\nx\r\n' for number in range(count))
    found = parts("multipart/form-data; boundary=b", f"{rows}--b--".encode())
    assert len(found) == count
    return found


class Limit(NamedTuple):
    """How many are taken, and something with so many."""

    most: int
    make: Callable[[int], object]


LIMITS = {
    "CPUs": Limit(4_096, cpus),
    "components": Limit(100_000, components),
    "letters of a name": Limit(32, letters),
    "TDs": Limit(64, tds),
    "times of a fault": Limit(1_000_000, times),
    "milliseconds of a fault": Limit(3_600_000, milliseconds),
    "parts of a form": Limit(16, parts_of_a_form),
}


@pytest.mark.parametrize("name", LIMITS)
def test_exactly_as_much_is_taken_and_one_more_is_not(name: str) -> None:
    most, make = LIMITS[name]
    assert make(most)
    with pytest.raises((ValueError, LivefwError)):
        make(most + 1)


def test_no_cpu_and_no_time_are_not_taken() -> None:
    for make in (cpus, times, milliseconds):
        assert make(1)
        with pytest.raises((ValueError, LivefwError)):
            make(0)
