# SPDX-License-Identifier: Apache-2.0
"""The state of every component of a machine, by the checks of a plan, the lock and the history.

Two things of a plan are left out, because a state is that of the machine and not of who asks, and because asking for
it runs nothing: the check ``permission``, and the executables in checks.d.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from livefw.activation import plan, step_status
from livefw.activation.engine import Engine
from livefw.activation.history.journal import Journal
from livefw.activation.host import ActivationRequest, Host
from livefw.activation.inventory import unmatched_patterns
from livefw.activation.inventory.discovery import Inventory
from livefw.activation.lock.machine_lock import LockHolder
from livefw.activation.plan import PlanStep
from livefw.activation.policy.document import DEFAULT
from livefw.activation.status import ComponentStatus
from livefw.errors import LivefwError, PermissionDenied, UsageError, kind_of
from livefw.providers.base import Component, Reason


class Examined(NamedTuple):
    """The states by key, the present holder of the lock, and what there is to note besides."""

    statuses: Mapping[str, ComponentStatus] = {}
    running: LockHolder | None = None
    notes: tuple[Reason, ...] = ()
    history_is_silent: bool = False
    """Whether the history could be read and has nothing that blocks any of them."""

    def status(self, component: Component) -> ComponentStatus:
        """The state of a component; what its mechanism reports, for one that was not examined."""
        return self.statuses.get(component.key) or step_status.reported_by_mechanism(component)


def examine(host: Host, found: Inventory) -> Examined:
    """The state of each component. A history or an order of the settings that is of no use is noted. Nothing is raised
    for it."""
    holder = host.holder()
    notes: list[Reason] = []
    silent = False
    with _history(host, notes) as history:
        try:
            unfinished = {row.component: row for row in history.unfinished()} if history else {}
            steps = {step.component.key: step for step in _steps(host, found, history, holder, notes)}
            silent = history is not None and not unfinished and not any(map(_tells, steps.values()))
        except LivefwError as error:
            notes.append(_noted(error))
            unfinished, steps = {}, {}
    unmatched = unmatched_patterns.explain(unmatched_patterns.find(host.policy, found), found)
    notes += [Reason("settings-match", f"settings: {each}", "livefw policy") for each in unmatched]
    statuses = {
        key: step_status.of(
            each.component, unfinished.get(key), steps.get(key), holder, policy=host.policy, now=host.now()
        )
        for each in found.candidates
        for key in (each.component.key,)
    }
    return Examined(statuses, holder, tuple(notes), silent)


_BY_HISTORY = frozenset({"time", "failed-this-boot", "list-in-doubt"})
"""Checks that can block because of something in the history."""


def _tells(step: PlanStep) -> bool:
    """Whether the history has something that can block this step, with the settings of now or without any."""
    slow = step.usual is not None and step.usual.worst_s > DEFAULT.limits.seconds
    return slow or any(problem.check in _BY_HISTORY for problem in step.problems)


@contextmanager
def _history(host: Host, notes: list[Reason]) -> Iterator[Journal | None]:
    """The history; None if there is none, or if it cannot be read."""
    history = None
    try:
        history = Journal.open_to_read(host.paths.state, host.paths.root)
    except PermissionDenied:
        pass  # all users may list
    except LivefwError as error:
        notes.append(_noted(error))
    try:
        yield history
    finally:
        if history:
            history.close()


def _noted(error: LivefwError) -> Reason:
    return Reason(kind_of(error).name, error.message, error.hint or "")


def _steps(
    host: Host, found: Inventory, history: Journal | None, holder: LockHolder | None, notes: list[Reason]
) -> Sequence[PlanStep]:
    """What a plan of everything pending says. Where the order has a cycle, each component is examined alone."""
    pending = plan.choose(found, None)
    if not pending:
        return ()
    scene = Engine(host).scene(ActivationRequest(), history, holder)._replace(privileged=True, hooks=())
    try:
        return plan.steps(pending, found, scene)
    except UsageError as error:
        notes.append(_noted(error))
        return [plan.examine(each, found, scene) for each in pending]
