# SPDX-License-Identifier: Apache-2.0
"""A report in JSON, with the activations one by one: a history has no bound."""

from collections.abc import Iterator
from typing import Any

from livefw.activation.history.journal import Journal
from livefw.activation.report import MachineReport, MachineState, ReportedActivation
from livefw.providers.base import Reason
from livefw.render import document, history, verify
from livefw.render.json_text import SCHEMA, to_json

MARK = f'{{\n  "schema": "{SCHEMA}",\n  "report": {{'
"""How it begins, by which a file is known as a report."""


def pieces(report: MachineReport, journal: Journal) -> Iterator[str]:
    """The document, piece by piece."""
    yield f'{{\n  "schema": {to_json(SCHEMA)},\n  "report": {to_json(head(report), "  ")},\n  "activations": ['
    comma = ""
    for each in report.activations(journal):
        yield f"{comma}\n    {to_json(activation(each), '    ')}"
        comma = ","
    yield "\n  ]\n}\n" if comma else "]\n}\n"


def whole(report: MachineReport, journal: Journal) -> dict[str, Any]:
    """The document at once, without its schema."""
    return {"report": head(report), "activations": [activation(each) for each in report.activations(journal)]}


def head(report: MachineReport) -> dict[str, Any]:
    """All of it but the activations."""
    host, proof, chosen = report.host, report.proof, report.selection
    return {
        "time": report.time.isoformat(timespec="seconds"),
        "host": {
            "root": host.root,
            "name": host.name or None,
            "machine_id": host.machine_id or None,
            "kernel": host.kernel or None,
            "model": host.model or None,
            "livefw": host.livefw,
        },
        "file": report.file,
        "head": str(report.head),
        "selection": {"words": list(chosen.words), "since": chosen.since, "until": chosen.until, "limit": chosen.limit},
        "counts": dict(sorted(report.counts.items())),
        "left_out": report.left_out,
        "proof": {
            "command": proof.command,
            "verification": verify.document(proof.report, proof.keys) if proof.report else None,
            "trouble": proof.error or None,
        },
        "machine": _machine(report.machine) if report.machine else None,
    }


def activation(each: ReportedActivation) -> dict[str, Any]:
    """An activation, with the staging of its image."""
    return history.document(each.activation, rows=True) | {
        "image": history.document(each.image) if each.image else None
    }


def _machine(machine: MachineState) -> dict[str, Any]:
    found, examined = machine.inventory, machine.examined
    return {
        "components": [
            document.component(each.component, examined.status(each.component)) for each in found.candidates
        ],
        "absent": [document.reason(each) for each in found.absent],
        "notes": [document.reason(each) for each in (*found.notes, *examined.notes)],
        "findings": [
            {"provider": name, "severity": each.severity, **document.reason(Reason(each.code, each.text, each.hint))}
            for name, each in machine.findings
        ],
        "trouble": machine.error or None,
    }
