# SPDX-License-Identifier: Apache-2.0
"""A report as blocks, which every form of a page writes in its own way, one at a time.

Their texts may be those of a firmware, a kernel or another user, and are escaped where they become part of a page.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from livefw.activation.history.journal import Journal
from livefw.activation.history.rows import short_id
from livefw.activation.outcome import Outcome
from livefw.activation.report import MachineReport, MachineState, ReportedActivation
from livefw.providers.base import Version
from livefw.render import activation, verify

TITLE = "Firmware activation report"


class Section(NamedTuple):
    """A heading; ``anchor`` is what a link leads to. Levels begin with 1."""

    level: int
    title: str
    anchor: str = ""


class Paragraph(NamedTuple):
    """A text; ``warning``: it is one that nobody may overlook."""

    text: str
    warning: bool = False


class FactTable(NamedTuple):
    """Facts: labels and texts."""

    caption: str
    pairs: tuple[tuple[str, str], ...]


class PageTable(NamedTuple):
    """A table: headings, and rows of as many texts. With ``anchors`` the first cell of a row leads to one of them."""

    caption: str
    heading: tuple[str, ...]
    rows: Iterator[tuple[str, ...]]
    anchors: bool = False


class CodeLines(NamedTuple):
    """Lines as they are: a command, or a log."""

    caption: str
    lines: tuple[str, ...]


class Picture(NamedTuple):
    """A drawing in SVG, which has its own text for those who do not see it."""

    svg: str


Block = Section | Paragraph | FactTable | PageTable | CodeLines | Picture


def blocks(report: MachineReport, journal: Journal) -> Iterator[Block]:
    """The whole page, in the order in which it is read."""
    yield Section(1, TITLE)
    yield FactTable("This report", tuple(_about(report)))
    yield from _warnings(report)
    yield from _summary(report)
    yield from _proof(report)
    if report.machine is not None:
        yield from _machine(report.machine)
    yield Section(2, "Activations")
    if report.left_out:
        shown = f"The newest {report.selection.limit:,} are shown; {report.left_out:,} older ones are left out."
        yield Paragraph(f"{shown} Make a report with --limit, or of a period with --since and --until.", warning=True)
    if not report.counts:
        yield Paragraph("There are none in this selection.")
        return
    heading = ("Id", "Begun", "Component", "What", "Outcome", "Version", "By")
    yield PageTable("All of them, newest first", heading, map(_overview, report.activations(journal)), anchors=True)
    for each in report.activations(journal):
        yield from _activation(each)


def _about(report: MachineReport) -> Iterator[tuple[str, str]]:
    host = report.host
    yield "host", host.name or "(its name is not known)"
    for label, text in (
        ("hardware", host.model),
        ("machine id", host.machine_id),
        ("kernel", f"Linux {host.kernel}" if host.kernel else ""),
        ("files below", host.root if host.root != "/" else ""),
    ):
        if text:
            yield label, text
    yield "made by", f"livefw {host.livefw}"
    yield "made at", report.time.isoformat(sep=" ", timespec="seconds")
    yield "history", report.file
    chosen = report.selection
    yield "components and ids", " ".join(chosen.words) or "all"
    yield "from", chosen.since or "the beginning of the history"
    yield "to", chosen.until or f"row {report.head.sequence}, the last one"


_ATTENTION = {
    "unfinished": "have no outcome yet: the next run of livefw finds out what became of them",
    Outcome.UNKNOWN: "have an unknown outcome: either firmware may run",
    Outcome.FAILED: "failed",
}


_OF_A_FILE = {"unfinished": "had no outcome when this file was written: the history that it is from may know it"}
"""What is different where an archive was looked at and not the machine."""


def _warnings(report: MachineReport) -> Iterator[Paragraph]:
    proof = report.proof
    if proof.report is not None and not proof.is_consistent:
        yield Paragraph("The history is NOT consistent: it is not what was written. See below.", warning=True)
    for outcome, text in (_ATTENTION | (_OF_A_FILE if report.machine is None else {})).items():
        if count := report.counts[outcome]:
            yield Paragraph(f"{count:,} of {report.counts.total():,} {text}.", warning=True)


def _summary(report: MachineReport) -> Iterator[Block]:
    yield Section(2, "Summary")
    if report.counts:
        rows = (
            (name, f"{count:,}") for name, count in sorted(report.counts.items(), key=lambda each: (-each[1], each))
        )
        yield PageTable("How they ended", ("Outcome", "Number"), rows)
    else:
        yield Paragraph("Nothing is in this selection.")


def _proof(report: MachineReport) -> Iterator[Block]:
    proof = report.proof
    yield Section(2, "What proves it")
    yield FactTable(
        "The history",
        (
            ("rows up to", str(report.head.sequence)),
            ("head of the chain", str(report.head) if report.head.hash else "-"),
        ),
    )
    if proof.report is not None:
        yield CodeLines("Verified when this report was made", tuple(verify.lines(proof.report, proof.keys)))
    else:
        yield Paragraph(f"The history could not be verified: {proof.error}", warning=True)
    yield CodeLines("This verifies it again", (proof.command,))
    yield Paragraph(
        "Each row carries the hash of the row before it. If the head above was kept elsewhere, the command shows"
        " whether anything up to it was changed since. This page itself is not signed: keep it with its own checksum."
    )


def _machine(machine: MachineState) -> Iterator[Block]:
    yield Section(2, "The machine at that time")
    if machine.error:
        yield Paragraph(f"It could not be read: {machine.error}", warning=True)
        return
    found = machine.inventory
    rows = (
        (
            each.component.key,
            each.component.label,
            _version(each.component.current_version),
            _version(each.component.pending_version),
            _since(each.component.pending_since_ns),
            machine.examined.status(each.component).text,
        )
        for each in found.candidates
    )
    if found.candidates:
        yield PageTable("Components", ("Component", "Name", "Runs", "Pending", "Since", "State"), rows)
    notes = [("not there", each.text) for each in found.absent]
    notes += [("note", each.text) for each in (*found.notes, *machine.examined.notes)]
    notes += [(name, f"{finding.severity}: {finding.text}") for name, finding in machine.findings]
    if notes:
        yield FactTable("Mechanisms", tuple(notes))


def _version(value: Version | None) -> str:
    return "-" if value is None else value.text + ("" if value.reliable else " (not certain)")


def _since(ns: int | None) -> str:
    return "-" if ns is None else datetime.fromtimestamp(ns / 1e9).astimezone().isoformat(sep=" ", timespec="seconds")


def _overview(each: ReportedActivation) -> tuple[str, ...]:
    done = each.activation
    first, last = done.first_row.body, done.ending.body if done.ending else {}
    old, new = first.get("current_version"), last.get("current_version")
    actor = first.get("actor") or {}
    return (
        done.first_row.activation,
        activation.moment(done.first_row),
        activation.name(done),
        activation.kind(done),
        activation.outcome(done),
        f"{old} -> {new}" if old and new and old != new else str(old or new or "-"),
        str(actor.get("user") or "-"),
    )


def _activation(each: ReportedActivation) -> Iterator[Block]:
    done = each.activation
    ident = short_id(done.first_row.activation)
    yield Section(3, f"{ident}: {activation.name(done)}: {activation.outcome(done)}", done.first_row.activation)
    for group in activation.groups(done, image=each.image):
        if group.pairs:
            yield FactTable(group.title, group.pairs)
        if group.lines:
            yield CodeLines(group.title, group.lines)
        if group.title == activation.COST and (drawn := activation.picture(done, alone=False)):
            yield Picture(drawn)
