# SPDX-License-Identifier: Apache-2.0
"""Sends what waits: in a process of its own (`start`), or in this one (`send`).

One sender at a time. A second waits for the first, and a third leaves it to the second, which reads the file after it:
an event is written before its sender is started, so that none is left behind and no more than two wait.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple, Self

from livefw import programs, systemd
from livefw.activation.hooks.directory import Hook
from livefw.activation.notify import waiting
from livefw.activation.notify.executables import executables
from livefw.activation.notify.outbox import Contents, Outbox
from livefw.activation.paths import Paths
from livefw.text import decode, printable

SECONDS = 30.0
"""Timeout of one executable. Nobody but the other events waits for it."""
GIVEN_UP_MESSAGE_ID = "8e4c1f7a2b9d4c60a3f5e7d1094b6c28"
"""``journalctl MESSAGE_ID=...`` finds every event that was given up; it never changes."""
_SENDING = ".sending"
_NEXT = ".next"


_DETACHED = f"import os; os.fork() and os._exit(0); from {__name__} import main; main()"
"""The parent ends before anything is imported: the child is not ours then, and nobody has to wait for it."""


def start(paths: Paths) -> None:
    """Start a sender in a process and session of its own, which is not waited for. OSError."""
    command = [sys.executable, "-P", "-c", _DETACHED, paths.state, paths.settings, paths.root]
    nothing = subprocess.DEVNULL
    subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, cwd="/", check=False)


def send(
    outbox: Outbox, settings: str, root: str, *, seconds: float = SECONDS, now: Callable[[], float] = time.time
) -> bool:
    """Send all that is due, one after the other; whether nothing waits any more. OSError."""
    with ExitStack() as turn, ExitStack() as place:
        if not place.enter_context(outbox.locked(_NEXT, wait=False)):
            return True  # the other one reads it
        turn.enter_context(outbox.locked(_SENDING))
        place.close()
        while _send_next(outbox, settings, root, seconds, now):
            pass
        return not outbox.read().waiting


def _send_next(outbox: Outbox, settings: str, root: str, seconds: float, now: Callable[[], float]) -> bool:
    """Send one; whether there was one."""
    hooks = {hook.name: hook for hook in executables(settings) if not hook.skipped}
    due = waiting.next_due(outbox.read(), now=now())
    if due is None:
        return False
    event, name = due
    if name not in hooks:
        outbox.change(lambda contents: waiting.forget_names(contents, hooks))
        return True
    error = Attempted.of(hooks[name], event.document, seconds=seconds).error
    given_up = False

    def note(contents: Contents) -> None:
        nonlocal given_up
        given_up = waiting.note(contents, event.id, name, error, now=now())

    outbox.change(note)
    if given_up and root == "/":
        text = printable(f"{name} in notify.d did not take the event {event.document.get('event')}: {error}")
        fields = {"MESSAGE_ID": GIVEN_UP_MESSAGE_ID, "LIVEFW_HOOK": name, "LIVEFW_EVENT": event.id}
        systemd.log(f"{text}; it is given up", priority=4, fields=fields)
    return True


class Attempted(NamedTuple):
    """How an executable took an event: ``error`` is empty if it did, ``output`` is what it printed."""

    error: str
    output: str

    @classmethod
    def of(cls, hook: Hook, document: dict[str, Any], *, seconds: float = SECONDS) -> Self:
        """Give the event to the executable. Never raises."""
        if hook.objection:
            return cls(hook.objection, "")
        answer = programs.run([hook.path], question=json.dumps(document).encode(), seconds=seconds)
        output = decode(answer.output)
        if answer.code == 0:
            return cls("", output)
        last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
        return cls(f"{answer.broken(seconds=seconds)}{': ' if last else ''}{last}", output)


def main() -> None:
    """Send what waits on the machine of the command line."""
    state, settings, root = sys.argv[1:]
    with suppress(OSError):
        send(Outbox(state), settings, root)
