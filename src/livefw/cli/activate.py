# SPDX-License-Identifier: Apache-2.0
"""``livefw activate``."""

import argparse
from collections.abc import Callable, Iterator

from livefw.activation import inventory
from livefw.activation import run as activation
from livefw.activation.inventory import Candidate
from livefw.activation.outcome import Outcome, Result
from livefw.activation.select import select
from livefw.cli import results
from livefw.cli.narrator import Narrator
from livefw.cli.session import Session
from livefw.errors import NothingToDo, UsageError
from livefw.providers.base import Clock
from livefw.providers.registry import SystemClock


def configure(parser: argparse.ArgumentParser) -> None:
    """Which components."""
    parser.add_argument(
        "components", nargs="*", metavar="COMPONENT", help="key, id or a unique beginning of one, or name"
    )
    parser.add_argument("--all", action="store_true", help="everything that can be activated, one after the other")
    parser.add_argument("--keep-going", action="store_true", help="go on to the next component after a failure")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Activate, and tell how each ended; the worst decides the exit code."""
    if bool(arguments.components) == arguments.all:
        raise UsageError("name the components to activate, or say --all", hint="livefw list")
    providers = session.providers()
    narrator = Narrator(session, verb="activate")

    def goes_on(result: Result) -> bool:
        stops = {Outcome.UNKNOWN} if arguments.keep_going else {Outcome.UNKNOWN, Outcome.FAILED}
        return result.outcome not in stops and not narrator.interrupted

    found = inventory.take(providers).require()
    clock = SystemClock()
    if arguments.all:
        chosen: list[Candidate] = []
        runs = activation.activate_all(providers, watch=narrator, clock=clock, go_on=goes_on)
    else:
        picked = [select(word, found.candidates) for word in arguments.components]
        chosen = list({candidate.component.key: candidate for candidate in picked}.values())
        runs = _each(chosen, narrator, clock, goes_on)
    report = results.collect(runs)
    if not report.results:
        raise NothingToDo("nothing is pending that can be activated", hint="livefw list says why")
    left = [candidate.component.key for candidate in chosen[len(report.results) :]]
    return results.answer(session, report, providers, phase="activate", not_started=left)


def _each(
    chosen: list[Candidate], watch: Narrator, clock: Clock, goes_on: Callable[[Result], bool]
) -> Iterator[Result]:
    for candidate in chosen:
        result = activation.activate(candidate, watch=watch, clock=clock)
        yield result
        if not goes_on(result):
            return
