# SPDX-License-Identifier: Apache-2.0
"""A copy of the checkout with a virtual environment of its own, in which tests meet one mutant after the other."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as Xml
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .selection import CHECKOUT

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "node_modules"
)
_NAMES_PLACES = ("*.pth", "direct_url.json", "pyvenv.cfg", "path")
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_S, _TIMES = 60, 6
"""A mutant may take so many seconds, and so many times what its tests take without it: the machine has other work."""
_MOST_SECONDS = 3600
_NOTHING_LEFT = 5
"""How pytest ends that has no test to run, here because each of them is left out."""


class Verdict(NamedTuple):
    """What the tests said of a mutant: the first that failed, or why they ended; nothing if it survived."""

    killed_by: str
    seconds: float


class Clean(NamedTuple):
    """Seconds that a test file takes without any fault, and which of its tests fail all the same."""

    seconds: float
    failing: list[str]


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class Place:
    """The copy in ``folder``. Make one per process: it ends all that its tests leave behind."""

    def __init__(self, folder: Path) -> None:
        self._top, self._scratch = folder / "checkout", folder / "tmp"
        self._python = self._top / ".venv/bin/python"
        self._stamp = 0
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._unmount()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(CHECKOUT, self._top, symlinks=True, ignore=_LEFT_OUT)
        self._copy_environment()

    def _copy_environment(self) -> None:
        """Link what is only read; write anew what names the place, since tests start commands by their path."""
        source, target = CHECKOUT / ".venv", self._top / ".venv"
        shutil.copytree(source, target, symlinks=True, copy_function=_linked)
        for file in [*(target / "bin").iterdir(), *(path for name in _NAMES_PLACES for path in target.rglob(name))]:
            text = b"" if file.is_symlink() or file.is_dir() else file.read_bytes()
            if os.fsencode(CHECKOUT) in text:
                mode = file.stat().st_mode
                file.unlink()
                file.write_bytes(text.replace(os.fsencode(CHECKOUT), os.fsencode(self._top)))
                file.chmod(mode)
        seen = self._output([self._python, "-c", "import livefw; print(livefw.__file__)"])
        if not seen.startswith(str(self._top)):
            raise RuntimeError(f"the copy in {self._top} would run {seen}")

    def _output(self, command: list[Path | str]) -> str:
        return subprocess.run(command, cwd=self._top, capture_output=True, text=True, check=True).stdout

    def _write(self, path: str, text: bytes) -> None:
        """Put a text into the copy, newer than any byte code made from another."""
        file = self._top / path
        file.write_bytes(text)
        self._stamp = max(self._stamp + 1, int(time.time()))
        os.utime(file, (self._stamp, self._stamp))

    def judge(
        self, path: str, mutated: bytes, batches: list[list[str]], clean: dict[str, Clean]
    ) -> tuple[Verdict, dict[str, Clean]]:
        """Run test files, one batch after the other, until a test fails; and what of ``clean`` was found on the way.

        Longer than they took without a fault is a failure too.
        """
        began, killed_by = time.monotonic(), ""
        found, text = dict[str, Clean](), (self._top / path).read_bytes()
        for batch in batches:
            found |= self._clean([file for file in batch if file not in clean | found])
            self._write(path, mutated)
            killed_by = self._killed_by(batch, clean | found)
            self._write(path, text)
            if killed_by:
                break
        return Verdict(killed_by, round(time.monotonic() - began, 1)), found

    def _clean(self, files: list[str]) -> dict[str, Clean]:
        if not files:
            return {}
        report = self._scratch.parent / "clean.xml"
        self._pytest([f"--junitxml={report}", *files], timeout=_MOST_SECONDS)
        found = {file: Clean(0.0, []) for file in files}
        for case in Xml.parse(report).getroot().iter("testcase"):
            file = case.get("classname", "").replace(".", "/") + ".py"
            seconds, failing = found.get(file, Clean(0.0, []))
            failed = case.find("failure") is not None or case.find("error") is not None
            more = [f"{file}::{case.get('name')}"] if failed else []
            found[file] = Clean(seconds + float(case.get("time", 0)), failing + more)
        return found

    def _killed_by(self, files: list[str], clean: dict[str, Clean]) -> str:
        allowed = _GRACE_S + _TIMES * sum(clean[file].seconds for file in files)
        left_out = [test for file in files for test in clean[file].failing]
        while True:
            options = ["-x", *(f"--deselect={test}" for test in left_out)]
            code, output = self._pytest([*options, *files], timeout=allowed)
            if code in (0, None, _NOTHING_LEFT):
                return "time" if code is None else ""
            named = [line.split(" - ")[0] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
            if not named:
                return f"exit code {code}"
            test = named[0].split(" ", 1)[1]
            # What fails once and then passes has failed for another reason.
            if test in left_out or self._pytest([test], timeout=allowed)[0] != 0:
                return test
            left_out.append(test)

    def _pytest(self, arguments: list[str], *, timeout: float) -> tuple[int | None, str]:
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "-rfE", "--hypothesis-profile=mutate"]
        options.append(f"--basetemp={self._scratch}")
        log = self._scratch.parent / "log"
        with log.open("wb") as output:
            run = subprocess.Popen(
                [self._python, "-m", "pytest", *options, *arguments],
                cwd=self._top,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code: int | None = run.wait(timeout)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                run.kill()
                run.wait()
                _end_children()
                self._unmount()
        return code, log.read_text(encoding="utf-8", errors="replace")

    def _unmount(self) -> None:
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            mounted = line.split()[1].encode().decode("unicode_escape")
            if mounted.startswith(f"{self._scratch}/"):
                subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)
                subprocess.run(["fusermount3", "-uz", mounted], check=False, capture_output=True)


def _children(pid: int) -> Iterator[int]:
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())
    except OSError:  # it has ended meanwhile
        return


def _end_children() -> None:
    """End what a test run left: daemons and writers become children of this process, which reaps orphans."""
    while pids := list(_children(os.getpid())):
        _signal(pids)
        for pid in pids:
            os.waitpid(pid, 0)


def _signal(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
