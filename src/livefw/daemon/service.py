# SPDX-License-Identifier: Apache-2.0
"""``livefwd``: the daemon as a process, with what a service manager wants of it."""

import argparse
import errno
import logging
import os
import resource
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from livefw import __version__, children, reading, streams
from livefw.activation.inventory import unmatched_patterns
from livefw.assemble import Where
from livefw.daemon import authority
from livefw.daemon.authority import SYSTEM_BUS, Authority, group_id
from livefw.daemon.core import LOOK_EVERY_S, Core
from livefw.daemon.interfaces.fwupd import Fwupd
from livefw.daemon.interfaces.livefw1 import PATH, Livefw1
from livefw.daemon.metrics.exporter import Metrics
from livefw.daemon.snapshot import Snapshot
from livefw.daemon.upload import images
from livefw.daemon.upload.incoming import Incoming
from livefw.dbus import server
from livefw.dbus.connection import Connection
from livefw.dbus.dispatch import Dispatcher
from livefw.dbus.loop import Loop
from livefw.dbus.peer import installed_fwupd_version
from livefw.dbus.server import Server
from livefw.files.host import unused_settings
from livefw.systemd import notify, watchdog_s
from livefw.text import printable

SOCKET = "/run/livefw/fwupd.sock"
_BACKLOG = 512
"""Clients that wait to be accepted; above it those that do not block, fwupd's among them, are refused at once."""
SWITCH_S = 1e-4
"""How soon the thread that talks gets its turn while another one looks. Python's own 5 ms are a quarter of the time
that fwupdmgr takes for everything."""
_FIRST_FD = 3
"""``SD_LISTEN_FDS_START``, sd_listen_fds(3)."""

ABOUT_STRANGERS = frozenset(module.__name__ for module in (server, authority, images))
"""Loggers to which clients can have lines written as often as they like."""
QUOTA_LINES, QUOTA_S = 200, 30.0
"""How many of those lines are written in how many seconds."""

_log = logging.getLogger("livefw.daemon")


def parser() -> argparse.ArgumentParser:
    """All options, each with its default."""
    made = argparse.ArgumentParser(prog="livefwd", description="Serve live firmware activation to fwupd's clients.")
    add = made.add_argument
    add("--version", action="version", version=f"livefwd {__version__}")
    add("--root", metavar="DIR", default="/", help="the machine whose files are below DIR (/)")
    add("--socket", metavar="PATH", default=SOCKET, help=f"where to listen, unless systemd says ({SOCKET})")
    add("--state", metavar="DIR", help="directory of the history, as for livefw")
    add("--settings", metavar="DIR", help="directory of livefw.toml and checks.d; none with --root unless it is given")
    add("--images", metavar="DIR", help="directory of archives that can be staged, as for livefw")
    add("--group", metavar="NAME", default="livefw", help="its members may activate (livefw)")
    add("--bus", metavar="PATH", default=SYSTEM_BUS, help="system bus on which polkit is asked; empty for no polkit")
    add("--measure", choices=("auto", "off"), default="auto", help="whether activations are measured (auto)")
    add("--idle-exit", metavar="SECONDS", type=float, default=0.0, help="end after so long without a client (never)")
    add("--fwupd-version", metavar="VERSION", default="", help="what to tell clients whose version cannot be seen")
    add("--metrics", metavar="FILE", default="", help="file for node_exporter's textfile collector, ends in .prom")
    add("--metrics-port", metavar="PORT", type=int, default=0, help="serve the metrics on loopback too")
    add("--log-level", choices=("error", "warning", "info", "debug"), default="info", help="how much is logged (info)")
    return made


