# SPDX-License-Identifier: Apache-2.0
"""What every mechanism of live activation offers, in the same words.

A provider finds components, says what activating one would cost and why it cannot be done now, activates, cancels,
and explains itself. It reports what its mechanism said (`Claim`) and how far that can be believed; whether the
component *was* activated is judged in `livefw.activation`, from the claim and from the state before and after.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeGuard

from livefw.providers.component import (
    Component,
    Cost,
    Discovery,
    Flag,
    LinkedWay,
    Reading,
    Reason,
    Rendezvous,
    RestartScope,
    Source,
    Version,
    dotted,
)
from livefw.providers.image_file import ImageFile

__all__ = [
    "Claim",
    "Component",
    "Cost",
    "Course",
    "Discovery",
    "Finding",
    "Flag",
    "Held",
    "ImageFile",
    "ImageHolder",
    "ImagePackage",
    "Installer",
    "LinkedWay",
    "Linker",
    "Measured",
    "Memory",
    "MultiHost",
    "Observer",
    "Offer",
    "Phase",
    "Progress",
    "Provider",
    "Reading",
    "Reason",
    "Rendezvous",
    "Reply",
    "RestartScope",
    "Running",
    "Severity",
    "Source",
    "Stager",
    "Trust",
    "Version",
    "Witness",
    "dotted",
    "is_image_holder",
    "is_installer",
    "is_linker",
    "is_stager",
]


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One thing that a provider found out about its own situation.

    ``command`` is a complete command, the next step. ``lacks`` is None where the mechanism is there; otherwise it says
    in a few words what it takes, and is empty where this machine can never have it.
    """

    severity: Severity
    code: str
    text: str
    hint: str = ""
    command: str = ""
    lacks: str | None = None


class Reply(StrEnum):
    """What the mechanism answered to a request."""

    ACCEPTED = "accepted"
    """It was done."""
    REFUSED = "refused"
    """The request was never made, or was refused at once: nothing was tried."""
    DECLINED = "declined"
    """The mechanism took the request and answered that it did nothing."""
    FAILED = "failed"
    """It was tried and failed."""
    LOST = "lost"
    """No reply was seen; it may still be running, or have completed."""


class Trust(StrEnum):
    """How far ``accepted`` can be believed without other evidence."""

    FULL = "full"
    DOUBTFUL = "doubtful"


class Witness(StrEnum):
    """What a second source, independent of the answer, tells of the same attempt; for instance a log."""

    NONE = "none"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MAY_GO_ON = "may-go-on"
    """It reported a failure behind which the activation may be completed: mere loss of patience, or that of a part."""


class Measured(StrEnum):
    """What two fresh measurements that can be verified, one before and one after a request, say together."""

    NOT = "not"
    """None were taken, or they prove nothing."""
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Course(StrEnum):
    """How a device itself came through an activation, as something besides its answer shows it; the worst counts."""

    CLEAN = "clean"
    """Nothing is known of any trouble."""
    SILENT = "silent"
    """It did not answer meanwhile, or as if it were another one."""
    LATE = "late"
    """It took longer than it says that it takes."""
    RESET = "reset"
    """The kernel reset it in the middle."""
    DAMAGED = "damaged"
    """It has reported a fault of its own since."""
    GONE = "gone"
    """It has left the machine, or answers nothing any more."""


class Claim(NamedTuple):
    """All that the mechanism let out about one request.

    ``error`` is an errno or 0; ``firmware_code`` is the firmware's own name for a failure; ``log`` the lines it left
    behind, and ``log_of`` where. For anything but ``accepted``, ``reason`` says why. ``at_work``: the mechanism may
    still be at it, so that a look at the component could have to wait. ``lasting`` is what a failure leaves behind
    until the machine is started anew; a further attempt before that is useless or worse. ``attested`` tells of the
    measurements behind ``measured``, where they are not in the log. ``holds`` is what the mechanism calls an image that
    it holds and does not show as pending: the history keeps it, `Held` gives it back. ``warning`` is what it warned of
    beside its answer, whatever that is worth. ``course`` is how the device came through it.
    """

    reply: Reply
    trust: Trust = Trust.FULL
    trust_reason: str = ""
    witness: Witness = Witness.NONE
    error: int = 0
    firmware_code: str | None = None
    reason: Reason | None = None
    log: tuple[str, ...] = ()
    log_of: str = "kernel log"
    measured: Measured = Measured.NOT
    at_work: bool = False
    lasting: Reason | None = None
    attested: str = ""
    holds: str = ""
    warning: str = ""
    course: Course = Course.CLEAN


