# SPDX-License-Identifier: Apache-2.0
"""The components of our own agent under the suite: TF-A's FVP port, and two that take their time."""

from livefw.abi import guid
from livefw.firmware.spec import ComponentKind, ComponentSpec

_WORK_MS = 150.0
"""How long the controller's steps and the second partition's activation take: a second CPU meets the first inside."""

COMPONENTS = (
    ComponentSpec(
        str(guid.BL31.guid), ComponentKind.BL31, "1.0", "1.1", pending_never_clears=True, prime_ms=0, activate_ms=0
    ),
    ComponentSpec(str(guid.BL33.guid), ComponentKind.BL33),
    ComponentSpec(
        str(guid.RMM.guid),
        ComponentKind.RMM,
        "2.0",
        "2.1",
        pending_never_clears=True,
        prime_steps=1,
        prime_ms=0,
        activate_ms=0,
    ),
    ComponentSpec(
        str(guid.FVP_SP1.guid), ComponentKind.SP, "3.0", "3.1", pending_never_clears=True, prime_ms=0, activate_ms=0
    ),
    ComponentSpec(
        str(guid.FVP_SP2.guid),
        ComponentKind.SP,
        "3.0",
        "3.1",
        pending_never_clears=True,
        prime_ms=0,
        activate_ms=_WORK_MS,
    ),
    ComponentSpec(
        str(guid.SCP_BL2U.guid),
        ComponentKind.CONTROLLER,
        "4.0",
        "4.1",
        pending_never_clears=True,
        prime_steps=2,
        prime_ms=_WORK_MS,
        activate_steps=2,
        activate_ms=_WORK_MS,
    ),
)
