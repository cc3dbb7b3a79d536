# SPDX-License-Identifier: Apache-2.0
"""Documents of the verbs that look at a machine or act on it."""

from typing import Literal, NotRequired, TypedDict

from livefw.activation.checks.table import Weight
from livefw.activation.outcome import Outcome
from livefw.activation.watch.watcher import WatchEventKind
from livefw.conformance.run import CheckVerdict
from livefw.providers.base import Severity
from livefw.providers.ocp import Met
from livefw.render.exposition import MetricType
from livefw.schema.common import (
    AbilityDocument,
    ClaimDocument,
    ComponentDocument,
    ErrorDocument,
    HookDocument,
    HostGroupDocument,
    MeasurementDocument,
    ProblemDocument,
    ReasonDocument,
    RecordDocument,
    RunningDocument,
    UnmatchedDocument,
    UnmetSettingDocument,
)
from livefw.schema.history import PastActivationDocument


class ListDocument(TypedDict):
    """`livefw list`."""

    components: list[ComponentDocument]
    """All components that mechanisms report."""
    bmcs: NotRequired[list[AbilityDocument]]
    """The BMCs that were asked, and what each can do."""
    notes: NotRequired[list[ReasonDocument]]
    """Mechanisms that could not be looked at, and other remarks that are not about one component."""
    error: NotRequired[ErrorDocument]
    """Why there is no component."""


class ComponentLineDocument(TypedDict):
    """A line of `livefw list -o jsonl`."""

    component: ComponentDocument
    """A component."""


class ImageReleaseDocument(TypedDict):
    """An image in the image directory that a component could get."""

    version: str
    """Version that its archive declares."""
    path: str
    """Path of the archive."""
    verdict: Literal["pending", "running", "blocked", "newer", "older", "other"]
    """What it is for the component."""
    reasons: list[ReasonDocument]
    """What blocks it."""


class RequirementDocument(TypedDict):
    """A requirement of OCP's impactless updates."""

    id: str
    """Name of the requirement here."""
    text: str
    """What is required."""
    source: str
    """Where OCP requires it."""
    met: Met
    """How far the mechanism meets it."""
    by: str
    """By what, or empty."""


class OcpDocument(TypedDict):
    """The mechanism in the terms of OCP's impactless updates."""

    scope: str
    """Whether it is in OCP's scope."""
    roles: dict[str, str]
    """OCP's roles, and who has them."""
    steps: dict[str, str]
    """OCP's steps, and what they are here."""
    requirements: list[RequirementDocument]
    """OCP's requirements."""


class UsualDurationDocument(TypedDict):
    """How long earlier activations took here."""

    times: int
    """Number of activations that were timed."""
    median_s: float
    """Median in seconds."""
    worst_s: float
    """Maximum in seconds."""


class PastAttemptsDocument(TypedDict):
    """Earlier attempts on a component."""

    usual: UsualDurationDocument | None
    """How long it took before; null if it was never timed."""
    tried: int | None
    """Number of earlier attempts; null if the history cannot be read."""
    succeeded: int | None
    """Number of those that succeeded."""
    unknown: int | None
    """Number of those whose outcome is unknown."""


class ShownComponentDocument(ComponentDocument):
    """A component with everything that is known of it."""

    details: dict[str, str]
    """The mechanism's own fields, as they were read."""
    images: list[ImageReleaseDocument]
    """Images that it could get."""
    mechanism: NotRequired[dict[str, str]]
    """Concepts of livefw, and what they are in this mechanism."""
    ocp: NotRequired[OcpDocument]
    """The mechanism in the terms of OCP."""
    past: PastAttemptsDocument
    """Earlier attempts on it."""
    last: PastActivationDocument | None
    """The last that was done with it; null for nothing, or if the history cannot be read."""


class ShowDocument(TypedDict):
    """`livefw show`."""

    components: list[ShownComponentDocument]
    """The components that were asked for, or all."""


class StepDocument(PastAttemptsDocument):
    """A step of a plan: one component."""

    component: ComponentDocument
    """The component."""
    stopped: bool
    """Whether a problem blocks it."""
    problems: list[ProblemDocument]
    """What checks found."""


class SettingChangeDocument(TypedDict):
    """A setting that will be changed to what the policy wants."""

    component: str
    """Key of the component."""
    name: str
    """Name of the component for a person, with its host."""
    setting: str
    """Name of the setting."""
    value: bool
    """Value that the policy wants."""
    possible: bool
    """Whether the component has this setting."""
    trouble: str | None
    """Why the last attempt failed, or null."""


