# SPDX-License-Identifier: Apache-2.0
"""Every reason that this provider can give, and the firmware's codes (DEN0147; the driver logs them with ``LFA_``)."""

from livefw.providers.base import Reply
from livefw.providers.codes import Codes, FirmwareCode, ReasonRow, once, reasons_in
from livefw.providers.lfa import agents, diagnose, drivers, provider, request, tree

_FAILURES = tuple(ReasonRow(reason, Reply.FAILED) for reason in request.FIRMWARE.values())
CODES = Codes(
    once((*reasons_in(agents, diagnose, drivers, provider, request, tree), *_FAILURES)),
    tuple(FirmwareCode(name, reason, (f"LFA_{name}",)) for name, reason in request.FIRMWARE.items()),
)
