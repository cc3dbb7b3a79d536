# SPDX-License-Identifier: Apache-2.0
"""What a machine description says about one component, and what is assumed where it says nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from livefw.abi.guid import Guid
from livefw.abi.version import ComponentVersion

_MAX_STEPS = 10_000
_MAX_STEP_MS = 600_000.0
MAX_REALMS = 4096

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "prime_steps": (1, _MAX_STEPS),
        "prime_ms": (0, _MAX_STEP_MS),
        "activate_steps": (1, _MAX_STEPS),
        "activate_ms": (0, _MAX_STEP_MS),
        "vcpus": (1, _MAX_STEPS),
    }
)
"""Smallest and largest value of the numbers of a `ComponentSpec`."""

_T = TypeVar("_T")


class ComponentKind(StrEnum):
    """What sort of firmware a component is; it decides who does the activation and how CPUs meet for it."""

    BL31 = "bl31"
    """EL3 runtime firmware, the agent itself: CPUs meet in the holding pen and leave by a reset."""
    RMM = "rmm"
    """Realm Management Monitor: CPUs meet in the holding pen; Realms live on through per-CPU tokens."""
    SP = "sp"
    """BL32 or another secure partition: restarted by the SPMC on the one CPU that asks."""
    BL33 = "bl33"
    """Non-secure payload or UEFI runtime."""
    CONTROLLER = "controller"
    """Firmware of a processor beside the application cores, such as an SCP."""


class CpuRendezvous(StrEnum):
    """Whether all online CPUs must be inside the activation together."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class LfaPolicy(StrEnum):
    """A Realm's word on live activation below it (RMM specification 1.1 and 2.0, LFA policy type).

    Data only: TF-RMM carries no code for it (July 2026), so no activation is refused because of it.
    """

    ALLOW = "allow"
    DISALLOW = "disallow"


class SpecError(ValueError):
    """A component description that cannot be: ``field`` names the culprit, ``reason`` says what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Traits:
    """A component's fixed properties; durations are per step, in nanoseconds."""

    capable: bool
    may_reset_cpu: bool
    cpu_rendezvous: CpuRendezvous
    prime_steps: int
    prime_ns: int
    activate_steps: int
    activate_ns: int


_MS = 1_000_000

DEFAULTS: Mapping[ComponentKind, Traits] = MappingProxyType(
    {
        ComponentKind.BL31: Traits(
            capable=True,
            may_reset_cpu=True,
            cpu_rendezvous=CpuRendezvous.REQUIRED,
            prime_steps=1,
            prime_ns=5 * _MS,
            activate_steps=1,
            activate_ns=2 * _MS,
        ),
        ComponentKind.RMM: Traits(
            capable=True,
            may_reset_cpu=False,
            cpu_rendezvous=CpuRendezvous.REQUIRED,
            prime_steps=2,
            prime_ns=5 * _MS,
            activate_steps=1,
            activate_ns=2 * _MS,
        ),
        ComponentKind.SP: Traits(
            capable=True,
            may_reset_cpu=False,
            cpu_rendezvous=CpuRendezvous.OPTIONAL,
            prime_steps=1,
            prime_ns=5 * _MS,
            activate_steps=1,
            activate_ns=5 * _MS,
        ),
        ComponentKind.BL33: Traits(
            capable=False,
            may_reset_cpu=False,
            cpu_rendezvous=CpuRendezvous.REQUIRED,
            prime_steps=1,
            prime_ns=5 * _MS,
            activate_steps=1,
            activate_ns=5 * _MS,
        ),
        ComponentKind.CONTROLLER: Traits(
            capable=True,
            may_reset_cpu=False,
            cpu_rendezvous=CpuRendezvous.OPTIONAL,
            prime_steps=4,
            prime_ns=20 * _MS,
            activate_steps=3,
            activate_ns=20 * _MS,
        ),
    }
)
"""Flags as TF-A's FVP port reports them (x3 of GET_INVENTORY: BL31 0x7, RMM 0x3, SP 0xB, BL33 0x0).

TF-A knows no controller component, and no durations are public: the last row and all costs are invented.
"""