class UnfinishedDocument(TypedDict):
    """An earlier activation or staging without an outcome."""

    component: str
    """Key of the component."""
    name: str
    """Name of the component for a person, with its host."""
    kind: Literal["intent", "staging"]
    """Whether an activation or a staging was begun."""
    activation: str
    """Its id in the history."""


class StepLineDocument(TypedDict):
    """A line of `livefw plan -o jsonl`."""

    step: StepDocument
    """A step."""


class PlanDocument(TypedDict):
    """`livefw plan` and `livefw activate --dry-run`."""

    steps: list[StepDocument]
    """Components in the order in which they would be activated."""
    settings: list[SettingChangeDocument]
    """Settings that would be changed before."""
    unfinished: list[UnfinishedDocument]
    """What an earlier run left without an outcome."""
    unmatched: list[UnmatchedDocument]
    """Patterns of the settings that match nothing here."""
    notes: list[ReasonDocument]
    """BMCs that did not show all they have."""
    running: RunningDocument | None
    """Another engine that works on this machine, or null."""


class AttemptFieldsDocument(TypedDict):
    """What belongs to an attempt besides its outcome."""

    problems: list[ProblemDocument]
    """What checks found."""
    measurement: MeasurementDocument | None
    """What it cost the CPUs; null if it was not measured."""
    others: list[ReasonDocument]
    """What changed in other components."""
    mishaps: list[ReasonDocument]
    """What failed beside it."""
    record: RecordDocument
    """Where it is in the history."""


class OutcomeDocument(TypedDict):
    """How something ended that a mechanism was asked for."""

    component: str
    """Key of the component."""
    name: str
    """Its name."""
    outcome: Outcome
    """How it ended."""
    code: str
    """Stable code of the reason."""
    text: str
    """The reason, for a person."""
    hint: str
    """What to do, or empty."""
    seconds: float
    """How long it took."""
    before: ComponentDocument
    """The component before."""
    after: ComponentDocument | None
    """The component afterwards; null if it no longer exists, or could not be read."""
    confirmed: NotRequired[bool]
    """Whether something besides the mechanism's own answer confirms the activation."""
    version_may_be_old: NotRequired[Literal[True]]
    """The version in `after` is a copy from before."""
    claim: NotRequired[ClaimDocument]
    """What the mechanism answered, if it was asked."""
    error: NotRequired[ErrorDocument]
    """What went wrong, if it was not done."""


class ResultDocument(OutcomeDocument, AttemptFieldsDocument):
    """How one attempt ended, and what belongs to it."""


class SettledDocument(TypedDict):
    """What became of an activation that an earlier run did not see to its end."""

    component: str
    """Key of the component."""
    activation: str
    """Its id in the history."""
    outcome: Outcome | None
    """How it ended; null if that is still open."""
    firmware_code: str | None
    """Code that the firmware answered, or null."""
    code: str
    """Stable code of the reason."""
    text: str
    """The reason, for a person."""
    hint: str
    """What to do, or empty."""
    trouble: str | None
    """Why this is not in the history, or null."""
    mishaps: list[ReasonDocument]
    """What failed beside it."""


class ReportDocument(TypedDict):
    """`livefw activate` and `livefw cancel`."""

    results: list[ResultDocument]
    """Attempts in their order."""
    not_started: list[str]
    """Keys of components whose turn did not come."""
    settled: NotRequired[list[SettledDocument]]
    """What an earlier run had left without an outcome."""
    unmatched: NotRequired[list[UnmatchedDocument]]
    """Patterns of the settings that match nothing here."""
    settings: NotRequired[list[UnmetSettingDocument]]
    """Settings that differ from the policy."""
    notes: NotRequired[list[ReasonDocument]]
    """BMCs that did not show all they have, and may have more of what was asked for."""
    error: NotRequired[ErrorDocument]
    """What ended the run early."""


class StagingDocument(TypedDict):
    """How a staging ended."""

    component: str
    """Key of the component."""
    outcome: Outcome
    """How it ended."""
    reason: ReasonDocument | None
    """Why; null if it is staged."""
    firmware_code: str | None
    """Code that the firmware answered, or null."""
    log: list[str]
    """Lines of the log about it."""
    by: NotRequired[str]
    """Key by which the image went to the BMC of a linked component."""
    problems: list[ProblemDocument]
    """What checks found."""
    mishaps: list[ReasonDocument]
    """What failed beside it."""
    record: RecordDocument
    """Where it is in the history."""


class StageDocument(TypedDict):
    """`livefw stage`."""

    staging: StagingDocument
    """How it ended."""
    notes: list[ReasonDocument]
    """BMCs that did not show all they have, and may have more of what was asked for."""


