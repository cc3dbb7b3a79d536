# SPDX-License-Identifier: Apache-2.0
"""Who may activate: root, the account the daemon runs as, members of a group, and whom polkit allows.

Looking is free for everyone.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from livefw.daemon.client import Call, CallFailed, Client
from livefw.daemon.peer import Peer
from livefw.daemon.wire import Variant

ACTION = "org.livefw.activate"
SYSTEM_BUS = "/run/dbus/system_bus_socket"
QUESTIONS_LIMIT = 8
"""Questions to polkit at the same time, one for each user: each may show a person a dialogue, and wait for minutes."""
_PATIENCE_S = 170.0
"""Seconds for polkit's answer, below the 180 that fwupd's clients wait."""
_INTERACTION = 1
"""polkit: ``CheckAuthorizationFlags``, ``AllowUserInteraction``."""

_log = logging.getLogger(__name__)
Decided = Callable[[str], None]
"""Is told why not; an empty text if it may."""


class Authority:
    """Decides; ``soon`` brings polkit's answer back into the loop.

    ``bus`` is the path of the system bus's socket; empty for no polkit.
    """

    def __init__(self, *, group: int | None, bus: str, soon: Callable[[Callable[[], None]], None]) -> None:
        self._group = group
        self._bus = bus
        self._soon = soon
        self._asking: set[int] = set()

    def ask(self, peer: Peer, decided: Decided, *, interactive: bool) -> None:
        """Tell ``decided`` whether this peer may activate; at once or later."""

        def logged(why: str) -> None:
            if why:
                _log.warning("user %d may not: %s", peer.uid, why)
            decided(why)

        self._ask(peer, logged, interactive=interactive)

    def _ask(self, peer: Peer, decided: Decided, *, interactive: bool) -> None:
        if peer.uid in (0, os.geteuid()) or (self._group is not None and self._group in peer.groups):
            decided("")
        elif not self._bus or not peer.started:
            decided(f"{peer.user} may not activate firmware here; root and members of the group may")
        elif peer.uid in self._asking or len(self._asking) >= QUESTIONS_LIMIT:
            decided("polkit is being asked already")
        else:
            self._asking.add(peer.uid)
            run = lambda: self._question(peer, decided, interactive=interactive)  # noqa: E731 - the thread's body
            threading.Thread(target=run, daemon=True, name="polkit").start()

    def _question(self, peer: Peer, decided: Decided, *, interactive: bool) -> None:
        """In a thread: polkit may take as long as a person needs to type a password."""
        allowed, why = False, f"polkit does not let {peer.user} activate firmware ({ACTION})"
        try:
            allowed = check(self._bus, peer, interactive=interactive)
        except (OSError, CallFailed, IndexError) as error:
            _log.warning("polkit cannot be asked: %s", error)
            why = f"polkit cannot be asked: {error}; root and members of the group may activate"

        def tell() -> None:
            self._asking.discard(peer.uid)
            decided("" if allowed else why)

        self._soon(tell)


def check(bus: str, peer: Peer, *, interactive: bool) -> bool:
    """Ask polkit about a process. OSError, `CallFailed`, IndexError for an answer that is none."""
    subject: dict[str, Any] = {
        "pid": Variant("u", peer.pid),
        # With the start time, a process that ended and left its number to another is not taken for it.
        "start-time": Variant("t", peer.started),
        "uid": Variant("i", peer.uid),
    }
    body: tuple[Any, ...] = (("unix-process", subject), ACTION, {}, _INTERACTION if interactive else 0, "")
    with Client(bus, timeout=_PATIENCE_S) as client:
        client.call(Call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus"))
        answer = client.call(
            Call(
                "/org/freedesktop/PolicyKit1/Authority",
                "org.freedesktop.PolicyKit1.Authority",
                "CheckAuthorization",
                "(sa{sv})sa{ss}us",
                body,
                "org.freedesktop.PolicyKit1",
            )
        )
    return bool(answer[0][0])


def group_id(name: str) -> int | None:
    """Number of a group; None if there is no such group."""
    import grp  # reads the system's tables only when asked

    with suppress(KeyError):
        return grp.getgrnam(name).gr_gid
    return None
