# SPDX-License-Identifier: Apache-2.0
"""Documents of `livefw report`."""

from typing import Literal, TypedDict

from livefw.activation.fleet import FleetState
from livefw.schema.common import ComponentDocument, ReasonDocument
from livefw.schema.history import PastActivationDocument, VerifiedHistoryDocument
from livefw.schema.verbs import FindingDocument


class ReportedHostDocument(TypedDict):
    """The machine that a report is about; null for what its files do not say."""

    root: str
    """Directory of its files."""
    name: str | None
    """Host name."""
    machine_id: str | None
    """Id of the installed system (machine-id(5))."""
    kernel: str | None
    """Release of its kernel."""
    model: str | None
    """Product name of the hardware."""
    livefw: str
    """Version of livefw that made the report."""


class ReportSelectionDocument(TypedDict):
    """What a report was asked for."""

    words: list[str]
    """Components and ids of activations; empty for all."""
    since: str | None
    """Beginning of the period, as given, or null."""
    until: str | None
    """End of the period, as given, or null."""
    limit: int
    """Number of activations at most."""


class ReportProofDocument(TypedDict):
    """What proves the history that a report is about."""

    command: str
    """Command that verifies it again, up to its head."""
    verification: VerifiedHistoryDocument | None
    """What was found when the report was made; null if it could not be verified."""
    trouble: str | None
    """Why it could not be verified, or null."""


class ReportedMachineDocument(TypedDict):
    """The machine when the report was made."""

    components: list[ComponentDocument]
    """Its components."""
    absent: list[ReasonDocument]
    """Why a mechanism has none."""
    notes: list[ReasonDocument]
    """Remarks that are not about one component."""
    findings: list[FindingDocument]
    """What each mechanism reports of itself."""
    trouble: str | None
    """Why it could not be read, or null."""


class ReportHeadDocument(TypedDict):
    """All of a report but the activations."""

    time: str
    """When it was made: ISO 8601."""
    host: ReportedHostDocument
    """The machine."""
    file: str
    """File of the history."""
    head: str
    """`SEQUENCE:HASH` of the last row."""
    selection: ReportSelectionDocument
    """What was asked for."""
    counts: dict[str, int]
    """Number of activations by outcome, or by kind of row without one."""
    left_out: int
    """Number of older ones that are not in it."""
    proof: ReportProofDocument
    """What proves the history."""
    machine: ReportedMachineDocument | None
    """The machine at that time; null if only a file was looked at."""


class ReportedActivationDocument(PastActivationDocument):
    """An activation in a report."""

    image: PastActivationDocument | None
    """Staging of the image; null if livefw did not stage it."""


class MachineReportDocument(TypedDict):
    """`livefw report` as JSON."""

    report: ReportHeadDocument
    """What it is about."""
    activations: list[ReportedActivationDocument]
    """Activations, newest first."""


class ReportedFormDocument(TypedDict):
    """What the report is about that the daemon returns in another form (`ReportAs`)."""

    about: ReportHeadDocument
    """What a report in JSON has as `report`."""


class WrittenFileDocument(TypedDict):
    """A report that was written to a file."""

    file: str
    """The file."""
    format: Literal["html", "md", "json"]
    """Its form."""
    bytes: int
    """Its size."""
    activations: int
    """Number of activations in it."""
    left_out: int
    """Number of older ones that are not in it."""
    head: str
    """`SEQUENCE:HASH` of the last row."""
    whole: bool
    """Whether the history was verified and is consistent."""


class WrittenReportDocument(TypedDict):
    """`livefw report -o FILE`."""

    written: WrittenFileDocument
    """What was written."""


class FleetComponentDocument(TypedDict):
    """A component of a machine of a fleet, and its last attempt; null where there was none."""

    key: str
    """Its key."""
    name: str | None
    """Its name."""
    state: FleetState
    """How it stands."""
    current_version: str | None
    """Version that ran."""
    pending_version: str | None
    """Version that was pending."""
    activation: str | None
    """Id of the attempt."""
    outcome: str | None
    """How it ended, or `unfinished`."""
    code: str | None
    """Stable code of the reason."""
    firmware_code: str | None
    """Code that the firmware answered."""
    stall_ms: float | None
    """Longest stop of a CPU, in milliseconds."""
    time: str | None
    """When it began."""
    user: str | None
    """Who asked for it."""
    reason: str | None
    """Why, as it was given with --reason."""


class FleetHostDocument(TypedDict):
    """A machine of a fleet."""

    name: str
    """Name of its file."""
    state: FleetState
    """How it stands: as the most urgent of its components."""
    time: str | None
    """When it was looked at; null if the file does not say."""
    trouble: str | None
    """Why nothing is known of it, or what a roll-out objected to; null for neither."""
    whole: bool | None
    """Whether its history is consistent; null if nobody looked."""
    head: str | None
    """`SEQUENCE:HASH` of the last row of its history."""
    components: list[FleetComponentDocument]
    """Its components."""


class FleetHeadDocument(TypedDict):
    """A report of many machines, but the machines."""

    time: str
    """When it was made: ISO 8601."""
    livefw: str
    """Version of livefw that made it."""
    directory: str
    """Where the files are."""
    counts: dict[FleetState, int]
    """How many machines are in each state."""
    not_whole: int
    """How many histories are not consistent."""


class FleetReportDocument(TypedDict):
    """`livefw report --fleet` as JSON."""

    fleet: FleetHeadDocument
    """What it is about."""
    hosts: list[FleetHostDocument]
    """The machines, by name."""


class WrittenFleetFileDocument(FleetHeadDocument):
    """A report of many machines that was written to a file."""

    file: str
    """The file."""
    format: Literal["html", "md", "json"]
    """Its form."""
    bytes: int
    """Its size."""


class WrittenFleetReportDocument(TypedDict):
    """`livefw report --fleet DIR -o FILE`."""

    written: WrittenFleetFileDocument
    """What was written."""
