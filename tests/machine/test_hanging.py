# SPDX-License-Identifier: Apache-2.0
"""A file that is never answered makes its test fail by its time-out, and holds up nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.fuse, pytest.mark.timeout(300)]  # some steps are waited for

UNANSWERED = """
import subprocess, sys
from pathlib import Path

import pytest

from livefw.kernel.sysfs import Attribute
from livefw.machine.config import load
from livefw.machine.fuse.server import MountedTree, FuseServer
from livefw.machine.machine import Machine
from livefw.machine.fuse.mount import remove_dead

def mount(directory):
    machine = Machine(load("vera"), real_time=True)
    machine.boot()
    async def show():
        return "never"
    machine.tree.make_directories("/sys/toys").add("toy", Attribute(mode=0o444, show=show))
    FuseServer._read = lambda server, request: None  # the regression
    tree = MountedTree(machine.tree, machine.runner, directory=directory)
    print("ready", flush=True)
    return machine, tree

@pytest.fixture
def directory(tmp_path):
    (tmp_path / "root").mkdir()
    yield tmp_path / "root"
    remove_dead(str(tmp_path / "root"))

def wait(how, file):
    if how == "child":
        subprocess.run(["cat", file], check=True)
    else:
        file.read_bytes()

@pytest.mark.parametrize("how", ["self", "child"])
def test_served_here(directory, how):
    machine, tree = mount(str(directory))
    try:
        wait(how, directory / "sys/toys/toy")
    finally:
        tree.close()
        machine.close()

def test_served_by_a_child(directory):
    code = ("import sys, threading; sys.path.insert(0, sys.argv[1]); import test_unanswered as t;"
            " kept = t.mount(sys.argv[2]); threading.Event().wait()")
    words = [sys.executable, "-c", code, str(Path(__file__).parent), str(directory)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "ready\\n"
        wait("self", directory / "sys/toys/toy")
    finally:
        server.kill()
        server.communicate()

@pytest.mark.timeout(60)
def test_that_passes():
    assert True
"""


def test_who_waits_for_ever_is_ended(tmp_path: Path, mountable: None) -> None:
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "test_unanswered.py").write_text(UNANSWERED, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--timeout=1", "-n", "1"]
    command += ["--basetemp", str(tmp_path / "inner"), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with open(tmp_path / "told", "w+", encoding="utf-8") as told:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=told, stderr=told)
        process.wait(240)
        told.seek(0)
        text = told.read()
    assert "3 failed, 1 passed" in text
    assert text.count("Failed: Timeout (>1.0s)") >= 3
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
