# SPDX-License-Identifier: Apache-2.0
"""From inventory members to components, and why one cannot be activated now."""

import sys
from typing import NamedTuple

from livefw.providers.component import Component, Cost, Flag, Reason, RestartScope, Version, dotted
from livefw.providers.ocp import OUT_OF_SCOPE
from livefw.providers.redfish import delivery
from livefw.providers.redfish.delivery import EffectTime
from livefw.providers.redfish.parts import Part, foreign
from livefw.providers.redfish.resources import Seen, SoftwareImage, Unread
from livefw.providers.redfish.settings import Bmc

PROVIDER = "redfish"


def component(part: Part, seen: Seen, bmc: Bmc) -> Component:
    """A component in the words of every mechanism."""
    running, staged = part.running, part.staged
    waits = staged is not None or bool(part.queued)
    told = any(image.staged is not None for image in part.images) or seen.service.start is not None
    shown = running or part.images[0]
    return Component(
        provider=PROVIDER,
        id=f"{bmc.name}/{part.ident}",
        host=bmc.name,
        name=shown.name,
        current_version=_current(part),
        pending=True if waits else False if told and not hidden(part, seen) else None,
        pending_version=_pending_version(part),
        cost=Cost(None, _resets_cpu(part), part.restart),
        reasons=tuple(reasons(part, seen, bmc)),
        notes=tuple(_notes(part, seen)),
        details=tuple(_details(part, seen)),
        flag=Flag.PROVES_NOTHING,  # a queue is empty and a bank is free after a failure as well
        unconfirmed=None if (running and running.active) or attesting(part, seen) else _UNCONFIRMED,
    )


def _resets_cpu(part: Part) -> bool | None:
    """Whether CPUs are reset: with the host."""
    return None if part.restart is RestartScope.NOT_REPORTED else part.restart in _RESETS_HOST


_RESETS_HOST = frozenset({RestartScope.HOST, RestartScope.SOMETHING})
_UNCONFIRMED = Reason(
    "no-evidence",
    "the BMC reports neither the running version (Active) nor a signed measurement, and its reply alone proves nothing",
)


def hidden(part: Part | None, seen: Seen) -> tuple[Unread, ...]:
    """What the BMC does not show now, and may be what waits: another bank, or a task; anything, if it is not listed.

    There are services that link a collection which they do not have, and tasks are deleted while they are looked for.
    """
    banks = [each for each in seen.unread if part is None or (part.banked and not (each.collection and each.absent))]
    return (*banks, *(_unread_tasks(seen) if seen.service.start else ()))


def _unread_tasks(seen: Seen) -> list[Unread]:
    return [each for each in seen.blind if not each.absent]


def _current(part: Part) -> Version | None:
    """The running version, sure only if the service says that it is the one that runs.

    A service without ``Active`` may show the new version as soon as it has received it.
    """
    running = part.running
    version = _version(running) if running else None
    return version._replace(reliable=running is not None and running.active is True) if version else None


def _pending_version(part: Part) -> Version | None:
    staged = part.staged
    if staged and staged.staged_version:
        return Version(staged.staged_version, dotted(staged.staged_version))
    return _version(staged) if staged and staged is not part.running else None


def _version(image: SoftwareImage) -> Version | None:
    return Version(image.version, dotted(image.version)) if image.version else None


def reasons(part: Part, seen: Seen, bmc: Bmc) -> list[Reason]:
    """Why it cannot be activated now; empty if it can."""
    found = []
    if seen.service.enabled is False:
        found.append(SERVICE_DISABLED)
    if part.staged is None and not part.queued:
        found.append(_NOT_PENDING)
    elif way(part, seen) is None and (part.staged or part.startable):
        found.append(_TAKES_IMAGE if seen.service.installs else _NO_ACTIVATION)
    elif part.staged is None and foreign(part, seen) and not bmc.start_all:
        found.append(_FOREIGN)
    elif part.staged is None and _unread_tasks(seen) and not bmc.start_all:
        found.append(_QUEUE_UNREAD)
    return [*found, *not_live(part, bmc)]


def not_live(part: Part, bmc: Bmc) -> list[Reason]:
    """Why an update of it would not be live, or is not known to be."""
    found = []
    if part.restart in _RESETS_HOST:
        found.append(_RESET_REQUIRED)
    elif part.restart is RestartScope.NOT_REPORTED and not bmc.assume_live:
        found.append(_UNTOLD)
    if part.is_bios:
        found.append(_BIOS)
    return found


