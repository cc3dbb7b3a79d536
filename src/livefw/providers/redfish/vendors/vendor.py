# SPDX-License-Identifier: Apache-2.0
"""What one vendor's BMCs do in a way of their own, as data; the flow of an update is the same for all.

A table states only what was published: `Vendor.sources` says where. A service is a vendor's if it says so, or has the
vendor's ``Oem`` object in its UpdateService.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Body = Mapping[str, Any]
NOTHING: Body = MappingProxyType({})
Path = tuple[str, ...]
"""The names that lead to a value in a resource."""


class MessageRow(NamedTuple):
    """What a message of a registry means: progress, or the reason for a failure."""

    text: str
    failure: str = ""


class VendorOption(NamedTuple):
    """A parameter of a push, of which the service lists the values that it supports at ``listed``."""

    listed: Path
    value: str
    parameters: Body
    denied: Path = ()
    """Where a member of the inventory denies it with false."""


class FirmwareSlots(NamedTuple):
    """The two slots of a member of the inventory: where they are, and the states that mean something here."""

    active: Path
    inactive: Path
    state: str
    version: str
    runs: str
    """State of an active slot whose version runs."""
    staged: str
    """State of an inactive slot whose image waits for its activation."""
    awaits_reset: str
    """State of an active slot whose image takes effect with the next reset; an erased slot has it as well."""


class ServiceState(NamedTuple):
    """Where an UpdateService itself says how an update goes that has no task."""

    state: Path
    percent: Path
    result: Path
    done: frozenset[str]
    failed: frozenset[str]
    idle: frozenset[str]


class Vendor(NamedTuple):
    """One vendor's table.

    ``called`` are its names in the service root, ``oem`` is the name of its ``Oem`` objects. ``takes_octets`` is
    whether ``HttpPushUri`` takes the bytes of an image. ``push_until_reset`` is the action that takes an image in their
    place when it is to wait for a reset.
    """

    name: str
    called: frozenset[str] = frozenset()
    oem: str = ""
    hold: VendorOption | None = None
    install: VendorOption | None = None
    slots: FirmwareSlots | None = None
    around_version: tuple[str, str] = ("", "")
    """What is before and after the version in a member's address, where an update changes the address."""
    takes_octets: bool = True
    push_until_reset: Path = ()
    keeps: Mapping[str, Body] = MappingProxyType({})
    """By the last part of a target's address the parameters by which it keeps its configuration."""
    targets: frozenset[str] = frozenset()
    """Names of which the address of a RelatedItem has one where that is the target of a push, and no member is."""
    update_state: ServiceState | None = None
    messages: Mapping[str, MessageRow] = MappingProxyType({})
    scheduled: frozenset[str] = frozenset()
    """Messages of a job that waits for its time, which is the next reset if that was asked for."""
    job: Path = ()
    """Where a task has the job that it stands for."""
    job_states: Mapping[str, str] = MappingProxyType({})
    """The states of its jobs that a task does not have, as those of a task."""
    sources: tuple[str, ...] = ()


def at(body: Body, path: Path) -> object:
    """The value that the path leads to; None if it leads nowhere."""
    value: object = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def text_at(body: Body, path: Path) -> str:
    """The text there; empty if there is none."""
    value = at(body, path)
    return value if isinstance(value, str) else ""
