# SPDX-License-Identifier: Apache-2.0
"""``livefw fwupdmgr``: run fwupdmgr against livefwd."""

import argparse
import os
import sys

from livefw import reading
from livefw.activation.diagnosis.fwupd import plugins
from livefw.cli.daemon.client import SOCKET, VARIABLE
from livefw.cli.invocation.session import CommandSession
from livefw.cli.verbs import Manual
from livefw.errors import NotInstalled, TransportError, UsageError
from livefw.text import errno_text

POLICY = "/usr/share/polkit-1/actions/org.freedesktop.fwupd.policy"


MANUAL = Manual(
    description=(
        "Run fwupdmgr(1) with the daemon livefwd(8) in place of fwupd's own. The arguments are those of fwupdmgr.",
        "Where livefwd does not listen and fwupd's own daemon has the plugin arm_lfa, that daemon is asked.",
        "The command tells which one it is, on a terminal and whenever it is fwupd's own.",
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
    words = [*arguments.words] or ["get-devices"]
    environment = _led_to(session, arguments.socket, only_help=bool({"-h", "--help"} & {*words}))
    if session.json:
        words.append("--json")
    try:
        os.execvpe("fwupdmgr", ["fwupdmgr", *words], environment)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise NotInstalled("fwupdmgr is not installed", hint="Debian: apt-get install fwupd") from error
        raise TransportError(f"fwupdmgr cannot be run: {errno_text(error)}") from error


def _led_to(session: CommandSession, socket: str, *, only_help: bool) -> dict[str, str]:
    """Its environment: it asks livefwd, or fwupd's own daemon where that can do it and livefwd is not there."""
    if os.path.exists(socket) or only_help:
        if sys.stderr.isatty():
            session.say(f"livefw: fwupdmgr asks livefwd at {socket}")
        unchecked = {} if os.path.exists(POLICY) else {"FWUPD_POLKIT_NOCHECK": "1"}
        return {**os.environ, "FWUPD_DBUS_SOCKET": reading.absolute(socket), **unchecked}
    plugin = next(plugins(os.listdir, os.path.exists), None)
    if socket == SOCKET and plugin:
        session.say(f"livefw: livefwd does not listen; fwupdmgr asks fwupd's own daemon, which has {plugin}")
        return {name: value for name, value in os.environ.items() if name != "FWUPD_DBUS_SOCKET"}
    hint = "systemctl start livefwd.socket; or livefwd --socket PATH, and here --socket PATH"
    raise TransportError(f"livefwd does not listen at {socket}", hint=hint)
