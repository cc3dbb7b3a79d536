# SPDX-License-Identifier: Apache-2.0
"""Who may activate: root, the account the daemon runs as, members of a group, and whom polkit allows.

Looking is free for everyone. To have checks ignored is a right of its own: they keep the machine from what an
administrator does not want, and the right to activate does not include the right to switch them off.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.connection import Connection
from livefw.dbus.peer import Peer, handle_of, is_trusted
from livefw.dbus.wire import Variant


class Right(NamedTuple):
    """Something that not everybody may: polkit's action, and what it is to do."""

    action: str
    what: str


ACTIVATE = Right("org.livefw.activate", "activate firmware")
IGNORE = Right("org.livefw.ignore-checks", "have checks ignored")
RIGHTS = (ACTIVATE, IGNORE)
SYSTEM_BUS = "/run/dbus/system_bus_socket"
QUESTIONS_LIMIT = 8
"""Questions to polkit at the same time, one for each user: each may show a person a dialogue, and wait for minutes."""
_PATIENCE_S = 170.0
"""Seconds for polkit's answer, below the 180 that fwupd's clients wait."""
_INTERACTION = 1
"""polkit: ``CheckAuthorizationFlags``, ``AllowUserInteraction``."""
_POLKIT = "org.freedesktop.PolicyKit1"
_AUTHORITY = "/org/freedesktop/PolicyKit1/Authority"
_TAKES_HANDLES = 124
"""The first version of polkit that takes a process by its pidfd; it was called 0.105 to 0.120, 121, 122 and so on."""

_log = logging.getLogger(__name__)
Decided = Callable[[str], None]
"""Called with the reason for a refusal; an empty text if it is allowed."""


class Authority:
    """Decides; ``soon`` brings polkit's answer back into the loop.

    ``bus`` is the path of the system bus's socket; empty for no polkit.
    """

    def __init__(self, *, group: int | None, bus: str, soon: Callable[[Callable[[], None]], None]) -> None:
        self._group = group
        self._bus = bus
        self._soon = soon
        self._asking: set[int] = set()

    def ask(self, client: Connection, right: Right, decided: Decided, *, interactive: bool, group: bool = True) -> None:
        """Tell ``decided`` whether a client has a right; at once or later. ``group``: all members of the group have."""
        peer = client.peer

        def logged(why: str) -> None:
            if why:
                _log.warning("user %d may not: %s", peer.uid, why)
            decided(why)

        who = "root and members of the group" if group else "root, and members of the group as group-may-ignore says,"
        if is_trusted(peer.uid) or (group and self._group is not None and self._group in peer.groups):
            logged("")
        elif not self._bus or not peer.started or client.closed:
            logged(f"{peer.user} may not {right.what} here; {who} may")
        elif peer.uid in self._asking or len(self._asking) >= QUESTIONS_LIMIT:
            logged("polkit is being asked already")
        else:
            self._start(client, right, logged, interactive=interactive)

    def _start(self, client: Connection, right: Right, decided: Decided, *, interactive: bool) -> None:
        peer = client.peer
        try:
            handle = handle_of(client.socket)  # now: the client may leave while polkit is being asked
        except OSError as error:
            decided(f"the calling process cannot be named to polkit: {error.strerror}")
            return
        self._asking.add(peer.uid)
        run = lambda: self._question(peer, handle, right, decided, interactive=interactive)  # noqa: E731 - the thread's body
        threading.Thread(target=run, daemon=True, name="polkit").start()

    def _question(self, peer: Peer, handle: int | None, right: Right, decided: Decided, *, interactive: bool) -> None:
        """In a thread: polkit may take as long as a person needs to type a password."""
        allowed, why = False, f"polkit does not let {peer.user} {right.what} ({right.action})"
        try:
            allowed = check(self._bus, peer, handle, right, interactive=interactive)
        except (OSError, CallFailed) as error:
            _log.warning("polkit cannot be asked: %s", error)
            why = f"polkit cannot be asked: {error}; root and members of the group may activate"
        finally:
            if handle is not None:
                os.close(handle)

        def deliver() -> None:
            self._asking.discard(peer.uid)
            decided("" if allowed else why)

        self._soon(deliver)


def check(bus: str, peer: Peer, handle: int | None, right: Right, *, interactive: bool) -> bool:
    """Ask polkit about a process, by its pidfd where both sides know that.

    OSError, `CallFailed`, also for an answer that is none.
    """
    with Client(bus, timeout=_PATIENCE_S, descriptors=handle is not None) as client:
        client.call(
            MethodCall("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus")
        )
        subject: dict[str, Any] = {"uid": Variant("i", peer.uid)}
        descriptors: tuple[int, ...] = ()
        if handle is not None and client.takes_descriptors and _takes_handles(client):
            subject["pidfd"] = Variant("h", 0)  # the first, and only, descriptor of the message
            descriptors = (handle,)
        else:
            # With the start time, a process that ended and left its number to another is not taken for it, unless
            # both started in the same tick of the clock.
            subject |= {"pid": Variant("u", peer.pid), "start-time": Variant("t", peer.started)}
        flags = _INTERACTION if interactive else 0
        body: tuple[Any, ...] = (("unix-process", subject), right.action, {}, flags, "")
        question = MethodCall(
            _AUTHORITY, f"{_POLKIT}.Authority", "CheckAuthorization", "(sa{sv})sa{ss}us", body, _POLKIT
        )
        answer = client.call(question, descriptors=descriptors)
    match answer:
        case ((bool(allowed), bool(), dict()),):
            return allowed
    raise CallFailed(f"{_POLKIT}.Error.Failed", "its answer makes no sense")


def _takes_handles(client: Client) -> bool:
    """Whether polkit is new enough; one that does not tell its version is not."""
    words = (f"{_POLKIT}.Authority", "BackendVersion")
    try:
        reply = client.call(MethodCall(_AUTHORITY, "org.freedesktop.DBus.Properties", "Get", "ss", words, _POLKIT))
    except CallFailed:
        return False
    version = str(reply[0].value if reply and isinstance(reply[0], Variant) else "").partition(".")[0]
    return version.isascii() and version.isdigit() and int(version) >= _TAKES_HANDLES


def group_id(name: str) -> int | None:
    """Number of a group; None if there is no such group."""
    import grp  # reads the system's tables only when asked

    with suppress(KeyError):
        return grp.getgrnam(name).gr_gid
    return None
