# SPDX-License-Identifier: Apache-2.0
"""The plug-in of pytest: fixtures for modelled machines, BMCs and agents, and the marker that chooses them.

It is loaded in each run of pytest on a system where livefw is installed. It therefore imports nothing but pytest until
a test asks for one of its fixtures. ``-p no:livefw`` leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from livefw.testing import ModelAgent, ModelBmc, ModelMachine
    from livefw.testing.marks import MarkedCase

_MARKER = (
    "livefw(*, platform, driver, agent, cpus, faults, real_time, mount, bmc_pattern, bmc_faults): which modelled "
    "machine, agent or BMC the fixtures livefw_machine, livefw_agent and livefw_bmc give; a list of platforms, drivers "
    "or agents runs the test with each of them"
)
_FIXTURES = {"livefw_machine", "livefw_agent", "livefw_bmc"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each machine or agent that its marker names."""
    used = _FIXTURES.intersection(metafunc.fixturenames)
    if used or metafunc.definition.get_closest_marker("livefw"):
        found = _cases(metafunc.definition, used)
        if used and found[0].name:
            metafunc.parametrize("livefw_case", found, ids=[case.name for case in found], indirect=True)


def _cases(item: pytest.Item, used: Iterable[str]) -> list[MarkedCase]:
    """What the markers of a test say; a failure where one cannot be obeyed."""
    from livefw.testing.marks import MarkError, cases

    marks = list(item.iter_markers("livefw"))[::-1]  # the nearest has the last word, key by key
    try:
        return cases([(mark.args, mark.kwargs) for mark in marks], used)
    except MarkError as error:
        pytest.fail(f"{item.nodeid}: pytest.mark.livefw: {error}", pytrace=False)


@pytest.fixture
def livefw_case(request: pytest.FixtureRequest) -> MarkedCase:
    """What the marker ``livefw`` says of this run of the test."""
    case: MarkedCase = request.param if hasattr(request, "param") else _cases(request.node, ())[0]
    return case


@pytest.fixture
def livefw_machine(livefw_case: MarkedCase) -> Iterator[ModelMachine]:
    """A modelled machine that has booted: `livefw.testing.ModelMachine`, or with ``mount=True`` a `MountedMachine`.

    Skips the test where nothing can be mounted.
    """
    from livefw.errors import PermissionDenied, TransportError

    try:
        machine = livefw_case.machine()
    except (TransportError, PermissionDenied) as error:
        pytest.skip(f"cannot mount: {error.message}")
    with machine:
        yield machine


@pytest.fixture
def livefw_agent(livefw_case: MarkedCase) -> ModelAgent:
    """A modelled LFA agent: `livefw.testing.ModelAgent`."""
    return livefw_case.modelled_agent()


@pytest.fixture
def livefw_bmc(livefw_case: MarkedCase) -> Iterator[ModelBmc]:
    """A modelled BMC that serves: `livefw.testing.ModelBmc`. Skips the test without the Python package cryptography."""
    from livefw.errors import NotInstalled

    try:
        bmc = livefw_case.bmc()
    except NotInstalled as error:
        pytest.skip(error.message)
    with bmc:
        yield bmc
