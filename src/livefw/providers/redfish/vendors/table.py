# SPDX-License-Identifier: Apache-2.0
"""All vendors' tables, and whose BMC a service is."""

from livefw.providers.redfish.vendors.dell import DELL
from livefw.providers.redfish.vendors.hpe import HPE
from livefw.providers.redfish.vendors.ibm import IBM
from livefw.providers.redfish.vendors.lenovo import LENOVO
from livefw.providers.redfish.vendors.nvidia import NVIDIA
from livefw.providers.redfish.vendors.supermicro import SUPERMICRO
from livefw.providers.redfish.vendors.vendor import Body, MessageRow, Vendor, at, text_at

VENDORS = (DELL, HPE, IBM, LENOVO, NVIDIA, SUPERMICRO)
PLAIN = Vendor("")
"""A service of nobody known: as the standard has it."""
MESSAGES: dict[str, MessageRow] = {key: row for vendor in VENDORS for key, row in vendor.messages.items()}
SCHEDULED = frozenset[str]().union(*(vendor.scheduled for vendor in VENDORS))


JOB_PLACES = tuple(vendor.job for vendor in VENDORS if vendor.job)
_STANDARD_JOBS = {
    "Continue": "Running",
    "UserIntervention": "Suspended",
    "Validating": "Running",
    "Invalid": "Exception",
}
JOB_STATES: dict[str, str] = _STANDARD_JOBS | {
    state: task for vendor in VENDORS for state, task in vendor.job_states.items()
}
"""States of jobs (DSP8010, Job 1.2, and vendors') that are none of a task."""


def vendor_of(root: Body, service: Body) -> Vendor:
    """Whose table holds, by the service root and the UpdateService: the one whose name or ``Oem`` object is there."""
    said = text_at(root, ("Vendor",))
    for vendor in VENDORS:
        if said in vendor.called or (vendor.oem and isinstance(at(service, ("Oem", vendor.oem)), dict)):
            return vendor
    # IBM's service has no Oem object of its own: the action is what shows it.
    return next((each for each in VENDORS if text_at(service, each.push_until_reset)), PLAIN)
