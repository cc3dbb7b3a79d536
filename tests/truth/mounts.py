# SPDX-License-Identifier: Apache-2.0
"""A modelled machine that is mounted, and the command on it as a process."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.machine.config import MachineConfig
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

from .. import starting

LFA = "sys/firmware/lfa"


class Said(NamedTuple):
    """What the command said: its exit code, the text for a person, and what it wrote to both streams."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one result of an answer in JSON."""
        (result,) = json.loads(self.out)["results"]
        assert isinstance(result, dict)
        return result


def livefw(folder: Path, *words: str) -> Said:
    """Run the command to its end; its history and its lock are below a folder."""
    environment = os.environ | {"LIVEFW_STATE": str(folder / "state"), "LIVEFW_RUNTIME_DIR": str(folder / "run")}
    done = starting.run(words, environment=environment)
    return Said(done.returncode, done.stdout, done.stderr)


class Mounted:
    """A machine in real time, mounted from this process."""

    def __init__(self, config: MachineConfig, folder: Path) -> None:
        self.machine = Machine(config, real_time=True)
        self.machine.boot()
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self._tree = MountedTree(self.machine.tree, self.machine.runner, directory=str(self.root))

    def livefw(self, *words: str) -> Said:
        """The command on it."""
        return livefw(self.folder, "--root", str(self.root), *words)

    def file(self, component: str, attribute: str) -> Path:
        """A file of the driver."""
        return self.root / LFA / component / attribute

    def close(self) -> None:
        """Unmount and switch off."""
        self._tree.close()
        self.machine.close()


class Mounts:
    """Machines that are mounted for one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.mounted: list[Mounted] = []

    def __call__(self, config: MachineConfig) -> Mounted:
        """Mount one more."""
        folder = self._folder / f"machine-{len(self.mounted)}"
        folder.mkdir()
        self.mounted.append(Mounted(config, folder))
        return self.mounted[-1]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mounts]:
    """Mount machines; all are gone at the end."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    mounts = Mounts(tmp_path)
    yield mounts
    for each in reversed(mounts.mounted):
        each.close()
