# SPDX-License-Identifier: Apache-2.0
"""Dell: iDRAC, whose tasks are jobs of its Lifecycle Controller."""

from livefw.providers.redfish.vendors.vendor import MessageRow, Vendor

DELL = Vendor(
    "Dell",
    called=frozenset({"Dell"}),
    oem="Dell",
    around_version=("-", "__"),
    messages={
        "JCP001": MessageRow("the job is scheduled"),
        "RED001": MessageRow("the job is done"),
        "RED002": MessageRow("the image has been received"),
        "RED007": MessageRow("the signature of the image cannot be verified", "auth-failed"),
        "RED030": MessageRow("the reboot is done"),
    },
    scheduled=frozenset({"JCP001"}),
    job=("Oem", "Dell"),
    job_states={
        "Scheduling": "Starting",
        "Scheduled": "Pending",
        "ReadyForExecution": "Pending",
        "Waiting": "Pending",
        "RebootPending": "Pending",
        "PendingActivation": "Pending",
        "Downloading": "Running",
        "Downloaded": "Running",
        "RebootCompleted": "Running",
        "Paused": "Suspended",
        "CompletedWithErrors": "Exception",
        "Failed": "Exception",
        "RebootFailed": "Exception",
    },
    sources=(
        "dell/iDRAC-Redfish-Scripting: Redfish Python/GetFirmwareInventoryREDFISH.py (Installed-ID-VERSION__DEVICE)",
        "sushy-oem-idrac: tests/unit/resources/taskservice/test_task.py (JCP001)",
        "dellemc.openmanage: plugins/modules/idrac_firmware.py, idrac_lifecycle_controller_job_status_info.py (RED001)",
        "dell/OpenManage-Enterprise#134 (RED002)",
        "it.giffen.cloud, 15 October 2021 (RED007: Unable to verify Update Package signature)",
        "sapcc/sushy-oem-idrac: sushy_oem_idrac/resources/taskservice/mappings.py (states of jobs)",
        "dell/iDRAC-Redfish-Scripting: DeviceFirmwareMultipartUploadREDFISH.py (OnReset; jobs as tasks)",
    ),
)
