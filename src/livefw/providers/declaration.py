# SPDX-License-Identifier: Apache-2.0
"""What a mechanism is, in the words that all mechanisms share: which of the model's steps it has, and where.

The words follow the OCP deck of 2025 ("Hyperscale CPU Impactless Firmware Updates": prepare, verify, execute, return
status, attestation) as far as that is public; a mechanism declares what it does not have as plainly as what it has.
"""

from enum import StrEnum
from typing import NamedTuple


class Transport(StrEnum):
    """The way to the firmware."""

    IN_BAND = "in-band"
    OUT_OF_BAND = "out-of-band"


class Prime(StrEnum):
    """Where the image is prepared and verified."""

    SEPARATE = "separate"
    WITH_STAGE = "with-stage"
    WITH_ACTIVATE = "with-activate"


class Cancel(StrEnum):
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


class Evidence(StrEnum):
    """What proves which firmware runs."""

    NONE = "none"
    VERSION = "version"
    MEASUREMENT = "measurement"
    SIGNED = "signed"


class Declaration(NamedTuple):
    """One mechanism against the concepts of the model. ``stage``, ``pending`` and ``result`` are in its own words;
    an empty one means that it has none. ``scope`` says what OCP's scope (non-core microcontrollers and microcode, no
    BIOS) makes of it.
    """

    provider: str
    transport: Transport
    stage: str
    pending: str
    prime: Prime
    activate: str
    cancel: Cancel
    impact: Impact
    result: str
    evidence: Evidence
    persistence: Persistence
    scope: str

    def rows(self) -> tuple[tuple[str, str], ...]:
        """As a component's details."""
        words = ("transport", "cancel", "impact", "persistence")
        return self.ocp() + tuple((f"mechanism {word}", str(getattr(self, word))) for word in words)

    def ocp(self) -> tuple[tuple[str, str], ...]:
        """The steps of the OCP deck, and what stands for each here; livefw itself is its deployment agent."""
        return (
            ("OCP prepare", self.stage or "part of execute"),
            ("OCP verify", _VERIFY[self.prime]),
            ("OCP execute", self.activate),
            ("OCP return status", self.result),
            ("OCP attestation", _ATTESTATION[self.evidence]),
            ("OCP scope", self.scope),
        )


_VERIFY = {
    Prime.SEPARATE: "a step of its own",
    Prime.WITH_STAGE: "part of prepare",
    Prime.WITH_ACTIVATE: "part of execute",
}
_ATTESTATION = {
    Evidence.NONE: "none",
    Evidence.VERSION: "none; the version that runs can be read",
    Evidence.MEASUREMENT: "measurements",
    Evidence.SIGNED: "signed measurements, where the device has them",
}
