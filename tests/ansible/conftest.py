# SPDX-License-Identifier: Apache-2.0
"""A controller with the collection, and a modelled machine that it reaches by the connection ``local``."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from livefw.machine.config import load
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine

from .cores import oldest_python, programs

COLLECTION = Path(__file__).parents[2] / "ansible"
MODULES = sorted(path.stem for path in (COLLECTION / "plugins/modules").glob("*.py"))
LIVEFW = Path(sys.executable).parent / "livefw"

Task = dict[str, Any]
Play = Callable[..., list[dict[str, Any]]]


class Controller:
    """ansible-core with the collection, in a home of its own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        collections = folder / "collections/ansible_collections/livefw"
        collections.mkdir(parents=True)
        (collections / "fleet").symlink_to(COLLECTION)
        (folder / "home").mkdir()
        (folder / "run").mkdir(mode=0o700)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "LIVEFW_"))}
        self.environment = kept | {
            "HOME": str(folder / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "LIVEFW_RUNTIME_DIR": str(folder / "run"),
            "PYTHONDONTWRITEBYTECODE": "1",  # the collection is the checkout
        }

    def run(self, program: str, *words: str, code: int = 0) -> str:
        """Run one of its programs to its end; what it printed."""
        command = [str(self._programs / program), *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def start(self, program: str, *words: str) -> "subprocess.Popen[str]":
        """Start one of its programs, in a process group of its own."""
        command = [str(self._programs / program), *words]
        return subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def yaml(self, text: str) -> Any:
        """What a text of YAML says; the tests have no reader of their own."""
        code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
        command = [str(self._programs / "python"), "-c", code]
        return json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)

    def play(self, tasks: Sequence[Task], defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run tasks on one host, each whatever became of those before it; the result of each."""
        named = [f"task_{number}" for number in range(len(tasks))]
        told = self._folder / "results"
        last = {
            "ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(told)},
            "vars": {"found": f"{{{{ [{', '.join(named)}] }}}}"},
            "check_mode": False,
        }
        steps = [task | {"register": name, "ignore_errors": True} for task, name in zip(tasks, named, strict=True)]
        play = {
            "hosts": "all",
            "gather_facts": False,
            "module_defaults": {"group/livefw.fleet.livefw": dict(defaults)},
            "tasks": [*steps, last],
        }
        book = self._folder / "play.json"  # which is YAML, too
        book.write_text(json.dumps([play]), encoding="utf-8")
        interpreter = f"ansible_python_interpreter={oldest_python()[1]}"
        self.run("ansible-playbook", "-i", "node17,", "-c", "local", "-e", interpreter, str(book))
        found: list[dict[str, Any]] = json.loads(told.read_text(encoding="utf-8"))
        return found


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    """With the older ansible-core."""
    return Controller(tmp_path, programs("2.19"))


@pytest.fixture
def machine() -> Machine:
    made = Machine(load("vera"), real_time=True)
    made.boot()
    return made


@pytest.fixture
def defaults(tmp_path: Path, machine: Machine) -> Iterator[dict[str, Any]]:
    """The options by which the modules find the modelled machine."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    root = tmp_path / "root"
    root.mkdir()
    tree = MountedTree(machine.tree, machine.runner, directory=str(root))
    yield {"executable": str(LIVEFW), "root": str(root), "state_dir": str(tmp_path / "state")}
    tree.close()
    machine.close()


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Path]:
    """The root of a machine with a modelled BMC."""
    root = tmp_path / "root"
    words = [sys.executable, "-m", "livefw", "--json", "machine", "bmc", str(root), "--seconds", "0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n}\n"):
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            yield root
        finally:
            process.terminate()
