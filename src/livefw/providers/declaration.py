# SPDX-License-Identifier: Apache-2.0
"""What a mechanism is, in the words that all mechanisms share: which of the model's steps it has, and where.

A mechanism declares what it does not have as plainly as what it has, in ``providers/<name>/declaration.py``; `show`
and docs/explanation/mechanisms.md are made from that. What OCP asks for, and which of it is met, is in
`livefw.providers.ocp`.
"""

from enum import Flag, StrEnum, auto
from importlib import import_module
from typing import NamedTuple


class Transport(StrEnum):
    """The way to the firmware."""

    IN_BAND = "in-band"
    OUT_OF_BAND = "out-of-band"


class PrimePoint(StrEnum):
    """Where the image is prepared and verified."""

    SEPARATE = "separate"
    WITH_STAGE = "with-stage"
    WITH_ACTIVATE = "with-activate"


class CancelWindow(StrEnum):
    """How far one can go back."""

    NONE = "none"
    BEFORE_ACTIVATE = "before-activate"
    UNTIL_COMMITTED = "until-committed"


class Impact(StrEnum):
    """What the machine feels, at worst, of what this mechanism calls live."""

    NONE = "none"
    PAUSE = "pause"
    RENDEZVOUS = "rendezvous"
    CPU_RESET = "cpu-reset"
    UNKNOWN = "unknown"


class Persistence(StrEnum):
    """Whether the new firmware is there after a reboot."""

    VOLATILE = "volatile"
    PERSISTENT = "persistent"
    UNKNOWN = "unknown"


class EvidenceLevel(StrEnum):
    """What livefw can read that proves which firmware runs."""

    NONE = "none"
    VERSION = "version"
    MEASUREMENT = "measurement"
    SIGNED = "signed"


class Reach(Flag):
    """Whose firmware it is that can be replaced."""

    CONTROLLERS = auto()
    """Microcontrollers beside the cores."""
    MICROCODE = auto()
    HOST = auto()
    """What runs on the application processors themselves."""


class Declaration(NamedTuple):
    """One mechanism against the concepts of the model.

    Texts are in the mechanism's own words; an empty one means that it has nothing of the kind. ``updater`` receives
    the image and performs the update, ``verifier`` authenticates it. ``scope`` says what OCP's scope (microcontrollers
    and microcode, no BIOS) makes of it.
    """

    provider: str
    title: str
    transport: Transport
    interface: str
    component: str
    version: str
    updater: str
    stage: str
    pending: str
    prime: PrimePoint
    verifier: str
    activate: str
    cancel: CancelWindow
    impact: Impact
    result: str
    evidence: EvidenceLevel
    attestation: str
    persistence: Persistence
    reach: Reach
    scope: str

    def concepts(self) -> tuple[tuple[str, str], ...]:
        """Every concept of the model, and what stands for it here."""
        return (
            ("way", self.transport),
            ("interface", self.interface),
            ("component", self.component),
            ("running version", self.version),
            ("stage", self.stage or "none"),
            ("pending", self.pending or "none"),
            ("prime (prepare, verify)", PRIME[self.prime]),
            ("verified by", self.verifier),
            ("activate", self.activate),
            ("cancel", CANCEL[self.cancel]),
            ("impact, at worst", IMPACT[self.impact]),
            ("result", self.result),
            ("evidence for livefw", EVIDENCE[self.evidence]),
            ("attestation", self.attestation or "none public"),
            ("after a reboot", PERSISTENCE[self.persistence]),
        )


PRIME = {
    PrimePoint.SEPARATE: "a step of its own",
    PrimePoint.WITH_STAGE: "part of staging",
    PrimePoint.WITH_ACTIVATE: "part of the activation",
}
CANCEL = {
    CancelWindow.NONE: "none",
    CancelWindow.BEFORE_ACTIVATE: "until the activation begins",
    CancelWindow.UNTIL_COMMITTED: "until the switch to the new firmware",
}
IMPACT = {
    Impact.NONE: "none",
    Impact.PAUSE: "a pause",
    Impact.RENDEZVOUS: "all CPUs stop together",
    Impact.CPU_RESET: "CPUs are reset",
    Impact.UNKNOWN: "not stated",
}
EVIDENCE = {
    EvidenceLevel.NONE: "none",
    EvidenceLevel.VERSION: "the version that runs",
    EvidenceLevel.MEASUREMENT: "measurements",
    EvidenceLevel.SIGNED: "signed measurements, where the device has them",
}
PERSISTENCE = {
    Persistence.VOLATILE: "gone",
    Persistence.PERSISTENT: "kept",
    Persistence.UNKNOWN: "not stated",
}


def declaration(provider: str) -> Declaration | None:
    """What the provider of this name declares; None if it declares nothing."""
    name = f"livefw.providers.{provider}.declaration"
    try:
        found: Declaration = import_module(name).DECLARATION
    except ModuleNotFoundError as error:
        if not name.startswith(error.name or "?"):
            raise
        return None
    return found


def is_out_of_band(provider: str) -> bool:
    """Whether the provider of this name reaches the firmware from outside of the machine, through a network."""
    declared = declaration(provider)
    return declared is not None and declared.transport is Transport.OUT_OF_BAND


def host_of(key: str) -> str:
    """The management controller that a key names, as ``rack1`` in ``redfish:rack1/bios``; empty for this machine's own.

    For keys of which no component is at hand; see `livefw.providers.component.Component.host`.
    """
    provider, _, ident = key.partition(":")
    host, slash, _ = ident.partition("/")
    return host if slash and is_out_of_band(provider) else ""
