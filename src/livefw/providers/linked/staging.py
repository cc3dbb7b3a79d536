# SPDX-License-Identifier: Apache-2.0
"""An image handed over to a BMC, until the agent of this machine reports it as pending."""

from collections.abc import Callable
from typing import NamedTuple

from livefw.clock import Clock
from livefw.errors import TransportError
from livefw.providers.base import Claim, Component, LinkedWay, Observer, Phase, Progress, Reason, Reply, Running
from livefw.providers.linked.way import is_same
from livefw.providers.steps import Steps

SEEN_S = 60.0
"""Seconds that the agent is given to report what the BMC has staged: the bank is written, and a notification is sent.
No source has a figure; a BMC's own tasks of this kind take seconds."""
PAUSE_S = 1.0

_NOT_SEEN = (
    Reply.LOST,
    Reason(
        "agent-sees-nothing",
        "BMC {bmc} reports the image{version} as staged, and the agent of this machine does not report it as pending",
        "livefw show COMPONENT",
    ),
)
_OTHER = (
    Reply.LOST,
    Reason(
        "agent-sees-other",
        "BMC {bmc} reports version {there} as staged, and the agent of this machine reports {here} as pending",
        "livefw show COMPONENT",
    ),
)
_SEEN_ALONE = "the BMC's answer was lost, and the agent of this machine reports a new image as pending"


class Sides(NamedTuple):
    """How to look at both sides of a link, and the component before."""

    before: Component | None
    own: Callable[[], Component | None]
    there: Callable[[], LinkedWay]


class LinkedStaging:
    """A `livefw.providers.steps.Work`: what the BMC says proves nothing until the agent says the same."""

    def __init__(self, running: Running, sides: Sides, clock: Clock, observer: Observer) -> None:
        self._running = running
        self._sides = sides
        self._clock = clock
        self._observer = observer
        self._way: LinkedWay | None = None
        self._after: Component | None = None

    @property
    def touched(self) -> bool:
        """See `Work`."""
        return self._running.touched

    def steps(self) -> Steps:
        """See `Work`."""
        yield self._running
        claim = self._running.claim
        if claim.reply not in (Reply.ACCEPTED, Reply.LOST):
            return claim
        self._way = self._sides.there() if claim.reply is Reply.ACCEPTED else None
        until = self._clock.now() + SEEN_S
        while not self._is_seen():
            if self._clock.now() >= until:
                return self._unseen(claim)
            self._observer(Progress(Phase.SETTLING, "waiting for the agent to report the image as pending"))
            yield PAUSE_S
        if claim.reply is Reply.ACCEPTED:
            return claim
        return claim._replace(reply=Reply.ACCEPTED, reason=None, trust_reason=_SEEN_ALONE, at_work=False)

    def abandoned(self) -> Claim:
        """See `Work`."""
        claim = self._running.abandon()
        return self._unseen(claim) if claim.reply is Reply.ACCEPTED else claim

    def _is_seen(self) -> bool:
        try:
            self._after = after = self._sides.own()
        except TransportError:
            return False
        if after is None or not after.pending:
            return False
        same = is_same(after.pending_version, self._way.pending_version if self._way else None)
        return self._is_new(after) if same is None else same

    def _is_new(self, after: Component) -> bool:
        before = self._sides.before
        return before is None or before.pending is False or before.pending_version != after.pending_version

    def _unseen(self, claim: Claim) -> Claim:
        """The claim where the agent does not confirm it."""
        if claim.reply is not Reply.ACCEPTED or self._way is None:
            return claim
        there = self._way.pending_version.text if self._way.pending_version else ""
        here = self._after.pending_version if self._after and self._after.pending else None
        reply, why = _OTHER if here and there else _NOT_SEEN
        words = {"there": there, "here": here.text if here else "", "version": f" (version {there})" if there else ""}
        return claim._replace(reply=reply, reason=why.fill(bmc=self._way.host, **words), at_work=False)
