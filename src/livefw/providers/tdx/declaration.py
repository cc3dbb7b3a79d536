# SPDX-License-Identifier: Apache-2.0
"""Update of the TDX module (Linux 7.2 ``Documentation/arch/x86/tdx.rst``, firmware upload ABI) in the common words."""

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
    provider="tdx",
    title="Intel TDX module",
    transport=Transport.IN_BAND,
    interface="`/sys/class/firmware/tdx_module/`, `/sys/devices/faux/tdx_host/`",
    component="the one module",
    version="`version`",
    updater="P-SEAMLDR",
    stage="a directory of images, by others; written to `data` as part of the activation",
    pending="",
    prime=PrimePoint.WITH_ACTIVATE,
    verifier="P-SEAMLDR, after the old module is shut down; livefw verifies the same beforehand",
    activate="1 into `loading`, the image into `data`, 0 into `loading`",
    cancel=CancelWindow.BEFORE_ACTIVATE,
    impact=Impact.RENDEZVOUS,
    result="a word in `error`, and the version and slots afterwards",
    evidence=EvidenceLevel.VERSION,
    attestation="TD reports name the module that runs; they are made inside a TD, not by livefw",
    persistence=Persistence.VOLATILE,
    reach=Reach.HOST,
    scope="outside, as the module runs on the application processors",
)