class Service:
    """The daemon, put together."""

    def __init__(self, options: argparse.Namespace, listener: socket.socket) -> None:
        self.loop = Loop()
        root = os.path.realpath(
            reading.absolute(options.root)
        )  # the same machine for every look and job, wherever a link leads later
        where = Where(root, options.state, options.settings, options.images)
        rights = Authority(group=group_id(options.group), bus=options.bus, soon=self.loop.soon)
        incoming = Incoming(_path(listener))
        self.core = Core(self.loop, where, rights, incoming, measure=options.measure != "off")
        product = "this machine" if root == "/" else options.root
        version = options.fwupd_version or installed_fwupd_version()
        fwupd = Fwupd(self.core, version=version, product=product, quit_=self.stop)
        dispatcher = Dispatcher({"/": [fwupd], PATH: [Livefw1(self.core)]}, _machine_id)
        self._server = self.core.server = Server(
            listener, self.loop, dispatcher, come=self._connected, left=self._disconnected
        )
        self._metrics = Metrics(self.core, options.metrics, options.metrics_port)
        self._idle_exit = options.idle_exit
        self._idle_since = self.loop.now()
        self._state: object = None
        self._unmatched: tuple[unmatched_patterns.UnmatchedPattern, ...] = ()
        self.core.snapshots.subscribe(self._announce_change)
        self.core.snapshots.subscribe(self._log_unmatched)

    def run(self) -> None:
        """Serve until told to end."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup(1)
                signal.signal(number, lambda *_: self.stop())
        if line := unused_settings(self.core.where.root, self.core.where.settings):
            _log.warning("%s", line)
        self.core.reconciler.start_if_needed()
        self._metrics.start()
        self._watchdog()
        self._tick()
        notify(f"READY=1\nSTATUS=serving {self.core.where.root}")
        try:
            self.loop.run()
        finally:
            notify("STOPPING=1")
            self._metrics.close()
            self._server.close()
            self.core.close()
            self.core.incoming.close()
            self.loop.close()

    def stop(self) -> None:
        """End; an activation that runs continues by itself, and is recorded."""
        self.loop.stop()

    def _tick(self) -> None:
        """Look at the machine while there are clients, and exit when there are none."""
        busy = self.core.jobs.busy or self.core.reconciler.running or bool(self._server.clients)
        if self._server.clients and not self.core.jobs.busy:
            self.core.snapshots.refresh_soon()
        now = self.loop.now()
        if busy:
            self._idle_since = now
        elif self._idle_exit and now - self._idle_since >= self._idle_exit:
            _log.info("nobody is here; ending")
            self.stop()
        pause = min(LOOK_EVERY_S, self._idle_exit / 2) if self._idle_exit else LOOK_EVERY_S
        self.loop.later(pause, self._tick)

    def _watchdog(self) -> None:
        """Tell the service manager that this loop still turns."""
        if every_s := watchdog_s():
            notify("WATCHDOG=1")
            self.loop.later(every_s, self._watchdog)

    def _announce_change(self, snapshot: Snapshot) -> None:
        """Tell clients when something has changed without them."""
        state = tuple(
            (c.component.key, c.component.pending, c.component.current_version) for c in snapshot.found.candidates
        )
        before, self._state = self._state, state
        if before is not None and before != state and not self.core.jobs.busy:
            self.core.announce_change()

    def _log_unmatched(self, snapshot: Snapshot) -> None:
        """Log patterns of the settings that match nothing, once for these settings and components."""
        before, self._unmatched = self._unmatched, snapshot.unmatched
        if snapshot.unmatched != before:
            for each in unmatched_patterns.explain(snapshot.unmatched, snapshot.found):
                _log.warning("settings: %s", each)

    def _connected(self) -> None:
        """A new client asks for the devices next; they have been read by then."""
        self.core.snapshots.refresh_soon()

    def _disconnected(self, connection: Connection) -> None:
        self._idle_since = self.loop.now()
        for forget in self.core.disconnected:
            forget(connection)


def main(argv: list[str] | None = None) -> int:
    """Run the daemon; 0 after a signal, 1 if it cannot listen."""
    streams.fill()
    children.are_waited_for()
    options = parser().parse_args(argv)
    _set_up_logging(options.log_level)
    _raise_descriptor_limit()
    sys.setswitchinterval(SWITCH_S)
    passed = _passed_socket()
    try:
        listener = passed or listen(options.socket)
    except OSError as error:
        _log.error(
            "cannot listen on %s: %s", options.socket, error.strerror or error
        )  # a path that is too long has no number
        return 1
    try:
        service = Service(options, listener)
    except OSError as error:
        _log.error("%s: %s", error.filename or options.root, error.strerror)
        return 1
    else:
        if passed is None:
            _log.info("listening on %s", options.socket)
        service.run()
    finally:
        listener.close()
        if passed is None:
            with suppress(OSError):
                os.unlink(options.socket)
    return 0


def listen(path: str) -> socket.socket:
    """A listening socket that everyone may connect to.

    OSError: EADDRINUSE if a daemon serves there already, ENOTSOCK if something else has the name.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    # Where a client looks, there is only ever a socket that listens: until then it would be refused, and another daemon
    # that starts would take it for one that is left over.
    ours = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o755, exist_ok=True)
        made.bind(ours)
        os.chmod(ours, 0o666)  # noqa: S103 - everyone may look; who may activate is decided by the kernel's word on who asks
        made.listen(_BACKLOG)
        if (obstacle := _in_the_way(path)) is not None:
            raise OSError(obstacle, os.strerror(obstacle), path)
        os.rename(ours, path)
    except BaseException:
        made.close()
        with suppress(OSError):
            os.unlink(ours)
        raise
    return made


