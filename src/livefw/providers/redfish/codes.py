# SPDX-License-Identifier: Apache-2.0
"""Every reason that this provider can give, and the keys of the messages that a BMC explains itself by."""

from livefw.providers.base import Reason, Reply
from livefw.providers.codes import Codes, FirmwareCode, ReasonRow, once, reasons_in
from livefw.providers.redfish import (
    client,
    components,
    exchange,
    groups,
    handover,
    image_server,
    jobs,
    octets,
    provider,
    service_state,
    tasks,
    tls_failure,
    upload,
)
from livefw.providers.redfish.registry import REGISTRY

_MODULES = (
    client,
    components,
    exchange,
    groups,
    handover,
    image_server,
    jobs,
    octets,
    provider,
    service_state,
    tasks,
    tls_failure,
    upload,
)
_FAILURES = tuple(ReasonRow(Reason(row.failure, row.text), Reply.FAILED) for row in REGISTRY.values() if row.failure)
CODES = Codes(
    once((*reasons_in(*_MODULES), *_FAILURES)),
    tuple(FirmwareCode(key, Reason(row.failure, row.text)) for key, row in REGISTRY.items()),
)
