# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of what ``livefw --json`` prints (``livefw/1``), from one type for each document."""

from typing import Any, TypedDict

import msgspec

from livefw.activation.history.rows import RowKind
from livefw.render.json_text import SCHEMA
from livefw.schema import drives, formats, history, images, machines, notify, reports, schedule, verbs
from livefw.schema.common import ErrorDocument
from livefw.schema.generate import DIALECT, described

FILE = "livefw-1.schema.json"


class FailureDocument(TypedDict):
    """Any command that ended with an error, and nothing else to answer."""

    error: ErrorDocument
    """What went wrong."""


DOCUMENTS: tuple[type, ...] = (
    verbs.ListDocument,
    verbs.ComponentLineDocument,
    verbs.ShowDocument,
    verbs.PlanDocument,
    verbs.StepLineDocument,
    verbs.ReportDocument,
    verbs.StageDocument,
    verbs.StagingsDocument,
    verbs.WatchDocument,
    notify.EventDocument,
    notify.NotifyDocument,
    notify.NotifyTestDocument,
    schedule.ScheduleDocument,
    schedule.ScheduledDocument,
    verbs.MetricsDocument,
    verbs.PolicyDocument,
    verbs.DoctorDocument,
    verbs.ExplainDocument,
    verbs.ConformanceDocument,
    verbs.TdxDocument,
    verbs.CandidateLineDocument,
    history.HistoryDocument,
    history.EventLineDocument,
    history.VerifyDocument,
    history.ArchivedDocument,
    reports.MachineReportDocument,
    reports.ReportedFormDocument,
    reports.WrittenReportDocument,
    reports.FleetReportDocument,
    reports.WrittenFleetReportDocument,
    formats.ImageInfoDocument,
    images.ImageVerdictDocument,
    images.ImageConsistentDocument,
    images.ImageExtractDocument,
    images.ImageWrittenDocument,
    images.ImageTrustDocument,
    images.ImageBuildDocument,
    images.ImageMetadataDocument,
    images.ImageCapsuleDocument,
    images.ImageArchiveDocument,
    images.ImageStoreDocument,
    machines.MachineRunDocument,
    drives.MachineRunDrivesDocument,
    machines.MachinePlatformsDocument,
    machines.MachineListDocument,
    machines.MachineLineDocument,
    machines.MachineShowDocument,
    drives.MachineShowDrivesDocument,
    machines.MachineStageDocument,
    machines.MachineNotifyDocument,
    machines.MachineDriverDocument,
    machines.MachineReloadDocument,
    machines.MachineFaultDocument,
    machines.MachineFaultsDocument,
    machines.MachineClearDocument,
    machines.MachineCpuDocument,
    machines.MachineLogDocument,
    machines.MachineTraceDocument,
    machines.MachineEventLogDocument,
    machines.FollowedRecordDocument,
    machines.FollowedCallDocument,
    machines.MachineBmcDocument,
    machines.DemoDocument,
    machines.DemoWebDocument,
    FailureDocument,
)
"""Every document that there is, without the field ``schema`` that all have."""


def output_schema() -> dict[str, Any]:
    """The schema."""
    roots, definitions = msgspec.json.schema_components(DOCUMENTS, ref_template="#/$defs/{name}")
    described(definitions, _records())
    for each in DOCUMENTS:
        definition = definitions[each.__name__]
        definition["properties"] = {
            "schema": {"const": SCHEMA, "description": "Name and version of this schema."},
            **definition["properties"],
        }
        definition["required"] = ["schema", *definition["required"]]
    definitions["HistoryRowDocument"] = _open_rows(definitions.pop("HistoryRowDocument"), definitions)
    return {
        "$schema": DIALECT,
        "title": "What livefw --json prints",
        "description": "Fields may be added; none is ever renamed or removed.",
        "anyOf": list(roots),
        "$defs": definitions,
    }


def _records() -> list[type]:
    """All classes that describe an object."""
    from livefw.schema import common

    modules = (common, verbs, history, images, formats, drives, machines, notify, reports, schedule)
    found = {each for module in modules for name, each in vars(module).items() if name.endswith("Document")}
    return sorted([*found, FailureDocument], key=lambda each: each.__name__)


def _open_rows(row: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Rows of another livefw, and rows that were damaged, may have any fields."""
    known = {name: row["properties"][name] for name in ("sequence", "time", "hash")}
    other = {"not": {"enum": [kind.value for kind in RowKind]}, "description": "A kind that this livefw does not know."}
    definitions["KnownRowDocument"] = row
    return {
        "title": row["title"],
        "description": "A row of the history. Rows of a newer livefw, and damaged ones, may have any fields.",
        "anyOf": [
            {"$ref": "#/$defs/KnownRowDocument"},
            {
                "type": "object",
                "properties": known | {"kind": other},
                "required": ["sequence", "kind", "time", "hash"],
            },
            {
                "type": "object",
                "properties": known | {"flaw": {"type": "string", "description": "What of the row cannot be read."}},
                "required": ["sequence", "kind", "time", "hash", "flaw"],
            },
        ],
    }