@dataclass(frozen=True, slots=True)
class AfterActivation:
    """How the inventory differs once the image runs; ``order`` lists GUIDs that come first, in sequence id order."""

    appears: tuple["ComponentSpec", ...] = ()
    """Components that appear."""
    vanishes: tuple[str, ...] = ()
    """GUIDs of components that vanish."""
    order: tuple[str, ...] = ()
    """GUIDs that come first from then on, in the order of sequence ids."""

    def __post_init__(self) -> None:
        for field in ("vanishes", "order"):
            for text in getattr(self, field):
                _check_guid(f"after_activation.{field}", text)


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component of a machine; None means the default of its kind (`DEFAULTS`). SpecError if it cannot be."""

    guid: str
    """GUID in the spelling of sysfs."""
    kind: ComponentKind
    """What sort of firmware it is."""
    current_version: str = "0.0"
    """Version that runs, as major.minor; 0.0: the firmware does not say."""
    pending_version: str | None = None
    """Version of an image staged from the start; None: nothing is staged."""
    pending_never_clears: bool = False
    """As on Arm's FVP, where an image is always staged; without ``pending_version`` it is another 0.0."""
    pending_takes_over: bool = True
    """RMM only: whether the staged image can take over from the one before it; one that cannot refuses to boot.

    By TF-RMM's code one cannot whose pool of virtual addresses or number of static tables differs from those before.
    """
    one_bank: bool = False
    """RMM only: every activation enters the same bank, as on Arm's FVP. Its image knows a cold boot by a flag of its
    own, so one that is entered a second time without having been staged again crashes."""
    capable: bool | None = None
    """Whether it can be activated live. By default as its kind, like all fields up to ``activate_ms``."""
    may_reset_cpu: bool | None = None
    """Whether its activation resets CPUs."""
    cpu_rendezvous: CpuRendezvous | None = None
    """Whether all online CPUs must be inside the activation together."""
    prime_steps: int | None = None
    """Number of PRIME calls that it takes."""
    prime_ms: float | None = None
    """Duration of each PRIME call in ms."""
    activate_steps: int | None = None
    """Number of ACTIVATE calls that it takes."""
    activate_ms: float | None = None
    """Duration of each ACTIVATE call in ms."""
    realms: tuple[LfaPolicy, ...] = ()
    """RMM only: one entry for each Realm that runs from the start, its LFA policy."""
    vcpus: int = 1
    """Secure partition only: FF-A live activation is for partitions of one vCPU."""
    live_activation_support: bool = True
    """Secure partition only: the flag ``live-activation-support`` of its manifest."""
    after_activation: AfterActivation | None = None
    """How the inventory differs once the image runs."""

    def __post_init__(self) -> None:
        _check_guid("guid", self.guid)
        _check_version("current_version", self.current_version)
        if self.pending_version is not None:
            _check_version("pending_version", self.pending_version)
        for field, (low, high) in RANGES.items():
            _check_range(field, getattr(self, field), low, high)
        _check_range("realms", len(self.realms), 0, MAX_REALMS)
        if self.realms and self.kind is not ComponentKind.RMM:
            raise SpecError("realms", f"a component of kind {self.kind} runs no Realms")
        if self.one_bank and self.kind is not ComponentKind.RMM:
            raise SpecError("one_bank", f"this is about an RMM, not a component of kind {self.kind}")

    @property
    def traits(self) -> Traits:
        """The fixed properties, gaps filled from the kind's defaults."""
        default = DEFAULTS[self.kind]
        return Traits(
            capable=_either(self.capable, default.capable),
            may_reset_cpu=_either(self.may_reset_cpu, default.may_reset_cpu),
            cpu_rendezvous=_either(self.cpu_rendezvous, default.cpu_rendezvous),
            prime_steps=_either(self.prime_steps, default.prime_steps),
            prime_ns=_nanoseconds(self.prime_ms, default.prime_ns),
            activate_steps=_either(self.activate_steps, default.activate_steps),
            activate_ns=_nanoseconds(self.activate_ms, default.activate_ns),
        )


def _either(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def _nanoseconds(ms: float | None, default: int) -> int:
    return default if ms is None else round(ms * _MS)


def _check_guid(field: str, text: str) -> None:
    try:
        Guid.parse(text)
    except ValueError as error:
        raise SpecError(field, str(error)) from None


def _check_version(field: str, text: str) -> None:
    try:
        ComponentVersion.parse(text)
    except ValueError as error:
        raise SpecError(field, str(error)) from None


def _check_range(field: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise SpecError(field, f"{value} is not between {low} and {high}")
