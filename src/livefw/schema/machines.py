# SPDX-License-Identifier: Apache-2.0
"""Documents of `livefw machine` and `livefw demo`."""

from typing import NotRequired, TypedDict

from livefw.firmware.spec import ComponentKind, LfaPolicy
from livefw.kernel.lfa import Notification
from livefw.machine.faults import FaultScope, FaultSite
from livefw.schema.common import ComponentDocument
from livefw.schema.images import BankImageDocument
from livefw.schema.verbs import OutcomeDocument


class MachineDocument(TypedDict):
    """A modelled machine that is ready."""

    name: str
    """Its name."""
    mount: NotRequired[str]
    """Where its files are; not with --qemu."""
    pid: int
    """Process that runs it."""
    cpus: int
    """Number of CPUs."""
    agent: str
    """Agent profile."""
    driver: NotRequired[str]
    """Version of the driver; not with --qemu."""
    notification: Notification
    """How the platform notifies the driver."""
    invented: list[str]
    """What is not public of the real machine, and invented."""
    bmc: NotRequired[str]
    """Address of the BMC that brings its images, if it has one."""


class MachineRunDocument(TypedDict):
    """`livefw machine run`, when the machine is ready."""

    machine: MachineDocument
    """The machine."""


class PlatformDocument(TypedDict):
    """A machine that comes with livefw."""

    name: str
    """Its name."""
    description: str
    """One line about it."""
    notes: list[str]
    """Sources, and what to know of the real machine."""
    invented: list[str]
    """What is not public of the real machine, and invented."""


class MachinePlatformsDocument(TypedDict):
    """`livefw machine platforms`."""

    platforms: list[PlatformDocument]
    """All that there are."""


class RunningMachineDocument(TypedDict):
    """A modelled machine that runs."""

    name: str
    """Its name."""
    pid: int
    """Process that runs it."""
    platform: str
    """Its platform."""
    mount: str
    """Where its files are; empty while it starts."""
    store: str | None
    """Store of its images, or null."""


class MachineLineDocument(TypedDict):
    """A line of `livefw machine list -o jsonl`."""

    machine: RunningMachineDocument
    """A machine."""


class MachineListDocument(TypedDict):
    """`livefw machine list`."""

    machines: list[RunningMachineDocument]
    """All that run."""


class StagedComponentDocument(TypedDict):
    """An image or a package that was staged."""

    component: NotRequired[str]
    """GUID of the component; of an image."""
    name: NotRequired[str]
    """Its public name, or empty; of an image."""
    version: NotRequired[str]
    """Version that is staged; of an image."""
    machine: NotRequired[str]
    """Name of the machine; of a package."""
    file: NotRequired[str]
    """The package."""
    bank: NotRequired[int]
    """Bank that the package is in."""
    images: NotRequired[list[BankImageDocument]]
    """Images of the package."""


class MachineStageDocument(TypedDict):
    """`livefw machine stage`."""

    stage: StagedComponentDocument
    """What was staged."""


class NotificationDocument(TypedDict):
    """A notification that was sent."""

    notification: Notification
    """How it was sent."""
    driver_listens: bool
    """Whether this driver listens to it."""


class MachineNotifyDocument(TypedDict):
    """`livefw machine notify`."""

    notify: NotificationDocument
    """What was sent."""


class DriverChangeDocument(TypedDict):
    """How far a change of the driver has come."""

    driver: str
    """Version of the driver."""
    done: bool
    """Whether it is done."""
    loaded: bool
    """Whether the driver is loaded."""
    found: bool | None
    """Whether it found components; null while it is not done."""


class MachineDriverDocument(TypedDict):
    """`livefw machine driver`."""

    driver: DriverChangeDocument
    """How far it has come."""


class MachineReloadDocument(TypedDict):
    """`livefw machine reload`."""

    reload: DriverChangeDocument
    """How far it has come."""


class InjectedFaultDocument(TypedDict):
    """A fault that was injected."""

    fault: str
    """Its name."""
    where: FaultSite
    """Where it sits."""
    text: str
    """What it does."""


class MachineFaultDocument(TypedDict):
    """`livefw machine fault NAME`."""

    fault: InjectedFaultDocument
    """What was injected."""


class FaultDocument(TypedDict):
    """A fault that can be injected."""

    name: str
    """Its name."""
    where: FaultSite
    """Where it sits."""
    component: FaultScope
    """Whether it is about one component."""
    options: list[str]
    """Options that it takes."""
    text: str
    """What it does."""


