# SPDX-License-Identifier: Apache-2.0
"""``livefw machine bmc``: a modelled BMC, and the settings with which ``livefw`` finds it."""

import argparse
import os
import signal
from typing import Any

from livefw import reading
from livefw.cli.invocation.session import Session
from livefw.errors import ExitCode, TransportError, UsageError
from livefw.text import printable_lines

USER = "admin"
_OURS = b"# Written by livefw machine bmc.\n"
"""The first line of settings that may be overwritten. No more is read: a file may have no second line."""


def configure_bmc(parser: argparse.ArgumentParser) -> None:
    """Where, and what is wrong with it."""
    from livefw.machine.bmc.faults import FAULTS
    from livefw.machine.bmc.firmware import Pattern

    faults = "\n".join(f"  {name:22}{text}" for name, text in FAULTS.items())
    parser.epilog = f"faults:\n{faults}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("directory", metavar="DIR", help="where to write settings, certificate and credentials, as below a root")
    add("--address", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    add("--port", type=int, default=0, metavar="N", help="port to listen on (any that is free)")
    add("--pattern", choices=[*Pattern], default=Pattern.BOTH, help="how an image waits for its activation (both)")
    add("--seconds", type=float, default=2.0, metavar="S", help="how long each task takes (2)")
    add("--fault", action="append", default=[], choices=[*FAULTS], metavar="NAME", help="let this go wrong")


def run_bmc(session: Session, arguments: argparse.Namespace) -> int:
    """Serve until a signal."""
    import secrets
    import time

    from livefw.machine.bmc.firmware import Pattern
    from livefw.machine.bmc.model import Model
    from livefw.machine.bmc.server import BmcServer
    from livefw.machine.bmc.web import Web

    if not 0 < arguments.seconds < 1e6:
        raise UsageError("--seconds has to be above 0")
    if not 0 <= arguments.port < 1 << 16:
        raise UsageError("--port is from 0 to 65535")
    pattern, password = Pattern(arguments.pattern), secrets.token_urlsafe(18)
    model = Model(time.monotonic, pattern=pattern, seconds=arguments.seconds, faults=arguments.fault)
    ending = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # before there are threads, that nobody but us gets them
    try:
        server = BmcServer(Web(model, {USER: password}), host=arguments.address, port=arguments.port)
    except OSError as error:
        where = f"{arguments.address}:{arguments.port}"
        raise TransportError(f"{where}: {os.strerror(error.errno or 0)}", errno=error.errno) from error
    try:
        written = _write(reading.absolute(arguments.directory), server.url, server.pem.certificate, password)
        session.answer(lambda: _text(server.url, written), lambda: {"bmc": _document(server.url, written)})
        signal.sigwait(ending)
    finally:
        server.close()
    return ExitCode.DONE


def _write(root: str, url: str, certificate: bytes, password: str) -> dict[str, str]:
    """The files that a client needs; nothing that is there already is overwritten but by another BMC of ours."""
    folder = os.path.join(root, "etc/livefw")
    paths = {name: os.path.join(folder, name) for name in ("livefw.toml", "bmc.pem", "bmc.credentials")}
    settings = (
        f"{_OURS.decode()}[[redfish.bmc]]\n"
        f'name = "model"\nurl = "{url}"\nca = "/etc/livefw/bmc.pem"\ncredentials = "/etc/livefw/bmc.credentials"\n'
    )
    contents = {
        "livefw.toml": settings.encode(),
        "bmc.pem": certificate,
        "bmc.credentials": f"{USER}\n{password}\n".encode(),
    }
    try:
        reading.make_directories(folder, 0o755)
        if not _ours(paths["livefw.toml"]):
            raise UsageError(f"{paths['livefw.toml']} is somebody else's", hint="name another directory")
        for name, path in paths.items():
            reading.write(path, contents[name], 0o600 if name == "bmc.credentials" else 0o644, follow=False)
    except OSError as error:
        raise TransportError(f"{error.filename or folder}: {error.strerror}", errno=error.errno) from error
    return {
        "root": root,
        "settings": paths["livefw.toml"],
        "ca": paths["bmc.pem"],
        "credentials": paths["bmc.credentials"],
    }


def _ours(path: str) -> bool:
    try:
        with reading.opened(path, follow=False) as file:
            return file.read(len(_OURS)) == _OURS
    except FileNotFoundError:
        return True


def _text(url: str, written: dict[str, str]) -> str:
    return printable_lines(
        [
            f"a modelled BMC is ready at {url}; user and password are in {written['credentials']}",
            f"try: livefw --root {written['root']} --settings {os.path.dirname(written['settings'])} list",
        ]
    )


def _document(url: str, written: dict[str, str]) -> dict[str, Any]:
    return {"url": url, "pid": os.getpid(), **written}
