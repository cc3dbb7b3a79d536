# SPDX-License-Identifier: Apache-2.0
"""What `livefw report --fleet` tells of many machines, from a directory with one file for each, ``HOST.json``.

A file has what the module ``livefw_info`` of the Ansible collection returns, or is a report in JSON, as its role
collects them and others can by any means. Files come from other machines: whatever one has, the others are reported.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from livefw import reading
from livefw.activation.outcome import Outcome
from livefw.errors import NothingToDo, UsageError

_SUFFIX = ".json"
_MOST_HOSTS = 200_000
_FILE_BYTES = 16 << 20


class FleetState(StrEnum):
    """How a machine stands, most urgent first. A machine stands as the most urgent of its components."""

    NEEDS_CHECK = "needs-check"
    """An outcome is unknown or not there yet, the history is not consistent, or a gate objected."""
    APPLY_FAILED = "apply-failed"
    """The last activation failed; the old version runs."""
    UNKNOWN = "unknown"
    """Nothing was collected, as of a machine that could not be reached."""
    UNAPPLIED = "unapplied"
    """An image is pending."""
    APPLIED = "applied"
    """The last activation succeeded, and nothing is pending."""
    NOTHING_TO_APPLY = "nothing-to-apply"
    """Nothing was activated, and nothing is known to be pending."""


CLOSED = (FleetState.APPLIED, FleetState.NOTHING_TO_APPLY)
"""Of which nobody has to do anything."""


class CollectedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the history, as ``livefw_info`` returns it."""

    component: str
    outcome: str
    activation: str = ""
    kind: str = "intent"
    time: str | None = None
    code: str | None = None
    firmware_code: str | None = None
    reason: str | None = None
    user: str | None = None
    version_before: str | None = None
    version_after: str | None = None
    stall_ms: float | None = None


class CollectedComponent(msgspec.Struct, frozen=True, kw_only=True):
    """A component, as ``livefw_info`` returns it."""

    key: str
    name: str | None = None
    current_version: str | None = None
    pending: bool | None = None
    pending_version: str | None = None


class CollectedHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the history is whole; None if there is none, or nobody looked."""

    whole: bool | None = None
    head: str | None = None
    rows: int = 0


class CollectedRollout(msgspec.Struct, frozen=True, kw_only=True):
    """What the role of the collection found; ``objections`` are what is wrong with the machine, such as by a gate."""

    ok: bool = True
    objections: tuple[str, ...] = ()
    evidence: str = ""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was collected of one machine. ``msg`` says why it was not, if ``failed`` or ``unreachable``."""

    components: tuple[CollectedComponent, ...] | None = None
    history: tuple[CollectedAttempt, ...] = ()
    record: CollectedHistory = CollectedHistory()
    rollout: CollectedRollout = CollectedRollout()
    time: str | None = None
    failed: bool = False
    unreachable: bool = False
    msg: str = ""


class FleetComponent(NamedTuple):
    """A component of a machine, how it stands, and its last attempt; None if there was none."""

    component: CollectedComponent
    state: FleetState
    last: CollectedAttempt | None


class FleetHost(NamedTuple):
    """A machine. ``error`` says why nothing is known of it, or what a roll-out objected to."""

    name: str
    state: FleetState
    components: tuple[FleetComponent, ...] = ()
    history: CollectedHistory = CollectedHistory()
    time: str | None = None
    error: str = ""


class Fleet(NamedTuple):
    """All machines, by name. ``version`` is that of the livefw that made the report."""

    time: datetime
    version: str
    directory: str
    hosts: tuple[FleetHost, ...]

    @property
    def counts(self) -> dict[FleetState, int]:
        """How many machines are in each state, in the order of the states."""
        found = Counter(each.state for each in self.hosts)
        return {state: found[state] for state in FleetState}

    @property
    def not_whole(self) -> int:
        """How many histories are not what was written."""
        return sum(each.history.whole is False for each in self.hosts)


