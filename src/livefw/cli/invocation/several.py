# SPDX-License-Identifier: Apache-2.0
"""A request for each component that a word selects, for requests that take one component each."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from livefw.activation.events import Attempt, Event, Finished
from livefw.activation.host import Host
from livefw.activation.inventory.hosts import missed, naming_silent_hosts, require_all, take_named
from livefw.activation.inventory.select import is_pattern, select_all
from livefw.activation.outcome import Outcome, Result
from livefw.api import ConnectedHost
from livefw.cli.invocation.progress import ProgressDisplay
from livefw.errors import ExitCode
from livefw.providers.base import Source
from livefw.render import result
from livefw.render.request import RequestResult, missed_lines

_GOOD = frozenset({Outcome.STAGED, Outcome.CANCELLED})

Request = Callable[[str], Generator[Event, None, Finished]]


class Selected(NamedTuple):
    """What a word selects, and the hosts that may have more of it, which they did not show."""

    words: list[str]
    missed: Sequence[Source] = ()

    @property
    def warnings(self) -> list[str]:
        """What to say before anything is begun."""
        return [f"livefw: {line}" for line in missed_lines(self.missed)]


def selected(host: Host, word: str, *, strict: bool = False) -> Selected:
    """The word itself, or for a pattern the keys of what it matches. Errors as for `take_named` and `select_all`.

    `TransportError` if it is ``strict`` and a host that may have more of it did not show all it has.
    """
    if not is_pattern(word):
        return Selected([word])
    found = take_named(host.providers, [word], host.policy)
    missing = missed(found, host.providers, [word])
    if strict:
        require_all(missing)
    with naming_silent_hosts(found):
        keys = [each.component.key for each in select_all([word], found.require().candidates)]
    return Selected(keys, missing)


def follow_each(
    host: ConnectedHost, chosen: Selected, request: Request, progress: ProgressDisplay, *, phase: str, to_the_end: bool
) -> RequestResult:
    """Make the requests one after the other; unless ``to_the_end``, the first that fails is the last."""

    words = chosen.words

    def events() -> Iterator[Event]:
        for word in words:
            good = True
            for event in progress.follow(host, request(word)):
                yield event
                good = good and not (isinstance(event, Attempt) and _failed(event.result))
            if progress.stopping or not (good or to_the_end):
                return

    made = RequestResult.of(events(), phase=phase)
    ended = {each.result.before.key for each in made.attempts}
    left = [word for word in words if word not in ended] if len(words) > 1 else []
    return RequestResult(phase, made.attempts, made.error if left else None, left, missed=chosen.missed)


def _failed(ended: Result) -> bool:
    return ended.outcome not in _GOOD and result.exit_code(ended) is not ExitCode.NOTHING_TO_DO


def exit_code(made: RequestResult) -> ExitCode:
    """That of the worst; components that a pattern matches without anything to do count only if all are so."""
    done = any(each.result.outcome in _GOOD for each in made.attempts)
    return ExitCode.DONE if done and made.exit_code is ExitCode.NOTHING_TO_DO else made.exit_code
