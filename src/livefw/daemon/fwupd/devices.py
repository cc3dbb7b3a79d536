# SPDX-License-Identifier: Apache-2.0
"""Components as fwupd's devices: identities that never change, and flags that tell the truth."""

import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha1
from xml.sax.saxutils import escape

from livefw.activation.history.journal import Activation
from livefw.activation.images.releases import Release, Releases, upgrades
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import instance, made_guid, own_guids
from livefw.activation.inventory.versions import of_image
from livefw.activation.outcome import Outcome
from livefw.activation.plan import PlanStep
from livefw.activation.watch.remote import UNREACHABLE
from livefw.archive.metainfo import Metainfo
from livefw.archive.version_format import shape
from livefw.daemon.fwupd.values import (
    DeviceFlag,
    DeviceProblem,
    ReleaseFlag,
    RemoteType,
    RequestFlag,
    RequestKind,
    UpdateState,
    VersionFormat,
    typed,
)
from livefw.daemon.snapshot import Snapshot
from livefw.dbus.wire import Variant
from livefw.providers.base import Component, Version, is_stager
from livefw.providers.declaration import declaration
from livefw.render.component import cost
from livefw.text import printable

Dictionary = dict[str, Variant]

_PROTOCOLS = {"redfish": "org.dmtf.redfish"}
"""fwupd's own names of protocols, where it has one."""

_PROBLEMS = {
    "load": DeviceProblem.IN_USE,
    "busy": DeviceProblem.UPDATE_IN_PROGRESS,
    UNREACHABLE: DeviceProblem.UNREACHABLE,
}
"""fwupd's problem for a check that blocks; any other inhibits."""

STATES = {
    Outcome.ACTIVATED: UpdateState.SUCCESS,
    Outcome.STAGED: UpdateState.PENDING,
    Outcome.FAILED: UpdateState.FAILED,
    Outcome.REFUSED: UpdateState.FAILED_TRANSIENT,
    Outcome.CANCELLED: UpdateState.FAILED_TRANSIENT,
    Outcome.UNKNOWN: UpdateState.FAILED,
}


_REMOTE = "livefw"
_ENABLED = 1 << 0
"""Flag of a remote."""
_WAITS = "Staged on this machine; waits for its activation"
_STEPS: dict[int | None, ReleaseFlag] = {1: ReleaseFlag.IS_UPGRADE, -1: ReleaseFlag.IS_DOWNGRADE}
_BY_POLICY = frozenset({"policy", "pinned"})
"""Reasons against an image that are an administrator's, and not the mechanism's."""


@lru_cache(1024)
def device_id(key: str) -> str:
    """fwupd's id for a component or, without a colon in it, a mechanism: 40 hexadecimal digits that never change."""
    return sha1(f"livefw:{key}".encode(), usedforsecurity=False).hexdigest()


def devices(snapshot: Snapshot) -> list[Dictionary]:
    """One device for each mechanism that has components, and one for each component below it."""
    mechanisms = list(dict.fromkeys(c.component.provider for c in snapshot.found.candidates))
    return [*map(_mechanism, mechanisms), *(device(candidate, snapshot) for candidate in snapshot.found.candidates)]


def _mechanism(name: str) -> Dictionary:
    declared = declaration(name)
    ident = device_id(name)
    return typed(
        {
            "DeviceId": ident,
            "CompositeId": ident,
            **guid_fields([instance(name)], []),
            "Name": declared.title if declared else name,
            "Summary": "Firmware that can be replaced while the machine runs",
            "Plugin": f"livefw_{name}",
            "Icon": ["computer"],
            "Flags": DeviceFlag.INTERNAL,
        }
    )


