# SPDX-License-Identifier: Apache-2.0
"""What the BMCs of a vendor look like, as data; what they do follows from it. Only what was published is in a table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from livefw.machine.bmc.firmware import Firmware, Pattern
from livefw.machine.bmc.identity import Identity

NOTHING: Mapping[str, Any] = MappingProxyType({})


class FirmwareRow(NamedTuple):
    """One updateable part. ``related`` is what it belongs to, with the names of `Identity` in braces."""

    ident: str
    name: str
    related: str
    running: str
    needs_reset: bool | None = False
    banks: int = 1
    member: str = ""
    """As `Shape.member`, where it is another one."""

    def made(self, identity: Identity, member: str, *, tells: bool) -> Firmware:
        """The part, as it is before any update."""
        related = self.related.format(**identity._asdict())
        return Firmware(
            self.ident,
            self.name,
            related,
            self.banks,
            self.running,
            needs_reset=self.needs_reset,
            member=self.member or member,
            manufacturer=identity.vendor,
            tells=tells,
        )


class Shape(NamedTuple):
    """One vendor's table. A path that is empty, or a list without anything, is something that there is not."""

    identity: Identity
    firmware: tuple[FirmwareRow, ...]
    pattern: Pattern
    member: str = "{ident}{bank}"
    """The last part of the URI of a member of the inventory; it may have the ``{version}`` or a ``{digest}`` of
    it in it."""
    multipart: str = "/redfish/v1/UpdateService/update-multipart"
    """``MultipartHttpPushUri``."""
    octets: str = ""
    """``HttpPushUri``, where it takes the bytes of an image."""
    form: str = ""
    """``HttpPushUri``, where it takes a form of the vendor's own, which the model refuses."""
    times: tuple[str, ...] = ("Immediate", "OnReset")
    """Apply times."""
    task: str = "{number}"
    """The last part of the URI of a task."""
    waits_as_task: bool = True
    """Whether an update that waits for StartUpdate is a task; otherwise nothing shows it, nor says that it waits."""
    takes_members: bool = True
    """Whether a push may name a member of the inventory as its target; otherwise only what the firmware is of."""
    state: tuple[str, ...] = ()
    """Where the UpdateService says how an update goes, for which there is no task then."""
    hold: tuple[tuple[str, ...], str] | None = None
    """A parameter of a push and its value with which the image is staged."""
    slots: tuple[str, ...] = ()
    """Where a member has its slots, and what is staged."""
    messages: Mapping[str, str] = NOTHING
    """The vendor's ids of messages, by the standard ones that mean the same."""
    service: Mapping[str, Any] = NOTHING
    """What else is in the UpdateService."""
    tells: bool = False
    """Whether members have Active and ResetRequiredOnUpdate: none of 231 captured in 2026 has."""
    measured: bool = False
    """Whether there is a ComponentIntegrity."""
    complaints: Mapping[str, str] = NOTHING
    """What DMTF's service validator complains of with reason, and why it is so all the same."""
    sources: tuple[str, ...] = ()
    """What was published."""
