# SPDX-License-Identifier: Apache-2.0
"""``livefw machine notify``, ``driver``, ``reload``, ``fault``, ``cpu``, ``show``: one request to a machine each."""

import argparse
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from livefw import suggest
from livefw.cli.invocation.numbers import real, whole
from livefw.cli.invocation.session import CommandSession
from livefw.cli.machine import nvme
from livefw.cli.machine.run import NONE_RUNNING
from livefw.errors import ExitCode, NothingToDo, UsageError
from livefw.machine import runtime
from livefw.machine.catalog import ALL_FAULTS
from livefw.machine.config import MAX_CPUS
from livefw.machine.control import ControlClient
from livefw.machine.drives.platform import PLATFORM
from livefw.text import printable, printable_lines, table


def configure_machine(parser: argparse.ArgumentParser) -> None:
    """The option that every verb for a running machine has."""
    parser.add_argument("--machine", metavar="NAME", help="which one, where several run")


def chosen(arguments: argparse.Namespace) -> runtime.State:
    """The machine that is meant: the named one, or the only one that runs."""
    name: str | None = arguments.machine
    found = {state.name: state for state in runtime.running()}
    if name is None:
        if not found:
            raise NothingToDo("no machine runs", hint=NONE_RUNNING)
        if len(found) > 1:
            again = shlex.join(["livefw", *arguments.command_line, "--machine", next(iter(found))])
            raise UsageError(f"several machines run: {suggest.listed(found)}", hint=again)
        return next(iter(found.values()))
    if name not in found:
        more = "livefw machine list shows those that run" if found else f"{NONE_RUNNING} --machine {name}"
        raise NothingToDo(f"no machine {name} runs", hint=suggest.hint(name, found, rest=more))
    return found[name]


@contextmanager
def connected(arguments: argparse.Namespace) -> Iterator[ControlClient]:
    """A connection to the machine that is meant."""
    state = chosen(arguments)
    if state.platform == PLATFORM:
        nvme.require_verb(state.name, arguments.machine_verb)
    client = ControlClient(runtime.socket_of(state.name))
    try:
        yield client
    finally:
        client.close()


def ask(
    session: CommandSession, arguments: argparse.Namespace, text: Callable[[Any], str], command: str, **fields: Any
) -> int:
    """Let the machine carry out one command, and answer with what it says."""
    with connected(arguments) as client:
        result = client.ask(command, **fields)
    session.report(lambda: printable_lines(text(result).split("\n")), lambda: {command: result})
    return ExitCode.DONE


def configure_notify(parser: argparse.ArgumentParser) -> None:
    """No arguments but the machine."""
    configure_machine(parser)