class MachineFaultsDocument(TypedDict):
    """`livefw machine fault --list`."""

    faults: list[FaultDocument]
    """All that there are."""


class NothingDocument(TypedDict):
    """Nothing."""


class MachineClearDocument(TypedDict):
    """`livefw machine fault --clear`."""

    clear: NothingDocument
    """Nothing."""


class CpusDocument(TypedDict):
    """CPUs of a machine."""

    online: list[int]
    """CPUs that are on."""


class MachineCpuDocument(TypedDict):
    """`livefw machine cpu`."""

    cpu: CpusDocument
    """CPUs afterwards."""


class LogRecordDocument(TypedDict):
    """A record of the kernel log. With --follow a document of its own."""

    sequence: int
    """Its number."""
    time_ns: int
    """When it was written, in ns since boot."""
    level: int
    """Its level, 0 to 7."""
    text: str
    """Its text."""
    line: str
    """The line that dmesg shows."""


class MachineLogDocument(TypedDict):
    """`livefw machine log`."""

    records: list[LogRecordDocument]
    """All records that are kept."""


class CallOutcomeDocument(TypedDict):
    """How a call ended."""

    registers: NotRequired[list[str]]
    """x0 and up, hexadecimal, until the last that is not 0."""
    entry_point: NotRequired[int]
    """Address at which the CPU restarted."""
    context_id: NotRequired[int]
    """x0 at the restart."""


class CallDocument(TypedDict):
    """An SMC call. With --follow a document of its own."""

    sequence: int
    """Its number; -1 while it is in progress."""
    cpu: int
    """CPU that issued it."""
    function: str
    """Name of the function, or its number."""
    text: str
    """The call in a line."""
    registers: list[str]
    """x0 and up, hexadecimal, until the last that is not 0."""
    outcome: CallOutcomeDocument | None
    """How it ended; null while it is in progress."""
    start_ns: int
    """When it was issued, in ns since boot."""
    end_ns: int
    """When it ended, or now, in ns since boot."""
    began: int
    """Position of its begin among all events."""
    completions: list[int]
    """Positions at which its work was completed."""
    line: str
    """The line that a person sees."""


class MachineTraceDocument(TypedDict):
    """`livefw machine trace`."""

    calls: list[CallDocument]
    """All calls that ended and are kept."""
    inside: list[CallDocument]
    """Calls in progress."""


class MeasuredImageDocument(TypedDict):
    """An image that was measured."""

    register: int
    """Register that was extended."""
    name: str
    """What was measured, and its version."""
    digests: dict[str, str]
    """Its digests by algorithm, hexadecimal."""


class RegisterDocument(TypedDict):
    """A register after all measurements."""

    register: int
    """Its number."""
    hash: str
    """Its algorithm."""
    value: str
    """Its value, hexadecimal."""


class MachineEventLogDocument(TypedDict):
    """`livefw machine eventlog`."""

    events: list[MeasuredImageDocument]
    """What was measured since power-on, in this order."""
    registers: list[RegisterDocument]
    """What replaying it gives."""


class FollowedRecordDocument(LogRecordDocument):
    """`livefw machine log --follow`: one document for each record."""


class FollowedCallDocument(CallDocument):
    """`livefw machine trace --follow`: one document for each call."""


class ModelComponentDocument(TypedDict):
    """A component, seen from inside the machine."""

    guid: str
    """Its GUID."""
    name: str
    """Its public name, or empty."""
    kind: ComponentKind
    """What sort of firmware it is."""
    current_version: str
    """Version that really runs."""
    staged_version: str | None
    """Version that is staged, or null."""
    dead: bool
    """Whether it is dead until a cold boot."""
    refused_because: str | None
    """Why its image was refused the last time, or null."""


class PrimedDocument(TypedDict):
    """The agent's selection."""

    component: str | None
    """GUID of the component, or null."""
    prime: str
    """How far PRIME has come."""


class RealmCountsDocument(TypedDict):
    """Numbers of Realms."""

    running: int
    """Realms that run."""
    lost: int
    """Realms that were lost."""


class RealmDocument(TypedDict):
    """A Realm."""

    id: int
    """Its number."""
    lfa_policy: LfaPolicy
    """Its policy on live activation."""


class CommitDocument(TypedDict):
    """An image that took over."""

    sequence: int
    """Number of the commit."""
    component: str
    """GUID of the component."""
    version: str
    """Version that took over."""


