# SPDX-License-Identifier: Apache-2.0
"""Documents of `livefw history`."""

from typing import Literal, NotRequired, TypedDict

from livefw.activation.history.rows import RowKind
from livefw.activation.outcome import Outcome
from livefw.providers.base import Measured, Reply, Witness
from livefw.providers.component import Rendezvous, RestartScope
from livefw.schema.common import (
    AttestationDocument,
    ErrorDocument,
    MeasurementDocument,
    ProblemDocument,
    ReasonDocument,
)


class ActorDocument(TypedDict):
    """Who asked for it."""

    user: str
    """User of the process."""
    login: str
    """Account that logged in, or empty; it differs after sudo or su."""
    face: str
    """What was used, such as `cli` or `daemon`."""


class LinkedRowDocument(TypedDict):
    """What a BMC showed of a component that is linked to it."""

    key: str
    """Key that the component has there."""
    current_version: str | None
    """Version that ran there, where it was reported reliably."""
    pending_version: str | None
    """Version that was pending there, where it was reported reliably."""
    trouble: str | None
    """Why the BMC did not show the component, or null."""
    measured: NotRequired[Measured]
    """Whether a measurement of the firmware changed, where there are two that can be verified."""


class MachineOriginDocument(TypedDict):
    """Which machine it was about. What is not known is empty."""

    root: str
    """Directory of its files without symbolic links; `/` for the machine that livefw runs on."""
    hostname: NotRequired[str]
    """Name of the machine."""
    machine_id: NotRequired[str]
    """Its `/etc/machine-id`."""
    kernel: NotRequired[str]
    """Release of its kernel."""


class BriefReasonDocument(TypedDict):
    """A reason without its hint."""

    code: str
    """Stable code."""
    text: str
    """What it is, for a person."""


class MissingComponentsDocument(TypedDict):
    """Components of a mechanism that are gone since a failure."""

    keys: list[str]
    """Their keys."""
    mark: str
    """Boot in which that is so."""


class AftermathDocument(TypedDict):
    """State after an outcome that holds until the next boot."""

    missing: NotRequired[dict[str, MissingComponentsDocument]]
    """Components that are gone, by mechanism."""
    old: NotRequired[dict[str, str]]
    """Versions that may be out of date, by component."""


class TotalsDocument(TypedDict):
    """What the rows of an archive, and of those before it, were counted to."""

    outcomes: dict[str, dict[str, int]]
    """How often each component had each outcome."""
    stalls: dict[str, list[float]]
    """By mechanism: how many stalls are in each bucket of the metric, and their sum in seconds."""


class HistoryRowDocument(TypedDict):
    """A row of the history. Which fields it has depends on its kind."""

    sequence: int
    """Number of the row."""
    kind: RowKind
    """What it is about."""
    time: str
    """When it was written: ISO 8601 with milliseconds, local time."""
    hash: str
    """SHA-256 over the row and the one before it."""
    machine: NotRequired[MachineOriginDocument]
    """Which machine it was about."""
    driver: NotRequired[str]
    """Versions that the mechanism's driver may be, such as `v2 or v3`."""
    actor: NotRequired[ActorDocument]
    """Who asked for it."""
    reason: NotRequired[str]
    """Why, as it was given with --reason."""
    name: NotRequired[str]
    """Name of the component."""
    host: NotRequired[str]
    """BMC that the component is behind."""
    current_version: NotRequired[str | None]
    """Version that ran."""
    pending_version: NotRequired[str | None]
    """Version that was pending."""
    announced: NotRequired[str | None]
    """Version that the activation should lead to."""
    stated: NotRequired[str]
    """State in the mechanism's own words."""
    attestation: NotRequired[AttestationDocument]
    """What attestation was to report before and after it."""
    listed: NotRequired[list[str]]
    """Keys of the mechanism's components."""
    rendezvous: NotRequired[Rendezvous | None]
    """Whether all CPUs are stopped together."""
    restart: NotRequired[RestartScope]
    """What restarts, of firmware behind a BMC."""
    ignored: NotRequired[list[ProblemDocument]]
    """Problems that were ignored."""
    warned: NotRequired[list[str]]
    """Checks that warned."""
    mark: NotRequired[str]
    """Position in the mechanism's log."""
    boot_id: NotRequired[str]
    """Boot id of the kernel."""
    outcome: NotRequired[Outcome]
    """How it ended."""
    code: NotRequired[str]
    """Stable code of the reason."""
    text: NotRequired[str]
    """The reason, for a person."""
    seconds: NotRequired[float]
    """How long it took."""
    said: NotRequired[Reply | None]
    """What the mechanism answered."""
    witness: NotRequired[Witness | None]
    """What a second source says."""
    firmware_code: NotRequired[str | None]
    """Code that the firmware answered."""
    errno: NotRequired[str | None]
    """Name of the errno of the request."""
    log: NotRequired[list[str]]
    """Lines of the log about it."""
    linked: NotRequired[LinkedRowDocument]
    """What the BMC of a linked component showed afterwards."""
    holds: NotRequired[str]
    """What the mechanism calls the image that it holds, where it does not show that one is pending."""
    copy: NotRequired[Literal[True]]
    """The version may be out of date."""
    confirmed: NotRequired[Literal[False]]
    """Nothing but the mechanism's own answer confirms it."""
    lasting: NotRequired[ReasonDocument]
    """Damage that stays until something is done about it."""
    aftermath: NotRequired[AftermathDocument]
    """State that holds until the next boot."""
    pending: NotRequired[bool | None]
    """Whether an image is pending."""
    seen_by: NotRequired[str]
    """Kind of program that saw the pending image first: `cli`, `daemon`, `watch`, `metrics` or `api`."""
    totals: NotRequired[TotalsDocument]
    """What the archived rows were counted to, for metrics."""
    cost: NotRequired[MeasurementDocument | None]
    """What it cost the CPUs."""
    others: NotRequired[list[BriefReasonDocument]]
    """What changed in other components."""
    mishaps: NotRequired[list[BriefReasonDocument]]
    """What failed beside it."""
    reconciled: NotRequired[Literal[True]]
    """A later run found the outcome."""
    problems: NotRequired[list[ProblemDocument]]
    """What checks found."""
    at: NotRequired[str]
    """Time for which it was scheduled: ISO 8601 with its zone."""
    unit: NotRequired[str]
    """Timer of systemd that was started for it."""
    setting: NotRequired[str]
    """Name of the setting that was changed."""
    value: NotRequired[bool]
    """Value that it was given."""
    trouble: NotRequired[str]
    """Why it could not be changed, or empty."""
    file: NotRequired[str]
    """Image that was staged, or file that older rows are in."""
    size: NotRequired[int | None]
    """Size of the image in bytes."""
    sha256: NotRequired[str | None]
    """SHA-256 of the image."""
    uri: NotRequired[str | None]
    """Where the mechanism fetches the image."""
    archive: NotRequired[str | None]
    """Archive that the image was in."""
    version: NotRequired[str | None]
    """Version that the archive declares."""
    ignore: NotRequired[list[str]]
    """Checks that were to be ignored."""
    first: NotRequired[int]
    """First row that was archived."""
    head: NotRequired[str]
    """Head of what was archived or set aside."""
    kept: NotRequired[str]
    """Digest of the archived rows that stay."""
    cut: NotRequired[dict[str, int]]
    """Original length of each field that was too long for a row, in characters."""


