# SPDX-License-Identifier: Apache-2.0
"""What can be done with a component now, in a word for programs and in a few words for a column.

`of_component` knows only what the mechanism reports. `livefw.activation.examination` also makes the checks of a plan,
and knows of running and unfinished activations; `may_differ` tells without loading it whether it could find anything.
"""

from __future__ import annotations

import os

from livefw.activation.lock import machine_identity
from livefw.files.host import SETTINGS_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import NamedTuple

    from livefw.activation.inventory.discovery import Inventory
    from livefw.activation.lock.machine_lock import LockHolder
    from livefw.activation.status_code import StatusCode
    from livefw.files.protocol import Files
    from livefw.providers.base import Component, Reason
else:
    from livefw.light_tuple import NamedTuple

_WATCHDOGS = "/sys/class/watchdog"
_CPUS = "/sys/devices/system/cpu"


class ComponentStatus(NamedTuple):
    """The state of a component: ``text`` fits a column, ``sentence`` says it in full.

    ``reasons`` are what blocks its activation, with the names of checks or the mechanism's codes; ``until`` is when the
    maintenance window opens that it waits for. ``running`` describes the engine that works on it; ``activation`` is the
    id in the history of what is running or unfinished, where it is known.
    """

    code: StatusCode
    text: str
    sentence: str
    reasons: tuple[Reason, ...] = ()
    until: datetime | None = None
    running: LockHolder | None = None
    activation: str = ""


_NOT_PENDING = "not-pending"
_UNREADABLE = "unreadable"
TAKES_RESET = frozenset({"resets-cpu", "reset-required", "not-capable", "module-lost", "no-slots"})
"""Codes of mechanisms for what only a reset or a reboot can change."""


def of_component(component: Component) -> ComponentStatus:
    """The state as far as the mechanism reports it, without any check."""
    reasons = component.reasons
    if not reasons:
        return _status("ready", "ready", "it can be activated now")
    sentence = "; ".join(reason.text for reason in reasons)
    codes = [reason.code for reason in reasons if reason.code != _NOT_PENDING]
    if not codes:
        return _status("up-to-date", "up to date", sentence, reasons)
    if _UNREADABLE in codes:
        return _status("unreadable", "unreadable", sentence, reasons)
    if not TAKES_RESET.isdisjoint(codes):
        return _status("needs-reset", "needs reset", sentence, reasons)
    return _status("blocked", f"blocked: {first_of(codes)}", sentence, reasons)


def _status(code: str, text: str, sentence: str, reasons: tuple[Reason, ...] = ()) -> ComponentStatus:
    """A state with the text of its code, which equals the member: `list` shows it, and the enumeration takes longer to
    make than all the rest here. `livefw.activation.step_status` has members."""
    return ComponentStatus(code, text, sentence, reasons)  # type: ignore[arg-type]


def first_of(names: list[str]) -> str:
    """The first name, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def may_differ(found: Inventory, files: Files, *, lock: str, root: str, history: bool, settings: str) -> bool:
    """Whether the checks, the lock or the history could say more of these components than `of_component`.

    ``history``: there is one with more than since when images are pending. ``settings`` is the directory of
    livefw.toml, empty for none. A CPU that is coming or going at this moment is not
    looked for.
    """
    if history or _is_locked(lock, root):
        return True
    if settings and os.path.lexists(os.path.join(settings, SETTINGS_FILE)):
        return True
    ready = [each.component for each in found.candidates if not each.component.reasons]
    if not ready:
        return False
    return _has_facts(files) or any(map(_may_go_back, ready))


def _is_locked(lock: str, root: str) -> bool:
    """Whether an engine holds one of the files that it locks."""
    for path in (lock, machine_identity.twin(lock)):
        if os.path.lexists(path):
            from livefw.activation.lock import query  # only where there was an engine

            descriptor = query.opened(path)
            if descriptor is not None and query.is_locked(descriptor):
                return True
    if (guard := machine_identity.guard(root)) is None:
        return False
    from livefw.activation.lock import query

    return query.is_locked(guard, for_writing=True)


def _has_facts(files: Files) -> bool:
    """Whether there is a watchdog, or a CPU that is offline."""
    try:
        if files.names(_WATCHDOGS):
            return True
    except OSError:
        pass
    try:
        return files.read(f"{_CPUS}/present") != files.read(f"{_CPUS}/online")
    except OSError:
        return False


def _may_go_back(component: Component) -> bool:
    """Whether the pending version may be older than the running one."""
    current, pending = component.current_version, component.pending_version
    if not (current and pending and current.reliable and pending.reliable):
        return False
    return not (current.order and pending.order and pending.order >= current.order)
