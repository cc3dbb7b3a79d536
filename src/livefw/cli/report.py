# SPDX-License-Identifier: Apache-2.0
"""``livefw report``: a page about what ran on this machine, for somebody who keeps it."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from livefw import __version__, reading
from livefw.activation import queries, report
from livefw.activation.fleet import Fleet
from livefw.activation.report import MachineReport, Selection
from livefw.assemble import policy
from livefw.cli.invocation import paths
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession, put
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, UsageError
from livefw.render.error import given
from livefw.render.report import document, fleet, html, markdown
from livefw.render.report.forms import ReportFormat, pieces
from livefw.text import printable

MANUAL = Manual(
    description=(
        (
            "Write one page about what ran on this machine: each activation, staging, cancellation and refusal with "
            "its user and reason, the checks and what was ignored, the outcome with its evidence, the stops of the "
            "CPUs, the log and the code of the firmware; what proves the history, and the state of the machine. The "
            "page needs no network and no other file, and can be printed."
        ),
        (
            "Without arguments the report is about the newest 1,000 rows. Components and ids select some; --since and "
            "--until a period. An existing file is replaced only if it is a report, or with --force. The exit "
            "status is 1 if the history is not consistent; the report is written, and says so."
        ),
        (
            "--fleet makes one page of many machines, from a directory with one file HOST.json for each: what the "
            "module livefw_info of the Ansible collection returns, or a report in JSON. It says of each whether an "
            "image was applied, apply-failed, is unapplied, needs-check, had nothing-to-apply or is unknown."
        ),
        (
            "The same history gives the same report if SOURCE_DATE_EPOCH sets the time of it and the state of the "
            "machine is the same."
        ),
    ),
    examples=(
        ("livefw report -o report.html", "Write a page about everything."),
        ("livefw report --since 30d -o november.md", "The last 30 days, as Markdown."),
        ("livefw report tf-rmm -o tf-rmm.json", "One component, as JSON."),
        ("livefw report -o - --format md", "Write it to standard output."),
        ("livefw report --fleet collected -o fleet.html", "Write a page about all machines of a directory."),
    ),
    see_also=("history", "explain"),
)
STANDARD_OUTPUT = "-"
_FILE_MODE = 0o640
"""As that of the history, whose content it has."""
_LOOKED_AT = 4096


_SUFFIXES = {
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".md": ReportFormat.MARKDOWN,
    ".markdown": ReportFormat.MARKDOWN,
    ".json": ReportFormat.JSON,
}
_MARKS = (html.MARK, markdown.MARK, document.MARK, fleet.MARK)


def configure(parser: argparse.ArgumentParser) -> None:
    """What the report is about, and where it goes."""
    add = parser.add_argument
    words = "only these: components by key, a beginning of its id, or name; activations by a beginning of their id"
    add("words", nargs="*", metavar="COMPONENT|ID", help=words)
    add("--component", action="append", default=[], metavar="COMPONENT", help="the same, for one that looks like an id")
    add("--since", metavar="WHEN", help="from then on: 2026-11-23, 2026-11-23T04:00, or 12h, 7d ago")
    add("--until", metavar="WHEN", help="up to then")
    add("--limit", type=whole(1), default=report.LIMIT, metavar="N", help=f"the newest N ({report.LIMIT})")
    add("-o", "--output", metavar="FILE", help="where it is written; - is standard output")
    add("--format", choices=[*ReportFormat], help="instead of that of the file's name")
    add("--force", action="store_true", help="replace a file that is no report")
    add("--file", metavar="FILE", help="this archive instead of the history")
    add("--fleet", metavar="DIR", help="a page about many machines, of which DIR has a file HOST.json each")
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Write the report; 1 if the history is not what was written."""
    output, form = _target(session, arguments)
    if arguments.fleet is not None:
        return _fleet(session, arguments, output, form)
    host = paths.host(session, arguments, lenient=True)
    chosen = Selection((*arguments.words, *arguments.component), arguments.since, arguments.until, arguments.limit)
    with closing(queries.history(host.paths, file=arguments.file)) as journal:
        made = report.make(
            journal,
            host,
            chosen,
            time=_now(),
            version=__version__,
            verify=_verify(session, arguments),
            seal=lambda: policy(host.paths).seal,
            alone=bool(arguments.file),
        )
        size = _put(pieces(made, journal, form), output, force=arguments.force)
        if size is not None:
            session.answer(lambda: _text(made, output), lambda: {"written": _document(made, output, form, size)})
    if made.exit_code is not ExitCode.DONE:
        session.say("livefw: the history is NOT consistent, and the report says so: livefw history --verify")
    return made.exit_code


