# SPDX-License-Identifier: Apache-2.0
"""What a BMC shows of a component that is linked to one of its own."""

from collections.abc import Iterable

from livefw.providers.component import Component, Discovery, LinkedWay, Reason, Source, Version
from livefw.providers.links import WAY, Link

_NO_MEMBER = Reason("link-no-member", "BMC {bmc} lists no {member}, which a link names", "livefw policy --check")


def way(link: Link, listed: Iterable[Component], source: Source | None) -> LinkedWay:
    """The other side of a link, from what its BMC lists; ``source`` is how the BMC answered, None if nobody asked."""
    there = next((each for each in listed if names(link, each)), None)
    if there is not None:
        return LinkedWay(link.key, there.current_version, there.pending, there.pending_version, asked=True)
    if source is None:
        return LinkedWay(link.key)
    missing = _NO_MEMBER.fill(bmc=link.bmc, member=link.member)
    return LinkedWay(link.key, asked=True, trouble=source.trouble or missing)


def names(link: Link, component: Component) -> bool:
    """Whether the link is about this component of the BMC."""
    return component.provider == WAY and link.key.casefold() in (each.casefold() for each in component.spellings)


def source_of(link: Link, discoveries: Iterable[Discovery]) -> Source | None:
    """How the BMC of a link answered; None if it was not asked."""
    sources = (source for discovery in discoveries for source in discovery.sources)
    return next((source for source in sources if source.host == link.bmc), None)


def is_same(one: Version | None, other: Version | None) -> bool | None:
    """Whether two versions that two sides report are one; None where one is not reliable, or they are not comparable.

    A number that is missing at the end counts as 0.
    """
    if one is None or other is None or not (one.reliable and other.reliable):
        return None
    if one.text == other.text:
        return True
    if not one.order or not other.order:
        return None
    most = max(len(one.order), len(other.order))
    first, second = ((*each.order, *[0] * (most - len(each.order))) for each in (one, other))
    return first == second
