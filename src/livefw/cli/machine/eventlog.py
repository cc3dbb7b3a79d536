# SPDX-License-Identifier: Apache-2.0
"""``livefw machine eventlog``: the measurement log of a running machine with a store, and what it replays to."""

import argparse
from typing import Any

from livefw import reading
from livefw.cli.invocation.session import CommandSession
from livefw.cli.machine.control import configure_machine, connected
from livefw.errors import ExitCode
from livefw.firmware.image import measure
from livefw.firmware.image.certificate import HashKind
from livefw.firmware.image.measure import MeasurementEvent
from livefw.machine.control import ControlClient
from livefw.text import printable, table


def configure_eventlog(parser: argparse.ArgumentParser) -> None:
    """Where to write it."""
    configure_machine(parser)
    parser.add_argument("--output", metavar="FILE", help="also write the log itself, as tpm2_eventlog reads it")


def run_eventlog(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the measurements and the registers that follow from them."""
    with connected(arguments) as client:
        log = _whole(client)
    if arguments.output is not None:
        reading.write(arguments.output, log)
    kinds, events = measure.decode(log)
    registers = measure.replay(kinds, events)
    session.answer(lambda: _text(events, registers), lambda: {"events": _rows(events), "registers": _values(registers)})
    return ExitCode.DONE


def _whole(client: ControlClient) -> bytes:
    """All of it: a log only grows, so its pages belong together."""
    log = b""
    while page := bytes.fromhex(client.ask("eventlog", since=len(log))["log"]):
        log += page
    return log


def _rows(events: list[MeasurementEvent]) -> list[dict[str, Any]]:
    return [
        {
            "register": event.pcr,
            "name": event.text,
            "digests": {kind.name: value.hex() for kind, value in event.digests.items()},
        }
        for event in events
    ]


def _values(registers: dict[tuple[int, HashKind], bytes]) -> list[dict[str, Any]]:
    return [{"register": pcr, "hash": kind.name, "value": value.hex()} for (pcr, kind), value in registers.items()]


def _text(events: list[MeasurementEvent], registers: dict[tuple[int, HashKind], bytes]) -> str:
    found = _rows(events)
    rows = [(str(row["register"]), printable(row["name"]), row["digests"].get("SHA256", "-")) for row in found]
    values = [f"register {row['register']}, {row['hash']}: {row['value']}" for row in _values(registers)]
    return "\n".join([table([("REGISTER", "IMAGE", "SHA256"), *rows]), *values])
