# SPDX-License-Identifier: Apache-2.0
"""Firmware behind a modelled BMC: what runs, what is staged, and how the inventory shows it."""

import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha512
from typing import Any

from livefw.machine.bmc.documents import SERVICE, resource

INVENTORY = f"{SERVICE}/FirmwareInventory"
_NAMESPACE = uuid.UUID("0b0c7e7e-2f5b-5d0e-9d8c-6d1c1c3f7a10")
_BEFORE_STAGING = "v1_9_2"
"""A version of the schema that does not know of staging, which came with 1.11."""
_FORGED = re.compile(b"forged")
"""What an image is rejected for. A view has no search of its own."""
_VERSION = re.compile(rb"version=(\d+(?:\.\d+)*)")


class Pattern(StrEnum):
    """How an image waits for its activation (`docs` call them A and B), or that it cannot wait."""

    STAGE = "stage"
    """``Stage`` and ``Activate``, of the schemas of 2025.2."""
    START = "start"
    """``OnStartUpdateRequest`` and ``StartUpdate``."""
    BOTH = "both"
    IMMEDIATE = "immediate"
    """Neither, as most services of today."""


@dataclass(slots=True)
class Firmware:
    """One updateable part. With ``banks`` = 2 the inventory has a member for each bank, and they change places."""

    ident: str
    name: str
    related: str
    banks: int = 1
    running: str = "1.2.0"
    other: str = "1.1.0"
    staged: str | None = None
    active_bank: int = 0
    needs_reset: bool | None = False
    generation: int = 0
    """How often its measured content has changed."""
    in_band: bool = False
    """Whether something else than the BMC activates it."""
    member: str = "{ident}{bank}"
    """The last part of the URI of a member; what is in braces is what `uris` puts there."""
    manufacturer: str = "livefw"
    tells: bool = True
    """Whether its members say which of them runs and what an update takes, where the pattern does not need that."""

    def uris(self) -> list[str]:
        """Its members of the inventory."""
        software, _, device = self.ident.partition("__")
        more = {"ident": self.ident, "software": software, "device": device, "version": self.running}
        more["digest"] = sha512(self.running.encode()).hexdigest()[:8]
        return [
            f"{INVENTORY}/{self.member.format(bank=bank, **more)}"
            for bank in (("",) if self.banks == 1 else ("-a", "-b"))
        ]

    def version_of(self, image: bytes | memoryview) -> str:
        """The version that an image says it has, or else the next one."""
        if found := _VERSION.search(image):
            return found[1].decode()
        *first, last = self.running.split(".")
        return ".".join([*first, str(int(last) + 1)])

    @property
    def software_id(self) -> str:
        """What stands for the same firmware on every machine."""
        return str(uuid.uuid5(_NAMESPACE, self.ident))

    def refresh(self, faults: frozenset[str]) -> None:
        """Take over what has changed elsewhere: nothing, where only the BMC changes it."""

    def objection(self, image: bytes | memoryview) -> str:
        """Why an image is not authentic, in a sentence; empty if it is."""
        return "Verification of the image at the component failed." if _FORGED.search(image) else ""

    def hold(self, image: bytes | memoryview, version: str, faults: frozenset[str]) -> None:  # noqa: ARG002 - of other firmware
        """Keep an image until it is activated."""
        self.staged = version

    def release(self) -> None:
        """Keep the staged image no longer."""
        self.staged = None

    def activate(self, *, measured: bool = True) -> None:
        """Run what is staged."""
        if self.staged is None:
            return
        self.other, self.running, self.staged = self.running, self.staged, None
        self.active_bank = (self.active_bank + 1) % self.banks
        self.generation += measured

    def documents(self, pattern: Pattern, *, active: bool = True) -> list[dict[str, Any]]:
        """Its members (SoftwareInventory 1.14, or 1.2 where staging is not known).

        Without ``active`` they do not say which of them runs, and show the version that was received last.
        """
        found = [self._document(bank, uri, pattern) for bank, uri in enumerate(self.uris())]
        for document in () if active else found:
            document.pop("Active", None)
            document["Version"] = self.staged or document["Version"]
        return found

    def _document(self, bank: int, uri: str, pattern: Pattern) -> dict[str, Any]:
        active = bank == self.active_bank
        staged = self.staged is not None and (self.banks == 1 or not active)
        version = self.running if active else self.staged or self.other
        immediate = pattern is Pattern.IMMEDIATE or (pattern is Pattern.START and not self.tells)
        begins = resource(uri, "SoftwareInventory", self.name, version=_BEFORE_STAGING if immediate else "")
        document: dict[str, Any] = begins | {
            "Version": version,
            "Updateable": True,
            "SoftwareId": self.software_id,
            "Manufacturer": self.manufacturer,
            "LowestSupportedVersion": "1.0.0",
            "ReleaseDate": "2026-01-01T00:00:00Z",
            "RelatedItem": [{"@odata.id": self.related}],
            "Status": {"State": "Enabled", "Health": "OK"},
        }
        if immediate:
            return document
        document["Active"] = active
        if self.needs_reset is not None:
            document["ResetRequiredOnUpdate"] = self.needs_reset
        if pattern is not Pattern.START:
            document["Staged"] = staged
            names = ("Cancel",) if self.in_band else ("Activate", "Cancel")
            document["Actions"] = {
                f"#SoftwareInventory.{name}": {"target": f"{uri}/Actions/SoftwareInventory.{name}"} for name in names
            }
        return document
