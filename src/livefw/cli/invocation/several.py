# SPDX-License-Identifier: Apache-2.0
"""A request for each component that a word selects, for requests that take one component each."""

from collections.abc import Callable, Generator, Iterator

from livefw.activation.events import Attempt, Event, Finished
from livefw.activation.host import Host
from livefw.activation.inventory.hosts import naming_silent_hosts, take_named
from livefw.activation.inventory.select import is_pattern, select_all
from livefw.activation.outcome import Outcome
from livefw.api import ConnectedHost
from livefw.cli.invocation.progress import ProgressDisplay
from livefw.errors import ExitCode
from livefw.render.request import RequestResult

_GOOD = frozenset({Outcome.STAGED, Outcome.CANCELLED})

Request = Callable[[str], Generator[Event, None, Finished]]


def words_for(host: Host, word: str) -> list[str]:
    """The word itself, or for a pattern the keys of what it matches. Errors as for `take_named` and `select_all`."""
    if not is_pattern(word):
        return [word]
    found = take_named(host.providers, [word], host.policy)
    with naming_silent_hosts(found):
        return [each.component.key for each in select_all([word], found.require().candidates)]


def follow_each(
    host: ConnectedHost, words: list[str], request: Request, progress: ProgressDisplay, *, phase: str, to_the_end: bool
) -> RequestResult:
    """Make the requests one after the other; unless ``to_the_end``, the first that does not succeed is the last."""

    def events() -> Iterator[Event]:
        for word in words:
            good = True
            for event in progress.follow(host, request(word)):
                yield event
                good = good and not (isinstance(event, Attempt) and event.result.outcome not in _GOOD)
            if progress.stopping or not (good or to_the_end):
                return

    made = RequestResult.of(events(), phase=phase)
    ended = {each.result.before.key for each in made.attempts}
    left = [word for word in words if word not in ended] if len(words) > 1 else []
    return RequestResult(phase, made.attempts, made.error if left else None, left)


def exit_code(made: RequestResult) -> ExitCode:
    """That of the worst; components that a pattern matches without anything to do count only if all are so."""
    done = any(each.result.outcome in _GOOD for each in made.attempts)
    return ExitCode.DONE if done and made.exit_code is ExitCode.NOTHING_TO_DO else made.exit_code
