# SPDX-License-Identifier: Apache-2.0
"""Every reason that this provider can give, and the keys of the messages that a BMC explains itself by."""

from livefw.providers.base import Reason, Said
from livefw.providers.codes import Codes, FirmwareCode, Told, once, told_in
from livefw.providers.redfish import client, components, exchange, provider, tasks, work

_FAILURES = tuple(Told(Reason(row.failure, row.text), Said.FAILED) for row in tasks.REGISTRY.values() if row.failure)
CODES = Codes(
    once((*told_in(client, components, exchange, provider, tasks, work), *_FAILURES)),
    tuple(FirmwareCode(key, Reason(row.failure, row.text)) for key, row in tasks.REGISTRY.items()),
)
