# SPDX-License-Identifier: Apache-2.0
"""A report of many machines, as blocks of a page and as JSON."""

from collections.abc import Iterator
from typing import Any

from livefw.activation.fleet import CLOSED, Fleet, FleetComponent, FleetHost, FleetState
from livefw.activation.history.rows import short_id
from livefw.render.json_text import SCHEMA, to_json
from livefw.render.report.blocks import Block, FactTable, PageTable, Paragraph, Section

TITLE = "Firmware activation report of a fleet"
MARK = f'{{\n  "schema": "{SCHEMA}",\n  "fleet": {{'
"""How it begins in JSON, by which a file is known as a report."""

MEANINGS = {
    FleetState.NEEDS_CHECK: "an outcome is unknown or not there yet, the history is not consistent, or a gate objected",
    FleetState.APPLY_FAILED: "the last activation failed, and the old version runs",
    FleetState.UNKNOWN: "nothing was collected",
    FleetState.UNAPPLIED: "an image is pending",
    FleetState.APPLIED: "the last activation succeeded, and nothing is pending",
    FleetState.NOTHING_TO_APPLY: "nothing was activated, and nothing is known to be pending",
}
_HEADING = ("Machine", "State", "Component", "Version", "Outcome", "Longest stop", "When", "By", "Reason")


def blocks(fleet: Fleet) -> Iterator[Block]:
    """The whole page, in the order in which it is read."""
    yield Section(1, TITLE)
    times = sorted(each.time for each in fleet.hosts if each.time)
    collected = f"{times[0]} to {times[-1]}" if times else "the files do not say when"
    yield FactTable(
        "This report",
        (
            ("made by", f"livefw {fleet.version}"),
            ("made at", fleet.time.isoformat(sep=" ", timespec="seconds")),
            ("machines", f"{len(fleet.hosts):,}"),
            ("collected", collected),
            ("files in", fleet.directory),
        ),
    )
    if fleet.not_whole:
        yield Paragraph(f"{fleet.not_whole:,} of the histories are NOT consistent: see below.", warning=True)
    yield Section(2, "Summary")
    rows = ((state, f"{count:,}", MEANINGS[state]) for state, count in fleet.counts.items() if count)
    yield PageTable("How the machines stand", ("State", "Machines", "Meaning"), rows)
    yield Section(2, "Open matters")
    if any(each.state not in CLOSED for each in fleet.hosts):
        heading = ("Machine", "State", "Component", "What it is about", "See")
        yield PageTable("Most urgent first", heading, _open(fleet))
    else:
        yield Paragraph("There are none.")
    yield Section(2, "Machines")
    yield PageTable("All of them, with what was activated or waits", _HEADING, _all(fleet))
    yield Section(2, "What proves it")
    yield Paragraph(
        "Each history is a chain of hashes. Its head, kept here, shows later whether anything up to it was changed:"
        " livefw history --verify --head HEAD on the machine."
    )
    heads = ((each.name, _whole(each), f"{each.history.rows:,}", each.history.head or "-") for each in fleet.hosts)
    yield PageTable("The histories", ("Machine", "Consistent", "Rows", "Head"), heads)


def _open(fleet: Fleet) -> Iterator[tuple[str, ...]]:
    for state in FleetState:
        if state in CLOSED:
            continue
        for host in fleet.hosts:
            if host.error and host.state is state:
                yield host.name, state, "-", host.error, "livefw list"
            if state is FleetState.NEEDS_CHECK and host.history.whole is False:
                yield host.name, state, "-", "its history is NOT consistent", "livefw history --verify"
            for each in host.components:
                if each.state is state:
                    yield host.name, state, _name(each), _about(each), _see(each)


def _about(each: FleetComponent) -> str:
    if each.state is FleetState.UNAPPLIED:
        return f"{each.component.pending_version or 'an image'} is pending"
    return _outcome(each)


def _see(each: FleetComponent) -> str:
    if each.state is FleetState.UNAPPLIED or not (each.last and each.last.activation):
        return f"livefw plan {each.component.key}"
    return f"livefw history {short_id(each.last.activation)}"


def _all(fleet: Fleet) -> Iterator[tuple[str, ...]]:
    for host in fleet.hosts:
        shown = [each for each in host.components if each.last or each.state is not FleetState.NOTHING_TO_APPLY]
        if not shown:
            yield host.name, host.state, "-", "-", host.error or "-", "-", "-", "-", "-"
        for each in shown:
            last = each.last
            yield (
                host.name,
                each.state,
                _name(each),
                _version(each),
                _outcome(each),
                f"{last.stall_ms:.1f} ms" if last and last.stall_ms is not None else "-",
                last.time or "-" if last else "-",
                last.user or "-" if last else "-",
                last.reason or "-" if last else "-",
            )


def _name(each: FleetComponent) -> str:
    return each.component.name or each.component.key


def _outcome(each: FleetComponent) -> str:
    last = each.last
    if last is None:
        return "-"
    code = last.firmware_code or last.code
    return f"{last.outcome} ({code})" if code else last.outcome


def _version(each: FleetComponent) -> str:
    last, now = each.last, each.component.current_version
    if last and last.version_before and last.version_after and last.version_before != last.version_after:
        return f"{last.version_before} -> {last.version_after}"
    return now or (last.version_after if last else None) or "-"


def _whole(host: FleetHost) -> str:
    return {True: "yes", False: "NO", None: "not looked at"}[host.history.whole]


def pieces(fleet: Fleet) -> Iterator[str]:
    """The document, machine by machine."""
    yield f'{{\n  "schema": {to_json(SCHEMA)},\n  "fleet": {to_json(head(fleet), "  ")},\n  "hosts": ['
    comma = ""
    for each in fleet.hosts:
        yield f"{comma}\n    {to_json(_host(each), '    ')}"
        comma = ","
    yield "\n  ]\n}\n"


def head(fleet: Fleet) -> dict[str, Any]:
    """All of it but the machines."""
    return {
        "time": fleet.time.isoformat(timespec="seconds"),
        "livefw": fleet.version,
        "directory": fleet.directory,
        "counts": dict(fleet.counts),
        "not_whole": fleet.not_whole,
    }


def _host(host: FleetHost) -> dict[str, Any]:
    return {
        "name": host.name,
        "state": host.state,
        "time": host.time,
        "trouble": host.error or None,
        "whole": host.history.whole,
        "head": host.history.head,
        "components": [_component(each) for each in host.components],
    }


def _component(each: FleetComponent) -> dict[str, Any]:
    shown, last = each.component, each.last
    return {
        "key": shown.key,
        "name": shown.name,
        "state": each.state,
        "current_version": shown.current_version,
        "pending_version": shown.pending_version,
        "activation": last.activation if last else None,
        "outcome": last.outcome if last else None,
        "code": last.code if last else None,
        "firmware_code": last.firmware_code if last else None,
        "stall_ms": last.stall_ms if last else None,
        "time": last.time if last else None,
        "user": last.user if last else None,
        "reason": last.reason if last else None,
    }
