# SPDX-License-Identifier: Apache-2.0
"""``livefw machine``: modelled machines."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, NoReturn

from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual


class _Verb(NamedTuple):
    """A verb below ``machine``: its module, which has ``configure_NAME`` and ``run_NAME``, and a line for the help."""

    module: str
    summary: str


_VERBS = {
    "run": _Verb("livefw.cli.machine.run", "hold a machine up and serve its files until interrupted"),
    "bmc": _Verb("livefw.cli.machine.bmc", "a modelled BMC that serves Redfish until interrupted"),
    "platforms": _Verb("livefw.cli.machine.run", "the machines that come with livefw"),
    "list": _Verb("livefw.cli.machine.run", "machines that run"),
    "show": _Verb("livefw.cli.machine.control", "what a machine is, seen from inside"),
    "stage": _Verb("livefw.cli.machine.stage", "put a new image where it becomes pending"),
    "notify": _Verb("livefw.cli.machine.control", "tell the driver that something changed, as the platform would"),
    "driver": _Verb("livefw.cli.machine.control", "unload the driver, or load it"),
    "reload": _Verb("livefw.cli.machine.control", "unload the driver and load it again, which makes it look anew"),
    "fault": _Verb("livefw.cli.machine.control", "make something go wrong"),
    "cpu": _Verb("livefw.cli.machine.control", "turn a CPU on or off"),
    "log": _Verb("livefw.cli.machine.watch", "the kernel log"),
    "trace": _Verb("livefw.cli.machine.watch", "every call of the firmware"),
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
    verbs = parser.add_subparsers(dest="machine_verb", metavar="VERB", required=True)
    for name, verb in _VERBS.items():
        child = verbs.add_parser(name, help=verb.summary, description=verb.summary, allow_abbrev=False)
        try:
            getattr(import_module(verb.module), f"configure_{name}")(child)
        except ImportError as error:  # told if it is the one that is wanted: others may do without
            child.parse_known_args = _raising(error)  # type: ignore[method-assign]


def _raising(error: ImportError) -> Callable[..., NoReturn]:
    def parse(*_: object) -> NoReturn:
        raise error

    return parse


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Hand over to the verb."""
    name = arguments.machine_verb
    code: int = getattr(import_module(_VERBS[name].module), f"run_{name}")(session, arguments)
    return code
