# SPDX-License-Identifier: Apache-2.0
"""What can be installed: for each component its images, and whether each can be staged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import ImageFindings, examine_staging
from livefw.activation.images import requirements
from livefw.activation.images.directory import LocalImage
from livefw.activation.images.requirements import RequirementContext
from livefw.activation.images.target import spellings
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import guids
from livefw.activation.inventory.versions import compare, of_image
from livefw.activation.policy.document import Policy
from livefw.errors import NothingToDo, UsageError
from livefw.providers.base import Component, Offer, Reason, Version, is_image_holder, is_stager

_NOT_STAGEABLE = Reason("not-stageable", "{mechanism} cannot stage images")


class Release(NamedTuple):
    """An image for one component.

    ``local`` is the archive that contains it, None for one that the mechanism itself keeps at ``path``. ``step`` is 1
    if it is newer than the running version, 0 if it is the same, -1 if it is older, None if they cannot be compared.
    ``against`` is why it cannot be staged or loaded.
    """

    version: Version
    path: str
    local: LocalImage | None
    step: int | None
    pending: bool
    against: tuple[Reason, ...] = ()


Releases = tuple[Release, ...]
"""Newest first."""


def table(
    candidates: Iterable[Candidate],
    images: Sequence[LocalImage],
    policy: Policy,
    facts: Facts,
    *,
    others: Sequence[Candidate],
) -> dict[str, Releases]:
    """The releases of each component that has some, by key; ``others`` are all components that are here."""
    by_guid: dict[str, dict[LocalImage, None]] = {}
    for image in images:
        for spelling in (each for text in image.about.guids for each in spellings(text)):
            by_guid.setdefault(spelling, {})[image] = None
    found = {}
    for candidate in candidates:
        mine = {image: None for guid in (guids(candidate) if by_guid else ()) for image in by_guid.get(guid, ())}
        contexts = {image: RequirementContext(candidate, image.about, others, facts) for image in mine}
        required = {image: requirements.unmet(context) for image, context in contexts.items()}
        if releases := _of(candidate, required, policy):
            found[candidate.component.key] = releases
    return found


def upgrades(component: Component, releases: Releases) -> Releases:
    """The releases that are newer than the running and the pending version."""
    return tuple(each for each in _open(component, releases) if each.step == 1)


def downgrades(component: Component, releases: Releases) -> Releases:
    """The releases that are older than the running version."""
    return tuple(each for each in _open(component, releases) if each.step == -1)


def pick(component: Component, releases: Releases, wanted: str | None) -> Release:
    """The release with the version ``wanted``; without one, the newest upgrade.

    Raises:
        UsageError: there is no image of that version.
        NothingToDo: there is no upgrade.
    """
    look = f"livefw show {component.word}"
    if wanted is not None:
        version = of_image(wanted, component)
        for each in releases:
            if each.local and (compare(each.version, version) == 0 or each.local.about.version == wanted):
                return each
        raise UsageError(
            f"{wanted}: there is no such file, nor an image of that version for {component.key}", hint=look
        )
    for each in upgrades(component, releases):
        return each
    if component.pending:
        raise NothingToDo(
            "an image is already pending, and there is no newer one here", hint=f"livefw activate {component.word}"
        )
    raise NothingToDo(f"there is no newer image for {component.key} that could be staged", hint=look)


def _open(component: Component, releases: Releases) -> Iterable[Release]:
    """The releases that could be staged now; while another image is pending, only newer ones."""
    for each in releases:
        waits = component.pending and not (each.step == 1 and compare(each.version, component.pending_version) == 1)
        if each.local and not each.against and not waits:
            yield each


def _of(candidate: Candidate, images: Mapping[LocalImage, tuple[Reason, ...]], policy: Policy) -> Releases:
    provider, component = candidate
    found = [_local(candidate, image, policy, required) for image, required in images.items()]
    if is_image_holder(provider):
        found += [_offered(component, offer) for offer in provider.images(component.id)]
    # Versions without numbers are sorted by their text, so that the order is always the same.
    return tuple(sorted(found, key=lambda each: (each.version.order, each.version.text, each.path), reverse=True))


def _local(candidate: Candidate, image: LocalImage, policy: Policy, required: tuple[Reason, ...]) -> Release:
    provider, component = candidate
    version = of_image(image.about.version, component, image.about.version_format)
    problems = examine_staging(component, version, policy, ignore=("downgrade",), image=ImageFindings(required))
    against = tuple(Reason(problem.check, problem.text, problem.hint) for problem in problems if problem.stops)
    if not is_stager(provider, component):
        against = (_NOT_STAGEABLE.fill(mechanism=provider.name), *against)
    return _release(component, version, image.path, against, image)


def _offered(component: Component, offer: Offer) -> Release:
    return _release(component, offer.version, offer.path, offer.reasons, None)


def _release(
    component: Component, version: Version, path: str, against: tuple[Reason, ...], local: LocalImage | None
) -> Release:
    pending = bool(component.pending) and compare(version, component.pending_version) == 0
    return Release(version, path, local, compare(version, component.current_version), pending, against)
