# SPDX-License-Identifier: Apache-2.0
"""The engine: plan, check, lock, record, run, verify, measure. Every face uses it; it knows no mechanism.

`Engine.plan` only looks. `Engine.open` takes the machine's lock, settles what an earlier engine left unfinished, and
gives a `Run`, with which components are activated one after the other.
"""

from functools import partial
from typing import NamedTuple

from livefw.activation import aftermath, plan, row_bodies
from livefw.activation.aftermath import Aftermath
from livefw.activation.checks import hooks
from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import require_ignorable
from livefw.activation.history import seal
from livefw.activation.history.cache import Rows
from livefw.activation.history.journal import Entry, Journal
from livefw.activation.history.writer import Ledger
from livefw.activation.host import Attempt, Host, OnFailure, Order, Point, Settled
from livefw.activation.inventory import discovery as inventory
from livefw.activation.inventory import unmatched_patterns
from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.inventory.select import select
from livefw.activation.inventory.unmatched_patterns import Unmatched
from livefw.activation.lock import machine_lock
from livefw.activation.lock.machine_lock import Busy, Lock
from livefw.activation.plan import Past, Scene, Step, Wish
from livefw.activation.run import Watch
from livefw.activation.session import Run
from livefw.activation.setting_changes import against
from livefw.errors import PermissionDenied
from livefw.providers.base import Reason

__all__ = ["Attempt", "Engine", "Host", "OnFailure", "Order", "Plan", "Point", "Run", "Settled"]


class Plan(NamedTuple):
    """What would be done now.

    ``unfinished`` are intents that the next run settles first, ``unmatched`` patterns of the settings without effect.
    """

    steps: tuple[Step, ...]
    wishes: tuple[Wish, ...]
    unfinished: tuple[Entry, ...]
    absent: tuple[Reason, ...]
    unmatched: tuple[Unmatched, ...] = ()


class Engine:
    """Does the job on one machine."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._facts = Facts(host.files)

    def plan(self, order: Order) -> Plan:
        """What would be done now; nothing is changed. Errors as for `inventory.take`, `select` and `Journal`."""
        host = self._host
        require_ignorable(order.ignore, host.policy)
        found = inventory.take(host.providers)
        history: Journal | None = None
        hidden = False
        try:
            history = Journal.open_to_read(host.places.state)
        except PermissionDenied:
            hidden = True  # anybody may ask what would be done; only what was done before is missing then
        try:
            scene = self.scene(order, history, host.holder(), hidden=hidden)
            steps = plan.steps(plan.choose(found, order.words), found, scene)
            unfinished = tuple(history.unfinished()) if history else ()
            wishes = plan.wishes(found, host.policy)
            if history:
                wishes = tuple(w._replace(trouble=row_bodies.setting_trouble(history, w)) for w in wishes)
        finally:
            if history:
                history.close()
        absent = found.absent if not found.candidates else ()
        return Plan(
            steps,
            wishes,
            unfinished,
            absent,
            unmatched_patterns.explain(unmatched_patterns.find(host.policy, found), found),
        )

    def open(self) -> Run:
        """Take the machine. `lock.Busy`, `journal.JournalUnavailable`, `TransportError`."""
        host = self._host
        held = Lock.acquire(host.places.lock, host.places.root)
        try:
            held.describe(component="", user=str(host.actor))
            host.at(Point.LOCKED)
            run = Run(self.scene, host, held, self._ledger())
        except BaseException:
            held.release()
            raise
        try:
            run.settle()
            host.at(Point.SETTLED)
        except BaseException:
            run.close()
            raise
        return run

    def cancel(self, word: str, *, reason: str, watch: Watch) -> Attempt:
        """Have the mechanism abandon what was begun on one component, and write down who wanted that and why.

        While another engine activates that very component, it goes on beside it: there it is of most use, and it is
        for the mechanism to say whether it is too late. Otherwise it takes the machine, so that nobody begins what it
        is about to abandon. Errors as for `open`, `inventory.take` and `select`.
        """
        host = self._host
        candidate = select(word, inventory.take(host.providers).require().candidates)
        try:
            run = self.open()
        except Busy as busy:
            if busy.holder and busy.holder.component != candidate.component.key:
                raise
            run = Run(self.scene, host, None, self._ledger())
        with run:
            return run.cancel(candidate, reason=reason, watch=watch)

    def _ledger(self) -> Ledger:
        host = self._host
        journal = None if host.without_journal else self._journal()
        return Ledger(journal, host.announce)

    def _journal(self) -> Journal:
        host = self._host
        # The credential is this machine's, and so is what it proves.
        sealed = seal.load(host.policy.seal) if host.places.root == "/" else seal.UNSEALED
        return Journal.open(host.places.state, wall_ns=host.wall_ns, seal=sealed)

    def scene(
        self,
        order: Order,
        history: Rows | None,
        holder: machine_lock.Holder | None,
        *,
        hidden: bool = False,
        held: Aftermath | None = None,
    ) -> Scene:
        """What the checks look at, now; ``hidden`` if there may be a history that we may not read.

        ``held`` is what a run under way knows of its aftermath; None: what the history says of it.
        """
        host, boot_id = self._host, self._facts.boot_id()

        def past(key: str) -> Past | None:
            return row_bodies.past(history, key) if history else None if hidden else Past()

        return Scene(
            policy=host.policy,
            machine=self._facts.snapshot(),
            moment=host.moment(),
            holder=holder,
            privileged=host.privileged,
            ignore=order.ignore,
            hooks=hooks.find(host.places.settings),
            past=past,
            named=order.words is not None and not order.automatic,
            trouble=lambda key: row_bodies.trouble(history, key) if history else "",
            lasting=lambda component: aftermath.lasting(history, component, boot_id) if history else None,
            doubt=partial(_in_doubt, aftermath.latest(history, boot_id) if held is None else held),
            unmet=against(host.policy, {}),
            decided=lambda component: row_bodies.decided(history, component) if history else (),
        )


def _in_doubt(held: Aftermath, candidate: Candidate, found: Inventory) -> Reason | None:
    provider, component = candidate
    return aftermath.in_doubt(held, component, found, partial(provider.recall, component.id)) if held.missing else None