SERVICE_DISABLED = Reason("service-disabled", "the update service of this BMC is disabled")
_QUEUE_UNREAD = Reason(
    "queue-unread",
    "StartUpdate would also start updates that others have queued, and the tasks of this BMC cannot all be read now",
    "try again later, or set start-all = true for this BMC",
)
_NOT_PENDING = Reason("not-pending", "no image is staged", "livefw stage COMPONENT")
_NO_ACTIVATION = Reason("no-activation", "an image is staged, but the BMC offers no action to activate it")
_TAKES_IMAGE = Reason(
    "takes-image",
    "an image is staged, and the BMC activates it only if it is given the image again",
    "livefw activate COMPONENT --image IMAGE",
)
_RESET_REQUIRED = Reason("reset-required", "the BMC reports that an update requires a reset: not live")
_VERSION_UNTOLD = Reason("version-untold", "the BMC does not report whether the version shown is the running one")
_NO_ATTESTATION = Reason("no-attestation", "the BMC offers no signed measurement of this component")
_CANNOT_WAIT = Reason(
    "no-staging", "the BMC cannot keep an image of it pending: it can only install one immediately, or not at all"
)
_BIOS = Reason(
    OUT_OF_SCOPE,
    "this is a BIOS, which is outside OCP's scope of impactless updates",
    "stage it, then schedule a reboot",
)
_FOREIGN = Reason(
    "foreign-work",
    "StartUpdate would also start updates that others have queued on this BMC",
    "wait until they are done, or set start-all = true for this BMC",
)
_UNTOLD = Reason(
    "reset-untold",
    "the BMC does not report whether an update requires a reset (ResetRequiredOnUpdate)",
    "if you know that it does not, set assume-live = true for this BMC",
)


class Way(NamedTuple):
    """An action that activates: where to post what. ``sure`` is whether it is about this component alone."""

    name: str
    uri: str
    body: dict[str, object]


def way(part: Part, seen: Seen) -> Way | None:
    """The narrowest action there is."""
    staged = part.staged
    if staged and staged.activate:
        return Way("SoftwareInventory.Activate", staged.activate, {})
    if staged and seen.service.activate:
        return Way("UpdateService.Activate", seen.service.activate, {"Targets": [staged.uri]})
    if part.startable and seen.service.start:
        return Way("UpdateService.StartUpdate", seen.service.start, {})
    return None


def actions(part: Part, seen: Seen) -> tuple[str, ...]:
    """The actions that would activate an image of it which waits."""
    if any(image.activate for image in part.images):
        return ("SoftwareInventory.Activate",)
    service = seen.service
    named = (("UpdateService.Activate", service.activate), ("UpdateService.StartUpdate", service.start))
    return tuple(name for name, uri in named if uri)[:1]


def _notes(part: Part, seen: Seen) -> list[Reason]:
    found = []
    running = part.running
    if running and running.active is None and running.version:
        found.append(_VERSION_UNTOLD)
    if not attesting(part, seen):
        found.append(_NO_ATTESTATION)
    if not delivery.best(part, seen, EffectTime.ACTIVATION, EffectTime.RESET):
        found.append(_CANNOT_WAIT)
    return found


def attesting(part: Part, seen: Seen) -> str | None:
    """Where to ask for signed measurements that cover this component."""
    covered = {uri for image in part.images for uri in (image.uri, *image.related)}
    return next((each.action for each in seen.integrity if each.protects & covered), None)


def _details(part: Part, seen: Seen) -> list[tuple[str, str]]:
    found, service = way(part, seen), seen.service
    rows: list[tuple[str, object]] = [
        ("images", ", ".join(f"{image.uri} ({_state(image)})" for image in part.images)),
        ("software id", part.images[0].software_id),
        ("related", ", ".join(sorted(part.images[0].related)) or None),
        ("manufacturer", part.images[0].manufacturer),
        ("lowest supported version", part.images[0].lowest),
        ("release", part.images[0].release),
        ("queued tasks", ", ".join(task.uri for task in part.queued) or None),
        ("activated by", found.name if found else None),
        ("image formats", ", ".join(service.formats) or None),
        ("apply times", ", ".join(sorted(service.apply_times)) or None),
    ]
    return [(name, sys.intern(str(value))) for name, value in rows if value is not None]


def _state(image: SoftwareImage) -> str:
    words = [word for word, flag in (("active", image.active), ("staged", image.staged)) if flag]
    return " ".join([image.version or "version not reported", *words])
