# SPDX-License-Identifier: Apache-2.0
"""``livefw machine run``, ``platforms`` and ``list``."""

import argparse
import os
from dataclasses import replace
from typing import Any

from livefw.cli.invocation import listing
from livefw.cli.invocation.numbers import real, whole
from livefw.cli.invocation.session import CommandSession
from livefw.cli.machine import nvme
from livefw.cli.machine import qemu as machine_qemu
from livefw.errors import ExitCode, NothingToDo, UsageError
from livefw.firmware.profile import PROFILES
from livefw.kernel.lfa import VERSIONS, Notification
from livefw.machine import runtime
from livefw.machine.config import MAX_COMPONENTS, MAX_CPUS, MachineConfig, load, platforms
from livefw.machine.drives.platform import PLATFORM
from livefw.machine.machine import Machine
from livefw.machine.service import serve
from livefw.render.answer import Answer
from livefw.render.machines import LISTING
from livefw.text import printable_lines, table

NONE_RUNNING = "livefw machine run --platform vera"


def configure_run(parser: argparse.ArgumentParser) -> None:
    """Which machine, and where."""
    parser.add_argument("--platform", metavar="NAME|FILE", help="which machine; see --list")
    parser.add_argument("--list", action="store_true", help="list the machines that come with livefw")
    parser.add_argument("--machine", dest="name", metavar="NAME", help="what other commands call it (the platform)")
    parser.add_argument(
        "--mount", metavar="DIR", help="empty or new directory to mount it on (one in the runtime directory)"
    )
    parser.add_argument("--agent", choices=PROFILES, help="the firmware's version")
    parser.add_argument("--driver", choices=VERSIONS, help="the driver's version")
    parser.add_argument("--kernel", metavar="RELEASE", help="the kernel's release, such as 6.12.0")
    parser.add_argument("--notification", choices=[*Notification], help="how the platform notifies the driver")
    parser.add_argument("--cpus", type=whole(1, MAX_CPUS), metavar="N", help="number of CPUs")
    parser.add_argument(
        "--components",
        type=whole(0, MAX_COMPONENTS),
        metavar="N",
        help="number of components (platform grid) or of drives (platform nvme)",
    )
    parser.add_argument("--store", metavar="DIR", help="boot signed images from here, see `livefw image store`")
    parser.add_argument(
        "--bmc",
        type=real(0.001, 999_999, "seconds"),
        nargs="?",
        const=2.0,
        metavar="S",
        help="with a BMC that brings its images by Redfish, on the loopback interface; S: how long each task takes (2)",
    )
    machine_qemu.configure(parser)


def run_run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if arguments.list:
        return run_platforms(session, arguments)
    if arguments.platform is None:
        raise UsageError("machine run: --platform is missing", hint="livefw machine run --list")
    if not arguments.qemu:
        machine_qemu.require_kernel(arguments)
    if arguments.platform == PLATFORM:
        return nvme.run(session, arguments)
    config = _configured(arguments)
    if arguments.qemu:
        return machine_qemu.run(session, arguments, config)

    def ready(machine: Machine, directory: str) -> None:
        session.answer(lambda: _ready_text(machine, directory), lambda: _ready_document(machine, directory))

    serve(
        config,
        name=config.name,
        platform=arguments.platform,
        directory=arguments.mount,
        ready=ready,
        store=arguments.store,
        bmc_seconds=arguments.bmc,
    )
    return ExitCode.DONE


def _configured(arguments: argparse.Namespace) -> MachineConfig:
    config = load(arguments.platform)
    if arguments.components is not None:
        config = config.with_components(arguments.components)
    for option in ("agent", "driver", "notification", "store", "bmc"):
        if getattr(arguments, option) and config.tdx and not config.all_components:
            raise UsageError(f"--{option} is for machines with LFA, and {config.name} has none")
    wishes = {name: getattr(arguments, name) for name in ("name", "agent", "driver", "kernel", "notification", "cpus")}
    try:
        return replace(config, **{name: value for name, value in wishes.items() if value is not None})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _ready_text(machine: Machine, directory: str) -> str:
    config = machine.config
    # The model writes its settings itself, so that they may be used.
    settings = f" --settings {directory}/etc/livefw" if config.tdx or machine.bmc else ""
    lines = [f"{config.name} is ready on {directory}", f"  {_mechanisms(config)}, {config.cpus} CPUs"]
    if machine.bmc:
        lines.append(f"  a BMC at {machine.bmc.url} brings its images; the settings there link them")
    if config.invented:
        lines.append("  what is not public is invented: livefw machine show")
    return printable_lines([*lines, f"  try: livefw --root {directory}{settings} list"])


def _mechanisms(config: MachineConfig) -> str:
    lfa = f"driver {config.driver}, agent {config.agent}"
    tdx = f"TDX module {config.tdx.module}, P-SEAMLDR {config.tdx.seamldr}" if config.tdx else ""
    return "; ".join(filter(None, (lfa if config.all_components or not tdx else "", tdx)))


def _ready_document(machine: Machine, directory: str) -> dict[str, Any]:
    config = machine.config
    return {
        "machine": {
            "name": config.name,
            "mount": directory,
            "pid": os.getpid(),
            "cpus": config.cpus,
            "agent": config.agent,
            "driver": config.driver,
            "notification": config.notification,
            "invented": list(config.invented),
            **({"bmc": machine.bmc.url} if machine.bmc else {}),
        }
    }


def configure_platforms(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run_platforms(session: CommandSession, arguments: argparse.Namespace) -> int:  # noqa: ARG001 - the shape of every verb
    """Name and describe the shipped platforms."""
    found = [
        {
            "name": config.name,
            "description": config.description,
            "notes": list(config.notes),
            "invented": list(config.invented),
        }
        for config in map(load, platforms())
    ]
    found.append(nvme.platform())
    session.answer(
        lambda: table([("PLATFORM", "WHAT"), *((str(each["name"]), str(each["description"])) for each in found)]),
        lambda: {"platforms": found},
    )
    return ExitCode.DONE


def configure_list(parser: argparse.ArgumentParser) -> None:
    """How to list."""
    listing.configure(parser, LISTING)


def run_list(session: CommandSession, arguments: argparse.Namespace) -> int:  # noqa: ARG001 - the shape of every verb
    """List the machines that run; 3 if there is none."""
    states = runtime.running()
    if not states and not session.json:
        raise NothingToDo("no machine runs", hint=NONE_RUNNING)
    shown = {
        "machines": [
            {
                "name": each.name,
                "pid": each.pid,
                "platform": each.platform,
                "mount": each.mount,
                "store": each.store or None,
            }
            for each in states
        ]
    }
    return session.show(Answer.of(LISTING, lambda: shown, ExitCode.DONE if states else ExitCode.NOTHING_TO_DO))
