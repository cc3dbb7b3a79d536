# SPDX-License-Identifier: Apache-2.0
"""Which lines and branches the tests run: ``python -m tests.coverage JOBS [PYTEST-ARGUMENT...]``, for `make coverage`.

Every Python that they start is measured: those with an environment of their own, those that are isolated (``-I``),
those without `site`, what is forked, and what ends by SIGTERM or `os._exit`. Only what ends by SIGKILL tells nothing.
For that they run in a virtual environment of its own, which has all that the usual one has and starts coverage.py in
each interpreter. It is made for one run in a temporary folder, with all data: neither the checkout nor the usual
environment is changed, however the run ends.

The figures of the whole run must not be below those of pyproject.toml. It ends with the exit code of pytest if that is
not 0, else with 1 if they are.
"""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import coverage

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = CHECKOUT / "src/livefw"
STARTER = Path(__file__).resolve().with_name("starter.py")
MODULE = "livefw_covering"
LEAST_COVERED = 25
"""How many files are named that miss most branches."""
SETTINGS = """\
[run]
branch = true
parallel = true
source_dirs = {sources}
data_file = {data}
sigterm = true
patch = _exit, execv
disable_warnings =
    no-data-collected
    module-not-measured
    module-not-imported
    couldnt-parse
    already-imported
    no-sysmon
"""


class Figures(NamedTuple):
    """How much there is, and how much of it was run."""

    files: int = 0
    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    @property
    def percent(self) -> tuple[float, float]:
        """Of the lines and of the branches, with two places and never rounded up: 99.999 is not all."""
        return _percent(self.lines_run, self.lines), _percent(self.branches_run, self.branches)

    def plus(self, other: "Figures") -> "Figures":
        """Of both together."""
        return Figures(*(one + two for one, two in zip(self, other, strict=True)))

    def row(self, name: str) -> str:
        """A line of the table."""
        lines, branches = self.percent
        counts = (self.files, self.lines, lines, self.branches, self.branches - self.branches_run, branches)
        return (
            f"| {name} | "
            + " | ".join(f"{each:.2f}" if isinstance(each, float) else str(each) for each in counts)
            + " |"
        )


def _percent(part: int, whole: int) -> float:
    return math.floor(10_000 * part / whole) / 100 if whole else 100.0


def make_environment(folder: Path) -> Path:
    """A virtual environment below the folder that measures; its interpreter."""
    usual, made = Path(sysconfig.get_path("scripts")), folder / "venv"
    venv.EnvBuilder(symlinks=True).create(made)
    packages = str(Path(coverage.__file__).parents[1])  # also where we are measured ourselves
    (found,) = made.glob("lib/python*/site-packages")
    (found / f"{MODULE}.py").write_bytes(STARTER.read_bytes())
    (found / "libraries").symlink_to(packages)
    (found / "coverage.ini").write_text(SETTINGS.format(sources=SOURCES, data=folder / "data/run"), encoding="utf-8")
    # First the packages, with the .pth that are there; what measures is one of them.
    lines = f"import site; site.addsitedir({packages!r})\nimport {MODULE}\n"
    (found / "livefw.pth").write_text(lines, encoding="utf-8")
    for program in usual.iterdir():
        if not (here := made / "bin" / program.name).exists():
            _take(program, here, f"#!{usual}/python", f"#!{made}/bin/python")
    wheels = usual.parent / "wheels"
    if wheels.is_dir():
        (made / "wheels").symlink_to(wheels)
    return made / "bin/python"


def _take(program: Path, here: Path, usual: str, measured: str) -> None:
    """A program of the usual environment, run by the interpreter that measures if it is one in Python."""
    data = program.read_bytes() if program.is_file() else b""
    if data.startswith(usual.encode()):
        here.write_bytes(data.replace(usual.encode(), measured.encode(), 1))
        shutil.copymode(program, here)
    else:
        here.symlink_to(program)


def run(python: Path, arguments: list[str]) -> int:
    """Run pytest to its end, which is also its own when somebody stops us; its exit code."""
    with subprocess.Popen([python, "-m", "pytest", *arguments], cwd=CHECKOUT) as process:
        signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells pytest as well
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: process.terminate())
        return process.wait()


def collect(folder: Path) -> dict[str, Figures]:
    """Put the data of all processes together: figures of each file, by its path below the sources."""
    told = coverage.Coverage(data_file=str(folder / "run"), config_file=str(_settings(folder)))
    told.combine([str(folder / "data")])
    told.json_report(outfile=str(folder / "report.json"))
    files = json.loads((folder / "report.json").read_bytes())["files"]
    return {str((CHECKOUT / path).relative_to(SOURCES)): _figures(each["summary"]) for path, each in files.items()}


def _settings(folder: Path) -> Path:
    (found,) = (folder / "venv").glob("lib/python*/site-packages/coverage.ini")
    return found


def _figures(told: dict[str, int]) -> Figures:
    return Figures(1, told["num_statements"], told["covered_lines"], told["num_branches"], told["covered_branches"])


def table(files: dict[str, Figures]) -> list[str]:
    """Lines of a table in Markdown: each package, and the sum."""
    packages: dict[str, Figures] = defaultdict(Figures)
    for path, figures in files.items():
        packages[os.path.dirname(path) or "(top)"] = packages[os.path.dirname(path) or "(top)"].plus(figures)
    rows = [figures.row(name) for name, figures in sorted(packages.items())]
    return [
        "| Package | Files | Lines | % | Branches | Not taken | % |",
        "|---|---|---|---|---|---|---|",
        *rows,
        total(files).row("**all**"),
    ]


def total(files: dict[str, Figures]) -> Figures:
    """Of all files."""
    result = Figures()
    for figures in files.values():
        result = result.plus(figures)
    return result


def below(figures: Figures, floor: dict[str, float]) -> list[str]:
    """What has fallen below the floor, in words."""
    return [
        f"{name}: {percent:.2f} % are run, and {floor[name]:.2f} % have to be"
        for name, percent in zip(("lines", "branches"), figures.percent, strict=True)
        if percent < floor[name]
    ]


def main(words: list[str]) -> int:
    """Measure, print, compare."""
    jobs, *arguments = words
    with tempfile.TemporaryDirectory(prefix="livefw-coverage-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        code = run(make_environment(folder), ["-n", jobs, "--dist", "worksteal", *arguments])
        try:
            files = collect(folder)
        except coverage.CoverageException as error:
            print(f"coverage: {error}", file=sys.stderr)
            return code or 1
    missed = sorted(files.items(), key=lambda each: each[1].branches_run - each[1].branches)[:LEAST_COVERED]
    print(*table(files), "", "Files with most branches that were not taken:", sep="\n")
    print(*(f"  {each.branches - each.branches_run:3} of {each.branches:3}  {path}" for path, each in missed), sep="\n")
    if arguments:
        print("coverage: of a part of the tests, so it is not compared with pyproject.toml")
        return code
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        fallen = below(total(files), tomllib.load(file)["tool"]["livefw"]["coverage"])
    for line in fallen:
        print(f"coverage: {line}", file=sys.stderr)
    return code or bool(fallen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