def _target(session: CommandSession, arguments: argparse.Namespace) -> tuple[str, ReportFormat]:
    """Where it goes, and in which form. `UsageError`."""
    output = arguments.output or (STANDARD_OUTPUT if session.json else None)
    if output is None:
        raise UsageError("name the file of the report", hint="livefw report -o report.html")
    if arguments.format:
        return output, ReportFormat(arguments.format)
    if output == STANDARD_OUTPUT:
        return output, ReportFormat.JSON if session.json else ReportFormat.HTML
    form = _SUFFIXES.get(os.path.splitext(output)[1].lower())
    if form is None:
        hint = f"name it with {', '.join(_SUFFIXES)}, or say --format {ReportFormat.HTML}"
        raise UsageError(f"{output} does not say what kind of report it is to be", hint=hint)
    return output, form


def _now() -> datetime:
    """The time of the report; that of SOURCE_DATE_EPOCH makes it reproducible. `UsageError`."""
    if not (epoch := os.environ.get("SOURCE_DATE_EPOCH")):
        return datetime.now().astimezone()
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH is no time: {epoch!r}", hint="unset SOURCE_DATE_EPOCH") from error


def _verify(session: CommandSession, arguments: argparse.Namespace) -> list[str]:
    """The command that verifies the same history, from any directory."""
    root = None if session.root == "/" else session.root
    before = (("--root", root), ("--settings", session.settings))
    after = (("--state", arguments.state), ("--file", arguments.file))
    first, last = (
        [word for name, path in each if path for word in (name, reading.absolute(path))] for each in (before, after)
    )
    return ["livefw", *first, "history", "--verify", *last]


def _fleet(session: CommandSession, arguments: argparse.Namespace, output: str, form: ReportFormat) -> int:
    """Write the report of many machines; 1 if the history of one of them is not what was written."""
    from livefw.activation import fleet as collected  # needs a library, and is rarely wanted

    other = ("words", "component", "since", "until", "file", "state")
    if any(getattr(arguments, name) for name in other):
        raise UsageError("--fleet is about all that the files say, and goes with --output, --format and --force only")
    made = collected.read(arguments.fleet, time=_now(), version=__version__)
    size = _put(_fleet_pieces(made, form), output, force=arguments.force)
    if size is not None:
        found = {"file": output, "format": form, "bytes": size, **fleet.head(made)}
        session.answer(lambda: _fleet_text(made, output), lambda: {"written": found})
    if made.not_whole:
        session.say(f"livefw: {made.not_whole:,} of the histories are NOT consistent, and the report says which")
    return ExitCode.FAILED if made.not_whole else ExitCode.DONE


def _fleet_pieces(made: Fleet, form: ReportFormat) -> Iterator[str]:
    if form is ReportFormat.JSON:
        return fleet.pieces(made)
    if form is ReportFormat.MARKDOWN:
        return markdown.pieces(fleet.blocks(made))
    return html.pieces(fleet.blocks(made), title=fleet.TITLE, version=made.version)


def _fleet_text(made: Fleet, path: str) -> str:
    counts = ", ".join(f"{count:,} {state}" for state, count in made.counts.items() if count)
    return f"{printable(path)}: {len(made.hosts):,} machine{'s' if len(made.hosts) != 1 else ''}: {counts}"


def _put(pieces: Iterator[str], output: str, *, force: bool) -> int | None:
    """Write a report; its size in bytes, None on standard output."""
    if output == STANDARD_OUTPUT:
        for piece in pieces:
            put(sys.stdout, piece, end="")
        return None
    _require_replaceable(output, force=force)
    return _write(output, pieces)


def _require_replaceable(path: str, *, force: bool) -> None:
    """`UsageError` for a file that is no report: a mistyped name must not cost somebody his work."""
    try:
        with reading.opened(path, follow=False) as file:
            start = file.read(_LOOKED_AT).decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise given(path, error, " cannot be written") from error
    if start and not force and not any(mark in start for mark in _MARKS):
        raise UsageError(f"{path} is there already, and is no report", hint="choose another name, or add --force")


def _write(path: str, pieces: Iterator[str]) -> int:
    try:
        return reading.replace(path, (piece.encode() for piece in pieces), _FILE_MODE)
    except OSError as error:
        raise given(path, error, " cannot be written") from error


def _text(made: MachineReport, path: str) -> str:
    shown = made.counts.total() - made.left_out
    left = f" (of {made.counts.total():,}; --limit sets how many)" if made.left_out else ""
    proven = "verified" if made.proof.is_consistent else made.proof.error or "NOT consistent"
    return f"{printable(path)}: {shown:,} from the history{left}, up to row {made.head.sequence}; {printable(proven)}"


def _document(made: MachineReport, path: str, form: ReportFormat, size: int) -> dict[str, object]:
    return {
        "file": path,
        "format": form,
        "bytes": size,
        "activations": made.counts.total() - made.left_out,
        "left_out": made.left_out,
        "head": str(made.head),
        "whole": made.proof.is_consistent,
    }