def _path(listener: socket.socket) -> str:
    """Where clients find it; empty if that is no file. `listen` has given it its name after it was bound."""
    bound = listener.getsockname()
    return bound.removesuffix(f".{os.getpid()}") if isinstance(bound, str) else ""


def _in_the_way(path: str) -> int | None:
    """The errno against taking this name for a socket; None if it is free or left over from a daemon that is gone."""
    try:
        # A mistyped --socket is refused and not replaced: connect(2) says ECONNREFUSED of a file, too.
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return errno.ENOTSOCK
    except FileNotFoundError:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return None if probe.connect_ex(path) == errno.ECONNREFUSED else errno.EADDRINUSE


def _passed_socket() -> socket.socket | None:
    """The socket that systemd holds for us (sd_listen_fds(3)); None without one."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    os.set_inheritable(_FIRST_FD, False)  # noqa: FBT003 - positional in the standard library
    return socket.socket(fileno=_FIRST_FD)


def _raise_descriptor_limit() -> None:
    """As many descriptors as we may have: 256 clients with four each are more than the usual 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536) if most > 0 else 4096, most))


class _Priorities(logging.Formatter):
    """Lines with the priority that the system journal reads (sd-daemon(3)); plain lines elsewhere."""

    _NUMBERS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        number = next((n for level, n in self._NUMBERS if record.levelno >= level), 7)
        text = super().format(record).encode("unicode_escape").decode("ascii")
        return f"<{number}>{text}"


class _Plain(logging.Formatter):
    """Lines for a terminal. What a client sent or a firmware said forges no line of ours, and moves no cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in the standard library
        """The message on one line."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name in the standard library
        """A traceback on many."""
        return "\n".join(map(printable, super().formatException(ei).splitlines()))


class Quota(logging.Filter):
    """Bounds what strangers can have written: they could otherwise fill a disk, or use up what the system journal
    takes of us (journald.conf(5), ``RateLimitBurst``), and the outcome of an activation would be missing there."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._since = float("-inf")
        self._count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line may be written."""
        if record.name not in ABOUT_STRANGERS or record.levelno < logging.INFO:
            return True
        now = self._now()
        if now - self._since >= QUOTA_S:
            left_out, self._since, self._count = self._count - QUOTA_LINES, now, 0
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} (and {left_out} lines about clients left out)", ()
        self._count += 1
        return self._count <= QUOTA_LINES


def _set_up_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("JOURNAL_STREAM"):
        handler.setFormatter(_Priorities("%(message)s"))
    else:
        handler.setFormatter(_Plain("livefwd: %(message)s"))
    handler.addFilter(Quota(time.monotonic))
    logger = logging.getLogger("livefw")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())


def _machine_id() -> str:
    try:
        return reading.read("/etc/machine-id", 64).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return "0" * 32


if __name__ == "__main__":
    sys.exit(main())
