# SPDX-License-Identifier: Apache-2.0
"""What OCP asks of impactless updates of CPU firmware, and which of it a mechanism meets, by what.

The text of the "Hyperscale CPU Impactless Firmware Updates Requirements Specification" is not public. What is known
comes from the deck of the OCP Global Summit 2025 and from who cites the document; the numbers of the rows are ours.
Goals (minimal downtime, one architecture for all vendors) are no rows: nothing shows whether they are met.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from livefw.providers.declaration import EVIDENCE, Declaration, EvidenceLevel, Impact, PrimePoint, Reach, Transport

OUT_OF_SCOPE = "ocp-scope"
"""Code of the reason by which an update is refused that OCP leaves out."""

_DECK = "OCP Global Summit 2025, deck on CPU impactless firmware updates"
_CITED = f"{_DECK}; read the same way in the cover letters of the Linux LFA series"


class Met(StrEnum):
    """How far a requirement is met."""

    YES = "yes"
    PARTLY = "in part"
    NO = "no"
    UNTOLD = "not stated"


class RequirementAnswer(NamedTuple):
    """How far, and by what."""

    met: Met
    by: str = ""

    def __str__(self) -> str:
        return f"{self.met}: {self.by}" if self.by else str(self.met)


class Requirement(NamedTuple):
    """One row: what is asked for, who says that it is, and how a mechanism's declaration answers it."""

    ident: str
    text: str
    source: str
    answer: Callable[[Declaration], RequirementAnswer]


def roles(declared: Declaration) -> tuple[tuple[str, str], ...]:
    """Who plays each role of the deck."""
    host = "the Linux driver" if declared.transport is Transport.IN_BAND else "none; the BMC is in its place"
    return (
        ("deployment agent", "livefw, and the source of the image"),
        ("host software", host),
        ("impactless update function", declared.updater),
        ("root of trust", declared.verifier),
    )


def steps(declared: Declaration) -> tuple[tuple[str, str], ...]:
    """The steps of the deck, and what stands for each."""
    return (
        ("prepare", declared.stage or "part of execute"),
        ("verify", _VERIFY[declared.prime]),
        ("execute", declared.activate),
        ("return status", declared.result),
        ("attestation", declared.attestation or "none public"),
    )


_VERIFY = {
    PrimePoint.SEPARATE: "a step of its own",
    PrimePoint.WITH_STAGE: "part of prepare",
    PrimePoint.WITH_ACTIVATE: "part of execute",
}


def _live(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.NO if declared.impact is Impact.CPU_RESET else Met.YES, declared.activate)


def _controllers(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.YES if Reach.CONTROLLERS in declared.reach else Met.NO)


def _microcode(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.YES if Reach.MICROCODE in declared.reach else Met.NO)


def _no_host(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.NO if Reach.HOST in declared.reach else Met.YES, declared.scope)


def _delivered(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.YES if declared.stage else Met.NO, declared.stage)


def _way(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.PARTLY, f"{declared.transport}; that it was chosen at boot time is not stated")


def _prepared(declared: Declaration) -> RequirementAnswer:
    when = {PrimePoint.SEPARATE: "a step of its own", PrimePoint.WITH_STAGE: "while it is staged"}
    return RequirementAnswer(
        Met.PARTLY, f"{when.get(declared.prime, 'with the activation')}; that it is locked is not stated"
    )


def _verified(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.YES, declared.verifier) if declared.verifier else RequirementAnswer(Met.NO)


def _customer(_: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.UNTOLD)


def _status(declared: Declaration) -> RequirementAnswer:
    return RequirementAnswer(Met.YES if declared.result else Met.NO, declared.result)


def _attested(declared: Declaration) -> RequirementAnswer:
    if declared.evidence in (EvidenceLevel.MEASUREMENT, EvidenceLevel.SIGNED):
        return RequirementAnswer(Met.YES, declared.attestation or EVIDENCE[declared.evidence])
    return (
        RequirementAnswer(Met.PARTLY, declared.attestation)
        if declared.attestation
        else RequirementAnswer(Met.NO, "none public")
    )


REQUIREMENTS = (
    Requirement("OCP-1", "applied while the system runs, without a reboot", _DECK, _live),
    Requirement("OCP-2", "for firmware of microcontrollers beside the cores", _DECK, _controllers),
    Requirement("OCP-3", "for CPU microcode", _DECK, _microcode),
    Requirement("OCP-4", "not for BIOS/UEFI, for now, as that is not the silicon vendor's", _CITED, _no_host),
    Requirement("OCP-5", "the deployment agent hands the update over", _DECK, _delivered),
    Requirement("OCP-6", "in band or out of band, as chosen at boot time", _DECK, _way),
    Requirement("OCP-7", "the image is prepared: placed in memory and locked", _DECK, _prepared),
    Requirement("OCP-8", "the root of trust verifies the vendor's header and signature", _DECK, _verified),
    Requirement("OCP-9", "an optional signature of the customer is checked, too", _DECK, _customer),
    Requirement("OCP-10", "the update is executed, and a status returned", _DECK, _status),
    Requirement("OCP-11", "attestation or measurements of what runs", _DECK, _attested),
)
"""What can be derived from public material, each with its source."""


def answers(declared: Declaration) -> tuple[tuple[Requirement, RequirementAnswer], ...]:
    """Every row, answered for one mechanism."""
    return tuple((row, row.answer(declared)) for row in REQUIREMENTS)