def read(directory: str, *, time: datetime, version: str) -> Fleet:
    """Read all files of a directory.

    Raises:
        UsageError: the directory cannot be read, or has too many files.
        NothingToDo: it has none.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIX))
    except OSError as error:
        raise UsageError(
            f"{directory} cannot be read: {error.strerror}", hint="name a directory of HOST.json"
        ) from error
    if not names:
        raise NothingToDo(f"{directory} has no file HOST.json", hint="livefw help report")
    if len(names) > _MOST_HOSTS:
        raise UsageError(f"{directory} has {len(names):,} files; a report is of {_MOST_HOSTS:,} at most")
    return Fleet(time, version, os.path.abspath(directory), tuple(_host(directory, name) for name in names))


def _host(directory: str, file: str) -> FleetHost:
    name = file.removesuffix(_SUFFIX)
    try:
        data = reading.read(os.path.join(directory, file), _FILE_BYTES)
        found = _collected(msgspec.json.decode(data))
    except OSError as error:
        return FleetHost(name, FleetState.UNKNOWN, error=f"its file cannot be read: {error.strerror}")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return FleetHost(name, FleetState.UNKNOWN, error=f"its file is not what livefw_info returns: {error}")
    objected = "; ".join(found.rollout.objections)
    if found.failed or found.unreachable or found.components is None:
        why = ": ".join(filter(None, (objected, found.msg or found.rollout.evidence)))
        why = why or ("it could not be reached" if found.unreachable else "nothing was collected")
        return FleetHost(name, FleetState.UNKNOWN, history=found.record, time=found.time, error=why)
    components = tuple(_components(found))
    urgency = list(FleetState)
    state = min((each.state for each in components), key=urgency.index, default=FleetState.NOTHING_TO_APPLY)
    if found.record.whole is False or (state in CLOSED and not found.rollout.ok):
        state = FleetState.NEEDS_CHECK
    return FleetHost(name, state, components, found.record, found.time, objected)


def _collected(document: Any) -> Collected:
    """What a file has; a report in JSON is converted. `msgspec.ValidationError`."""
    if isinstance(document, dict) and "report" in document:
        found = msgspec.convert(document, _Report)
        return msgspec.structs.replace(_of_report(found), rollout=found.rollout)
    return msgspec.convert(document, Collected)


def _components(found: Collected) -> Iterator[FleetComponent]:
    """All components that are there, and those that only the history knows."""
    last: dict[str, CollectedAttempt] = {}
    for each in found.history:  # newest first
        if each.kind == "intent":
            last.setdefault(each.component, each)
    listed = found.components or ()
    for component in listed:
        attempt = last.pop(component.key, None)
        yield FleetComponent(component, _state(component, attempt), attempt)
    for key, attempt in last.items():
        gone = CollectedComponent(key=key)
        yield FleetComponent(gone, _state(gone, attempt), attempt)


_ENDED: dict[str, FleetState] = {
    Outcome.ACTIVATED: FleetState.APPLIED,
    Outcome.FAILED: FleetState.APPLY_FAILED,
    Outcome.CANCELLED: FleetState.NOTHING_TO_APPLY,
    Outcome.REFUSED: FleetState.NOTHING_TO_APPLY,
}
"""What an attempt ended in leaves behind, where nothing is pending; anything else has to be looked at."""


def _state(component: CollectedComponent, last: CollectedAttempt | None) -> FleetState:
    ended = _ENDED.get(last.outcome, FleetState.NEEDS_CHECK) if last else FleetState.NOTHING_TO_APPLY
    return FleetState.UNAPPLIED if ended in CLOSED and component.pending else ended


# A report in JSON, as far as it is read.


class _Machine(msgspec.Struct):
    components: tuple[CollectedComponent, ...]
    trouble: str | None = None


class _Verified(msgspec.Struct):
    whole: bool
    rows: int = 0


class _Proof(msgspec.Struct):
    verification: _Verified | None = None


class _Head(msgspec.Struct):
    time: str
    head: str
    proof: _Proof
    machine: _Machine | None = None


class _Cost(msgspec.Struct):
    longest_ns: int | None = None


class _Row(msgspec.Struct):
    kind: str = ""
    outcome: str | None = None
    code: str | None = None
    firmware_code: str | None = None
    current_version: str | None = None
    cost: _Cost | None = None


class _Actor(msgspec.Struct):
    user: str = ""


class _Past(msgspec.Struct):
    component: str
    activation: str
    time: str
    actor: _Actor | None = None
    reason: str | None = None
    own: bool = True
    intent: _Row | None = None
    outcome: _Row | None = None


class _Report(msgspec.Struct):
    report: _Head
    activations: tuple[_Past, ...] = ()
    rollout: CollectedRollout = CollectedRollout()


def _of_report(found: _Report) -> Collected:
    head, machine, verified = found.report, found.report.machine, found.report.proof.verification
    readable = machine if machine and not machine.trouble else None
    return Collected(
        components=readable.components if readable else None,
        history=tuple(_attempt(each) for each in found.activations if each.own and each.component),
        record=CollectedHistory(
            whole=verified.whole if verified else None, head=head.head, rows=verified.rows if verified else 0
        ),
        time=head.time,
        msg=machine.trouble or "" if machine else "",
    )


def _attempt(each: _Past) -> CollectedAttempt:
    first, last = each.intent or each.outcome or _Row(), each.outcome or _Row()
    stall = last.cost.longest_ns if last.cost else None
    return CollectedAttempt(
        component=each.component,
        outcome=last.outcome or "unfinished",
        activation=each.activation,
        kind=first.kind,
        time=each.time,
        code=last.code,
        firmware_code=last.firmware_code,
        reason=each.reason,
        user=each.actor.user if each.actor else None,
        version_before=first.current_version,
        version_after=last.current_version,
        stall_ms=None if stall is None else stall / 1e6,
    )