class Memory(NamedTuple):
    """What the mechanism's own record (a log, for instance) tells of requests on one component since a mark.

    ``complete``: had a request been made and ended since, the record would show it. ``by_restart``: a restart of this
    machine brings a pending image in as well. ``lasting`` and ``course`` as in `Claim`. ``listed_anew``: the mechanism
    has read its list of components anew.
    """

    witness: Witness = Witness.NONE
    firmware_code: str | None = None
    log: tuple[str, ...] = ()
    complete: bool = False
    by_restart: bool = True
    lasting: Reason | None = None
    listed_anew: bool = False
    course: Course = Course.CLEAN


class Phase(StrEnum):
    """Where a running request is."""

    WAITING = "waiting"
    """Another activation or clean-up is in the way; it will be tried again."""
    RUNNING = "running"
    """The mechanism is at work and cannot be interrupted."""
    SETTLING = "settling"
    """The mechanism has answered; what it reports is not yet at rest."""


class Progress(NamedTuple):
    """A step of a running request; ``percent`` where the mechanism tells."""

    phase: Phase
    text: str = ""
    percent: int | None = None


Observer = Callable[[Progress], None]
"""Called for each step, from inside `Running.wait`; again with the same object to ask whether to continue."""


class Running(Protocol):
    """A request that was made of the mechanism and is on its way."""

    def wait(self, seconds: float | None) -> bool:
        """Watch it, at most so long; whether there is a claim.

        It raises what the observer raises, and asks nothing more of the mechanism then.
        """
        ...

    @property
    def touched(self) -> bool:
        """Whether a request was made at all, so that work may continue although nothing watches it."""
        ...

    def abandon(self) -> Claim:
        """Stop watching. The request continues; the claim is ``lost``, or ``refused`` if no request was made.

        It is ``failed`` where what had been prepared cannot be taken back.
        """
        ...

    @property
    def claim(self) -> Claim:
        """What the mechanism said; ValueError before the end."""
        ...


class Provider(Protocol):
    """One mechanism on one machine."""

    @property
    def name(self) -> str:
        """The first half of every key; lower case."""
        ...

    def discover(self) -> Discovery:
        """All components, read anew. `livefw.errors.TransportError` if the tree as a whole cannot be read."""
        ...

    def inspect(self, ident: str) -> Component | None:
        """One component, read anew; None if it is not there (any more)."""
        ...

    def aliases(self, ident: str) -> Sequence[str]:
        """Other spellings of an id that a person may use for it."""
        ...

    def activate(self, ident: str, observer: Observer) -> Running:
        """Ask for an activation; returns at once. Never called for a component with ``reasons``."""
        ...

    def cancel(self, ident: str, observer: Observer) -> Running:
        """Ask to abandon an activation that was begun; returns at once."""
        ...

    def configure(self, ident: str, setting: str, *, on: bool) -> None:
        """Switch one of `Component.settings`; `livefw.errors.TransportError` if it cannot be."""
        ...

    def mark(self) -> str:
        """Where the mechanism's own record ends now, for `recall`; empty where it keeps none that can be read."""
        ...

    def recall(self, ident: str, mark: str) -> Memory:
        """What that record tells of a component since then. The mark may be of another boot, or be garbage."""
        ...

    def diagnose(self) -> list[Finding]:
        """What there is, why there is nothing, and what to know about this machine's version of the mechanism."""
        ...

    def replay(self, ident: str, action: str) -> str:
        """A shell command that does ``activate`` or ``cancel`` without this tool."""
        ...


class ImagePackage(NamedTuple):
    """An image to stage: its bytes, the file that has them, or from where the mechanism itself is to fetch it."""

    name: str
    data: bytes = b""
    uri: str = ""
    file: ImageFile | None = None
    """In place of ``data``: images have up to half a gigabyte, which nobody has to hold in memory."""
    release: str = ""
    """Which version of an archive with several is meant, as its metainfo writes it; empty for the first."""

    @property
    def size(self) -> int:
        """Bytes of the image; 0 of one that the mechanism fetches."""
        return self.file.size if self.file else len(self.data)

    @property
    def sha256(self) -> str:
        """In hexadecimal digits; `UnusableImage`."""
        from hashlib import sha256

        return self.file.sha256 if self.file else sha256(self.data).hexdigest()

    def head(self, count: int) -> bytes:
        """Its first bytes; `UnusableImage`."""
        return self.file.head(count) if self.file else self.data[:count]

    def pieces(self) -> Iterator[bytes]:
        """All of it; `UnusableImage`."""
        return self.file.pieces() if self.file else iter([self.data])


