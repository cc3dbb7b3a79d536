# SPDX-License-Identifier: Apache-2.0
"""Ask the daemon, for users who may not do it themselves.

Root works alone: it has every right that the daemon has, and lock, history and settings are the same files. Everybody
else's commands about the machine itself go to the daemon where one listens; what it answers is what the command would
have printed, because the same code makes both. ``LIVEFW_SOCKET`` names another daemon, and is then used by everyone.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from livefw.cli import show
from livefw.cli.invocation.session import CommandSession
from livefw.dbus.client import CallFailed, Client, MethodCall
from livefw.dbus.wire import Message, Variant
from livefw.errors import Interrupted, PermissionDenied, TransportError
from livefw.render import history, plan
from livefw.render import show as rendered_show
from livefw.render.answer import Answer
from livefw.render.component import label_of_row
from livefw.text import printable

VARIABLE = "LIVEFW_SOCKET"
SOCKET = "/run/livefw/fwupd.sock"
_INTERFACE, _PATH = "org.livefw.Livefw1", "/org/livefw"
_AGENT_S = 10.0
"""How long to wait for polkit's agent; it takes a moment to tell polkit that it is there."""
_FAILED = {"org.freedesktop.DBus.Error.AccessDenied": PermissionDenied}

_Answer = tuple[dict[str, Any], str, int]


def ask(session: CommandSession, verb: str, arguments: argparse.Namespace) -> int | None:
    """The exit code after the daemon has answered; None if the command has to work alone."""
    calls = _calls(verb, arguments)
    path = os.environ.get(VARIABLE) or SOCKET
    if not calls or (VARIABLE not in os.environ and os.path.realpath(session.root) != "/"):
        return None
    try:
        client = Client(path)
    except OSError:
        return None
    with client:
        if verb == "activate" and not arguments.dry_run and not arguments.yes:
            _confirm(session, client, arguments)
        with _agent(calls):
            document, text, code = _answer(session, client, calls)
    if "error" in document and len(document) <= 2 and not session.json:
        session.say(text)
        return code
    if listing := _LISTINGS.get(calls.member):
        if document.get("before") is not None and session.view.output in ("name", "jsonl", "csv"):
            session.say("livefw: these are the newest rows; livefw history --since, or root, shows more")
        return session.show(Answer.of(listing, lambda: document, code))
    if calls.member == "Show":
        session.answer(lambda: rendered_show.text(document, show.parts(arguments)), lambda: document)
        return code
    show_answer = session.report if calls.member == "Activate" else session.answer
    show_answer(lambda: text, lambda: document)
    return code


_LISTINGS = {"Plan": plan.LISTING, "History": history.LISTING}
"""What is shown as it is wanted here, from the document: the daemon knows no terminal."""
_ALONE = {"state", "settings", "images", "no_journal", "measure", "plot", "at", "to", "scheduled", "strict"}
_ALONE |= {"wait_busy", "rows", "head", "limit", "until", "before", "file", "archive"}
"""Options that the daemon's calls do not have."""


def _calls(verb: str, arguments: argparse.Namespace) -> MethodCall | None:
    """What to ask for; None for what only the command does itself."""
    given = vars(arguments)
    if any(given.get(name) not in (None, False) for name in _ALONE):
        return None
    if verb == "show":
        return _call("Show", "as", arguments.components)
    if verb == "plan" or (verb == "activate" and arguments.dry_run):
        return _call("Plan", "asas", arguments.components, arguments.ignore)
    if verb == "history":
        if arguments.verify:
            return _call("Verify")
        return _call("History", "ss", arguments.component or "", arguments.since or "")
    if verb != "activate" or bool(arguments.components) == arguments.all:
        return None  # the command says what is wrong
    options = {
        "reason": Variant("s", arguments.reason),
        "ignore": Variant("as", arguments.ignore),
        "on-failure": Variant("s", str(arguments.on_failure)),
        "interactive": Variant("b", sys.stdin is not None and sys.stdin.isatty()),
    }
    return _call("Activate", "asa{sv}", arguments.components, options)


def _call(member: str, signature: str = "", *body: Any) -> MethodCall:
    return MethodCall(_PATH, _INTERFACE, member, signature, body)


def _answer(session: CommandSession, client: Client, call: MethodCall) -> _Answer:
    try:
        if call.member == "Activate":
            client.call(_call("Watch", "b", True))  # noqa: FBT003 - an argument on the wire
        document, text, code = client.call(call, signal=lambda message: _show_event(session, message))
        return json.loads(document), text, code
    except CallFailed as error:
        raise _FAILED.get(error.name, TransportError)(f"livefwd: {error.text}", phase=call.member) from error
    except (OSError, ValueError) as error:
        hint = (
            "the activation continues without it; livefw history shows how it ended"
            if call.member == "Activate"
            else ""
        )
        raise TransportError(f"livefwd has not answered: {error}", hint=hint, phase=call.member) from error


@contextmanager
def _agent(call: MethodCall) -> Iterator[None]:
    """Where polkit may ask a person for a password, have its agent for terminals ask here, as systemctl does.

    Without it polkit knows nobody to ask on a terminal. Where there is no polkit, nothing is missing.
    """
    process = None
    if call.member == "Activate" and call.body[1]["interactive"].value and os.geteuid() != 0:
        import subprocess  # for a person only
        from select import select

        ready, notify = os.pipe()
        with suppress(OSError):
            words = ["pkttyagent", "--fallback", "--notify-fd", str(notify)]
            process = subprocess.Popen(words, pass_fds=[notify], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(notify)
        select([ready], [], [], _AGENT_S)  # its end is closed when the agent is there, or will never be
        os.close(ready)
    try:
        yield
    finally:
        if process:
            process.terminate()
            process.wait()


def _show_event(session: CommandSession, message: Message) -> None:
    """What happens meanwhile, for somebody who looks on."""
    event = json.loads(message.body[0]) if message.member == "Event" else {}
    if event.get("event") == "begins":
        component = event["component"]
        versions = f" {component['current_version'] or '-'} -> {component['pending_version'] or '-'}"
        name = label_of_row(component["key"], component)
        session.say(f"{event.get('verb', 'activate')} {name}{printable(versions)}")
    elif event.get("event") == "said":
        session.say(f"livefw: {event['text']}")


def _confirm(session: CommandSession, client: Client, arguments: argparse.Namespace) -> None:
    """As the command does: at a terminal only."""
    if session.json or sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    document, text, code = _answer(session, client, _call("Plan", "asas", arguments.components, arguments.ignore))
    session.mark(session.table(plan.LISTING, document, sys.stderr) if "steps" in document else text, end="\n")
    if code:
        return  # the daemon says why, and writes it down
    session.mark("Activate now? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Interrupted("not confirmed; nothing was started")