class StagingsDocument(TypedDict):
    """`livefw stage` with a pattern that matches several components."""

    stagings: list[StagingDocument]
    """How each ended."""
    not_started: list[str]
    """Keys of those that were not begun."""
    notes: list[ReasonDocument]
    """BMCs that did not show all they have, and may have more of what was asked for."""
    error: NotRequired[ErrorDocument]
    """What ended it early."""


class SampleDocument(TypedDict):
    """One value of a metric."""

    name: str
    """Name of the metric, with the suffix of a part of a histogram."""
    labels: dict[str, str]
    """Labels."""
    value: float
    """Value."""


class MetricDocument(TypedDict):
    """A metric."""

    name: str
    """Name."""
    type: MetricType
    """What kind of metric it is."""
    help: str
    """What it is, for a person."""
    samples: list[SampleDocument]
    """Its values; none where there is nothing to say."""


class MetricsDocument(TypedDict):
    """`livefw metrics`: what was collected."""

    metrics: list[MetricDocument]
    """Every metric that there is."""


class WatchDocument(TypedDict):
    """`livefw watch`: one document on each line."""

    time: str
    """When it was seen: ISO 8601 with milliseconds, local time."""
    host: NotRequired[str]
    """Name of the host that livefw runs on."""
    event: WatchEventKind
    """What happened."""
    key: str | None
    """Key of the component; null if it is about none."""
    text: str
    """What happened, for a person."""
    component: ComponentDocument | None
    """The component, if it was seen."""
    outcome: NotRequired[Outcome]
    """How an activation ended."""
    attempt: NotRequired[AttemptFieldsDocument]
    """What belongs to that activation besides."""


class SettingsKeyDocument(TypedDict):
    """A key of livefw.toml."""

    path: str
    """Path of the key."""
    kind: str
    """What it takes."""
    default: str
    """Its default, or empty."""
    help: str
    """What it does."""


class CheckDocument(TypedDict):
    """A check before an activation."""

    name: str
    """Its name, for --ignore."""
    weight: Weight
    """Whether what it finds blocks the activation."""
    about: str
    """What it looks for."""


class SettingsMistakeDocument(TypedDict):
    """Something that is wrong with the settings."""

    file: str | None
    """Path of the file, or null if it is part of the text."""
    path: str | None
    """Path of the key, or null if the mistake is not about one key."""
    line: int | None
    """Line in the file, or null if it is not known."""
    text: str
    """What is wrong."""
    hint: str
    """What to do, or empty."""


class MatchedPatternDocument(TypedDict):
    """A pattern in the settings."""

    pattern: str
    """The pattern."""
    components: list[str] | None
    """Keys of the components that it matches now; null if there is nothing to compare it with."""


class SettingsValueDocument(TypedDict):
    """A key of the settings as it holds here."""

    path: str
    """Path of the key, with numbers of tables in lists and names of tables."""
    key: str
    """The same key in `keys`, whose paths have neither: `window[].from`, `component.PATTERN.pin`."""
    value: str | None
    """Value in TOML, or null if there is none."""
    set: bool
    """Whether the file sets it; if not, it is the default."""
    line: int | None
    """Line in the file, or null."""
    patterns: list[MatchedPatternDocument]
    """Patterns in the value, or in the name of the table."""


class WindowStateDocument(TypedDict):
    """Whether an activation may start now as far as maintenance windows go."""

    open: bool
    """Whether it may."""
    opens: str | None
    """When the next window opens (ISO 8601), or null if one is open or none ever opens."""
    closes: str | None
    """When the present or the next opening ends (ISO 8601), or null if it does not."""


class WindowDocument(WindowStateDocument):
    """One maintenance window."""

    path: str
    """Path of its table, as in `window[0]`."""


class PolicyDocument(TypedDict):
    """`livefw policy`. With `--keys` only `keys` and `checks`."""

    file: NotRequired[str | None]
    """Path of livefw.toml, or null if there is no place for it."""
    exists: NotRequired[bool]
    """Whether the file exists; if not, the defaults hold."""
    unmatched: NotRequired[list[UnmatchedDocument]]
    """Patterns that match nothing here."""
    mistakes: NotRequired[list[SettingsMistakeDocument]]
    """Everything that is wrong with the settings."""
    values: NotRequired[list[SettingsValueDocument]]
    """All keys, those that the file sets first."""
    window: NotRequired[WindowStateDocument | None]
    """All windows together, always open if there is none; null while there is a mistake."""
    windows: NotRequired[list[WindowDocument]]
    """Each window."""
    hooks: NotRequired[list[HookDocument]]
    """The executables in checks.d."""
    groups: NotRequired[list[HostGroupDocument]]
    """Groups of hosts, with the hosts that files and programs list."""
    notes: NotRequired[list[ReasonDocument]]
    """Remarks of mechanisms, such as a wrong line in a list of hosts."""
    keys: list[SettingsKeyDocument]
    """All keys that there are."""
    checks: list[CheckDocument]
    """All checks that there are."""


