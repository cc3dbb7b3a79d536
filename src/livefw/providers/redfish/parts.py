# SPDX-License-Identifier: Apache-2.0
"""What belongs together: members of the inventory that are images of one component, and tasks about it."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from livefw.providers.component import RestartScope
from livefw.providers.redfish.queue import Queued
from livefw.providers.redfish.resources import Seen, SoftwareImage, key_of
from livefw.providers.redfish.vendors.vendor import Vendor

_DIGEST = re.compile(r"[0-9a-f]{8}")
"""An id of an image of OpenBMC (phosphor-bmc-code-mgmt: the beginning of a SHA-512 of its version)."""
_WORD = re.compile(r"[a-z]+")
_DEVICES = (
    "Drives",
    "Storage",
    "StorageControllers",
    "SimpleStorage",
    "NetworkAdapters",
    "NetworkInterfaces",
    "EthernetInterfaces",
    "PCIeDevices",
    "PowerSupplies",
    "Fans",
)
_RESTARTS = (
    *((name, RestartScope.DEVICE) for name in _DEVICES),
    ("Managers", RestartScope.BMC),
    ("Systems", RestartScope.HOST),
)
"""What a reset is of that an update takes, by what it is firmware of: the first of these names in the address of a
RelatedItem (SoftwareInventory 1.14, RelatedItem; names of collections, DSP0268). A chassis says nothing of it."""
_STRENGTH = (RestartScope.NOTHING, RestartScope.BMC, RestartScope.DEVICE, RestartScope.SOMETHING, RestartScope.HOST)


class Part(NamedTuple):
    """One component: all inventory members that are images of the same thing."""

    ident: str
    images: tuple[SoftwareImage, ...]
    queued: tuple[Queued, ...] = ()
    """Tasks that wait to be started, and are about this component only."""

    @property
    def running(self) -> SoftwareImage | None:
        """The image that runs: the one that says so, or the only one there is, unless it denies it."""
        active = [image for image in self.images if image.active]
        if len(active) == 1:
            return active[0]
        only = self.images[0] if len(self.images) == 1 else None
        return only if only and only.active is None else None

    @property
    def staged(self) -> SoftwareImage | None:
        """The image that waits: of two, the one that does not run."""
        found = [image for image in self.images if image.staged]
        waiting = [image for image in found if not image.active]
        return next(iter(waiting or found), None)

    @property
    def startable(self) -> bool:
        """Whether something of it waits for StartUpdate."""
        return any(not task.for_reset for task in self.queued)

    @property
    def needs_reset(self) -> bool | None:
        """Whether an update takes a reset: as soon as one member says so; None if one does not say."""
        told = {image.needs_reset for image in ([self.staged] if self.staged else self.images)}
        return True if True in told else None if None in told else False

    @property
    def restart(self) -> RestartScope:
        """What restarts when an update takes effect."""
        if self.queued and not self.startable and self.staged is None:
            return RestartScope.HOST
        if not self.needs_reset:
            return RestartScope.NOT_REPORTED if self.needs_reset is None else RestartScope.NOTHING
        if self.staged and self.staged.staged_version:
            return RestartScope.HOST  # the slot says that it waits for a reset, of all that is powered with the BMC
        found = [_restarted(uri) for image in self.images for uri in image.related]
        return max(found, key=_STRENGTH.index, default=RestartScope.SOMETHING)

    @property
    def needs_host_reset(self) -> bool:
        """Whether it certainly takes no effect before the host is reset."""
        return self.restart is RestartScope.HOST or self.is_bios

    @property
    def banked(self) -> bool:
        """Whether another image of it may stand beside those that are shown."""
        return any(image.banked for image in self.images)

    @property
    def is_bios(self) -> bool:
        """Whether it is firmware of the host: by what it is related to, or by its name."""
        related = (uri.lower() for image in self.images for uri in image.related)
        words = {word for image in self.images for word in _WORD.findall(f"{image.ident} {image.name}".lower())}
        return any(uri.endswith("/bios") for uri in related) or not words.isdisjoint(("bios", "uefi"))

    @property
    def uris(self) -> frozenset[str]:
        """The inventory members."""
        return frozenset(image.uri for image in self.images)


def _restarted(uri: str) -> RestartScope:
    names = uri.split("/")
    return next((restart for name, restart in _RESTARTS if name in names), RestartScope.SOMETHING)


def grouped(seen: Seen) -> tuple[Part, ...]:
    """Components, in the order of their members. Images with the same SoftwareId of the same thing are one component.

    The id is that of the first member by name: with two banks that change places, it must not follow the active one.
    Nor must it follow the version, where a member's address has it: policy and history are about the component. Where
    such an id would not be that of one component alone, it is the address all the same.
    """
    groups: dict[object, list[SoftwareImage]] = {}
    for image in sorted(seen.images, key=lambda image: image.key):
        groups.setdefault((image.software_id, image.related) if image.banked else image.uri, []).append(image)
    lasting = [_lasting(images[0], seen.service.vendor) for images in groups.values()]
    taken = Counter([*lasting, *(image.key for image in seen.images)])
    found = []
    for images, name in zip(groups.values(), lasting, strict=True):
        alone = taken[name] == 1  # where it is an address itself, it is one already
        uris = {uri for image in images for uri in (image.uri, *image.related)}
        queued = tuple(task for task in seen.queued if task.targets and task.targets <= uris)
        found.append(Part(name if alone else images[0].key, tuple(images), queued))
    return tuple(found)


def _lasting(image: SoftwareImage, vendor: Vendor) -> str:
    """What it is called, whatever version it has: its address, without the version as its vendor spells it.

    The address that OpenBMC gives an image is a digest of its version; that is called after what it is firmware of.
    """
    before, after = vendor.around_version
    if before and image.version and (spelled := f"{before}{image.version}{after}") in image.key:
        return image.key.replace(spelled, after, 1)
    if _DIGEST.fullmatch(image.key) and len(image.related) == 1:
        return key_of(next(iter(image.related)))
    return image.key


def earlier_idents(seen: Seen) -> dict[str, tuple[str, ...]]:
    """By id what a component was known by before, as far as that is unambiguous: the address of its first member, and
    the ``Id`` of it."""
    found = grouped(seen)
    names = {part.ident: dict.fromkeys((part.images[0].key, part.images[0].ident)) for part in found}
    taken = Counter(name for ident, of_one in names.items() for name in {ident, *of_one})
    known = {ident: tuple(n for n in of_one if n != ident and taken[n] == 1) for ident, of_one in names.items()}
    return {ident: of_one for ident, of_one in known.items() if of_one}


def find(seen: Seen, ident: str) -> Part | None:
    """The component of this id within its BMC; None if it is not there."""
    return next((each for each in grouped(seen) if each.ident == ident), None)


def with_held(seen: Seen, held: Mapping[str, str]) -> Seen:
    """The same with a task for each component of which livefw knows that the BMC holds an image, and nothing shows it.

    ``held`` is by id the task that has verified the image. It counts as long as the BMC shows that task, and there is
    no other way to cancel it than to activate it.
    """
    more = [
        Queued(held[part.ident], None, part.uris)
        for part in grouped(seen)
        if part.ident in held and part.staged is None and not part.queued and held[part.ident] in seen.ended
    ]
    return seen._replace(queued=(*seen.queued, *more))


def foreign(part: Part, seen: Seen) -> tuple[Queued, ...]:
    """What StartUpdate would start beside this component."""
    return tuple(task for task in seen.queued if task not in part.queued and not task.for_reset)
