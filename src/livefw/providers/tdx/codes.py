# SPDX-License-Identifier: Apache-2.0
"""Every reason that this provider can give, those of its rules among them, and what P-SEAMLDR answers."""

from livefw.abi.tdx import SeamldrStatus
from livefw.providers.base import Reason
from livefw.providers.codes import Codes, FirmwareCode, ReasonRow, reasons_in
from livefw.providers.tdx import outlook, provider, request, requirements, select

_RULES = tuple(
    ReasonRow(Reason(rule.code, rule.about, rule.hint)) for rule in (*select.PLATFORM_RULES, *select.IMAGE_RULES)
)
_ANSWER = Reason(
    "", "P-SEAMLDR's status {number} of the call that is named before it", "see the reason beside it for its effect"
)
CODES = Codes(
    reasons_in(outlook, provider, request, requirements) + _RULES,
    tuple(FirmwareCode(status.name, _ANSWER.fill(number=f"{status:#x}")) for status in SeamldrStatus if status),
)
