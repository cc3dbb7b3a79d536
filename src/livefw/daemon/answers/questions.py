# SPDX-License-Identifier: Apache-2.0
"""What is asked of the machine beside the present view, and the answers as bytes: those of a message's body, except
for the daemon's own figures.

The same table serves root, in a thread of the daemon, and everybody else, in a process of its own
(`livefw.daemon.answers.worker`): nothing in it knows of connections.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from livefw import __version__, assemble
from livefw.activation import examination, figures, queries, report
from livefw.activation.history.journal import Journal
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.inventory import discovery, old_versions
from livefw.activation.report import MachineReport, Selection
from livefw.api import ConnectedHost
from livefw.assemble import has_valid_settings, policy
from livefw.daemon.fwupd import history as fwupd_history
from livefw.daemon.fwupd.security import attributes
from livefw.daemon.fwupd.values import PREFIX
from livefw.daemon.hosts import Hosts
from livefw.dbus.dispatch import DBusError, full_text
from livefw.dbus.wire import encode_body
from livefw.errors import LivefwError, kind_of
from livefw.providers.registry import providers
from livefw.render import history, metrics, plan, show, verify
from livefw.render import list as rendered_list
from livefw.render import policy as rendered_policy
from livefw.render.answer import Answer
from livefw.render.document import error as error_document
from livefw.render.error import text as error_text
from livefw.render.json_text import SCHEMA, to_json
from livefw.render.report.document import head, whole
from livefw.render.report.forms import ReportFormat, pieces

_log = logging.getLogger(__name__)

ANSWER_LIMIT = 2 << 20
"""Bytes of an answer. Everybody may ask, for everything at once."""
_LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"

_TEXT = ReportFormat.MARKDOWN
ROWS = (256, 64, 16, 4)
"""Activations in an answer about the history, or fewer if these have too many bytes. A history is kept for ever."""


class TooLargeError(DBusError):
    """The answer has more bytes than it may have."""


class Question(NamedTuple):
    """What is asked: a row of `QUESTIONS`, its words, checks to ignore, and how many bytes the answer may have."""

    name: str
    words: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
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


def answer(hosts: Hosts, question: Question) -> bytes | Failure:
    """Ask the machine, cut, and encode."""
    try:
        return QUESTIONS[question.name](hosts, question)
    except Exception as error:  # the client gets it, whatever it is
        return failure(error)


def encoded(document: dict[str, Any], text: str, code: int, *, most: int) -> bytes:
    """An answer in both forms, with its exit code, as bytes; `TooLargeError` if it has more than so many."""
    json_text = to_json({"schema": SCHEMA} | document)
    size = len(json_text.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
    if size > most:
        raise TooLargeError(_LIMITS, f"the answer has {size} bytes, and {most} is the limit: ask for less")
    return encode_body("ssi", (json_text, text, code))


def _as_shown(work: Callable[[Hosts, Question], Answer], hosts: Hosts, question: Question) -> bytes:
    """What the command shows. An error of livefw is an answer too: the document has its kind and its hint."""
    try:
        made = work(hosts, question)
        document, text, code = made.document(), made.text(), int(made.exit_code)
    except LivefwError as error:
        document, text, code = {"error": error_document(error)}, error_text(error), int(kind_of(error).exit_code)
    return encoded(document, text, code, most=question.most)


def _list(hosts: Hosts, _: Question) -> Answer:
    with hosts.lenient() as host:
        taken = host.observe(discovery.take_inventory(host.providers))
        examined = examination.examine(host, taken)
        found = old_versions.marked(taken, hosts.where.root, host.files, state=host.paths.state)
        return rendered_list.answer(found._replace(notes=(*found.notes, *examined.notes)), examined.statuses)


def _show(hosts: Hosts, question: Question) -> Answer:
    with hosts.lenient() as host:
        return show.answer(
            queries.details(host, question.words, ImageDirectory().images(host.images, host.metadata_keys))
        )


def _plan(hosts: Hosts, question: Question) -> Answer:
    with hosts.open() as host:
        return plan.answer(ConnectedHost(host).plan(*question.words, ignore=question.ignore))


def _policy(hosts: Hosts, _: Question) -> Answer:
    with hosts.files() as files:
        return rendered_policy.answer(assemble.effective_policy(hosts.where.paths, lambda: providers(files)))


def _verify(hosts: Hosts, _: Question) -> Answer:
    paths = hosts.where.paths
    with closing(queries.history(paths)) as journal:
        return verify.answer(*queries.verified(paths, journal, seal=lambda: policy(paths).seal))


def _history(hosts: Hosts, question: Question) -> bytes:
    """The last rows, as many as fit: a row may be one kilobyte, or thirty."""
    for limit in ROWS[:-1]:
        with suppress(TooLargeError):
            return _as_shown(partial(_page, limit), hosts, question)
    return _as_shown(partial(_page, ROWS[-1]), hosts, question)


def _page(limit: int, hosts: Hosts, question: Question) -> Answer:
    component, since, *older = question.words
    before = int(older[0]) if older else None
    with closing(queries.history(hosts.where.paths)) as journal:
        wanted = queries.Filter.of(journal, component or None, since=since or None, before=before)
        return history.answer(queries.page(journal, wanted, limit=limit))


def _report(hosts: Hosts, question: Question) -> bytes:
    """A report about the last activations, as JSON and as Markdown."""
    return _newest(hosts, question, lambda made, journal: (whole(made, journal), pieces(made, journal, _TEXT)))


def _report_as(hosts: Hosts, question: Question) -> bytes:
    """What the report is about, and the report in the form that the first word names."""
    form, *words = question.words
    wanted = question._replace(words=tuple(words))
    return _newest(
        hosts, wanted, lambda made, journal: ({"about": head(made)}, pieces(made, journal, ReportFormat(form)))
    )


def _newest(
    hosts: Hosts, question: Question, shown: Callable[[MachineReport, Journal], tuple[dict[str, Any], Iterator[str]]]
) -> bytes:
    """What is shown of a report about the last activations, as many as fit."""
    since, until, *words = question.words
    try:
        with hosts.lenient() as host, closing(queries.history(host.paths)) as journal:
            made = report.make(
                journal,
                host,
                Selection(tuple(words), since or None, until or None, ROWS[0]),
                time=datetime.now().astimezone(),
                version=__version__,
                verify=["livefw", "history", "--verify"],
                seal=lambda: policy(host.paths).seal,
            )
            for limit in ROWS:
                with suppress(TooLargeError):
                    document, text = shown(made.limited(limit), journal)
                    return encoded(document, "".join(text), made.exit_code, most=question.most)
    except LivefwError as error:
        code = int(kind_of(error).exit_code)
        return encoded({"error": error_document(error)}, error_text(error), code, most=question.most)
    raise TooLargeError(_LIMITS, f"the {ROWS[-1]} newest activations have more than {question.most} bytes")


def _fwupd_history(hosts: Hosts, question: Question) -> bytes:
    """What fwupd's clients see of the history; of one device, the last row about it."""
    with hosts.open() as host:
        rows = list(fwupd_history.as_devices(fwupd_history.recent(host)))
    if not question.words:
        if not rows:
            raise _nothing("nothing has been activated here yet")
        return encode_body("aa{sv}", (rows,))
    (ident,) = question.words
    row = next((row for row in rows if row["DeviceId"].value == ident), None)
    if row is None:
        raise _nothing("this device has never been activated here")
    return encode_body("a{sv}", (row,))


def _fwupd_attributes(hosts: Hosts, _: Question) -> bytes:
    with hosts.open() as host:
        return encode_body("aa{sv}", (attributes(host),))


def _metrics(hosts: Hosts, _: Question) -> bytes:
    with hosts.lenient() as host:
        collected = figures.collect(host, version=__version__, settings_valid=has_valid_settings(host.paths))
    if collected.error:
        _log.warning("metrics: %s", collected.error.message)
    return metrics.text(collected).encode()


def _nothing(text: str) -> DBusError:
    return DBusError(f"{PREFIX}.NothingToDo", text)


QUESTIONS: dict[str, Callable[[Hosts, Question], bytes]] = {
    "list": partial(_as_shown, _list),
    "show": partial(_as_shown, _show),
    "plan": partial(_as_shown, _plan),
    "policy": partial(_as_shown, _policy),
    "history": _history,
    "report": _report,
    "report-as": _report_as,
    "verify": partial(_as_shown, _verify),
    "fwupd-history": _fwupd_history,
    "fwupd-attributes": _fwupd_attributes,
    "metrics": _metrics,
}
