# SPDX-License-Identifier: Apache-2.0
"""Every verb on every platform at a terminal of 80 columns: nothing is wider, and nothing is lost."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.cli.verbs import VERBS
from livefw.text import errno_text, width

from .. import starting

COLUMNS, LINES = 80, 24
PLATFORMS = ("vera", "fvp", "grid", "tdx-spr", "tdx-gnr", "bmc")

Shown = tuple[int, str]
"""Exit code, and what was on the screen."""
Show = Callable[..., Shown]


def at_terminal(words: list[str], environment: dict[str, str], columns: int = COLUMNS) -> Shown:
    return starting.at_terminal(words, environment=environment, columns=columns, lines=LINES)


def too_wide(text: str, columns: int = COLUMNS) -> list[str]:
    """Lines that are wider, though they could be broken; a live line overwrites itself."""
    lines = (
        line.rsplit("\r")[-1] for line in text.split("\n") if not line.lstrip().startswith(("by hand: ", "next: "))
    )
    return [line for line in lines if width(line) > columns and " " in line.strip()]


@pytest.fixture(scope="module", params=PLATFORMS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine or a BMC that is served by a process of its own."""
    if request.param != "bmc" and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    folder = tmp_path_factory.mktemp(request.param)
    root = folder / "root"
    root.mkdir()
    verb = (
        ["bmc", str(root), "--seconds", "0.1"]
        if request.param == "bmc"
        else ["run", "--platform", request.param, "--mount", str(root)]
    )
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "-m", "livefw", "machine", *verb]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        assert "ready" in server.stdout.readline()
        yield root
        server.terminate()
        server.communicate()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    told = {"LIVEFW_STATE": str(tmp_path / "state"), "LIVEFW_RUNTIME_DIR": str(tmp_path / "run"), "TERM": "xterm"}
    return {name: value for name, value in os.environ.items() if name != "COLUMNS"} | told | {"NO_COLOR": "1"}


ROWS = {"list": "id", "plan": "id", "tdx candidates": "image"}
"""Commands whose answer is a table, and the column that is whole at any width."""


@pytest.mark.fuse
def test_every_answer_fits_and_says_all_that_a_file_would_get(
    machine: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(b"no image")
    before = ["--root", str(machine)]
    before += ["--settings", str(machine / "etc/livefw")] if (machine / "etc/livefw").is_dir() else []

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return starting.run([*before, *words], environment=environment)

    keys = run("list", "-o", "name").stdout.split()
    for line in ("list", "plan", "doctor", f"show {keys[-1]}", "tdx candidates"):
        code, seen = at_terminal([*before, *line.split()], environment)
        assert (line, too_wide(seen)) == (line, [])
        whole = run(*line.split())
        assert code == whole.returncode
        if line in ROWS:
            kept = run(*line.split(), "--columns", ROWS[line], "--no-headings").stdout.split()
            rows = [row.split() for row in seen.splitlines()]
            assert all(any(word in row for row in rows) and [word] not in rows for word in kept), seen
        elif not re.search(r"took|load", seen):
            told = (whole.stdout + whole.stderr).split()
            assert sorted(word for word in seen.split() if word != "-") == sorted(word for word in told if word != "-")
    for line in (
        f"stage {keys[0]} {tmp_path}/image",
        f"activate {keys[-1]} --yes --reason " + "words/" * 40,
        "history",
    ):
        code, seen = at_terminal([*before, *line.split()], environment)
        assert code not in (1, 2) or line.startswith(("stage", "cancel")), (line, seen)
        assert (line, too_wide(seen)) == (line, [])


@pytest.mark.parametrize("line", ["", "machine", "image", *VERBS, "machine run", "machine bmc", "image store"])
def test_every_help_fits(line: str, environment: dict[str, str]) -> None:
    code, seen = at_terminal([*line.split(), "--help"], environment)
    assert (code, too_wide(seen)) == (0, [])


@pytest.mark.parametrize(("terminal", "live"), [("xterm", True), ("dumb", False), ("", False)])
def test_a_terminal_without_control_sequences_gets_none(
    ready: Any, environment: dict[str, str], terminal: str, live: bool
) -> None:
    """What it cannot do would stand there as text."""
    told = {name: value for name, value in environment.items() if name != "TERM"} | (
        {"TERM": terminal} if terminal else {}
    )
    code, seen = at_terminal(["--root", str(ready.path), "activate", "tf-rmm", "--yes"], told)
    assert (code, "\x1b" in seen) == (6, live)


def test_columns_counts_more_than_the_terminal_and_a_narrow_one_is_left_alone(environment: dict[str, str]) -> None:
    _, seen = at_terminal(["policy", "--keys"], environment | {"COLUMNS": "50"})
    assert too_wide(seen, 50) == []
    _, wide = at_terminal(["policy", "--keys"], environment, columns=500)
    _, whole = at_terminal(["policy", "--keys"], environment, columns=10)
    assert wide == whole


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOENT, "other words", "/x"), os.strerror(errno.ENOENT)),
        (TimeoutError("timed out"), "timed out"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_a_system_error_is_shown_by_its_number_or_its_own_words(error: OSError, text: str) -> None:
    assert errno_text(error) == text
