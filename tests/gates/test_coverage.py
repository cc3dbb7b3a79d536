# SPDX-License-Identifier: Apache-2.0
"""`make coverage` counts what a process runs however it was started and however it ends."""

import signal
import subprocess
from pathlib import Path

import pytest

import livefw

from ..coverage.__main__ import SOURCES, Figures, below, collect, make_environment, table, total

SAMPLER = Path(livefw.__file__).parent / "activation/measure/sampler.py"
STARTED = {
    "activation/measure/sampler.py": f"""
        import subprocess, sys
        bare = [sys.executable, "-I", "-S", {str(SAMPLER)!r}, "1000", str(min(os.sched_getaffinity(0)))]
        told = subprocess.run(bare, input=b"mark\\nstop\\n", capture_output=True, check=True).stdout
        assert b"longest_ns" in told
        assert bare[3] == {str(SAMPLER)!r}
    """,
    "streams.py": "import livefw.streams; os._exit(0)",
    "machine/fuse/abi.py": "import livefw.machine.fuse.abi; os.kill(os.getpid(), 15)",
    "providers/ocp.py": """
        if not os.fork():
            import livefw.providers.ocp
            os._exit(0)
        os.wait()
    """,
    "abi/lfa.py": """
        import sys
        words = [sys.executable, "-I", "-P", "-c", "import livefw.abi.lfa"]
        assert not os.waitpid(os.posix_spawn(words[0], words, {}), 0)[1]
    """,
    "kernel/clock.py": "import livefw.kernel.clock; os.execvpe('true', ['true'], {})",
    "kernel/log.py": """
        import subprocess, sys
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        subprocess.run([sys.executable, "-c", "import livefw.kernel.log"], check=True)
    """,
}
"""What a measured process does, by the file that only it comes to."""


def test_whatever_runs_is_counted(tmp_path: Path) -> None:
    python = make_environment(tmp_path)
    for file, code in STARTED.items():
        lines = code.strip("\n").split("\n")
        margin = len(lines[0]) - len(lines[0].lstrip())
        program = "import os\nassert not [n for n in os.environ if 'COV' in n]\n" + "\n".join(x[margin:] for x in lines)
        done = subprocess.run([python, "-I", "-c", program], cwd=tmp_path, env={}, capture_output=True, check=False)
        assert (done.returncode, done.stderr) in ((0, b""), (-signal.SIGTERM, b"")), (file, done)
    found = collect(tmp_path)
    assert {file: found[file].lines_run for file in STARTED if found[file].lines_run < 3} == {}
    assert found["activation/measure/sampler.py"].percent[0] > 85  # with what it forks; not a full list of delays
    assert found["daemon/service.py"] == found["daemon/service.py"]._replace(lines_run=0, branches_run=0)
    assert len(found) == len([*SOURCES.rglob("*.py")])


A, B = Figures(1, 200, 199, 10, 9), Figures(2, 100, 100, 0, 0)


def test_the_table_has_each_package_and_the_sum() -> None:
    rows = table({"__main__.py": B, "abi/guid.py": A, "abi/lfa.py": A})
    assert rows[2:] == [
        "| (top) | 2 | 100 | 100.00 | 0 | 0 | 100.00 |",
        "| abi | 2 | 400 | 99.50 | 20 | 2 | 90.00 |",
        "| **all** | 4 | 500 | 99.60 | 20 | 2 | 90.00 |",
    ]


@pytest.mark.parametrize(
    ("lines", "branches", "fallen"),
    [
        (99.5, 90.0, []),
        (99.51, 90.0, ["lines: 99.50 % are run, and 99.51 % have to be"]),
        (99.0, 90.01, ["branches: 90.00 % are run, and 90.01 % have to be"]),
        (
            100.0,
            100.0,
            ["lines: 99.50 % are run, and 100.00 % have to be", "branches: 90.00 % are run, and 100.00 % have to be"],
        ),
    ],
)
def test_what_falls_below_the_floor_is_told(lines: float, branches: float, fallen: list[str]) -> None:
    assert below(total({"abi/guid.py": A}), {"lines": lines, "branches": branches}) == fallen


def test_a_figure_is_not_rounded_up() -> None:
    assert Figures(1, 100_000, 99_999, 100_000, 99_999).percent == (99.99, 99.99)
