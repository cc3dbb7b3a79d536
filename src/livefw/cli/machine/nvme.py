# SPDX-License-Identifier: Apache-2.0
"""``livefw machine run --platform nvme``: drives over NVMe/TCP, to which a kernel connects."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, UsageError
from livefw.machine.drives.platform import ADDRESS, DESCRIPTION, DRIVES, INVENTED, MOST_DRIVES, PLATFORM
from livefw.text import printable_lines, table

if TYPE_CHECKING:
    from livefw.machine.drives.served import Drives

_OTHERS = ("mount", "agent", "driver", "kernel", "notification", "cpus", "store", "bmc", "qemu")
"""Options of machines with CPUs and a driver."""

_VERBS = ("fault", "show")
"""What can be asked of drives that run."""


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from livefw.machine.drives.service import serve_drives

    if given := [each for each in _OTHERS if getattr(arguments, each) is not None]:
        raise UsageError(f"--{given[0]} is for machines with CPUs, and {PLATFORM} has drives only")
    count = DRIVES if arguments.components is None else arguments.components
    if not 1 <= count <= MOST_DRIVES:
        raise UsageError(f"--components: {count} drives; there can be 1 to {MOST_DRIVES}")
    name = arguments.name or PLATFORM

    def ready(drives: "Drives", image: str) -> None:
        state = drives.state()
        session.answer(lambda: _ready_text(name, state, image), lambda: _ready_document(name, state, image))

    serve_drives(count, name=name, ready=ready)
    return ExitCode.DONE


def platform() -> dict[str, Any]:
    """Its row in the list of platforms."""
    return {"name": PLATFORM, "description": DESCRIPTION, "notes": [], "invented": list(INVENTED)}


def require_verb(name: str, verb: str) -> None:
    """`UsageError` for a verb of machines with CPUs."""
    if verb not in _VERBS:
        raise UsageError(f"machine {verb}: {name} has drives only", hint=f"livefw machine show --machine {name}")


def _ready_text(name: str, state: list[dict[str, Any]], image: str) -> str:
    connects = [f"  nvme connect -t tcp -a {ADDRESS} -s {each['port']} -n {each['nqn']}" for each in state]
    return printable_lines(
        [
            f"{name} is ready: {len(state)} drives over NVMe/TCP",
            "  what is not public is invented: livefw machine show",
            f"  an image for each of them: {image}",
            "to connect the kernel to them, as root: modprobe nvme-tcp; then",
            *connects,
            "or, without nvme-cli:",
            *(f"  echo {without_nvme_cli(each)} > /dev/nvme-fabrics" for each in state[:1]),
        ]
    )


def without_nvme_cli(drive: dict[str, Any]) -> str:
    """What connects Linux to a drive when it is written to ``/dev/nvme-fabrics`` (``drivers/nvme/host/fabrics.c``)."""
    return f"transport=tcp,traddr={drive['address']},trsvcid={drive['port']},nqn={drive['nqn']}"


def _ready_document(name: str, state: list[dict[str, Any]], image: str) -> dict[str, Any]:
    drives = [{key: each[key] for key in ("serial", "nqn", "address", "port")} for each in state]
    return {"machine": {"name": name, "pid": os.getpid(), "drives": drives, "image": image, "invented": list(INVENTED)}}


def show_text(result: dict[str, Any]) -> str:
    """What ``livefw machine show`` tells of drives."""
    rows = [
        (
            each["serial"],
            each["current_version"],
            ", ".join(f"{at} {version or 'empty'}" for at, version in enumerate(each["slots"], 1)),
            str(each["running_slot"]),
            str(each["slot_at_reset"]),
            _doing(each),
            str(each["controllers"]),
            f"{each['address']}:{each['port']}",
        )
        for each in result["drives"]
    ]
    head = ("SERIAL", "RUNS", "SLOTS", "SLOT", "AT RESET", "STATE", "CONTROLLERS", "ADDRESS")
    lines = [f"{PLATFORM}: {result['description']}", table([head, *rows])]
    lines += [f"{each['serial']}: {', '.join(each['faults'])}" for each in result["drives"] if each["faults"]]
    return "\n".join([*lines, *(f"invented: {text}" for text in result["invented"])])


def _doing(drive: dict[str, Any]) -> str:
    if drive["dead"]:
        return "dead"
    return "activating" if drive["activating"] else "ready"
