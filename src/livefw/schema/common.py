# SPDX-License-Identifier: Apache-2.0
"""What many documents of JSON output have in common. One class for each object; docstrings become descriptions."""

from typing import Literal, NotRequired, TypedDict

from livefw.activation.checks.table import Weight
from livefw.activation.lock.machine_lock import LockedFor
from livefw.activation.status_code import StatusCode
from livefw.providers.base import Measured, Reply, Trust, Witness
from livefw.providers.component import Rendezvous, RestartScope


class ReasonDocument(TypedDict):
    """A reason or a note."""

    code: str
    """Stable code; `livefw explain CODE` tells what it means."""
    text: str
    """What it is, for a person."""
    hint: str
    """What to do about it, or empty."""


class ErrorDocument(TypedDict):
    """What went wrong."""

    kind: str
    """Kind of the error, one of the names in docs/reference/exit-codes.md."""
    exit_code: int
    """Exit code of the command."""
    message: str
    """What happened, for a person."""
    hint: NotRequired[str]
    """What to do."""
    mechanism: NotRequired[str]
    """Mechanism that was asked."""
    component: NotRequired[str]
    """Key of the component."""
    phase: NotRequired[str]
    """Step that failed."""
    firmware_code: NotRequired[str]
    """Code that the firmware answered."""
    errno: NotRequired[int]
    """Error number of the system call."""
    replay: NotRequired[str]
    """How to do it by hand."""
    candidates: NotRequired[list[str]]
    """Keys of the components that an ambiguous name stands for."""


class CostDocument(TypedDict):
    """What an activation costs."""

    rendezvous: Rendezvous | None
    """Whether all CPUs are stopped together; null if that is not known."""
    resets_cpu: bool | None
    """Whether CPUs are reset; null if that is not known."""
    restart: NotRequired[RestartScope]
    """What restarts, of firmware behind a BMC; absent for that of the machine itself."""


class RunningDocument(TypedDict):
    """An engine that holds the lock of the machine."""

    act: LockedFor
    """What it does."""
    component: str | None
    """Key of the component it works on; null if it has not chosen one, or has not reported it."""
    user: str | None
    """User it works for; null if that is not known."""
    pid: int | None
    """Process id of the engine; null if that is not known."""
    seconds: int | None
    """For how many seconds; null if that is not known."""


class StateDocument(TypedDict):
    """The state of a component, by the checks of a plan."""

    code: StatusCode
    """State for programs."""
    text: str
    """State in a few words, for a column."""
    sentence: str
    """The same in full."""
    reasons: list[ReasonDocument]
    """What blocks its activation: codes of the mechanism, and names of checks."""
    until: str | None
    """When the maintenance window opens that it waits for (ISO 8601); null if it waits for none."""
    running: RunningDocument | None
    """The engine that works on it; null if none does."""
    activation: str | None
    """Id in the history of what is running or unfinished, where it is known."""


class AbilityDocument(TypedDict):
    """What a BMC can do."""

    host: str
    """Name of the BMC."""
    ability: str
    """How images get in, whether they can wait, what activates them, and what restarts."""


class LinkedDocument(TypedDict):
    """The other way to a component that the settings link to one of a BMC: by it images come."""

    key: str
    """Key that the component has there."""
    host: str
    """Name of the BMC."""
    current_version: str | None
    """Version that runs as the BMC shows it, or null if it shows none."""
    pending: bool | None
    """Whether an image is pending there; null if that is not known."""
    pending_version: str | None
    """Version of the image that is pending there, or null if it is not known."""
    unreliable: list[Literal["current_version", "pending_version"]]
    """Fields of this object whose value the BMC does not report reliably."""
    asked: bool
    """Whether the BMC was asked."""
    trouble: ReasonDocument | None
    """Why it did not show the component, or null."""
    agrees: bool | None
    """Whether it shows the same as the machine itself; null if that cannot be compared."""


class AttestationDocument(TypedDict):
    """What an attestation reports of firmware, in hexadecimal."""

    field: str
    """What the mechanism calls it, such as `MRSEAM`."""
    current: str | None
    """Value while the running image runs, or null if it is not known."""
    pending: str | None
    """Value while the pending image runs; null if none is pending, or the value is not known."""


class ComponentDocument(TypedDict):
    """A component, as it was read."""

    key: str
    """`PROVIDER:ID`, stable."""
    provider: str
    """Mechanism."""
    id: str
    """Name of the component within its mechanism."""
    short_id: str
    """Shortest word by which every command knows it on this machine now; the key where nothing shorter is unique."""
    name: str
    """Name for a person; may be empty."""
    host: str | None
    """Name of the BMC that it is behind; null for firmware of the machine itself."""
    current_version: str | None
    """Version that runs, or null if it is not known."""
    pending: bool | None
    """Whether an image is pending; null if that cannot be read."""
    pending_version: str | None
    """Version of the pending image, or null if it is not known."""
    pending_since: str | None
    """When a program of livefw first saw the pending image: ISO 8601, local time; null if that is not known."""
    unreliable: list[Literal["current_version", "pending_version"]]
    """Fields of this object whose value the mechanism does not report reliably."""
    activatable: bool
    """Whether it can be activated now."""
    cost: CostDocument
    """What an activation costs."""
    settings: dict[str, bool]
    """Settings of the component in its mechanism, by name."""
    stated: str | None
    """State of the component in the mechanism's own words, or null."""
    reasons: list[ReasonDocument]
    """Why it cannot be activated now."""
    notes: list[ReasonDocument]
    """What to know of it."""
    linked: NotRequired[LinkedDocument]
    """The other way to it, if the settings link it."""
    attestation: NotRequired[AttestationDocument]
    """What relying parties see of it, where that follows from its images."""
    state: NotRequired[StateDocument]
    """Its state, where all checks were made."""