class ModelTdxDocument(TypedDict):
    """The TDX firmware, seen from inside the machine."""

    module: str
    """Version of the module."""
    state: str
    """Its state."""
    svn: str
    """Its security version."""
    slots: int
    """Updates until the next boot."""
    tds: dict[str, int]
    """Number of TDs by state."""
    wrong_measurements: int
    """Number of TDs with a wrong measurement."""


class WaitingCpuDocument(TypedDict):
    """A CPU that has been in firmware for long."""

    cpu: int
    """Its number."""
    function: str
    """Function that it called."""
    seconds: float
    """For how long."""
    works: bool | None
    """Whether it works, and does not wait for others; null if the agent does not know of it."""


class StallDocument(TypedDict):
    """A time for which all CPUs were stopped."""

    start_ns: int
    """Its begin, in ns since boot."""
    end_ns: int
    """Its end, in ns since boot."""
    cpus: int
    """Number of CPUs."""


class UeventDocument(TypedDict):
    """A kernel object event."""

    time_ns: int
    """When it was sent, in ns since boot."""
    action: str
    """Its action."""
    devpath: str
    """Path of the object."""
    environment: list[tuple[str, str]]
    """Further variables."""


class ModelDocument(TypedDict):
    """A modelled machine, seen from inside."""

    name: str
    """Its platform."""
    description: str
    """One line about it."""
    cpus: int
    """Number of CPUs."""
    online: int
    """Number of CPUs that are on."""
    agent: str
    """Agent profile."""
    driver: str
    """Version of the driver."""
    loaded: bool
    """Whether the driver is loaded."""
    notification: Notification
    """How the platform notifies the driver."""
    notes: list[str]
    """Sources, and what to know of the real machine."""
    invented: list[str]
    """What is not public of the real machine, and invented."""
    components: list[ModelComponentDocument]
    """Components of LFA."""
    primed: PrimedDocument
    """The agent's selection."""
    realms: RealmCountsDocument | None
    """Numbers of Realms; null without an RMM."""
    running_realms: list[RealmDocument]
    """Realms that run."""
    lost_realms: list[RealmDocument]
    """Realms that were lost."""
    commits: list[CommitDocument]
    """Images that took over, in order."""
    tdx: ModelTdxDocument | None
    """The TDX firmware; null without TDX."""
    waiting: list[WaitingCpuDocument]
    """CPUs that have been in firmware for long."""
    stopped: bool
    """Whether all CPUs are stopped now."""
    stalls: list[StallDocument]
    """Times for which all CPUs were stopped."""
    uevents: list[UeventDocument]
    """Kernel object events."""
    panic: str | None
    """Why the kernel died, or null."""


class MachineShowDocument(TypedDict):
    """`livefw machine show`."""

    show: ModelDocument
    """The machine."""


class BmcDocument(TypedDict):
    """A modelled BMC that is ready."""

    url: str
    """Where it serves."""
    pid: int
    """Process that runs it."""
    root: str
    """Directory for --root."""
    settings: str
    """livefw.toml with which livefw finds it."""
    ca: str
    """Its certificate."""
    credentials: str
    """User and password."""


class MachineBmcDocument(TypedDict):
    """`livefw machine bmc`, when the BMC is ready."""

    bmc: BmcDocument
    """The BMC."""


class RefusedUpdateDocument(TypedDict):
    """A package that the modelled firmware refused."""

    package: str
    """Name of the package."""
    result: OutcomeDocument
    """How the attempt ended."""
    found: str | None
    """What the firmware found wrong with it; null if it does not say."""


class DemoDocument(TypedDict):
    """`livefw demo`."""

    platform: str
    """The machine."""
    signed: bool
    """Whether signed packages were built; this needs the Python package cryptography."""
    refused: list[RefusedUpdateDocument]
    """Packages that the firmware refused."""
    before: list[ComponentDocument]
    """Components before."""
    result: OutcomeDocument
    """How the activation ended."""
    after: list[ComponentDocument]
    """Components afterwards."""
    calls: list[str]
    """Calls of the activation, in lines."""
    stalls_ns: list[int]
    """How long all CPUs were stopped, in ns."""
    realms: RealmCountsDocument | None
    """Numbers of Realms; null without an RMM."""


class DemoWebAddressDocument(TypedDict):
    """A modelled machine that is shown in a browser."""

    platform: str
    """The machine."""
    machine: str
    """What other commands call it."""
    mount: str
    """Where its files are."""
    pid: int
    """Process that runs it."""
    address: str
    """What to open in a browser; it has the key that logs in."""


class DemoWebDocument(TypedDict):
    """`livefw demo --web`, when the page can be opened."""

    web: DemoWebAddressDocument
    """Where it is."""
