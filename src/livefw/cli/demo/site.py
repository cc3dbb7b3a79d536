# SPDX-License-Identifier: Apache-2.0
"""Cockpit with one page only, that of livefw, on the loopback interface, for those who have its address.

No configuration of Cockpit's on this machine is used or changed: what it reads is in a folder of its own.
"""

import http.client
import json
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import livefw
from livefw import programs
from livefw.cli.demo import login
from livefw.cli.demo.served import served
from livefw.errors import NotInstalled, TransportError
from livefw.text import errno_text

PACKAGES = "cockpit-ws cockpit-bridge cockpit-system"
_SERVERS = ("/usr/lib/cockpit/cockpit-ws", "/usr/libexec/cockpit-ws")
_DATA = "/usr/share/cockpit"
_PARTS = ("base1", "branding", "shell", "static")
"""What there is of Cockpit's own: no page, so that nobody takes this machine's for the model's."""
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(livefw.__file__)))
_PAGES = (f"{_CHECKOUT}/build/cockpit", "/usr/share/cockpit/livefw", "/usr/local/share/cockpit/livefw")
_NO_HELPERS = {"SSH_AUTH_SOCK": "/nowhere", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
"""The page needs neither an agent nor a bus of the session. Where none is named, cockpit-bridge starts both, and these,
killed with all else here, would leave their sockets in /tmp."""
_PATIENCE_S = 60.0
"""For the first answer of cockpit-ws, which takes some hundredths of a second on a machine with nothing else to do."""

_CONFIGURATION = """\
[WebService]
AllowUnencrypted = true

[OAuth]
URL = {origin}/?error_description=The+whole+address+is+needed,+with+its+key.
TokenParam = key

[bearer]
Command = {login}

[basic]
Action = none

[negotiate]
Action = none
"""
"""cockpit.conf(5): the key in the address is the only login; without TLS, as nothing leaves this machine."""


class Cockpit(NamedTuple):
    """A cockpit-ws that runs.

    Attributes:
        origin: scheme, host and port.
        key: what a browser needs to log in.
    """

    origin: str
    key: str

    @property
    def address(self) -> str:
        """What a person opens."""
        return f"{self.origin}/livefw#key={self.key}"


def find_page() -> str:
    """The folder of the page: that of the checkout, if it is built there, or that of the package. `NotInstalled`."""
    for folder in _PAGES:
        if os.path.exists(f"{folder}/manifest.json"):
            return folder
    checkout = os.path.exists(f"{_CHECKOUT}/cockpit/package.json")
    raise NotInstalled(
        "the page for Cockpit is not installed",
        hint="make cockpit" if checkout else "apt-get install cockpit-livefw",
    )


def find_server() -> str:
    """The path of cockpit-ws. `NotInstalled`, also if other parts of Cockpit are missing."""
    server = next((path for path in _SERVERS if os.access(path, os.X_OK)), None)
    parts = [f"{_DATA}/{name}" for name in ("base1", "shell", "static")]
    if server is None or not all(map(os.path.exists, [programs.find("cockpit-bridge"), *parts])):
        raise NotInstalled("Cockpit is not installed", hint=f"apt-get install --no-install-recommends {PACKAGES}")
    return server


@contextmanager
def cockpit(
    page: str, daemon: str, folder: str, *, bridge: Sequence[str] = ("cockpit-bridge",), within: Sequence[str] = ()
) -> Iterator[Cockpit]:
    """Run Cockpit with the page in the folder ``page``, which shows what the daemon on the socket ``daemon`` says.

    ``folder`` is an empty directory for what Cockpit reads and writes. ``bridge`` is the command of a session, and
    ``within`` a command that runs cockpit-ws, where that is not this machine's.
    `NotInstalled`, `TransportError`.
    """
    server = find_server()
    key = secrets.token_urlsafe(24)
    try:
        listener = socket.create_server(("127.0.0.1", 0))
    except OSError as error:
        raise TransportError(f"127.0.0.1: {errno_text(error)}", errno=error.errno) from error
    made = Cockpit(f"http://127.0.0.1:{listener.getsockname()[1]}", key)
    _lay_out(page, daemon, folder, made, bridge)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": f"{folder}/home",
        "XDG_CONFIG_DIRS": f"{folder}/config",
        "XDG_DATA_DIRS": f"{folder}/share",
        "XDG_RUNTIME_DIR": f"{folder}/run",
        **_NO_HELPERS,
    }
    log = f"{folder}/log"
    with served(listener, [*within, server, "--no-tls"], environment, log):
        _await(made, log)
        yield made


def _lay_out(page: str, daemon: str, folder: str, made: Cockpit, bridge: Sequence[str]) -> None:
    """Write what Cockpit reads."""
    for name in ("config/cockpit", "home", "run", "share/cockpit"):
        os.makedirs(f"{folder}/{name}")
    os.chmod(f"{folder}/run", 0o700)
    for name in _PARTS:
        os.symlink(f"{_DATA}/{name}", f"{folder}/share/cockpit/{name}")
    os.symlink(page, f"{folder}/share/cockpit/livefw")
    # On a machine that has no other livefw, and for a daemon of our own. As an administrator changes the manifest.
    changes = {"conditions": None, "config": {"address": f"unix:path={daemon}"}}
    _write(f"{folder}/config/cockpit/livefw.override.json", json.dumps(changes))
    _write(f"{folder}/key", made.key, 0o600)
    command = [sys.executable, "-I", "-S", login.__file__, f"{folder}/key", *bridge]
    _write(f"{folder}/login", f"#!/bin/sh\nexec {shlex.join(command)}\n", 0o700)
    _write(f"{folder}/config/cockpit/cockpit.conf", _CONFIGURATION.format(origin=made.origin, login=f"{folder}/login"))


def _write(path: str, text: str, mode: int = 0o644) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _await(made: Cockpit, log: str) -> None:
    """Wait for its first answer; `TransportError` with what it wrote last if it ends before."""
    connection = http.client.HTTPConnection(made.origin.removeprefix("http://"), timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/ping")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        with open(log, encoding="utf-8", errors="replace") as file:
            last = (file.read().splitlines() or ["no message"])[-1]
        raise TransportError(f"cockpit-ws does not answer: {last}") from error
    finally:
        with suppress(OSError):
            connection.close()
