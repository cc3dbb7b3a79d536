# SPDX-License-Identifier: Apache-2.0
"""The TDX half of a modelled machine: descriptions that cannot be, and faults that cannot be meant."""

import json
from collections.abc import Iterator

import pytest

from livefw.machine.config import ConfigError, decode, load
from livefw.machine.control import answer
from livefw.machine.machine import Machine
from livefw.machine.tdx import CPUS

GOOD = """
name = "x"
[tdx]
cpu = "spr"
module = "1.5.05"
seamldr = "1.5.05"
"""
"""Every CPU of a TDX machine and its modules are in the model's table of releases."""


def described(change: str = "") -> str:
    key = change.partition(" ")[0]
    return "\n".join([*(line for line in GOOD.splitlines() if line.partition(" ")[0] != key), change])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('cpu = "icx"', f"'icx' is not one of {', '.join(CPUS)}"),
        ("slots = -1", "slots: -1 is not between 0 and 4294967295"),
        (f"slots = {1 << 32}", "slots: 4294967296 is not between 0 and 4294967295"),
        ("tds = -1", "tds: -1 is not between 0 and 64"),
        ("tds = 65", "tds: 65 is not between 0 and 64"),
        ('module = "9.9.99"', "module: 9.9.99 is not one of"),
        ('module = "new"', "new"),
        ('seamldr = "old"', "old"),
    ],
)
def test_a_description_that_cannot_be_is_refused(change: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(described(change).encode(), source="m.toml")
    assert reason in caught.value.message


@pytest.mark.parametrize("change", ["slots = 0", f"slots = {(1 << 32) - 1}", "tds = 0", "tds = 64"])
def test_the_outermost_that_can_be_is_taken(change: str) -> None:
    key, _, value = change.partition(" = ")
    spec = decode(described(change).encode(), source="m.toml").tdx
    assert spec
    assert getattr(spec, key) == int(value)


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    made = Machine(load(request.param))
    made.boot()
    yield made
    made.close()


def injected(machine: Machine, **fault: object) -> str:
    """What the machine says to whoever asks for a fault."""
    told = json.loads(answer(machine, json.dumps({"command": "fault", "fault": fault}).encode()))
    text: str = told["error"]["message"] if "error" in told else told["result"]["text"]
    return text


@pytest.mark.parametrize("machine", ["tdx-spr"], indirect=True)
@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"times": 1}, "P-SEAMLDR does not answer queries"),
        ({}, "P-SEAMLDR does not answer queries"),
        ({"times": 0}, "times: 0 is not above 0"),
        ({"times": -1}, "times: -1 is not above 0"),
        ({"component": "x"}, "has no option component"),
        ({"function": "PRIME"}, "has no option function"),
        ({"code": "BUSY"}, "has no option code"),
        ({"ms": 5.0}, "has no option ms"),
        ({"cpu": 0}, "has no option cpu"),
        ({"count": "1"}, "has no option count"),
    ],
)
def test_a_fault_that_cannot_be_meant_is_a_mistake(machine: Machine, more: dict[str, object], text: str) -> None:
    assert text in injected(machine, name="tdx-loader", **more)


@pytest.mark.parametrize("machine", ["vera"], indirect=True)
def test_a_machine_without_tdx_has_none_of_its_faults(machine: Machine) -> None:
    assert injected(machine, name="tdx-lost") == "this machine has no TDX"
