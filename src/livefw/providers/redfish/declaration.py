# SPDX-License-Identifier: Apache-2.0
"""Redfish (DSP0266; UpdateService 1.16, SoftwareInventory 1.14, ComponentIntegrity 1.4) in the common words."""

from livefw.providers.declaration import (
    CancelWindow,
    Declaration,
    EvidenceLevel,
    Impact,
    Persistence,
    PrimePoint,
    Reach,
    Transport,
)

DECLARATION = Declaration(
    provider="redfish",
    title="Redfish",
    transport=Transport.OUT_OF_BAND,
    interface="HTTPS to each BMC",
    component="SoftwareId and RelatedItem of inventory members",
    version="Version of the member that is Active",
    updater="the device behind the BMC, by whatever protocol they share",
    stage="multipart push, HttpPushUri or SimpleUpdate, with Stage, an apply time or a vendor's own option",
    pending="SoftwareInventory.Staged, or a queued task",
    prime=PrimePoint.WITH_STAGE,
    verifier="the BMC or the device, in the task that stages",
    activate="SoftwareInventory.Activate, UpdateService.Activate or StartUpdate, of what takes no reset",
    cancel=CancelWindow.BEFORE_ACTIVATE,
    impact=Impact.UNKNOWN,
    result="task state and messages of the Update registry",
    evidence=EvidenceLevel.SIGNED,
    attestation="ComponentIntegrity: SPDM measurements, before and after, each with a nonce of its own",
    persistence=Persistence.UNKNOWN,
    reach=Reach.CONTROLLERS | Reach.MICROCODE,
    scope="the same, microcontrollers and microcode; a BIOS is refused as `ocp-scope`",
)