class Offer(NamedTuple):
    """An image that a mechanism finds on the machine by itself, and why it may not be loaded now; none if it may."""

    version: Version
    path: str
    reasons: tuple[Reason, ...] = ()


class ImageHolder(Provider, Protocol):
    """A provider that knows images of its own."""

    def images(self, ident: str) -> Sequence[Offer]:
        """Those for a component that can matter to it as it is now."""
        ...


class MultiHost(Provider, Protocol):
    """A provider whose components are those of several hosts, each of which is asked on its own."""

    @property
    def hosts(self) -> Sequence[str]:
        """Their names, the `Component.host` of what is behind them; nothing is asked for it. `UsageError`."""
        ...

    @property
    def host_groups(self) -> Mapping[str, Sequence[str]]:
        """Names of hosts by the names of groups that people call several of them by."""
        ...

    def discover(self, hosts: Collection[str] | None = None) -> Discovery:
        """As in `Provider`, of these hosts only."""
        ...


def is_multi_host(provider: Provider) -> TypeGuard[MultiHost]:
    """As `is_image_holder`."""
    return hasattr(provider, "hosts")


def is_image_holder(provider: Provider) -> TypeGuard[ImageHolder]:
    """Whether it is one. To ask `isinstance` for a protocol takes as long as to read some of a component's files."""
    return hasattr(provider, "images")


Held = Callable[[Sequence[str]], dict[str, str]]
"""By the keys of components what `Claim.holds` was of the image that livefw last staged there, if that may still wait;
from the history."""


class Driven(Provider, Protocol):
    """A provider whose mechanism is a kernel driver of which several versions are in use."""

    def driver(self) -> str:
        """The versions that the driver may be, such as ``v2 or v3``; empty if it looks like none.

        Raises:
            OSError, TransportError: its files cannot be read.
        """
        ...


def is_driven(provider: Provider) -> TypeGuard[Driven]:
    """As `is_image_holder`."""
    return hasattr(provider, "driver")


class Stager(Provider, Protocol):
    """A provider that can also put an image where it becomes pending; most mechanisms leave that to others."""

    def stage(self, ident: str, package: ImagePackage, observer: Observer) -> Running:
        """Hand an image over, to be activated later; returns at once. ``accepted`` means that it is staged."""
        ...


class Installer(Stager, Protocol):
    """A provider that can also take an image and activate it in one step: it waits for nothing in between."""

    def with_image(self, component: Component, package: ImagePackage) -> Component:
        """The component as it is to be activated with this image: what blocks that, and what it costs."""
        ...

    def install(self, ident: str, package: ImagePackage, observer: Observer) -> Running:
        """Hand an image over that takes effect at once; returns at once. ``accepted`` means that it has.

        Never called for a component for which `with_image` has ``reasons``.
        """
        ...


def is_installer(provider: Provider) -> TypeGuard[Installer]:
    """As `is_image_holder`."""
    return hasattr(provider, "install")


def is_stager(provider: Provider, component: Component) -> TypeGuard[Stager]:
    """Whether it can stage images for this component. As `is_image_holder`."""
    return hasattr(provider, "stage") and (component.linked is not None or not is_linker(provider))


Proof = Callable[[Claim], Claim]
"""What adds to the claim of a request what the other way shows of it."""


class Linker(Stager, Protocol):
    """A provider of which the settings link some components to those of a management controller.

    It stages for these only. Their fields, cancellations and activations are those of the mechanism itself.
    """

    @property
    def linked_hosts(self) -> Sequence[str]:
        """The management controllers that the links name."""
        ...

    def joined(self, discoveries: Sequence[Discovery]) -> tuple[Discovery, ...]:
        """What several mechanisms found at one time, with one component for each link instead of two."""
        ...

    def witness(self, ident: str) -> Proof:
        """Have a linked component measured by the other way, where it can be; to be called before an activation."""
        ...


def is_linker(provider: Provider) -> TypeGuard[Linker]:
    """As `is_image_holder`."""
    return hasattr(provider, "linked_hosts")


def cancels_by_itself(provider: Provider, ident: str) -> bool:
    """Whether the mechanism cancels what it holds of a component before it prepares another, and after each failure.

    It then says so by a method of this name; a CANCEL of ours would only replace what it tells of the last call.
    """
    said = getattr(provider, "cancels_by_itself", None)
    return said is not None and bool(said(ident))
