# SPDX-License-Identifier: Apache-2.0
"""``livefw demo --web``: a modelled server, the daemon on it, and the page for Cockpit, until interrupted."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from livefw.cli.demo import site
from livefw.cli.demo.served import served
from livefw.cli.demo.site import Cockpit
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode
from livefw.machine.config import MachineConfig
from livefw.machine.machine import Machine
from livefw.machine.service import serve
from livefw.text import printable_lines

NAME = "demo"
"""Of the machine, for `livefw machine`: one that runs already may have the name of its platform."""


def run(session: CommandSession, config: MachineConfig) -> int:
    """Hold it up until interrupted. `NotInstalled`, `TransportError`, and what `serve` raises."""
    page = site.find_page()
    site.find_server()  # before a machine is mounted for nothing

    @contextmanager
    def ready(machine: Machine, root: str) -> Iterator[None]:
        with TemporaryDirectory(prefix="livefw-demo-") as folder:
            socket_path = f"{folder}/livefwd.sock"
            with daemon(root, socket_path, folder), site.cockpit(page, socket_path, f"{folder}/cockpit") as cockpit:
                session.answer(lambda: _text(machine, cockpit), lambda: _document(machine, root, cockpit))
                yield

    serve(config, name=NAME, platform=config.name, directory=None, ready=ready)
    return ExitCode.DONE


@contextmanager
def daemon(root: str, path: str, folder: str) -> Iterator[None]:
    """Run livefwd on the machine below ``root``, on the socket ``path``, with a history in ``folder``."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    command = [
        sys.executable,
        "-m",
        "livefw.daemon.service",
        "--root",
        root,
        "--state",
        f"{folder}/history",
        "--bus",
        "",
    ]
    # The model writes its settings itself, so that they may be used.
    if os.path.isdir(f"{root}/etc/livefw"):
        command += ["--settings", f"{root}/etc/livefw"]
    environment = os.environ | {"LIVEFW_RUNTIME_DIR": folder, "LC_ALL": "C.UTF-8"}
    with served(listener, command, environment, f"{folder}/log"):
        yield


def _text(machine: Machine, cockpit: Cockpit) -> str:
    config = machine.config
    lines = [
        f"{config.description}; {config.cpus} CPUs. It is modelled, and shown in Cockpit on",
        "",
        f"  {cockpit.address}",
        "",
        "The address has a key in it that logs in: give it to nobody. Ctrl-C ends it all, and nothing of it is left.",
        f"Make something go wrong: livefw machine fault --machine {NAME} auth-error rmm",
    ]
    return printable_lines(lines)


def _document(machine: Machine, root: str, cockpit: Cockpit) -> dict[str, Any]:
    return {
        "web": {
            "platform": machine.config.name,
            "machine": NAME,
            "mount": root,
            "pid": os.getpid(),
            "address": cockpit.address,
        }
    }
