# SPDX-License-Identifier: Apache-2.0
"""Every reason that this provider can give, and the statuses of the specification."""

from livefw.abi.nvme import status_name
from livefw.providers.codes import Codes, FirmwareCode, reasons_in
from livefw.providers.nvme import activation, component, provider, record, requirements, staging, statuses, uses

CODES = Codes(
    reasons_in(activation, component, provider, record, requirements, staging, statuses, uses),
    tuple(FirmwareCode(status_name(status), row.reason) for status, row in statuses.STATUSES.items()),
)
