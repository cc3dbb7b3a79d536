# SPDX-License-Identifier: Apache-2.0
"""``livefw conformance``: what an LFA agent answers, call by call, against what public sources say it must."""

import argparse
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

from livefw import reading
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.conformance.caller import AgentCaller, Caller
from livefw.conformance.gdb import GdbCaller
from livefw.conformance.platform import COMPONENTS
from livefw.conformance.report import ConformanceReport, junit
from livefw.conformance.run import run as run_checks
from livefw.errors import ExitCode, UsageError
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.render.error import given
from livefw.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CPUS = 16


MANUAL = Manual(
    description=(
        (
            "Compare an LFA agent with what public sources say about it (DEN0147 and Trusted Firmware-A). The agent "
            "is the modelled one, one that is reached through a gdbstub, or any firmware that QEMU boots. Each "
            "check names its source. The report is text, JSON or JUnit XML."
        ),
    ),
    examples=(
        ("livefw conformance --agent tfa-2.15", "Check the modelled agent of one release."),
        ("livefw conformance --agent tfa-2.15 --junit report.xml", "Also write the report as JUnit XML, for CI."),
        ("livefw conformance --gdb localhost:1234 --agent tfa-2.15", "Check the firmware behind a gdbstub."),
    ),
    see_also=("machine",),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Which agent, and what is expected of it."""
    parser.add_argument("--agent", choices=PROFILES, help="the agent's version, and what is expected (each in turn)")
    parser.add_argument("--cpus", type=whole(1, _MOST_CPUS), default=4, metavar="N", help="CPUs of our agent (4)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--gdb", metavar="ADDRESS", help="ask any firmware, by a gdbstub: HOST:PORT or unix:PATH")
    which.add_argument(
        "--qemu",
        nargs="?",
        const="",
        metavar="FLASH",
        help="ask from CPUs of QEMU: our agent, or any firmware that starts at EL3, as for QEMU's -bios",
    )
    parser.add_argument(
        "--qemu-options", default="", metavar="TEXT", help="with FLASH: more options, such as '-cpu max'"
    )
    parser.add_argument(
        "--dangerous", action="store_true", help="last, run the checks that can harm right firmware; each says how"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML, too")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Run the suite; 1 if a check failed."""
    if (arguments.gdb or arguments.qemu) and not arguments.agent:
        raise UsageError(
            "what is expected of that firmware?", hint=f"name its agent with --agent: {', '.join(PROFILES)}"
        )
    if arguments.qemu_options and not arguments.qemu:
        raise UsageError("--qemu-options are for --qemu FLASH")
    profiles = [arguments.agent] if arguments.agent else list(PROFILES)
    reports = [_report(arguments, profile) for profile in profiles]
    if arguments.junit:
        _write(arguments.junit, junit(reports))
    session.answer(
        lambda: "\n".join(printable(line) for report in reports for line in report.text().split("\n")),
        lambda: {"conformance": [report.document() for report in reports]},
    )
    return ExitCode.FAILED if any(report.failed for report in reports) else ExitCode.DONE


def _report(arguments: argparse.Namespace, profile: str) -> ConformanceReport:
    with _caller(arguments, profile) as caller:
        return ConformanceReport(
            profile, caller.cpus, tuple(run_checks(caller, profile=profile, dangerous=arguments.dangerous))
        )


@contextmanager
def _caller(arguments: argparse.Namespace, profile: str) -> "Iterator[Caller]":
    if arguments.gdb:
        with GdbCaller(arguments.gdb) as stub:
            yield stub
        return
    if arguments.qemu is None:
        yield AgentCaller(COMPONENTS, PROFILES[profile], cpus=arguments.cpus)
        return
    from livefw.machine.qemu.flash import FlashCaller  # only where a machine is wanted
    from livefw.machine.qemu.guest import GuestMachine

    if arguments.qemu:
        with FlashCaller(arguments.qemu, cpus=arguments.cpus, options=_options(arguments.qemu_options)) as flash:
            yield flash
        return

    def make() -> LfaAgent:
        return LfaAgent(MemoryPlatform(COMPONENTS), profile=PROFILES[profile], cpus=arguments.cpus)

    with GuestMachine(make, cpus=arguments.cpus) as machine:
        yield machine.caller


def _options(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--qemu-options: {error}") from error


def _write(path: str, text: str) -> None:
    try:
        reading.write(path, text.encode())
    except OSError as error:
        raise given(path, error) from error
