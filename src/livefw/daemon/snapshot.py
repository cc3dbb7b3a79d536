# SPDX-License-Identifier: Apache-2.0
"""One look at the machine, with everything that the daemon's faces tell about it."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from livefw.activation import plan
from livefw.activation.engine import ActivationRequest, Engine, Host
from livefw.activation.history.cache import HistoryCache, RowSource
from livefw.activation.history.journal import ENDINGS, Activation, Journal, RowKind
from livefw.activation.images import releases
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.images.releases import Releases
from livefw.activation.inventory import discovery, unmatched_patterns
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.outcome import Outcome
from livefw.activation.plan import PlanStep
from livefw.providers.base import Discovery, Provider

HISTORY_LIMIT = 100
"""Activations that clients get to see, the last ones; the whole record is for `livefw history`."""


class View(NamedTuple):
    """The machine at one moment. ``steps`` are what is pending, by key; ``busy`` whether something is being activated.

    ``last`` has the last activation of each component, by key, and ``releases`` the images there are for it, of which
    archives are in the directory ``images``; ``unmatched`` are patterns of the settings without effect.
    """

    found: Inventory
    steps: dict[str, PlanStep]
    last: dict[str, Activation]
    busy: bool
    releases: dict[str, Releases]
    images: str
    unmatched: tuple[UnmatchedPattern, ...] = ()


def same(one: View, other: View) -> bool:
    """Whether they tell the same, whoever the providers are that looked."""
    return _told(one) == _told(other)


def _told(view: View) -> tuple[object, ...]:
    components = tuple(candidate.component for candidate in view.found.candidates)
    steps = [(key, step.usual, step.problems) for key, step in view.steps.items()]
    return (components, view.found[1:], steps, *view[2:])


def view(
    host: Host, discover: Callable[[Provider], Discovery], shelf: ImageDirectory, recollection: HistoryCache
) -> View:
    """Look; ``discover`` asks a mechanism, ``shelf`` has seen images before, and ``recollection`` the history.

    Errors as for `Engine.plan`.
    """
    found = discovery.take_inventory(host.providers, discover=discover)
    holder = host.holder()
    with recollection.of(host.paths.state) as history:
        pending = plan.choose(found, None)
        # A running activation is told by `busy`, and is no other reason against each component.
        # Clients name the device that they activate.
        request = ActivationRequest(tuple(each.component.key for each in pending))
        steps = plan.steps(pending, found, Engine(host).scene(request, history, None)) if pending else ()
        last = {c.component.key: _last(history, c.component.key) for c in found.candidates} if history else {}
    known = {key: activation for key, activation in last.items() if activation is not None}
    here = releases.table(found.candidates, shelf.images(host.images), host.policy)
    by_key = {step.component.key: step for step in steps}
    astray = unmatched_patterns.find(host.policy, found)
    return View(found, by_key, known, holder is not None, here, host.images, astray)


def _last(history: RowSource, key: str) -> Activation | None:
    endings = history.recent(key, RowKind.OUTCOME, limit=1)
    return Activation(None, endings[0]) if endings else None


_SHOWN = frozenset({*ENDINGS, *ENDINGS.values(), RowKind.REFUSAL})
_END_THE_WAIT = {
    RowKind.OUTCOME: (Outcome.ACTIVATED,),
    RowKind.CANCELLATION: (Outcome.CANCELLED,),
    RowKind.STAGED: (Outcome.STAGED,),
}
"""Rows after which the image that was staged before is not waiting any more."""


_PAGES_LIMIT = 10
"""Pages of the history that are read at most: where each image was replaced by the next, nearly all are left out."""


def activations(host: Host) -> list[Activation]:
    """The last activations, refusals and stagings, newest first. Only so many are read, however long the history is.

    An image that was staged is left out as soon as it has been activated, taken back or replaced.
    """
    history = Journal.open_to_read(host.paths.state)
    if history is None:
        return []
    found: list[Activation] = []
    over: set[str] = set()
    before: int | None = None
    try:
        for _ in range(_PAGES_LIMIT):
            page = history.page(HISTORY_LIMIT, before=before)
            found += _shown(page.activations, over)
            before = page.before
            if before is None or len(found) >= HISTORY_LIMIT:
                break
    finally:
        history.close()
    return found[:HISTORY_LIMIT]


def _shown(newest_first: Iterable[Activation], over: set[str]) -> Iterator[Activation]:
    """Those that are told. ``over`` are the components whose older images do not wait any more, and is added to."""
    for each in newest_first:
        key, ending = each.first_row.component, each.ending
        outcome = ending.body.get("outcome") if ending else None
        waits = ending is not None and ending.kind is RowKind.STAGED and outcome == Outcome.STAGED
        if each.first_row.kind in _SHOWN and not (waits and key in over):
            yield each
        if ending is not None and outcome in _END_THE_WAIT.get(ending.kind, ()):
            over.add(key)


class Settling(StrEnum):
    """What there is to do about intents without an outcome."""

    WAIT = "wait"
    """An engine, or the write that one left behind, holds the machine's lock."""
    NEEDED = "needed"
    DONE = "done"
    """Every intent has its outcome."""


def settling(host: Host) -> Settling:
    """Whether an intent has to be settled now. Errors as for `Journal.open_to_read`."""
    if host.holder():
        return Settling.WAIT
    return Settling.NEEDED if unfinished(host) else Settling.DONE


def unfinished(host: Host) -> int:
    """How many intents earlier engines left without an outcome. Errors as for `Journal.open_to_read`."""
    history = Journal.open_to_read(host.paths.state)
    if history is None:
        return 0
    try:
        return len(history.unfinished())
    finally:
        history.close()
