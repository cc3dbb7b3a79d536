# SPDX-License-Identifier: Apache-2.0
"""What is asked of the machine beside the present view, and the answers as bytes: those of a message's body, except
for the daemon's own figures.

The same table serves root, in a thread of the daemon, and everybody else, in a process of its own
(`livefw.daemon.answers.worker`): nothing in it knows of connections.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from livefw.daemon import snapshot
from livefw.daemon.answers.captured import Captured
from livefw.daemon.answers.figures import figures
from livefw.daemon.fwupd import devices
from livefw.daemon.fwupd.security import attributes
from livefw.daemon.fwupd.values import PREFIX
from livefw.daemon.jobs.runner import Setting
from livefw.daemon.snapshot import Hosts
from livefw.dbus.dispatch import DBusError, full_text
from livefw.dbus.wire import encode_body
from livefw.errors import LivefwError, kind_of
from livefw.render.json_text import SCHEMA, to_json

ANSWER_LIMIT = 2 << 20
"""Bytes of an answer. Everybody may ask, for everything at once."""
_LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"

ROWS = (256, 64, 16, 4)
"""Activations in an answer about the history, or fewer if these have too many bytes. A history is kept for ever."""


class TooLargeError(DBusError):
    """The answer has more bytes than it may have."""


Told = tuple[dict[str, Any], str, int]
"""A verb's document, its text and its exit code."""


class Question(NamedTuple):
    """What is asked: a row of `QUESTIONS`, its words, and how many bytes the answer may have."""

    name: str
    words: tuple[str, ...] = ()
    most: int = ANSWER_LIMIT


class Failure(NamedTuple):
    """Why there is no answer: kind (`livefw.errors.KINDS`), phase and text; ``error`` if its D-Bus name is known."""

    kind: str
    phase: str
    text: str
    error: str = ""


def failure(error: Exception) -> Failure:
    """An error as the answer to a question."""
    if isinstance(error, DBusError):
        return Failure("", "", error.text, error.name)
    phase = error.phase if isinstance(error, LivefwError) else None
    return Failure(kind_of(error).name, phase or "", full_text(error))


def answer(hosts: Hosts, setting: Setting, question: Question) -> bytes | Failure:
    """Ask the machine, cut, and encode."""
    try:
        return QUESTIONS[question.name](hosts, setting, question)
    except Exception as error:  # whoever asked gets it, whatever it is
        return failure(error)


def run(root: str, words: list[str]) -> Told:
    """What the command would answer."""
    from livefw.cli.arguments import parse  # what follows is the command itself
    from livefw.cli.verbs import VERBS

    session = Captured(root)
    try:
        name, arguments = parse(["--root", root, "--json", *words])
        session.settings = arguments.settings
        code = VERBS[name].load().run(session, arguments)
        return session.document, session.text, int(code)
    except LivefwError as error:
        code = session.fail(error)
        return session.document, session.text, code
    finally:
        session.close()


def encoded(told: Told, *, most: int) -> bytes:
    """A verb's answer as bytes; `DBusError` if it has more than so many."""
    document, text, code = told
    json_text = to_json({"schema": SCHEMA} | document)
    size = len(json_text.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
    if size > most:
        raise TooLargeError(_LIMITS, f"the answer has {size} bytes, and {most} is the limit: ask for less")
    return encode_body("ssi", (json_text, text, code))


def _verb(_: Hosts, setting: Setting, question: Question) -> bytes:
    return encoded(run(setting.root, [*question.words]), most=question.most)


def _record(_: Hosts, setting: Setting, question: Question) -> bytes:
    """``livefw history``: the last rows, as many as have room. A row may be one kilobyte, or thirty."""
    for limit in ROWS[:-1]:
        with suppress(TooLargeError):
            return encoded(_rows(setting, question, limit), most=question.most)
    return encoded(_rows(setting, question, ROWS[-1]), most=question.most)


def _rows(setting: Setting, question: Question, limit: int) -> Told:
    return run(setting.root, ["history", f"--limit={limit}", *question.words])


def _history(hosts: Hosts, _: Setting, question: Question) -> bytes:
    """What fwupd's clients see of the history; of one device, the last row about it."""
    with hosts.open() as host:
        rows = list(devices.history(snapshot.activations(host)))
    if not question.words:
        if not rows:
            raise _nothing("nothing has been activated here yet")
        return encode_body("aa{sv}", (rows,))
    (ident,) = question.words
    row = next((row for row in rows if row["DeviceId"].value == ident), None)
    if row is None:
        raise _nothing("this device has never been activated here")
    return encode_body("a{sv}", (row,))


def _attributes(hosts: Hosts, _: Setting, __: Question) -> bytes:
    with hosts.open() as host:
        return encode_body("aa{sv}", (attributes(host),))


def _figures(hosts: Hosts, _: Setting, question: Question) -> bytes:
    (after,) = question.words
    with hosts.open() as host:
        return figures(host, int(after)).encode()


def _nothing(text: str) -> DBusError:
    return DBusError(f"{PREFIX}.NothingToDo", text)


QUESTIONS: dict[str, Callable[[Hosts, Setting, Question], bytes]] = {
    "verb": _verb,
    "record": _record,
    "history": _history,
    "attributes": _attributes,
    "figures": _figures,
}
