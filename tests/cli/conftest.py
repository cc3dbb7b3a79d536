# SPDX-License-Identifier: Apache-2.0
"""Trees of plain files, and the command run on them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.machine.config import load
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine
from livefw.providers.lfa.fake import FakeLfa

from .. import starting


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on standard output."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        assert document["schema"] == "livefw/1"
        return document


class Root:
    """A machine's files below a folder, and what happens when livefw looks at them."""

    def __init__(self, path: Path) -> None:
        self.path = path / "root"
        self.path.mkdir()
        self.environment = os.environ | {
            "LIVEFW_STATE": str(path / "state"),
            "LIVEFW_RUNTIME_DIR": str(path / "run"),
            "COLUMNS": "80",
        }

    def plant(self, bench: FakeLfa) -> None:
        """Write a tree from memory."""
        for path, data in bench.files.tree.items():
            file = self.file(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def file(self, path: str) -> Path:
        """The file at an absolute path of the machine."""
        return self.path / path.lstrip("/")

    def command(self, *words: str) -> list[str]:
        """The command line; ``--root`` is given already, and ``--settings`` where the tree has some."""
        settings = self.file("/etc/livefw")
        used = ["--settings", str(settings)] if os.path.isdir(settings) and "--settings" not in words else []
        return [sys.executable, "-m", "livefw", "--root", str(self.path), *used, *words]

    def run(self, *words: str, **options: Any) -> Done:
        """Run it to its end."""
        done = starting.run(self.command(*words)[3:], environment=self.environment, **options)
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run it in a session of its own, with text pipes."""
        return subprocess.Popen(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def empty(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture
def planted(empty: Root) -> Callable[[FakeLfa], Root]:
    def plant(bench: FakeLfa) -> Root:
        empty.plant(bench)
        return empty

    return plant


@pytest.fixture
def ready(empty: Root) -> Root:
    """One component, ready to be activated."""
    bench = FakeLfa()
    bench.add()
    empty.plant(bench)
    return empty


@pytest.fixture
def vera(empty: Any) -> Iterator[Any]:
    """A machine in this process, mounted where the command looks."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    machine = Machine(load("vera"), real_time=True)
    machine.boot()
    tree = MountedTree(machine.tree, machine.runner, directory=str(empty.path))
    empty.machine = machine
    yield empty
    tree.close()
    machine.close()


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A machine that was killed, and left its mount behind."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    root = Root(tmp_path_factory.mktemp("dead"))
    command = [sys.executable, "-m", "livefw", "machine", "run", "--platform", "vera", "--mount", str(root.path)]
    environment = root.environment | {"XDG_RUNTIME_DIR": str(root.path.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        assert "ready" in server.stdout.readline()
        server.kill()
    yield root
    subprocess.run(["umount", "-l", str(root.path)], check=True)
