# SPDX-License-Identifier: Apache-2.0
"""How an image gets into a BMC, and what is said with it of when it takes effect.

Derived from what the service offers and from the tables below; a vendor's own option comes first. To a service that
does not offer an option it is not said: it would ignore what it does not know, and begin.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from livefw.providers.redfish.parts import Part, grouped
from livefw.providers.redfish.resources import Seen, UpdateService
from livefw.providers.redfish.vendors.vendor import NOTHING, Body


class TransferWay(StrEnum):
    """How an image gets into a BMC."""

    MULTIPART = "multipart push"
    OCTETS = "HttpPushUri"
    PULL = "SimpleUpdate"


class EffectTime(StrEnum):
    """When an image takes effect that was handed over."""

    ACTIVATION = "activation"
    """When it is activated: it waits."""
    RESET = "reset"
    """With the next reset of the host."""
    AT_ONCE = "at-once"


class ImageDelivery(NamedTuple):
    """One way to hand an image over: where to, what to say with it, and the apply time to set before a push of octets.

    ``name`` is the option by which it says when the image takes effect.
    """

    way: TransferWay
    uri: str
    effect: EffectTime
    name: str
    parameters: Body = NOTHING
    apply_time: str = ""


class Option(NamedTuple):
    """Something that can be said with an image: an apply time or other parameters, by these ways, where ``offered``."""

    effect: EffectTime
    name: str
    parameters: Body
    ways: frozenset[TransferWay]
    offered: Callable[[Part, UpdateService, TransferWay], bool]


_ALL = frozenset(TransferWay)
START = "OnStartUpdateRequest"
_WITH_PARAMETERS = frozenset({TransferWay.MULTIPART, TransferWay.PULL})
APPLY_TIME = "@Redfish.OperationApplyTime"


def _has_activate(part: Part, service: UpdateService, _: TransferWay) -> bool:
    """Both came with 2025.2."""
    return bool(service.activate or any(image.activate for image in part.images))


def _has_start(part: Part, service: UpdateService, way: TransferWay) -> bool:  # noqa: ARG001 - the shape of all
    return service.start is not None and _takes_time(service, way) and _supports(service, way, START) is not False


def _is_for_reset(part: Part, service: UpdateService, way: TransferWay) -> bool:
    """Only of what runs on the host itself is it certain that it takes no effect before."""
    told = service.until_reset is not None or _takes_time(service, way)
    return part.needs_host_reset and told and _supports(service, way, "OnReset") is True


def _is_immediate(part: Part, service: UpdateService, way: TransferWay) -> bool:  # noqa: ARG001 - the shape of all
    return _supports(service, way, "Immediate") is not False


def _takes_time(service: UpdateService, way: TransferWay) -> bool:
    """Whether an apply time can be said: beside the bytes of an image there is no place for it but a property."""
    return way is not TransferWay.OCTETS or (service.octets is not None and service.octets.apply_time is not None)


def _supports(service: UpdateService, way: TransferWay, time: str) -> bool | None:
    """Whether it supports this apply time; None if it does not say."""
    if way is TransferWay.OCTETS and _takes_time(service, way) and service.octet_times is None:
        return True  # it is set, and read again, before anything is sent
    times = {
        TransferWay.MULTIPART: service.push_times,
        TransferWay.OCTETS: service.octet_times,
        TransferWay.PULL: service.apply_times or None,
    }[way]
    return None if times is None else time in times


OPTIONS = (
    Option(EffectTime.ACTIVATION, "Stage", {"Stage": True}, _WITH_PARAMETERS, _has_activate),
    Option(EffectTime.ACTIVATION, START, {APPLY_TIME: START}, _ALL, _has_start),
    Option(EffectTime.RESET, "OnReset", {APPLY_TIME: "OnReset"}, _ALL, _is_for_reset),
    Option(EffectTime.AT_ONCE, "Immediate", {APPLY_TIME: "Immediate"}, _ALL, _is_immediate),
)
"""UpdateService 1.17, Settings 1.4 (DSP8010, 2026.1), in the order of preference."""


def _vendor_options(service: UpdateService) -> Iterator[Option]:
    vendor, multipart = service.vendor, frozenset({TransferWay.MULTIPART})
    if service.holds and vendor.hold:
        option = vendor.hold
        yield Option(EffectTime.ACTIVATION, option.value, option.parameters, multipart, _takes_hold)
    if service.installs and vendor.install:
        option = vendor.install
        yield Option(EffectTime.AT_ONCE, option.value, option.parameters, multipart, lambda *_: True)


def _takes_hold(part: Part, *_: object) -> bool:
    return not any(image.denies_hold for image in part.images)


def offered(part: Part, seen: Seen, ways: frozenset[TransferWay] = _ALL) -> Iterator[ImageDelivery]:
    """Every way to hand an image over, by these ways; the best of each effect first."""
    service = seen.service
    options = (*_vendor_options(service), *OPTIONS)
    for way, uri in _places(service):
        for option in options:
            if way in ways and way in option.ways and option.offered(part, service, way):
                yield _delivery(option, way, uri, part, service)


def best(part: Part, seen: Seen, *effects: EffectTime, ways: frozenset[TransferWay] = _ALL) -> ImageDelivery | None:
    """The first way that has the first of these effects that there is; None without any."""
    found = list(offered(part, seen, ways))
    return next((each for effect in effects for each in found if each.effect is effect), None)


def _places(service: UpdateService) -> Iterator[tuple[TransferWay, str]]:
    if service.push:
        yield TransferWay.MULTIPART, service.push
    if service.octets:
        yield TransferWay.OCTETS, service.octets.uri
    if service.simple:
        yield TransferWay.PULL, service.simple


def ways(service: UpdateService) -> tuple[TransferWay, ...]:
    """How images get into this BMC."""
    return tuple(way for way, _ in _places(service))


def _delivery(option: Option, way: TransferWay, uri: str, part: Part, service: UpdateService) -> ImageDelivery:
    parameters, time = dict(option.parameters), str(option.parameters.get(APPLY_TIME, ""))
    if way is TransferWay.OCTETS:
        place = service.until_reset if option.effect is EffectTime.RESET else None
        said = time if _takes_time(service, way) else ""
        return ImageDelivery(way, place or uri, option.effect, option.name, apply_time=said)
    if way is TransferWay.PULL and option.effect is EffectTime.AT_ONCE and not service.apply_times:
        parameters.pop(APPLY_TIME, None)  # what a service does not announce it may reject
    if way is TransferWay.MULTIPART:
        parameters = merged(parameters, _kept(part, service))
    return ImageDelivery(way, uri, option.effect, option.name, parameters)


def target(part: Part, seen: Seen) -> str:
    """What to name as the target of an image; empty if the service lists what it takes, and nothing of this.

    It is a member of the inventory, if possible one that does not run; or what the firmware is of, where the service
    lists that and no member, or where it lists nothing and its vendor's services take no member.
    """
    service = seen.service
    listed = service.staging if service.staging is not None else service.targets
    members = [image for image in part.images if listed is None or image.uri.rstrip("/") in listed]
    if not members or (listed is None and service.vendor.targets):
        found = [uri for uri in _own(part, seen) if _is_target(uri, listed, service.vendor.targets)]
        if len(found) == 1:
            return found[0]
    spare = [image for image in members if not image.active]
    return next((image.uri for image in (*spare, *members)), "")


def _is_target(uri: str, listed: frozenset[str] | None, names: frozenset[str]) -> bool:
    return not names.isdisjoint(uri.split("/")) if listed is None else uri.rstrip("/") in listed


def _own(part: Part, seen: Seen) -> frozenset[str]:
    """What it is firmware of, and no other component that can be updated: an image for that can only be for this."""
    others = (image for each in grouped(seen) if each.ident != part.ident for image in each.images)
    shared = {uri for image in others if image.updateable is not False for uri in image.related}
    return frozenset(uri for image in part.images for uri in image.related) - shared


def _kept(part: Part, service: UpdateService) -> Body:
    """The parameters by which the vendor's firmware keeps its configuration, by what it is firmware of."""
    names = {name for image in part.images for uri in image.related for name in uri.split("/")}
    return next((body for name, body in service.vendor.keeps.items() if name in names), NOTHING)


def merged(one: Body, other: Body) -> dict[str, Any]:
    """Both, with objects of the same name made one."""
    found = dict(one)
    for name, value in other.items():
        before = found.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = merged(before, value)
        found[name] = value
    return found
