# SPDX-License-Identifier: Apache-2.0
"""What is known of the executables in notify.d, and a test of them."""

import os
import time
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from livefw.activation.hooks.directory import Hook
from livefw.activation.notify import sender
from livefw.activation.notify.executables import DIRECTORY, executables
from livefw.activation.notify.notice import Notice
from livefw.activation.notify.outbox import Contents, Delivery, Outbox
from livefw.activation.notify.sender import Attempted
from livefw.activation.notify.waiting import note
from livefw.activation.paths import Paths
from livefw.activation.policy.notification import SELECTABLE, NotifyEvent, NotifyPolicy
from livefw.errors import NothingToDo, PermissionDenied, TransportError, UsageError


class HookOverview(NamedTuple):
    """One executable: what it gets, how many events wait for it, and how earlier ones ended.

    ``problem`` is why it is not run, or why it will not be; empty if it is.
    """

    name: str
    path: str
    problem: str
    events: tuple[NotifyEvent, ...]
    components: tuple[str, ...]
    waiting: int
    delivery: Delivery


class NotifyOverview(NamedTuple):
    """All executables. ``absent`` are names in the settings without one, ``suppressed`` events that the rate stopped
    since the last that was sent, by kind."""

    directory: str
    hooks: tuple[HookOverview, ...]
    absent: tuple[str, ...]
    suppressed: dict[str, int]


def overview(paths: Paths, policy: NotifyPolicy) -> NotifyOverview:
    """All executables of a machine, and what waits for them.

    Raises:
        PermissionDenied, TransportError: what waits cannot be read.
    """
    try:
        contents = Outbox(paths.state).read()
    except OSError as error:
        kind = PermissionDenied if isinstance(error, PermissionError) else TransportError
        raise kind(f"{error.filename}: {error.strerror}", phase="notify", errno=error.errno) from error
    found = executables(paths.settings)

    def one(hook: Hook) -> HookOverview:
        narrow = policy.hook.get(hook.name)
        events = policy.events & narrow.events if narrow else policy.events
        return HookOverview(
            hook.name,
            hook.path,
            hook.objection or hook.skipped,
            tuple(each for each in SELECTABLE if each in events),
            narrow.components if narrow else policy.components,
            sum(hook.name in event.left for event in contents.waiting),
            contents.hooks.get(hook.name, Delivery()),
        )

    directory = os.path.join(paths.settings, DIRECTORY) if paths.settings else ""
    absent = tuple(sorted(policy.hook.keys() - {hook.name for hook in found}))
    return NotifyOverview(directory, tuple(map(one, found)), absent, contents.suppressed)


def test(paths: Paths, name: str) -> Iterable[tuple[Hook, Attempted]]:
    """Give a test event to one executable, or with an empty name to each, one after the other.

    Success ends the pause of an executable that has failed before.

    Raises:
        NothingToDo: there is no executable at all.
        UsageError: there is none of that name.
    """
    hooks = [hook for hook in executables(paths.settings) if not hook.skipped]
    if not hooks:
        where = os.path.join(paths.settings or "/etc/livefw", DIRECTORY)
        raise NothingToDo(f"there is no executable in {where}", hint="livefw notify --help")
    chosen = [hook for hook in hooks if not name or hook.name == name]
    if not chosen:
        raise UsageError(f"there is no executable {name!r} in notify.d", hint="livefw notify --list")
    notice = Notice(NotifyEvent.TEST, "", "a test of livefw notify; nothing was activated")
    outbox = Outbox(paths.state)
    for hook in chosen:
        ident, now = os.urandom(8).hex(), time.time()
        attempted = Attempted.of(hook, notice.document(id=ident, time_s=now, root=paths.root))
        if not attempted.error:
            outbox.change(partial(_taken, name=hook.name, ident=ident))
        yield hook, attempted


def _taken(contents: Contents, *, name: str, ident: str) -> None:
    note(contents, ident, name, "", now=time.time())


def send(paths: Paths) -> bool:
    """Send what is due, in this process; whether nothing waits any more. OSError."""
    return sender.send(Outbox(paths.state), paths.settings, paths.root)