def device(candidate: Candidate, snapshot: Snapshot) -> Dictionary:
    """A component."""
    component = candidate.component
    step = snapshot.steps.get(component.key)
    last = snapshot.last.get(component.key)
    state, error_text = _state(component, step, last)
    return _identity(component, own_guids(candidate)) | typed(
        {
            **_version(component.current_version),
            "Summary": f"Activation: {cost(component)}",
            "Flags": _flags(candidate, snapshot.releases.get(component.key, ())),
            "Problems": _problems(component, step, busy=snapshot.busy),
            "UpdateState": state,
            "UpdateError": error_text,
            "InstallDuration": max(1, round(step.usual.median_s)) if step and step.usual else None,
            "Modified": last.first_row.time_ns // 10**9 if last else None,
        }
    )


def _identity(component: Component, guids: Sequence[str]) -> Dictionary:
    return typed(
        {
            "DeviceId": device_id(component.key),
            "ParentDeviceId": device_id(component.provider),
            "CompositeId": device_id(component.provider),
            **guid_fields([instance(component.provider, component.id)], guids),
            "Name": printable(component.label),
            "Plugin": f"livefw_{component.provider}",
            "Protocol": _PROTOCOLS.get(component.provider, f"org.livefw.{component.provider}"),
            "Icon": ["computer"],
        }
    )


def guid_fields(instances: list[str], guids: Sequence[str]) -> dict[str, object]:
    """GUIDs, those of the mechanism first, and the texts that some are made from."""
    return {"Guid": [*guids, *map(made_guid, instances)], "InstanceIds": instances}


def _version(version: Version | None) -> dict[str, object]:
    return {"Version": printable(version.text), "VersionFormat": version_format(version.text)} if version else {}


def version_format(text: str) -> VersionFormat:
    """The number for it."""
    return VersionFormat[shape(text).upper()]


def _flags(candidate: Candidate, found: Releases) -> DeviceFlag:
    """``updatable`` only where the mechanism takes images; while one waits for its activation, only for a newer one."""
    flags, component = DeviceFlag.INTERNAL, candidate.component
    if is_stager(candidate.provider, component):
        takes = not component.pending or upgrades(component, found)
        flags |= DeviceFlag.UPDATABLE if takes else DeviceFlag.UPDATABLE_HIDDEN
    if found:
        flags |= DeviceFlag.SUPPORTED
    if component.cost.resets_cpu is not True:
        flags |= DeviceFlag.USABLE_DURING_UPDATE
    if component.pending:
        flags |= DeviceFlag.NEEDS_ACTIVATION
    if _is_away(component):
        flags |= DeviceFlag.UNREACHABLE
    return flags


def _is_away(component: Component) -> bool:
    return any(reason.code == UNREACHABLE for reason in component.reasons)


def _problems(component: Component, step: PlanStep | None, *, busy: bool) -> DeviceProblem | None:
    found = DeviceProblem.UNREACHABLE if _is_away(component) else DeviceProblem(0)
    for problem in step.problems if step else ():
        if problem.stops:
            found |= _PROBLEMS.get(problem.check, DeviceProblem.SYSTEM_INHIBIT)
    if step and busy:
        found |= DeviceProblem.UPDATE_IN_PROGRESS
    return found or None


def _state(component: Component, step: PlanStep | None, last: Activation | None) -> tuple[UpdateState, str]:
    against = "; ".join(problem.text for problem in step.problems if problem.stops) if step else ""
    ended = outcome_of(last)
    if component.pending:
        if ended is Outcome.FAILED and last and last.ending:
            against = "; ".join(filter(None, (f"the last attempt failed: {last.ending.body.get('text', '')}", against)))
            return UpdateState.FAILED, printable(against)
        return UpdateState.PENDING, printable(against or "Pending activation")
    if ended is None or last is None or last.ending is None:
        return UpdateState.UNKNOWN, ""
    good = ended is Outcome.ACTIVATED
    return STATES[ended], "" if good else printable(str(last.ending.body.get("text", "")))


def outcome_of(activation: Activation | None) -> Outcome | None:
    """How it ended; None if it has not, or the row does not say."""
    try:
        return Outcome(activation.ending.body["outcome"]) if activation and activation.ending else None
    except (KeyError, ValueError):
        return None


