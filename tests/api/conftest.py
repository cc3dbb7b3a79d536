# SPDX-License-Identifier: Apache-2.0
"""Hosts as `livefw.connect` gives them: of a modelled machine in virtual time, and of a folder of plain files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.activation.actor import Actor
from livefw.activation.host import Host
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.api import ConnectedHost
from livefw.providers.lfa.fake import FakeLfa
from livefw.providers.registry import providers
from livefw.testing import ModelMachine

Connect = Callable[..., ConnectedHost]


@pytest.fixture
def machine() -> Iterator[ModelMachine]:
    """A machine with two components, of which one has a pending image."""
    with ModelMachine("vera") as made:
        yield made


@pytest.fixture
def connect(machine: ModelMachine, tmp_path: Path) -> Iterator[Connect]:
    """Opens the modelled machine; as often as wanted, each time a host of its own."""
    opened: list[ConnectedHost] = []
    paths = Paths(str(tmp_path / "state"), str(tmp_path / "run/lock"), str(tmp_path / "etc"), str(tmp_path))

    def make(settings: str = "", *more: Any) -> ConnectedHost:
        found = (*providers(machine.files, machine.clock), *more)
        actor = Actor("root", "", "api")
        host = Host(machine.files, found, machine.clock, paths, parse(settings.encode()), actor)
        opened.append(ConnectedHost(host))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def host(connect: Connect) -> ConnectedHost:
    """One host of the modelled machine."""
    return connect()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A root with the files of one component, which a write changes no more than any file."""
    lfa = FakeLfa()
    lfa.add()
    root = tmp_path / "root"
    for path, data in lfa.files.tree.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root