class ProblemDocument(TypedDict):
    """A problem that a check found."""

    check: str
    """Name of the check."""
    weight: Weight
    """Whether it blocks the activation."""
    text: str
    """What it is, for a person."""
    hint: str
    """What to do about it, or empty."""
    ignored: bool
    """Whether somebody decided to ignore it."""


class UnmatchedDocument(TypedDict):
    """A pattern of the settings that matches no component here."""

    where: str
    """Path of its key in livefw.toml."""
    pattern: str
    """The pattern."""
    near: list[str]
    """Components with a similar spelling."""


class UnmetSettingDocument(TypedDict):
    """A setting of a component that differs from the policy."""

    component: str
    """Key of the component."""
    setting: str
    """Name of the setting."""
    value: bool
    """Value that the policy wants."""
    against: bool
    """Whether it blocks the activation of the component."""
    code: str
    """Stable code of the reason."""
    text: str
    """The reason, for a person."""
    hint: str
    """What to do about it, or empty."""


class CpuRowDocument(TypedDict):
    """CPUs with the same figures."""

    cpus: str
    """CPUs as the kernel lists them, such as 0-3,6."""
    longest_ns: int
    """Longest time for which one of them ran nothing, in ns."""
    baseline_ns: int | None
    """The same before the activation, in ns; null if there was no baseline."""
    gaps: list[tuple[int, int]]
    """Each time for which they ran nothing: start and end, in ns since the activation began."""


class DeviceStopDocument(TypedDict):
    """How long the I/O of a device stood still while it was activated."""

    device: str
    """Its path."""
    longest_ns: int
    """The longest read of one block during the activation, in ns."""
    baseline_ns: int
    """The same just before, in ns."""
    declared_ns: int | None
    """How long the device declares that it may stand still, in ns; null if it does not."""
    failed: int
    """Reads that ended with an error."""
    gaps: list[tuple[int, int]]
    """Each long read: start and end, in ns since the activation began."""


class MeasurementDocument(TypedDict):
    """What an activation cost the CPUs, and the device that was activated."""

    source: str
    """`sampled`, `model`, the name of the kernel's tracer, or `device` if no CPU was watched."""
    seconds: float
    """How long was measured, in seconds."""
    rows: NotRequired[list[CpuRowDocument]]
    """Figures, by CPUs; only with --rows."""
    cpus: NotRequired[int]
    """Number of CPUs that were measured. This and what follows is missing in a row that is damaged."""
    longest_ns: NotRequired[int]
    """Longest time for which one of them ran nothing, in ns."""
    baseline_ns: NotRequired[int | None]
    """The same before the activation, in ns; null if there was no baseline."""
    note: str
    """What is missing, or empty."""
    device: NotRequired[DeviceStopDocument]
    """The device that was activated, if it is one that can be read."""


class ClaimDocument(TypedDict):
    """What the mechanism answered, and what is known besides."""

    said: Reply
    """The answer."""
    reason: ReasonDocument | None
    """Why, or null."""
    trust: Trust
    """How far the answer can be believed."""
    trust_reason: str
    """Why no further, or empty."""
    witness: Witness
    """What a second source says, such as the kernel log."""
    measured: Measured | None
    """Whether a measurement of the firmware changed; null if there is none."""
    attested: NotRequired[str]
    """What the measurements of a linked BMC say, if there are any."""
    lasting: ReasonDocument | None
    """Damage that stays until something is done about it, or null."""
    errno: str | None
    """Name of the errno of the request, or null."""
    firmware_code: str | None
    """Code that the firmware answered, or null."""
    log: list[str]
    """Lines of the log about it."""


class RecordDocument(TypedDict):
    """Where it is in the history."""

    activation: str | None
    """Id of the activation in the history; null if it is not there."""
    head: str | None
    """`SEQUENCE:HASH` of the last row, to keep elsewhere; null if it is not in the history."""
    trouble: str | None
    """Why it is not in the history, or null."""
    open: bool
    """Whether its outcome is still missing; the next run finds it."""
    set_aside: str | None
    """What happened to a damaged history that was renamed, or null."""


class HostGroupDocument(TypedDict):
    """Hosts that the settings call by one name."""

    mechanism: str
    """Which mechanism asks them."""
    name: str
    """Name of the group."""
    hosts: list[str]
    """Names of the hosts."""


class HookDocument(TypedDict):
    """An executable in checks.d."""

    name: str
    """Name of the check."""
    path: str
    """Path of the file."""
    against: str | None
    """Why it is not run, or null."""
