# SPDX-License-Identifier: Apache-2.0
"""``livefw activate``: a client of the engine."""

import argparse
import sys

from livefw.activation.engine import Engine, OnFailure, Order, Run
from livefw.cli import engine, plan, results
from livefw.cli.narrator import Narrator, refusing_without_room
from livefw.cli.session import Session
from livefw.errors import Interrupted, NothingToDo, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components, and how."""
    add = parser.add_argument
    add("components", nargs="*", metavar="COMPONENT", help="key, id or a unique beginning of one, or name")
    add("--all", action="store_true", help="everything that can be activated, one after the other")
    add("--dry-run", action="store_true", help="show the plan and do nothing")
    add("--yes", action="store_true", help="do not ask, even on a terminal")
    add("--reason", default="", metavar="TEXT", help="why, for the history")
    add("--ignore", action="append", default=[], metavar="CHECK", help="go on although this check is against it")
    add("--no-journal", action="store_true", help="go on although no history can be written")
    add("--on-failure", choices=[*OnFailure], default=OnFailure.STOP, help="what to do with the rest after a failure")
    engine.configure_measuring(parser)
    engine.configure_state(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Activate, and tell how each ended; the worst decides the exit code."""
    if bool(arguments.components) == arguments.all:
        both = "; not both" if arguments.all else ""
        raise UsageError(f"name the components to activate, or say --all{both}", hint="livefw list shows what there is")
    narrator = Narrator(session, verb="activate", several=arguments.all or len(arguments.components) > 1)
    with refusing_without_room(narrator):
        return _run(session, arguments, narrator)


def _run(session: Session, arguments: argparse.Namespace, narrator: Narrator) -> int:
    words = tuple(arguments.components) or None
    order = Order(words, arguments.reason, tuple(arguments.ignore), OnFailure(arguments.on_failure))
    host = engine.host(session, arguments, measured=not arguments.no_measure, without_journal=arguments.no_journal)
    made = Engine(host)
    if arguments.dry_run:
        return plan.show(session, made.plan(order))
    if not arguments.yes:
        _confirm(session, made, order)
    with made.open() as running:
        for settled in running.settled:
            session.say(engine.settled_text(settled))
        try:
            report = _collect(running, order, narrator)
        finally:
            for line in (*engine.unmatched_lines(running.unmatched), *engine.unmet_lines(running.unmet)):
                session.say(f"livefw: {line}")
    if not report.results and report.error is None:
        left = made.plan(order)
        if not left.steps:
            raise plan.nothing(left)
        raise NothingToDo("nothing is pending that can be activated", hint="livefw plan says why")
    done = {result.before.key for result in report.results}
    not_started = [key for key in running.chosen if key not in done]
    beside = {
        "settled": [engine.settled_document(each) for each in running.settled],
        "unmatched": [each._asdict() for each in running.unmatched],
        "settings": engine.unmet_document(running.unmet),
    }
    return results.answer(session, report, host.providers, phase="activate", not_started=not_started, beside=beside)


def _collect(running: Run, order: Order, narrator: Narrator) -> results.Report:
    """Run to the end, or to where somebody wanted it to end."""
    done, error = results.collect(running.activate(order, watch=narrator), lambda _: narrator.interrupted)
    found = [attempt.result for attempt in done]
    extras = [results.Extra([*engine.attempt_lines(each)], engine.attempt_document(each)) for each in done]
    return results.Report(found, error, extras)


def _confirm(session: Session, made: Engine, order: Order) -> None:
    """Show the plan to somebody at a terminal and ask; elsewhere nobody is asked."""
    if session.json or sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    shown = made.plan(order)
    ready = [step for step in shown.steps if not step.stopped]
    session.say(engine.plan_text(shown))
    if not ready:
        return  # the engine says why, and writes it down
    question = f"Activate {'this' if len(ready) == 1 else f'these {len(ready)}'} now? [y/N] "
    session.mark(question, end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Interrupted("not confirmed; nothing was started")