def run_notify(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Send the notification."""

    def text(result: dict[str, Any]) -> str:
        heard = "" if result["driver_listens"] else "; this driver does not listen to it on this machine"
        return f"sent a notification ({result['notification']}){heard}"

    return ask(session, arguments, text, "notify")


_DRIVER_PATIENCE = 10.0
"""Seconds. An unload waits for running work in the driver, possibly for ever."""

_DRIVER_PERIOD = 0.01


def configure_reload(parser: argparse.ArgumentParser) -> None:
    """No arguments but the machine."""
    configure_machine(parser)


def run_reload(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Reload the driver, and wait for that a while."""
    return _change_driver(session, arguments, "reload")


def configure_driver(parser: argparse.ArgumentParser) -> None:
    """What to do with it."""
    configure_machine(parser)
    parser.add_argument("action", choices=["unload", "load"])


def run_driver(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Unload or load the driver, and wait for that a while; 3 if that is so already."""
    return _change_driver(session, arguments, arguments.action)


def _change_driver(session: CommandSession, arguments: argparse.Namespace, action: str) -> int:
    with connected(arguments) as client:
        end = time.monotonic() + _DRIVER_PATIENCE
        result = client.ask("driver", action=action)
        while not result["done"] and time.monotonic() < end:
            time.sleep(_DRIVER_PERIOD)
            result = client.ask("driver")
    session.answer(lambda: _driver_text(action, result), lambda: {arguments.machine_verb: result})
    return ExitCode.DONE


_CHANGES = {
    "unload": ("unloaded", ""),
    "load": ("loaded", ""),
    "reload": ("unloaded and loaded again", "; it is loaded again after that"),
}
"""What was done, and what is still to come while the driver waits."""


def _driver_text(action: str, result: dict[str, Any]) -> str:
    done, coming = _CHANGES[action]
    if not result["done"]:
        return f"driver {result['driver']} waits for running work in it{coming}"
    found = "" if result["found"] or not result["loaded"] else "; it found nothing to show"
    return f"driver {result['driver']} was {done}{found}"


def configure_cpu(parser: argparse.ArgumentParser) -> None:
    """Which CPU."""
    configure_machine(parser)
    parser.add_argument("action", choices=["on", "off"])
    parser.add_argument("cpu", type=whole(0, MAX_CPUS - 1), metavar="N")


def run_cpu(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Turn a CPU on or off."""
    return ask(
        session,
        arguments,
        lambda result: f"{len(result['online'])} CPUs are online",
        "cpu",
        action=arguments.action,
        cpu=arguments.cpu,
    )


def configure_fault(parser: argparse.ArgumentParser) -> None:
    """Which fault."""
    configure_machine(parser)
    parser.add_argument("fault", metavar="NAME", nargs="?", help="see --list")
    parser.add_argument("component", metavar="COMPONENT", nargs="?", help="GUID, prefix of one, name, or kind")
    parser.add_argument(
        "--times",
        type=whole(1, 1_000_000),
        metavar="N",
        help="how often it happens (until --clear); an ACTIVATE by all CPUs together is one time",
    )
    parser.add_argument("--function", metavar="CALL", help="the call it concerns, such as PRIME")
    parser.add_argument("--code", metavar="STATUS", help="a status, by name or number")
    parser.add_argument("--ms", type=real(0, 1e9, "milliseconds"), metavar="MS", help="a duration")
    parser.add_argument("--cpu", type=whole(0, MAX_CPUS - 1), metavar="N", help="the CPU it happens on")
    parser.add_argument("--count", metavar="N", help="a number of 64 bits, decimal or 0x...")
    parser.add_argument("--list", action="store_true", help="list all faults")
    parser.add_argument("--clear", action="store_true", help="let everything behave again")


_OPTIONS = ("component", "times", "function", "code", "ms", "cpu", "count")


def run_fault(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Inject, list or clear."""
    if arguments.list:
        session.answer(_fault_table, _fault_document)
        return ExitCode.DONE
    if arguments.clear:
        return ask(session, arguments, lambda _: "all faults are cleared", "clear")
    if arguments.fault is None:
        raise UsageError("machine fault: name a fault", hint="livefw machine fault --list")
    if arguments.fault not in ALL_FAULTS:
        hint = suggest.hint(arguments.fault, ALL_FAULTS, rest="livefw machine fault --list")
        raise UsageError(f"there is no fault {arguments.fault[:60]!r}", hint=hint)
    fields = {name: getattr(arguments, name) for name in _OPTIONS if getattr(arguments, name) is not None}
    return ask(
        session,
        arguments,
        lambda result: f"from now on: {result['text']}",
        "fault",
        fault={"name": arguments.fault, **fields},
    )


def _fault_table() -> str:
    rows = [
        (fault.name, fault.target, " ".join(f"--{option}" for option in fault.options), fault.text)
        for fault in ALL_FAULTS.values()
    ]
    return table([("FAULT", "COMPONENT", "OPTIONS", "WHAT HAPPENS"), *rows])


def _fault_document() -> dict[str, Any]:
    return {
        "faults": [
            {
                "name": fault.name,
                "where": fault.where,
                "component": fault.target,
                "options": ["times", *fault.options],
                "text": fault.text,
            }
            for fault in ALL_FAULTS.values()
        ]
    }


def configure_show(parser: argparse.ArgumentParser) -> None:
    """No arguments but the machine."""
    configure_machine(parser)


def run_show(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Tell what a machine is."""
    return ask(session, arguments, _show_text, "show")


def _waiting_text(waiting: dict[str, Any]) -> str:
    why = {None: "and does not come back", True: "and works", False: "and waits for other CPUs"}[waiting["works"]]
    return f"CPU {waiting['cpu']} has been in {waiting['function']} for {waiting['seconds']:.0f} s {why}"


def _show_text(result: dict[str, Any]) -> str:
    if "drives" in result:
        return nvme.show_text(result)
    rows = [
        (
            printable(each["name"]) or "-",
            each["kind"],
            each["current_version"],
            each["staged_version"] or "-",
            each["guid"],
        )
        for each in result["components"]
    ]
    stalls = [stall["end_ns"] - stall["start_ns"] for stall in result["stalls"]]
    realms = result["realms"]
    driver = result["driver"] + ("" if result["loaded"] else " (not loaded)")
    lines = [f"{result['name']}: {result['description']}", f"{result['online']} of {result['cpus']} CPUs online"]
    if rows or not result["tdx"]:
        lines += [
            f"agent {result['agent']}, driver {driver}, notification {result['notification']}",
            table([("NAME", "KIND", "RUNS", "STAGED", "GUID"), *rows]),
            f"primed: {result['primed']['component'] or 'nothing'} ({result['primed']['prime']})",
        ]
        lines += [
            f"{printable(each['name']) or each['guid']} is dead until a cold boot; end this machine and run it again"
            for each in result["components"]
            if each["dead"]
        ]
        reasons = [each["refused_because"] for each in result["components"]]
        lines += [f"the firmware last refused: {printable(reason)}" for reason in reasons if reason]
    if tdx := result["tdx"]:
        lines.append(f"TDX module {tdx['module']}, {tdx['state']}, {tdx['slots']} update slots")
        lines.append(f"TDs: {', '.join(f'{count} {state}' for state, count in tdx['tds'].items())}")
    if realms:
        lines.append(f"Realms: {realms['running']} running, {realms['lost']} lost")
        for what in ("running", "lost"):
            if named := [f"{realm['id']} ({realm['lfa_policy']})" for realm in result[f"{what}_realms"]]:
                lines.append(f"{what} Realms and their LFA policy: {', '.join(named)}")
        if realms["lost"]:
            lines.append("GUESTS WERE LOST: the Realms named above did not survive an activation of the RMM")
    if stalls:
        lines.append(f"all CPUs were stopped {len(stalls)} times, at most {max(stalls) / 1e6:.1f} ms")
    lines += [_waiting_text(each) for each in result["waiting"]]
    if result["waiting"] and result["stopped"]:
        lines.append("all CPUs are stopped until then: on a real machine no program runs, and nothing is logged")
    if result["panic"]:
        lines.append(f"the kernel is dead: {result['panic']}")
    lines += [f"note: {note}" for note in result["notes"]]
    lines += [f"invented: {text}" for text in result["invented"]]
    return "\n".join(lines)
