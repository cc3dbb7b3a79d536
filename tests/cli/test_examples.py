# SPDX-License-Identifier: Apache-2.0
"""The examples of the manual pages and of ``--help`` are command lines that do what they are shown for."""

import os
import shlex
from collections.abc import Iterator

import pytest

from livefw.cli.arguments import parse
from livefw.cli.verbs import VERBS
from livefw.errors import ExitCode

from ..docs.session import Session

EXAMPLES = [(name, command) for name, verb in VERBS.items() for command, _ in verb.load().MANUAL.examples]
NOT_RUN = {
    "livefw watch": "runs until interrupted",
    "livefw --json watch --interval 10": "runs until interrupted",
    "livefw machine run --platform vera --mount /tmp/vera": "runs until interrupted; the fixture does the same",
    "livefw machine bmc /tmp/bmc": "runs until interrupted",
    "livefw stage bmc-bios bios-2.7.cab": "needs a BMC; see tests/redfish",
    "livefw stage bmc-bios 2.7": "needs a BMC; see tests/daemon/test_archives.py",
    "livefw stage bmc-bios": "needs a BMC; see tests/daemon/test_archives.py",
    "livefw tdx candidates": "needs Intel's images; see tests/tdx",
    "livefw tdx candidates --images /srv/tdx-module-binaries": "needs Intel's images; see tests/tdx",
    "livefw fwupdmgr get-devices": "needs fwupdmgr; see tests/daemon/test_fwupdmgr.py",
    "livefw fwupdmgr get-history": "needs fwupdmgr; see tests/daemon/test_fwupdmgr.py",
    "livefw history 1c2d3e4f": "needs the id of an activation; see tests/cli/test_record.py",
    "livefw conformance --gdb localhost:1234 --agent tfa-2.15": "needs a gdbstub; see tests/conformance",
}
"""Why an example is parsed and not run."""
ENDS = {
    "livefw cancel tf-rmm": ExitCode.NOTHING_TO_DO,  # nothing was begun
    "livefw notify --test": ExitCode.NOTHING_TO_DO,  # there is no notify.d
    "livefw demo --platform fvp": ExitCode.UNKNOWN,
}
"""Examples that end with another code than 0 on this machine."""
RUN = [command for _, command in EXAMPLES if command not in NOT_RUN]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A shell beside a modelled machine that is mounted on ``vera``, with an image beside it."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    with Session() as made:
        made.write("rmm.bin", "an image")
        ready = made.start("livefw machine run --platform vera --mount vera &", bool, 30.0)
        assert "vera is ready" in "".join(ready.output), ready
        # A history, also where another process runs the examples that activate; and a pending image, as before.
        for line in (f"livefw --root {made.directory}/vera activate tf-rmm", "livefw machine stage rmm"):
            done = made.run(line)
            assert done.exit_code == ExitCode.DONE, done
        yield made


@pytest.mark.parametrize(("name", "command"), EXAMPLES, ids=[command for _, command in EXAMPLES])
def test_example_is_of_its_verb(name: str, command: str) -> None:
    program, *words = shlex.split(command)
    found, _ = parse(words)
    assert (program, found) == ("livefw", name)


def test_what_is_not_run_is_an_example() -> None:
    assert NOT_RUN.keys() | ENDS.keys() <= {command for _, command in EXAMPLES}


@pytest.mark.fuse
@pytest.mark.parametrize("command", RUN)
def test_example_does_what_it_is_shown_for(session: Session, command: str) -> None:
    machine = str(session.directory / "vera")
    if " activate " in command:
        session.run("livefw machine stage rmm")
    done = session.run(command.replace("/tmp/vera", machine).replace("livefw ", f"livefw --root {machine} ", 1))
    assert done.exit_code == ENDS.get(command, ExitCode.DONE), "\n".join(done.output)
    assert done.output or "--plot" in command


@pytest.mark.parametrize("name", VERBS)
def test_help_shows_the_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([name, "--help"])
    shown = capsys.readouterr().out
    assert [command for verb, command in EXAMPLES if verb == name and f"\n  {command}\n" not in shown] == []