DiagnosisState = Literal["absent", "ok", "warning", "error"]


class FindingDocument(TypedDict):
    """Something that was found out about this machine."""

    provider: str
    """Mechanism, or `livefw`."""
    severity: Severity
    """How bad it is."""
    code: str
    """Stable code."""
    text: str
    """What it is, for a person."""
    hint: str
    """What to do, or empty."""


class DiagnosisLineDocument(TypedDict):
    """A line of a diagnosis."""

    state: DiagnosisState
    """How it is."""
    code: str
    """Stable code."""
    text: str
    """What it is, for a person."""
    hint: str
    """What to do in words, or empty."""
    command: str
    """Next command, complete, or empty."""


class DiagnosisBlockDocument(TypedDict):
    """All that a diagnosis says about one thing."""

    name: str
    """Mechanism, or `machine`, `packages`, `policy`, `history`, `activity`, `daemon`, `metrics`, `fwupd`."""
    state: DiagnosisState
    """Worst state of its lines."""
    mechanism: bool
    """Whether it is a mechanism."""
    lacks: str | None
    """What it takes for a mechanism that is not here; empty if this machine can never have it, null otherwise."""
    lines: list[DiagnosisLineDocument]
    """What was found."""


class DoctorDocument(TypedDict):
    """`livefw doctor`."""

    findings: list[FindingDocument]
    """All that was found, in one list."""
    blocks: list[DiagnosisBlockDocument]
    """The same by what it is about, with next commands."""


class MeaningDocument(TypedDict):
    """One meaning of a word."""

    kind: Literal["outcome", "verdict", "check", "exit code", "error", "reason", "firmware's code"]
    """What sort of word it is."""
    word: str
    """The word."""
    text: str
    """What it means."""
    source: str
    """Where it comes from: a mechanism, or a part of livefw."""
    outcome: Outcome | None
    """Outcome that goes with it, if it is always the same."""
    exit_code: int | None
    """Exit code that goes with it, if it is always the same."""
    evidence: str
    """What has to be seen, or empty."""
    state: str
    """State of the machine then, or empty."""
    advice: str
    """What to do, or empty."""
    hint: str
    """Hint that is shown with it, or empty."""
    also: list[str]
    """Other words for it."""


class ExplainDocument(TypedDict):
    """`livefw explain`."""

    meanings: list[MeaningDocument]
    """All meanings of the word, or of all words."""


class ConformanceCheckDocument(TypedDict):
    """A check of an agent."""

    name: str
    """Its name."""
    source: str
    """Public source of what is expected."""
    dangerous: str
    """What it can do to a correct agent, or empty."""
    verdict: CheckVerdict
    """How it went."""
    detail: str
    """What was wrong or missing, or empty."""


class ConformanceReportDocument(TypedDict):
    """All checks against one profile."""

    profile: str
    """The agent profile."""
    cpus: int
    """Number of CPUs that took part."""
    counts: dict[CheckVerdict, int]
    """Number of checks by how they went."""
    checks: list[ConformanceCheckDocument]
    """All checks in their order."""


class ConformanceDocument(TypedDict):
    """`livefw conformance`."""

    conformance: list[ConformanceReportDocument]
    """One report for each profile."""


class TdxPlatformDocument(TypedDict):
    """The platform that a TDX module runs on."""

    version: str | None
    """Version of the module that runs; null if there is none."""
    lost: bool
    """Whether the module was lost."""
    seamldr_version: str | None
    """Version of P-SEAMLDR; null if it is not known."""
    remaining_updates: int | None
    """Number of updates until the next boot; null if it is not known."""
    tds: int | None
    """Number of TDs that run; null if it is not known."""


class TdxCandidateDocument(TypedDict):
    """An image of the TDX module."""

    version: str
    """Its version."""
    path: str
    """Path of its files."""
    chosen: bool
    """Whether it would be taken."""
    mrseam: str | None
    """What attestation reports of it, in hexadecimal; null if the file could not be read so far."""
    accepted: bool | None
    """Whether that is in the allow-list; null without one."""
    reasons: list[ReasonDocument]
    """Why it may not be loaded."""


class CandidateLineDocument(TypedDict):
    """A line of `livefw tdx candidates -o jsonl`."""

    candidate: TdxCandidateDocument
    """An image."""


class TdxDocument(TypedDict):
    """`livefw tdx candidates`."""

    platform: TdxPlatformDocument
    """What the images are for."""
    reasons: list[ReasonDocument]
    """Why no image can be loaded."""
    candidates: list[TdxCandidateDocument]
    """All images."""
