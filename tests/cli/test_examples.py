# SPDX-License-Identifier: Apache-2.0
"""The examples of the manual pages and of ``--help`` are command lines that do what they are shown for."""

import os
import shlex
from collections.abc import Iterator

import pytest

from livefw.cli.arguments import configured, parse
from livefw.errors import ExitCode

from ..docs.session import Session
from . import commands

EXAMPLES = [
    (parser.prog, command) for parser in commands.every() if parser.manual for command, _ in parser.manual.examples
]
NOT_RUN = {
    "livefw watch": "runs until interrupted",
    "livefw watch --lines": "runs until interrupted",
    "livefw --json watch --interval 10": "runs until interrupted",
    "livefw activate tf-rmm --at window": "needs systemd; see tests/cli/test_schedule.py",
    "livefw activate --scheduled": "needs systemd; see tests/cli/test_schedule.py",
    "livefw machine run --platform vera --mount /tmp/vera": "runs until interrupted; the fixture does the same",
    "livefw machine run --platform vera --mount /tmp/vera --bmc": "runs until interrupted; tests/redfish/test_chain.py",
    "livefw machine run --platform grid --components 300": "runs until interrupted",
    "livefw machine run --platform fvp --driver v1": "runs until interrupted",
    "livefw machine run --platform nvme": "runs until interrupted; see tests/nvme/test_machine.py",
    "livefw machine bmc /tmp/bmc": "runs until interrupted",
    "livefw machine bmc /tmp/bmc --fault no-measurements": "runs until interrupted",
    "livefw machine log --follow": "runs until interrupted",
    "livefw machine trace --follow": "runs until interrupted",
    "livefw demo --web": "runs until interrupted; see tests/cockpit",
    "livefw machine driver unload": "would take the machine from the other examples; see tests/machine",
    "livefw machine driver load": "would take the machine from the other examples; see tests/machine",
    "livefw machine eventlog --output event.log": "needs a machine with --store; see test_staged_package.py",
    "livefw machine stage new.fip": "needs a machine with --store; see tests/machine/test_staged_package.py",
    "livefw image store accept flash": "needs a bank on trial; see tests/image/test_store.py",
    "livefw image store rollback flash": "needs a bank on trial; see tests/image/test_store.py",
    "livefw stage bmc-bios bios-2.7.cab": "needs a BMC; see tests/redfish",
    "livefw stage 'redfish:*/pmfw-a' pmfw.cab": "needs a BMC; see tests/redfish",
    "livefw cancel 'redfish:*/pmfw-a'": "needs a BMC; see tests/redfish",
    "livefw list 'redfish:rack1/*' -o wide": "needs a BMC; see tests/redfish",
    "livefw stage bmc-bios 2.7": "needs a BMC; see tests/daemon/test_archives.py",
    "livefw activate rack1/BMC --image bmc-2.1.cab": "needs a BMC; see tests/redfish/test_vendor_command.py",
    "livefw cancel rack1/bios": "needs a BMC; see tests/redfish/test_activation.py",
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
TEXTFILES = "/var/lib/prometheus/node-exporter"
RUN = sorted({command for _, command in EXAMPLES} - NOT_RUN.keys())
PACKAGE = "livefw image build new.fip --image rmm-fw=rmm.bin --version rmm-fw=1.1 --keys keys --new-keys p256"
NEEDED = {
    "livefw image build": ("rm -rf keys new.fip",),
    "livefw image cab rmm.cab": (
        "rm -f rmm.cab",
        "livefw image cab rmm.cab --image rmm.bin --component lfa:x --version 1",
    ),
    "livefw image cab rmm.cab --image": ("rm -f rmm.cab",),
    "livefw --json image info flash.bin": ("cp new.fip flash.bin",),
    "livefw image store init": ("rm -rf flash",),
    "livefw image store discard": ("livefw image store stage flash new.fip",),
    "livefw report --fleet": ("mkdir -p collected", "livefw --root vera report -o collected/vera.json"),
}
"""What is to be done before examples that begin so; the longest beginning counts."""


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
        for line in (PACKAGE, "cp new.fip next.fip", "livefw image store init flash new.fip --trust keys/trust.toml"):
            done = made.run(line)
            assert done.exit_code == ExitCode.DONE, done
        yield made


@pytest.mark.parametrize(("name", "command"), EXAMPLES, ids=[f"{name}: {command}" for name, command in EXAMPLES])
def test_example_is_of_its_command(name: str, command: str) -> None:
    program, *words = shlex.split(command)
    found, arguments = parse(words)
    assert program == "livefw"
    assert f"{configured(found).chosen(arguments).prog} ".startswith(f"{name} ")


def test_each_command_has_an_example() -> None:
    assert [parser.prog for parser in commands.every() if not (parser.manual and parser.manual.examples)] == []


def test_what_is_not_run_is_an_example() -> None:
    assert NOT_RUN.keys() | ENDS.keys() <= {command for _, command in EXAMPLES}


@pytest.mark.fuse
@pytest.mark.parametrize("command", RUN)
def test_example_does_what_it_is_shown_for(session: Session, command: str) -> None:
    machine, ends = str(session.directory / "vera"), ENDS.get(command, ExitCode.DONE)
    if " activate " in command or " --pending" in command:
        session.run("livefw machine stage rmm")
    for line in NEEDED.get(max((each for each in NEEDED if command.startswith(each)), key=len, default=""), ()):
        assert session.run(line).exit_code == ExitCode.DONE, line
    for place, stand_in in (("/tmp/vera", machine), (TEXTFILES, str(session.directory))):
        command = command.replace(place, stand_in)
    done = session.run(command.replace("livefw ", f"livefw --root {machine} ", 1))
    assert done.exit_code == ends, "\n".join(done.output)
    written = session.directory / "livefw.prom"
    assert done.output or "--plot" in command or (str(written) in command and written.read_text())


@pytest.mark.parametrize("columns", [80, 60, 200])
@pytest.mark.parametrize("name", [parser.prog for parser in commands.every()])
def test_help_shows_the_examples_and_fits(
    name: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is no terminal that is so wide; a long example is one command on several lines."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        parse([*name.split()[1:], "--help"])
    shown = capsys.readouterr().out
    assert [line for line in shown.split("\n") if len(line) > columns and " " in line.strip()] == []
    unfolded = shown.replace(" \\\n      ", " ")
    assert [
        command for command_of, command in EXAMPLES if command_of == name and f"\n  {command}\n" not in unfolded
    ] == []