def activation_wanted(key: str) -> Dictionary:
    """What a person is asked to do after a staging."""
    return typed(
        {
            "AppstreamId": "org.livefw.request.activate",
            "DeviceId": device_id(key),
            "UpdateMessage": "It is staged, and waits for its activation: livefw fwupdmgr activate",
            "RequestKind": RequestKind.POST,
            "Flags": RequestFlag.NON_GENERIC_MESSAGE,
        }
    )


def details(about: Metainfo, size: int, candidate: Candidate | None, snapshot: Snapshot) -> Dictionary:
    """An image of an archive: the device that it is for, if that is here, with the image as its release."""
    version = of_image(about.version, candidate.component, about.version_format).text if candidate else about.version
    release = {
        "AppstreamId": printable(about.ident),
        "Name": printable(about.name),
        "Summary": printable(about.summary),
        "Version": printable(version),
        "Filename": about.filename,
        "Protocol": printable(about.protocol),
        "License": printable(about.license),
        "Checksum": ",".join(printable(digits) for _, digits in about.checksums),
        "Size": size,
    }
    known = (
        device(candidate, snapshot)
        if candidate
        else typed({"Name": printable(about.name), "Guid": [*about.guids], "UpdateError": "nothing here has this GUID"})
    )
    return known | typed({"Release": [typed(release)]})


def remote(snapshot: Snapshot) -> Dictionary:
    """The directory of images; fwupd's clients open its files themselves, each with its own rights."""
    values = {
        "RemoteId": _REMOTE,
        "Title": "Images on this machine",
        "Type": RemoteType.DIRECTORY,
        "Flags": _ENABLED,
        "Enabled": True,
        "FilenameCache": snapshot.images,
    }
    return typed(values)


def releases(component: Component, found: Releases) -> list[Dictionary]:
    """As `images`; one that is staged, and of which nothing lies here, comes before them."""
    found_releases = images(component, found)
    if component.pending and not any(each.pending for each in found):
        found_releases.insert(0, typed(_common(component, component.pending_version) | {"Summary": _WAITS}))
    return found_releases


def images(component: Component, found: Releases) -> list[Dictionary]:
    """Images for a component as fwupd's releases, the newest first."""
    return [_release(component, each) for each in found]


def _common(component: Component, version: Version | None) -> dict[str, object]:
    return {
        "AppstreamId": f"org.livefw.{component.provider}.{component.id}",
        "Name": printable(component.label),
        "Version": printable(version.text) if version else "unknown",
        "Metadata": {"livefw:component": component.key},
    }


def _release(component: Component, found: Release) -> Dictionary:
    """One image. One that only its mechanism knows of has no place that a client could take it from."""
    reasons = (f"{each.text} ({each.hint})" if each.hint else each.text for each in found.against)
    values = _common(component, found.version) | {
        "TrustFlags": _release_flags(found),
        "Description": "".join(f"<p>{escape(printable(text))}</p>" for text in reasons),
        "Filename": printable(os.path.basename(found.path)),
        "Summary": _WAITS if found.pending else None,
    }
    if found.local:
        about = found.local.about
        values |= {
            "RemoteId": _REMOTE,
            "Locations": [f"file://{found.path}"],
            "AppstreamId": printable(about.ident),
            "Name": printable(about.name),
            "Summary": values["Summary"] or printable(about.summary),
            "Protocol": printable(about.protocol),
            "License": printable(about.license),
            "Checksum": found.local.sha256,
            "Size": found.local.size,
        }
    return typed(values)


def _release_flags(found: Release) -> ReleaseFlag:
    flags = _STEPS.get(found.step, ReleaseFlag(0))
    for reason in found.against:
        flags |= ReleaseFlag.BLOCKED_APPROVAL if reason.code in _BY_POLICY else ReleaseFlag.BLOCKED_VERSION
    return flags
