# SPDX-License-Identifier: Apache-2.0
"""Why an image is not handed over to a BMC: what is known before a byte of it is sent."""

from livefw.providers.base import ImagePackage
from livefw.providers.component import Reason
from livefw.providers.redfish import components, delivery, octets
from livefw.providers.redfish.delivery import EffectTime, ImageDelivery, TransferWay
from livefw.providers.redfish.parts import Part
from livefw.providers.redfish.resources import Seen
from livefw.providers.redfish.settings import Bmc

_NO_TRANSFER = Reason("no-transfer", "the BMC does not support {way}")
_NO_PROTOCOL = Reason("no-transfer", "the BMC does not fetch an image by {scheme}, but by {offered}")
_TOO_LARGE = Reason("too-large", "the image has {size} bytes, and the BMC accepts at most {most}")
_NOT_UPDATEABLE = Reason("not-updateable", "the BMC reports it as not updateable")
_NOT_STAGEABLE = Reason("not-stageable", "the BMC does not list it as stageable")
NO_STAGING = Reason(
    "no-staging",
    "the BMC can only install an image immediately; it cannot keep it pending",
    "livefw activate COMPONENT --image IMAGE",
)
_NO_INSTALL = Reason("no-install", "the BMC cannot install an image immediately", "livefw stage COMPONENT IMAGE")
_WAITS_ALREADY = Reason(
    "waits-already", "another image of it is pending", "activate that one, or livefw cancel COMPONENT"
)


_PUSHES = frozenset({TransferWay.MULTIPART, TransferWay.OCTETS})


def ways_for(package: ImagePackage, bmc: Bmc) -> frozenset[TransferWay]:
    """How this image can get into a BMC: it fetches a file only if the settings say from where."""
    return frozenset({TransferWay.PULL}) if package.uri else _PUSHES | {TransferWay.PULL} if bmc.serve else _PUSHES


def objection(part: Part, seen: Seen, bmc: Bmc, package: ImagePackage, chosen: ImageDelivery | None) -> Reason | None:
    """Why this image is not to be handed over by the chosen way; None if nothing is known against it."""
    service, size, ways = seen.service, package.size, ways_for(package, bmc)
    if service.enabled is False:
        return components.SERVICE_DISABLED
    if ways.isdisjoint(delivery.ways(service)):
        return _NO_TRANSFER.fill(way=" or ".join(sorted(ways)))
    scheme = (package.uri.partition("://")[0] or "http").upper()
    if chosen and chosen.way is TransferWay.PULL and service.protocols is not None and scheme not in service.protocols:
        return _NO_PROTOCOL.fill(scheme=scheme, offered=", ".join(sorted(service.protocols)))
    if service.most_bytes is not None and size > service.most_bytes:
        return _TOO_LARGE.fill(size=size, most=service.most_bytes)
    if any(image.updateable is False for image in part.images) or any(image.protected for image in part.images):
        return _NOT_UPDATEABLE
    if not delivery.target(part, seen):
        return _NOT_STAGEABLE
    if chosen and chosen.way is TransferWay.OCTETS and service.octets and service.octets.busy:
        return octets.BUSY
    return None


def reasons(part: Part, seen: Seen, bmc: Bmc, package: ImagePackage) -> list[Reason]:
    """Why it cannot be activated now with this image, in one step; empty if it can."""
    chosen = delivery.best(part, seen, EffectTime.AT_ONCE, ways=ways_for(package, bmc))
    found = []
    if why := objection(part, seen, bmc, package, chosen):
        found.append(why)
    elif chosen is None:
        found.append(_NO_INSTALL)
    if (part.staged or part.queued) and not seen.service.installs:
        found.append(_WAITS_ALREADY)
    return [*found, *components.not_live(part, bmc)]
