# SPDX-License-Identifier: Apache-2.0
"""The machine as the daemon's interfaces show it: a snapshot, and how long one answers calls."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from livefw.activation import plan
from livefw.activation.checks.facts import Facts
from livefw.activation.engine import ActivationRequest, Engine, Host
from livefw.activation.history.cache import HistoryCache, RowSource
from livefw.activation.history.journal import Activation, RowKind
from livefw.activation.images import releases
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.images.releases import Releases
from livefw.activation.inventory import discovery, unmatched_patterns
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
from livefw.activation.plan import PlanStep
from livefw.activation.watch.remote import RemoteMechanisms
from livefw.daemon.hosts import MachineThread
from livefw.dbus.loop import Loop
from livefw.providers.base import Discovery, Provider

FRESH_S = 0.1
"""For how long a snapshot answers further calls. A client asks about each device in turn, and a hostile one all the
time: the machine is not looked at, nor an administrator's checks run, more often than this."""
TOLD_AT_ONCE = 8
"""Calls that have waited for a snapshot and are answered before anybody else is listened to."""
_REMOTE_AGE_S = 10.0
"""How old may be what a mechanism behind a network answered, while nothing was changed by us: to list everything that a
management controller has takes it seconds."""

Use = Callable[["Snapshot | Exception"], None]


class Snapshot(NamedTuple):
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


def _is_same(one: Snapshot, other: Snapshot) -> bool:
    """Whether they have the same content; which providers looked does not matter."""
    return _content(one) == _content(other)


def _content(snapshot: Snapshot) -> tuple[object, ...]:
    components = tuple(candidate.component for candidate in snapshot.found.candidates)
    steps = [(key, step.usual, step.problems) for key, step in snapshot.steps.items()]
    return (components, snapshot.found[1:], steps, *snapshot[2:])


def take_snapshot(
    host: Host, discover: Callable[[Provider], Discovery], images: ImageDirectory, cache: HistoryCache
) -> Snapshot:
    """Look at the machine. ``discover`` asks a mechanism; ``images`` and ``cache`` keep what they have read before.

    Errors as for `Engine.plan`.
    """
    found = host.observe(discovery.take_inventory(host.providers, discover=discover))
    holder = host.holder()
    with cache.of(host.paths.state, host.paths.root) as history:
        pending = plan.choose(found, None)
        # A running activation is in `busy`, and does not block each component as well.
        # Clients name the device that they activate.
        request = ActivationRequest(tuple(each.component.key for each in pending))
        steps = plan.steps(pending, found, Engine(host).scene(request, history, None)) if pending else ()
        last = {c.component.key: _last(history, c.component.key) for c in found.candidates} if history else {}
    last_known = {key: activation for key, activation in last.items() if activation is not None}
    here, local, facts = found.candidates, images.images(host.images, host.metadata_keys), Facts(host.files)
    by_component = releases.table(here, local, host.policy, facts, others=here)
    by_key = {step.component.key: step for step in steps}
    unmatched = unmatched_patterns.find(host.policy, found)
    if host.notifier:
        host.notifier.observe(found)
    return Snapshot(found, by_key, last_known, holder is not None, by_component, host.images, unmatched)


def _last(history: RowSource, key: str) -> Activation | None:
    endings = history.recent(key, RowKind.OUTCOME, limit=1)
    return Activation(None, endings[0]) if endings else None


class SnapshotCache:
    """The present snapshot, taken when somebody asks for one and the last is too old. For the loop's thread only."""

    def __init__(
        self,
        loop: Loop,
        machine: MachineThread,
        remote: RemoteMechanisms,
        images: ImageDirectory,
        *,
        pause: Callable[[float], float],
    ) -> None:
        """``pause`` takes the time at which work began, and returns for how many seconds the next has to wait."""
        self._loop = loop
        self._machine = machine
        self._remote = remote
        self._images = images
        self._history = HistoryCache()
        self._pause = pause
        self._subscribers: list[Callable[[Snapshot], None]] = []
        self._last: Snapshot | None = None
        self._taken_at = self._invalid_at = self._changed_at = float("-inf")
        self._waiting: list[tuple[float, Use]] = []

    def get(self, use: Use, *, first: bool = False) -> None:
        """Call ``use`` with the present snapshot, or with why there is none; one look serves all that wait for it.

        ``first`` comes before the others who wait.
        """
        if self._last is not None and self.is_fresh:
            use(self._last)
            return
        self._waiting.insert(0 if first else len(self._waiting), (self._invalid_at, use))
        if len(self._waiting) == 1:
            self._look()

    @property
    def is_fresh(self) -> bool:
        """Whether `get` answers at once."""
        return self._loop.now() - self._taken_at < FRESH_S

    def invalidate(self, *, changed: bool = False) -> None:
        """The machine may have changed: who asks from now on gets what is seen from now on.

        ``changed``: it has, by us, and mechanisms behind a network are asked again as well.
        """
        self._taken_at = float("-inf")
        self._invalid_at = self._loop.now()
        if changed:
            self._changed_at = self._invalid_at

    def refresh_soon(self) -> None:
        """Have a snapshot by the time that somebody asks; nothing if one is being taken already."""
        if not self._waiting:
            self.get(lambda _: None)

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Call ``listener`` after each look, before those who wait are answered."""
        self._subscribers.append(listener)

    def _look(self) -> None:
        begun = self._loop.now()
        newer_than = max(self._changed_at, begun - _REMOTE_AGE_S)
        discover = partial(self._remote.discover, newer_than=newer_than)

        def work(host: Host) -> Snapshot:
            return take_snapshot(host, discover, self._images, self._history)

        self._machine.do(work, lambda result: self._taken(result, begun))

    def _taken(self, result: Snapshot | Exception, begun: float) -> None:
        waiting = self._waiting
        self._waiting = [each for each in waiting if each[0] > begun]
        if self._waiting:
            self._look()
        if isinstance(result, Snapshot):
            if self._last is None or not _is_same(self._last, result):
                self._last = result
            result = self._last
            self._taken_at = self._loop.now() if begun >= self._invalid_at else float("-inf")
            for listener in self._subscribers:
                listener(result)
        self._answer(deque(use for invalid_at, use in waiting if invalid_at <= begun), result)

    def _answer(self, waiting: deque[Use], result: Snapshot | Exception) -> None:
        """Some at a time: hundreds may have waited, and in between it is others' turn."""
        begun = self._loop.now()
        for _ in range(min(len(waiting), TOLD_AT_ONCE)):
            waiting.popleft()(result)
        if waiting:  # root's were the first
            self._loop.later(self._pause(begun), lambda: self._answer(waiting, result))
