# SPDX-License-Identifier: Apache-2.0
"""``livefw machine``: modelled machines."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from livefw.cli.invocation.session import CommandSession
from livefw.cli.parser import Below, add_below
from livefw.cli.verbs import Manual


def _below(place: str, summary: str, *description: str, examples: dict[str, str]) -> Below:
    """A verb below ``machine``: the module and the name in ``configure_NAME`` and ``run_NAME``, and its manual."""
    module, _, name = place.partition(":")

    def configure(parser: argparse.ArgumentParser) -> None:
        try:
            getattr(import_module(f"livefw.cli.machine.{module}"), f"configure_{name}")(parser)
        except ImportError as error:  # reported if it is the one that is wanted: others may do without
            parser.parse_known_args = _raising(error)  # type: ignore[method-assign]

    def run_it(session: CommandSession, arguments: argparse.Namespace) -> int:
        code: int = getattr(import_module(f"livefw.cli.machine.{module}"), f"run_{name}")(session, arguments)
        return code

    first = f"{summary[:1].upper()}{summary[1:]}."
    return Below(configure, run_it, summary, Manual((first, *description), tuple(examples.items()), ("machine",)))


def _raising(error: ImportError) -> Callable[..., NoReturn]:
    def parse(*_: object) -> NoReturn:
        raise error

    return parse


_VERBS = {
    "run": _below(
        "run:run",
        "run a machine and serve its files until interrupted",
        "The files appear below the directory of --mount, from which any program can read them. With --qemu a real "
        "kernel runs on the modelled firmware; its files are inside the guest, and its console is the terminal. With "
        "--bmc a modelled BMC shares the images of the machine: what is pushed to it is pending for the firmware, and "
        "etc/livefw below the mount point has the settings that link both. The platform nvme has no files: its drives "
        "are served over NVMe/TCP on the loopback interface, and become drives of this machine when its kernel is "
        "connected to them by the commands that are printed.",
        examples={
            "livefw machine run --platform vera --mount /tmp/vera": "Run a machine, and mount its files.",
            "livefw machine run --platform grid --components 300": "Run one with many components.",
            "livefw machine run --platform fvp --driver v1": "Run one with another version of the driver.",
            "livefw machine run --platform vera --mount /tmp/vera --bmc": "Run one with a BMC that brings its images.",
            "livefw machine run --platform nvme": "Serve two NVMe drives; their firmware can be activated.",
            "livefw machine run --list": "List the machines that come with livefw.",
        },
    ),
    "bmc": _below(
        "bmc:bmc",
        "run a modelled BMC that serves Redfish until interrupted",
        "It listens on the loopback interface, and writes the settings, the certificate and the credentials with which "
        "livefw finds it below DIR.",
        examples={
            "livefw machine bmc /tmp/bmc": "Run a BMC; the command prints how to use it.",
            "livefw machine bmc /tmp/bmc --fault no-measurements": "Run one without measurements.",
        },
    ),
    "platforms": _below(
        "run:platforms",
        "list the machines that come with livefw",
        examples={"livefw machine platforms": "List them; each is a value of --platform."},
    ),
    "list": _below("run:list", "list running machines", examples={"livefw machine list": "List them."}),
    "show": _below(
        "control:show",
        "show a machine as only the model knows it",
        "What really runs in each component, what is staged, which Realms were lost, and how long the CPUs were "
        "stopped.",
        examples={"livefw machine show": "Show the only machine that runs."},
    ),
    "stage": _below(
        "stage:stage",
        "put a new image where it becomes pending",
        examples={
            "livefw machine stage rmm": "Stage an image of the next version.",
            "livefw machine stage rmm 1.9": "Stage an image of this version.",
            "livefw machine stage rmm --forged": "Stage an image that does not authenticate.",
            "livefw machine stage new.fip": "Stage a package, for a machine that runs with --store.",
        },
    ),
    "notify": _below(
        "control:notify",
        "notify the driver that something changed, as the platform would",
        examples={"livefw machine notify": "Send the notification."},
    ),
    "driver": _below(
        "control:driver",
        "unload or load the driver",
        examples={"livefw machine driver unload": "Unload the driver.", "livefw machine driver load": "Load it again."},
    ),
    "reload": _below(
        "control:reload",
        "unload the driver and load it again, so that it reads the inventory again",
        examples={"livefw machine reload": "Reload the driver."},
    ),
    "fault": _below(
        "control:fault",
        "make something fail",
        "A fault stays until it has happened as often as --times allows, or until --clear.",
        examples={
            "livefw machine fault --list": "List the faults, and the options of each.",
            "livefw machine fault auth-error rmm --times 1": "Make the next authentication of the RMM's image fail.",
            "livefw machine fault slow rmm --function PRIME --ms 3000": "Make PRIME take three seconds longer.",
            "livefw machine fault --clear": "Remove all faults.",
        },
    ),
    "cpu": _below(
        "control:cpu",
        "turn a CPU on or off",
        examples={"livefw machine cpu off 3": "Turn CPU 3 off.", "livefw machine cpu on 3": "Turn it on."},
    ),
    "log": _below(
        "watch:log",
        "show the kernel log",
        examples={
            "livefw machine log": "Show what has been logged.",
            "livefw machine log --follow": "Continue until interrupted.",
        },
    ),
    "trace": _below(
        "watch:trace",
        "show every call of the firmware",
        examples={
            "livefw machine trace": "Show the calls so far, with their results and durations.",
            "livefw machine trace --follow": "Continue until interrupted.",
        },
    ),
    "eventlog": _below(
        "eventlog:eventlog",
        "show what the firmware measured",
        "The firmware of a machine that runs with --store measures each image that it loads, as TF-A's measured boot "
        "does. The log is the TCG's; the registers are what replaying it gives.",
        examples={
            "livefw machine eventlog --output event.log": "Show it, and write it to a file for tpm2_eventlog.",
        },
    ),
}


MANUAL = Manual(
    description=(
        (
            "Run modelled machines: the firmware, the driver and its files, mounted on a directory that any program "
            'can read. "run" holds a machine until it is interrupted; the other commands change or observe one that '
            "runs. With several machines, --machine names the one that is meant."
        ),
        (
            "A machine is modelled to the register and the errno, but its durations are invented unless its "
            "description says otherwise. Mounting needs /dev/fuse and, for ordinary users, fusermount3."
        ),
    ),
    examples=(
        ("livefw machine platforms", "List the machines that come with livefw."),
        (
            "livefw machine run --platform vera --mount /tmp/vera",
            'Run a machine; use it from another terminal with "livefw --root /tmp/vera".',
        ),
        ("livefw machine fault auth-error rmm --times 1", "Make the next authentication of the RMM's image fail."),
        ("livefw machine stage rmm 1.2", "Make an image of version 1.2 pending."),
        ("livefw machine trace", "Show every call of the firmware."),
        ("livefw machine bmc /tmp/bmc", "Run a modelled BMC; it prints the command that uses it."),
    ),
    see_also=("image", "conformance", "demo"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One parser for each verb."""
    add_below(parser, "machine_verb", _VERBS)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Hand over to the verb."""
    return _VERBS[arguments.machine_verb].run(session, arguments)
