# SPDX-License-Identifier: Apache-2.0
"""``livefw machine bmc``: a modelled BMC, and the settings with which ``livefw`` finds it."""

import argparse
import os
import signal
from typing import Any

from livefw import reading
from livefw.cli.invocation.numbers import real, whole
from livefw.cli.invocation.session import CommandSession
from livefw.errors import ExitCode, TransportError
from livefw.text import errno_text, printable_lines


def configure_bmc(parser: argparse.ArgumentParser) -> None:
    """Where, and what is wrong with it."""
    from livefw.machine.bmc.faults import FAULTS
    from livefw.machine.bmc.firmware import Pattern
    from livefw.machine.bmc.vendors.table import SHAPES

    faults = "\n".join(f"  {name:22}{text}" for name, text in FAULTS.items())
    parser.epilog = f"faults:\n{faults}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("directory", metavar="DIR", help="where to write settings, certificate and credentials, as below a root")
    add("--address", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    add("--port", type=whole(0, 65535), default=0, metavar="N", help="port to listen on (any that is free)")
    add("--vendor", choices=[*SHAPES], default="livefw", help="whose BMC it looks like (livefw: nobody's)")
    add("--pattern", choices=[*Pattern], help="how an image waits for its activation (the vendor's; livefw: both)")
    add(
        "--seconds", type=real(0.001, 999_999, "seconds"), default=2.0, metavar="S", help="how long each task takes (2)"
    )
    add("--fault", action="append", default=[], choices=[*FAULTS], metavar="NAME", help="let this go wrong")


def run_bmc(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Serve until a signal."""
    import secrets
    import time

    from livefw.machine.bmc.firmware import Pattern
    from livefw.machine.bmc.model import Model
    from livefw.machine.bmc.server import BmcServer
    from livefw.machine.bmc.settings import USER, write
    from livefw.machine.bmc.vendors.table import SHAPES
    from livefw.machine.bmc.web import Web

    pattern, password = arguments.pattern and Pattern(arguments.pattern), secrets.token_urlsafe(18)
    model = Model(
        time.monotonic,
        pattern=pattern,
        seconds=arguments.seconds,
        faults=arguments.fault,
        shape=SHAPES[arguments.vendor],
    )
    ending = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # before there are threads, that nobody but us gets them
    try:
        server = BmcServer(Web(model, {USER: password}), host=arguments.address, port=arguments.port)
    except OSError as error:
        where = f"{arguments.address}:{arguments.port}"
        raise TransportError(f"{where}: {errno_text(error)}", errno=error.errno) from error
    try:
        written = write(reading.absolute(arguments.directory), server.url, server.pem.certificate, password)
        session.answer(lambda: _text(server.url, written), lambda: {"bmc": _document(server.url, written)})
        signal.sigwait(ending)
    finally:
        server.close()
    return ExitCode.DONE


def _text(url: str, written: dict[str, str]) -> str:
    return printable_lines(
        [
            f"a modelled BMC is ready at {url}; user and password are in {written['credentials']}",
            f"try: livefw --root {written['root']} --settings {os.path.dirname(written['settings'])} list",
        ]
    )


def _document(url: str, written: dict[str, str]) -> dict[str, Any]:
    return {"url": url, "pid": os.getpid(), **written}
