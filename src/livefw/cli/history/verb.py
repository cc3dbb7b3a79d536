# SPDX-License-Identifier: Apache-2.0
"""``livefw history``."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from livefw import reading
from livefw.activation import queries
from livefw.activation.history.journal import KEEP, Activation, Journal
from livefw.cli.invocation import listing, paths
from livefw.cli.invocation.numbers import whole
from livefw.cli.invocation.session import CommandSession, put
from livefw.cli.verbs import Manual
from livefw.errors import ExitCode, MechanismFailed, NothingToDo, TransportError, UsageError, kind_of
from livefw.render import pending
from livefw.render.history import LISTING, answer, document
from livefw.text import printable

PAGE = 50
"""Activations that are shown where no number is asked for: what somebody looks through."""
_ALL = 1 << 40
"""For programs, which get all of them; where they are to be sorted, all are held in memory."""


MANUAL = Manual(
    description=(
        (
            "Show what was done on this machine: each activation, staging and cancellation with its time, user, "
            "reason, outcome and cost. The newest 50 rows are shown; --limit, --since, --until and --before select "
            "others."
        ),
        (
            "--pending shows when each image became pending, was replaced by another or stopped being pending, as seen "
            "by the first program of livefw that looked."
        ),
        (
            "Each row contains the hash of the row before it. --verify checks this chain, the heads in the system "
            "journal and, if seal keys are configured, the seals. --archive moves older rows to a file that can be "
            "verified on its own."
        ),
    ),
    examples=(
        ("livefw history", "Show the newest rows."),
        ("livefw history tf-rmm --since 30d", "Show what happened to one component in the last 30 days."),
        ("livefw history --verify", "Check that no row was changed or removed."),
        ("livefw history --pending", "Show since when images have been pending."),
        ("livefw history --plot stall.svg", "Draw what the last activation cost the CPUs."),
        ("livefw history 1c2d3e4f", "Show all that is known of one activation, by its id."),
    ),
    see_also=("activate", "explain"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """What to show, or what to do with it."""
    add = parser.add_argument
    help_text = (
        "only this one: key, a beginning of its id, or name; or all of one activation, by the beginning of its id"
    )
    add("component", nargs="?", metavar="COMPONENT|ID", help=help_text)
    add("--since", metavar="WHEN", help="from then on: 2026-11-23, 2026-11-23T04:00, or 12h, 7d ago")
    add("--until", metavar="WHEN", help="up to then")
    add("--limit", type=whole(1), metavar="N", help=f"the newest N (text: {PAGE}; --json: all)")
    add("--before", type=whole(1), metavar="ROW", help="the page before that row, as the last one told it")
    add("--pending", action="store_true", help="when images became pending and stopped being so, instead")
    add("--file", metavar="FILE", help="this archive instead of the history")
    add("--verify", action="store_true", help="tell what proves that the history is what was written")
    add("--head", metavar="SEQUENCE:HASH", help="with --verify: a head that was kept elsewhere")
    add(
        "--archive",
        nargs="?",
        action="append",
        const="",
        metavar="FILE",
        help="move older rows into a file of their own; with --verify: an archive to look at as well",
    )
    add("--keep", type=whole(1), metavar="N", help=f"with --archive: the newest N stay ({KEEP})")
    add("--older", metavar="AGE", help="with --archive: what is older goes, such as 365d")
    add("--rows", action="store_true", help="with --json: the measurement of each CPU as well")
    add("--plot", metavar="FILE", help="draw what the last of them cost the CPUs, as SVG")
    listing.configure(parser, LISTING)
    paths.configure_state(parser)


def run(session: CommandSession, arguments: argparse.Namespace) -> int:
    """Show the history, verify it, or move a part of it."""
    _consistent(arguments)
    if arguments.archive and not arguments.verify:
        from livefw.cli.history import archive  # rarely wanted

        return archive.run(session, arguments)
    with closing(queries.history(paths.where(session, arguments), file=arguments.file)) as journal:
        if arguments.verify:
            from livefw.cli.history import verify  # rarely wanted

            return verify.run(session, arguments, journal)
        wanted = queries.Filter.of(
            journal,
            arguments.component,
            since=arguments.since,
            until=arguments.until,
            before=arguments.before,
            pending=arguments.pending,
        )
        if arguments.plot:
            return _plot(journal.walk(**wanted._asdict()), arguments.plot)
        return _show(session, journal, wanted, arguments)


def _consistent(arguments: argparse.Namespace) -> None:
    """`UsageError` for options that exclude each other."""
    if arguments.head and not arguments.verify:
        raise UsageError("--head goes with --verify")
    archives = arguments.archive is not None and not arguments.verify
    if arguments.pending and (arguments.verify or arguments.plot or archives):
        raise UsageError("--pending shows rows, and does not go with --verify, --archive or --plot")
    if (arguments.keep is not None or arguments.older) and not archives:
        raise UsageError("--keep and --older go with --archive")
    if arguments.keep is not None and arguments.older:
        raise UsageError("--keep or --older; not both")
    if archives and arguments.file:
        raise UsageError("--archive is of the history, and --file another one")
    if archives and len(arguments.archive) > 1:
        raise UsageError("one --archive makes one archive")


def _show(session: CommandSession, journal: Journal, wanted: queries.Filter, arguments: argparse.Namespace) -> int:
    limit = arguments.limit
    if session.streams and limit is None:
        found = journal.walk(**wanted._asdict())
        first = next(found, None)
        if first is None:
            raise queries.nothing_found()
        error = session.stream(
            pending.LISTING if wanted.pending else LISTING,
            map(partial(document, rows=arguments.rows), _and(first, found)),
            {"before": None},
        )
        return kind_of(error).exit_code if error else ExitCode.DONE
    if wanted.activations:
        return _show_one(session, journal, wanted, rows=arguments.rows)
    default = PAGE if session.view.output in ("table", "wide") else _ALL
    page = queries.page(journal, wanted, limit=default if limit is None else limit)
    shown = pending.answer if wanted.pending else partial(answer, rows=arguments.rows)
    return session.show(shown(page, again=_again(arguments)))


def _again(arguments: argparse.Namespace) -> str:
    """The command that asks for the same, but for the page; where the machine is stands in no lead of ours."""
    words = ["livefw", "history", *([arguments.component] if arguments.component else [])]
    words += ["--pending"] if arguments.pending else []
    words += ["--output", "wide"] if arguments.output == "wide" else []
    for name in ("since", "until", "limit", "file", "sort"):
        value = getattr(arguments, name)
        words += [f"--{name}={value}"] if name == "sort" and value else [f"--{name}", str(value)] if value else []
    return printable(shlex.join(words))


def _show_one(session: CommandSession, journal: Journal, wanted: queries.Filter, *, rows: bool) -> int:
    from livefw.render import activation  # rarely wanted

    (one,) = queries.page(journal, wanted, limit=1).activations
    staged = queries.image_of(journal, one)
    session.answer(
        lambda: activation.text(one, image=staged),
        lambda: {"history": [document(one, rows=rows)], "before": None},
    )
    return ExitCode.DONE


def _and(first: Activation, others: Iterator[Activation]) -> Iterator[Activation]:
    yield first
    yield from others


def _plot(found: Iterator[Activation], path: str) -> int:
    from livefw.render.activation import picture  # rarely wanted

    measured = next((each for each in found if each.ending and each.ending.body.get("cost")), None)
    if measured is None:
        raise NothingToDo("nothing of that was measured")
    drawn = picture(measured)
    if drawn is None:
        raise MechanismFailed("the history's measurement makes no sense", hint="livefw history --verify")
    if path == "-":
        put(sys.stdout, drawn, end="")
        return ExitCode.DONE
    try:
        reading.write(path, drawn.encode())
    except OSError as error:
        raise TransportError(f"{path} cannot be written: {error.strerror}") from error
    return ExitCode.DONE
