# SPDX-License-Identifier: Apache-2.0
"""What the marker ``livefw`` of pytest may say, and the machines, agents and BMCs that follow from it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, cast

from livefw.errors import LivefwError
from livefw.firmware.profile import PROFILES
from livefw.kernel.lfa import VERSIONS
from livefw.machine.bmc.faults import FAULTS as BMC_FAULTS
from livefw.machine.bmc.firmware import Pattern
from livefw.machine.catalog import ALL_FAULTS
from livefw.machine.config import MAX_CPUS, load, platforms
from livefw.testing.agent import ModelAgent
from livefw.testing.bmc import ModelBmc
from livefw.testing.machine import FaultSpec, ModelMachine, fault_request
from livefw.testing.mounted import MountedMachine


class MarkError(Exception):
    """A marker that cannot be obeyed; the message lists what could be said instead."""


class MarkedCase(NamedTuple):
    """What one run of a test gets."""

    platform: str = "vera"
    driver: str | None = None
    agent: str | None = None
    cpus: int | None = None
    faults: tuple[FaultSpec, ...] = ()
    real_time: bool = False
    mount: bool = False
    bmc_pattern: str = "both"
    bmc_faults: tuple[str, ...] = ()

    name: str = ""
    """What pytest shows of it after the name of the test; empty where there is one run."""

    def machine(self) -> ModelMachine:
        """The machine, booted. Errors as `ModelMachine` and `MountedMachine`."""
        if self.mount:
            return MountedMachine(
                self.platform, cpus=self.cpus, agent=self.agent, driver=self.driver, faults=self.faults
            )
        return ModelMachine(
            self.platform,
            cpus=self.cpus,
            agent=self.agent,
            driver=self.driver,
            faults=self.faults,
            real_time=self.real_time,
        )

    def modelled_agent(self) -> ModelAgent:
        """The agent."""
        return ModelAgent(profile=self.agent or "bet1", cpus=self.cpus or 4)

    def bmc(self) -> ModelBmc:
        """The BMC. Errors as `ModelBmc`."""
        return ModelBmc(pattern=self.bmc_pattern, faults=self.bmc_faults)


_KEYS = MarkedCase._fields[:-1]
_AXES = {"livefw_machine": ("platform", "driver", "agent"), "livefw_agent": ("agent",)}
"""Keys of which a test is run with each value, by the fixture they are for."""


def cases(marks: Iterable[tuple[Sequence[Any], Mapping[str, Any]]], fixtures: Iterable[str]) -> list[MarkedCase]:
    """The runs of a test: what its markers say, the nearest last, for the fixtures it uses. `MarkError`."""
    said: dict[str, Any] = {}
    for positional, named in marks:
        if positional:
            raise MarkError(f"takes keywords only; {_list(_KEYS)}")
        if unknown := sorted(set(named) - set(_KEYS)):
            raise MarkError(f"there is no {', '.join(unknown)}; {_list(_KEYS)}")
        said |= named
    for key, value in said.items():
        _check(key, value)
    axes = [axis for axis in ("platform", "driver", "agent") if any(axis in _AXES.get(each, ()) for each in fixtures)]
    values = [_values(said.get(axis, MarkedCase._field_defaults[axis])) for axis in axes]
    case = MarkedCase(**{key: _frozen(value) for key, value in said.items() if key not in axes})
    shown = [axis for axis in axes if not isinstance(said.get(axis, ""), str)]
    return [_chosen(case, dict(zip(axes, chosen, strict=True)), shown) for chosen in product(*values)]


def _chosen(case: MarkedCase, chosen: Mapping[str, Any], shown: Iterable[str]) -> MarkedCase:
    return case._replace(name="-".join(str(chosen[axis]) for axis in shown), **chosen)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _values(value: Any) -> list[Any]:
    return [value] if value is None or isinstance(value, str) else list(value)


def _check(key: str, value: Any) -> None:
    if key in _TABLES:
        _check_names(key, value, _TABLES[key])
    elif key == "platform":
        _check_platforms(value)
    elif key == "faults":
        _check_faults(value)
    elif key == "cpus":
        if type(value) is not int or not 1 <= value <= MAX_CPUS:
            raise MarkError(f"cpus: {value!r} is not a number from 1 to {MAX_CPUS}")
    elif not isinstance(value, bool):
        raise MarkError(f"{key}: {value!r} is neither True nor False")


_TABLES = {
    "driver": tuple(VERSIONS),
    "agent": tuple(PROFILES),
    "bmc_pattern": tuple(map(str, Pattern)),
    "bmc_faults": tuple(BMC_FAULTS),
}
"""Keys whose values are names of a table."""


def _check_names(key: str, value: Any, known: Sequence[str]) -> None:
    names = _values(value)
    if not names or (key == "bmc_pattern" and not isinstance(value, str)):
        raise MarkError(f"{key}: {value!r} is no name; {_list(known)}")
    for name in names:
        if name not in known:
            raise MarkError(f"{key}: there is no {name!r}; {_list(known)}")


def _check_platforms(value: Any) -> None:
    for name in _values(value):
        try:
            load(name)
        except LivefwError as error:
            raise MarkError(f"platform: {error.message}; {_list(platforms())}") from error
    if not _values(value):
        raise MarkError(f"platform: empty; {_list(platforms())}")


def _check_faults(value: Any) -> None:
    if isinstance(value, (str, Mapping)):
        raise MarkError(f"faults: {value!r} is not a list")
    for fault in cast("Iterable[FaultSpec]", value):
        try:
            request = fault_request(fault)
        except LivefwError as error:
            raise MarkError(f"faults: {error.message}; {error.hint}") from error
        if request.name not in ALL_FAULTS:
            raise MarkError(f"faults: there is no {request.name!r}; {_list(tuple(ALL_FAULTS))}")


def _list(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}"