class PastActivationDocument(TypedDict):
    """An activation of the history, or something else that a row is about."""

    component: str
    """Key of the component; empty for the history itself."""
    name: str | None
    """Name of the component; null if the row has none."""
    host: str | None
    """Name of the BMC that the component is behind; null for firmware of the machine itself."""
    activation: str
    """Its id."""
    time: str
    """When it began, or was refused: ISO 8601 with milliseconds, local time."""
    actor: ActorDocument | None
    """Who asked for it; null if the row has nobody."""
    reason: str | None
    """Why, as it was given with --reason; null if the row has none."""
    machine: MachineOriginDocument | None
    """Which machine it was about; null for a row of before that was written."""
    own: bool
    """Whether that is the machine that was asked; what is about another one counts for nothing here."""
    intent: HistoryRowDocument | None
    """The row that began it; null if nothing was tried."""
    outcome: HistoryRowDocument | None
    """The row that ended it; null while it is open."""


class HistoryDocument(TypedDict):
    """`livefw history`."""

    history: list[PastActivationDocument]
    """Activations, newest first."""
    before: int | None
    """What --before takes for older ones; null if there are none."""
    error: NotRequired[ErrorDocument]
    """What ended the list early."""


class EventLineDocument(TypedDict):
    """A line of `livefw history -o jsonl`."""

    event: PastActivationDocument
    """An activation, or something else that a row is about."""


class FlawDocument(TypedDict):
    """Something in the history that is not as it was written."""

    sequence: int
    """Row, or 0."""
    text: str
    """What is wrong."""
    page: int
    """Page of the file, or 0."""
    file: str
    """The file."""


class AnchorsDocument(TypedDict):
    """Heads in the system journal."""

    compared: int
    """Number of heads that are as in the history."""
    not_compared: int
    """Number of heads of rows that are not here."""
    trouble: str | None
    """Why the journal could not be read, or null."""


class SealDocument(TypedDict):
    """Seals of rows by a key of this machine."""

    has_key: bool
    """Whether a key is here."""
    rows: int
    """Number of rows with a valid seal."""
    first: int
    """First of them, or 0."""
    other_keys: int
    """Number of rows sealed by another key."""


class HistoryArchiveDocument(TypedDict):
    """An archive of older rows."""

    file: str
    """Its path."""
    first: int
    """First row in it."""
    head: str
    """Its head."""
    rows: int
    """Number of rows."""


class VerifiedHistoryDocument(TypedDict):
    """What the verification of a history found."""

    whole: bool
    """Whether the history is consistent."""
    head: str
    """`SEQUENCE:HASH` of the last row, to keep elsewhere."""
    rows: int
    """Number of rows."""
    flaws: list[FlawDocument]
    """What is not as it was written."""
    anchors: AnchorsDocument
    """Heads in the system journal."""
    seal: SealDocument
    """Seals of the rows."""
    archives: list[HistoryArchiveDocument]
    """Archives that were verified as well."""
    not_proven: list[str]
    """What could not be proven."""


class VerifyDocument(VerifiedHistoryDocument):
    """`livefw history --verify`."""


class ArchivedRowsDocument(TypedDict):
    """Rows that were moved into a file of their own."""

    file: str
    """The file."""
    first: int
    """First row."""
    last: int
    """Last row."""
    head: str
    """Head of the archive."""
    kept: int
    """Number of rows that stay in the history too."""


class ArchivedDocument(TypedDict):
    """`livefw history --archive`."""

    archived: ArchivedRowsDocument
    """What was moved."""
