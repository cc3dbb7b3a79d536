# SPDX-License-Identifier: Apache-2.0
"""A mechanism of this machine of which the settings link components to those of a BMC.

Images come by the BMC; everything else is the mechanism's own, in band. What the BMC shows is a second source of what
runs, and never the way of an activation.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from livefw.clock import Clock
from livefw.errors import TransportError, UsageError
from livefw.providers import base
from livefw.providers.component import Component, Discovery, LinkedWay, Reason, Source
from livefw.providers.linked.staging import LinkedStaging, Sides
from livefw.providers.linked.way import is_same, names, source_of, way
from livefw.providers.links import WAY, Link
from livefw.providers.redfish.attest import Attestation, compare
from livefw.providers.steps import RunningSteps

SETTLE_S = 10.0
"""Seconds that a BMC is given to show what was activated in band; it reads its inventory now and then."""
PAUSE_S = 1.0

_STAGE = "livefw stage COMPONENT IMAGE"
_LINKED = Reason("linked", "images come by BMC {bmc} ({key}); it is activated in band")
_AMBIGUOUS = Reason("link-ambiguous", "{component}, which a link names, is {count} components here; none is linked")
_NO_COMPONENT = Reason("link-no-component", "{component}, which a link names, is not here", "livefw policy --check")
_ELSEWHERE = Reason(
    "linked-elsewhere",
    "a link says that this is {component} of this machine, which is activated in band, and it is not listed here",
    "livefw policy --check",
)


class ImageWay(base.Stager, Protocol):
    """The provider by which images come."""

    def glance(self, ident: str) -> Component | None:
        """See `base.Provider.inspect`; it waits for seconds at most. `TransportError`."""
        ...

    def attest(self, ident: str) -> Attestation | None:
        """A fresh measurement of a component; None where there is none. Never raises."""
        ...


class LinkedProvider:
    """A `base.Linker`: the provider ``own`` with links to components of ``there``."""

    def __init__(self, own: base.Provider, there: ImageWay, links: Sequence[Link], clock: Clock) -> None:
        self.name = own.name
        self._own = own
        self._there = there
        self._links = tuple(links)
        self._clock = clock
        self._by_id: dict[str, Link] | None = None
        """The link of each component, as of the last look at all of them."""

    @property
    def linked_hosts(self) -> tuple[str, ...]:
        """See `base.Linker`."""
        return tuple(dict.fromkeys(link.bmc for link in self._links))

    def discover(self) -> Discovery:
        """See `base.Provider`. The BMCs are not asked."""
        found = self._own.discover()
        notes = self._assign(found.components)
        components = tuple(self._described(each) for each in found.components)
        return found._replace(components=components, notes=(*found.notes, *notes))

    def joined(self, discoveries: Sequence[Discovery]) -> tuple[Discovery, ...]:
        """See `base.Linker`."""
        listed = tuple(self._spelled(each) for found in discoveries for each in found.components)
        ways = {link: way(link, listed, source_of(link, discoveries)) for link in self._links}
        linked = {*(self._by_id or {}).values()}

        def join(component: Component) -> Component | None:
            if component.provider == self.name and (link := self._link(component.id)):
                return component._replace(linked=ways[link])
            named = next((each for each in self._links if names(each, self._spelled(component))), None)
            if named is None or component.provider != WAY:
                return component
            against = _ELSEWHERE.fill(component=named.component)
            return None if named in linked else component._replace(reasons=(against, *component.reasons))

        joined = ((found, [join(each) for each in found.components]) for found in discoveries)
        return tuple(found._replace(components=tuple(filter(None, components))) for found, components in joined)

    def inspect(self, ident: str) -> Component | None:
        """See `base.Provider`; with what the BMC shows now, which is waited for no longer than for a list."""
        found = self._own.inspect(ident)
        link = self._link(ident)
        return found and self._described(found)._replace(linked=self._look(link)) if link else found

    def aliases(self, ident: str) -> Sequence[str]:
        """See `base.Provider`."""
        return self._own.aliases(ident)

    def activate(self, ident: str, observer: base.Observer) -> base.Running:
        """See `base.Provider`: in band."""
        return self._own.activate(ident, observer)

    def cancel(self, ident: str, observer: base.Observer) -> base.Running:
        """See `base.Provider`: in band."""
        return self._own.cancel(ident, observer)

    def cancels_by_itself(self, ident: str) -> bool:
        """See `base.cancels_by_itself`: in band."""
        return base.cancels_by_itself(self._own, ident)

    def stage(self, ident: str, package: base.ImagePackage, observer: base.Observer) -> base.Running:
        """See `base.Stager`: by the BMC, until the agent reports the image as pending."""
        if (link := self._link(ident)) is None:
            raise UsageError(f"no link names {self.name}:{ident}", mechanism=self.name)
        sides = Sides(self._own.inspect(ident), partial(self._own.inspect, ident), partial(self._look, link))
        running = self._there.stage(link.ident, package, observer)
        return RunningSteps(LinkedStaging(running, sides, self._clock, observer), self._clock)

    def witness(self, ident: str) -> base.Proof:
        """See `base.Linker`."""
        if (link := self._link(ident)) is None:
            return lambda claim: claim
        before = self._there.attest(link.ident)

        def completed(claim: base.Claim) -> base.Claim:
            if claim.at_work or claim.reply in (base.Reply.REFUSED, base.Reply.DECLINED):
                return claim
            self._let_settle(link, ident)
            told = compare(before, self._there.attest(link.ident))
            return claim._replace(measured=told.measured, attested=told.text)

        return completed

    def configure(self, ident: str, setting: str, *, on: bool) -> None:
        """See `base.Provider`."""
        self._own.configure(ident, setting, on=on)

    def mark(self) -> str:
        """See `base.Provider`."""
        return self._own.mark()

    def recall(self, ident: str, mark: str) -> base.Memory:
        """See `base.Provider`."""
        return self._own.recall(ident, mark)

    def diagnose(self) -> list[base.Finding]:
        """See `base.Provider`."""
        return self._own.diagnose()

    def replay(self, ident: str, action: str) -> str:
        """See `base.Provider`."""
        return self._own.replay(ident, action)

    def _link(self, ident: str) -> Link | None:
        if self._by_id is None:
            self._assign(self._own.discover().components)
        return (self._by_id or {}).get(ident)

    def _assign(self, components: Sequence[Component]) -> list[Reason]:
        """Which component each link is about; returns what is wrong with links."""
        self._by_id, notes = {}, []
        for link in self._links:
            wanted = link.component.casefold()
            found = [each for each in components if wanted in self._words(each)]
            if len(found) == 1 and found[0].id not in self._by_id:
                self._by_id[found[0].id] = link
            elif found:
                notes.append(_AMBIGUOUS.fill(component=link.component, count=len(found)))
            else:
                notes.append(_NO_COMPONENT.fill(component=link.component))
        return notes

    def _words(self, component: Component) -> frozenset[str]:
        spelled = component._replace(aliases=tuple(self._own.aliases(component.id)))
        return frozenset(each.casefold() for each in (*spelled.spellings, component.name))

    def _spelled(self, component: Component) -> Component:
        if component.provider != WAY:
            return component
        return component._replace(aliases=tuple(self._there.aliases(component.id)))

    def _described(self, component: Component) -> Component:
        if (link := self._link(component.id)) is None:
            return component
        note = _LINKED.fill(bmc=link.bmc, key=link.key)
        reasons = tuple(
            each._replace(hint=_STAGE) if each.code == "not-pending" else each for each in component.reasons
        )
        return component._replace(linked=LinkedWay(link.key), notes=(*component.notes, note), reasons=reasons)

    def _look(self, link: Link) -> LinkedWay:
        """What the BMC shows now."""
        try:
            found = self._there.glance(link.ident)
        except TransportError as error:
            why = Reason("unreachable", error.message, error.hint)
            return LinkedWay(link.key, asked=True, trouble=why)
        return way(link, [self._spelled(found)] if found else (), Source(WAY, link.bmc))

    def _let_settle(self, link: Link, ident: str) -> None:
        """Wait until the BMC shows what runs, unless it shows nothing that could be compared."""
        until = self._clock.now() + SETTLE_S
        while self._clock.now() < until:
            own = self._own.inspect(ident)
            if own is None or is_same(own.current_version, self._look(link).current_version) is not False:
                return
            self._clock.sleep(PAUSE_S)
