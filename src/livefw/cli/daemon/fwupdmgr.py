# SPDX-License-Identifier: Apache-2.0
"""``livefw fwupdmgr``: run fwupdmgr against livefwd."""

import argparse
import os

from livefw import reading
from livefw.cli.daemon.client import SOCKET, VARIABLE
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import NotInstalled, TransportError, UsageError
from livefw.text import errno_text

POLICY = "/usr/share/polkit-1/actions/org.freedesktop.fwupd.policy"


MANUAL = Manual(
    description=(
        "Run fwupdmgr(1) with the daemon livefwd(8) in place of fwupd's own. The arguments are those of fwupdmgr.",
    ),
    examples=(
        ("livefw fwupdmgr get-devices", "List the components as fwupd's devices."),
        ("livefw fwupdmgr get-history", "Show the history as fwupd shows it."),
    ),
    see_also=("livefwd(8)", "fwupdmgr(1)"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Everything behind the verb is fwupdmgr's."""
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="arguments of fwupdmgr (get-devices)")
    default = os.environ.get(VARIABLE, SOCKET)
    parser.add_argument("--socket", metavar="PATH", default=default, help=f"of the daemon ({SOCKET})")


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Become fwupdmgr. The variable is set for it alone: elsewhere it would lead fwupd's own daemon astray too."""
    if session.root != "/":
        raise UsageError("--root is for the daemon: livefwd --root DIR --socket PATH")
    environment = {**os.environ, "FWUPD_DBUS_SOCKET": reading.absolute(arguments.socket)}
    if not os.path.exists(POLICY):
        environment["FWUPD_POLKIT_NOCHECK"] = "1"
    words = [*arguments.words] or ["get-devices"]
    if not os.path.exists(arguments.socket) and not {"-h", "--help"} & {*words}:
        hint = "systemctl start livefwd.socket; or livefwd --socket PATH, and here --socket PATH"
        raise TransportError(f"livefwd does not listen at {arguments.socket}", hint=hint)
    if session.json:
        words.append("--json")
    try:
        os.execvpe("fwupdmgr", ["fwupdmgr", *words], environment)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise NotInstalled("fwupdmgr is not installed", hint="Debian: apt-get install fwupd") from error
        raise TransportError(f"fwupdmgr cannot be run: {errno_text(error)}") from error
