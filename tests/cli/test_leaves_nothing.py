# SPDX-License-Identifier: Apache-2.0
"""A usage error leaves nothing behind: no directory of the state, no history, no lock, no file."""

import argparse
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefw.cli.main import main
from livefw.cli.parser import CommandParser
from livefw.errors import ExitCode
from livefw.providers.lfa.fake import RMM

from . import commands


def _tree(place: Path) -> dict[str, str]:
    """Every path below a directory, with what is in it."""
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"
        for path in sorted(place.rglob("*"))
    }


def _required(parser: CommandParser) -> list[str]:
    """A word for each argument that a command requires."""
    words: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        if action.required:
            words += [*action.option_strings[-1:], str(next(iter(action.choices or ["x"])))]
    return words


def _wrong(parser: CommandParser) -> Iterator[list[str]]:
    """Command lines that no parser takes."""
    command = parser.prog.split()[1:]
    yield [*command, "--no-such-option"]
    yield [*command, *_required(parser), "--no-such-option=5"]
    for action in parser._actions:
        if action.option_strings and action.nargs is None and action.const is None:
            yield [*command, action.option_strings[-1]]  # its value is missing
        if action.choices and not isinstance(action, argparse._SubParsersAction):
            yield [*command, *action.option_strings[-1:], "no-such-value"]
        if isinstance(action, argparse._SubParsersAction):
            yield [*command, "no-such-command"]


WRONG = [line for parser in commands.every() if parser.prog != "livefw fwupdmgr" for line in _wrong(parser)]


@pytest.mark.parametrize("line", WRONG, ids=" ".join)
def test_what_no_parser_takes(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LIVEFW_STATE", "LIVEFW_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("LIVEFW_SOCKET", raising=False)
    assert main(["--root", str(tmp_path), *line]) == ExitCode.USAGE
    told = capsys.readouterr()
    assert (told.out, told.err.startswith("livefw: ")) == ("", True)
    first, hint = told.err.rstrip("\n").split("\n")
    assert len(first) <= 100
    assert hint.startswith("  hint: ")
    assert _tree(tmp_path) == {}


MEANT = [
    # The two of which the history of a machine came into being.
    "activate --ignore foo x",
    "activate nosuch",
    "activate tf-rmm nosuch",
    "activate --all tf-rmm",
    "activate --ignore foo tf-rmm",
    "activate --all --ignore foo",
    "activate",
    "activate nosuch --dry-run",
    "activate ''",
    "activate 'lfa:[' --yes",
    "plan nosuch",
    "plan --ignore foo",
    "show nosuch",
    "show",
    "cancel nosuch",
    "cancel",
    "stage nosuch {file}",
    "stage nosuch 1.2",
    "stage tf-rmm {file} --ignore foo",
    "stage",
    "history nosuch",
    "history --since whenever",
    "history --until 5parsecs",
    "history --limit x",
    "history --archive --keep 1",
    "history --archive --older 5parsecs",
    "history --archive --keep 1 --older 5parsecs",
    "history --file nosuch.db",
    "history --verify --head x",
    "history --head 5:abc",
    "watch --interval x",
    "explain nosuch",
    "machine run --platform nosuch",
    "machine run --platform ./nosuch.toml",
    "machine run --platform vera --cpus 0",
    "machine run --platform vera --components 5",
    "machine run --platform vera --machine ../x",
    "machine run --platform tdx-spr --driver v3",
    "machine bmc bmc --port 99999",
    "machine bmc bmc --seconds 0",
    "machine fault nosuch",
    "machine fault",
    "machine show",
    "machine stage rmm",
    "image info nosuch",
    "image verify nosuch",
    "image build new.fip --image x --keys keys",
    "image cab new.cab --image nosuch",
    "image store show nosuch",
    "image store init flash nosuch --trust nosuch",
    "tdx candidates --images nosuch",
    "conformance --gdb nosuch",
    "demo --platform tdx-spr",
]


@pytest.mark.parametrize("line", MEANT)
@pytest.mark.parametrize("machine", ["ready", "empty"])
def test_what_means_nothing(request: pytest.FixtureRequest, machine: str, line: str) -> None:
    """On a machine with a component, and on one with nothing."""
    root: Any = request.getfixturevalue(machine)
    place = root.path.parent
    (place / "image").write_bytes(b"an image")
    (place / "work").mkdir()
    before = _tree(place)
    words = [word.strip("'") for word in line.format(file=place / "image").split()]
    done = root.run(*words, cwd=place / "work")
    assert done.code not in (ExitCode.DONE, ExitCode.UNKNOWN), done
    assert "defect" not in done.err
    assert _tree(place) == before, done.err


def test_a_history_that_is_there_stays_as_it_is(ready: Any) -> None:
    """The lock and the history that an activation made are used, and get no row of a request that is invalid."""
    assert ready.run("activate", "tf-rmm").code == ExitCode.UNKNOWN
    rows = ready.run("--json", "history").json["history"]
    for line in ("activate nosuch", "activate tf-rmm --ignore foo", "stage nosuch 1.2", "cancel nosuch"):
        assert ready.run(*line.split()).code != ExitCode.DONE
    assert ready.run("--json", "history").json["history"] == rows
    assert os.path.exists(ready.file(f"/sys/firmware/lfa/{RMM}/name"))
