# SPDX-License-Identifier: Apache-2.0
"""The messages of the registries by which a BMC explains itself, and what each means here."""

from livefw.providers.redfish.vendors.table import MESSAGES
from livefw.providers.redfish.vendors.vendor import MessageRow

STANDARD = {
    "TargetDetermined": MessageRow("the target is determined"),
    "AllTargetsDetermined": MessageRow("all targets are determined"),
    "TransferringToComponent": MessageRow("the image is being transferred to the component"),
    "VerifyingAtComponent": MessageRow("the component verifies the image"),
    "InstallingOnComponent": MessageRow("the image is being installed"),
    "ApplyingOnComponent": MessageRow("the image is being applied"),
    "AwaitToUpdate": MessageRow("the update is waiting to be started"),
    "AwaitToActivate": MessageRow("the image is staged and pending activation"),
    "UpdateInProgress": MessageRow("an update is in progress"),
    "OperationTransitionedToJob": MessageRow("the service continues in a job"),
    "UpdateSuccessful": MessageRow("the update is done"),
    "TaskStarted": MessageRow("the task has started"),
    "TaskProgressChanged": MessageRow("the task is in progress"),
    "TaskPaused": MessageRow("the task is paused"),
    "TaskResumed": MessageRow("the task has resumed"),
    "TaskCompletedOK": MessageRow("the task is done"),
    "TaskCompletedWarning": MessageRow("the task is done, with a warning", ""),
    "TransferFailed": MessageRow("the image could not be transferred to the component", "transfer-failed"),
    "VerificationFailed": MessageRow("the component rejects the image as not authentic", "auth-failed"),
    "ApplyFailed": MessageRow("the image could not be installed", "apply-failed"),
    "ActivateFailed": MessageRow("the image could not be activated", "activation-failed"),
    "NoTargetsDetermined": MessageRow("no target accepts this image", "version-refused"),
    "UpdateNotApplicable": MessageRow("the image is not for this component", "version-refused"),
    "UpdateSkipped": MessageRow("the component was skipped", "version-refused"),
    "UpdateSkippedSameVersion": MessageRow("this version is installed already", "version-refused"),
    "ResetRequired": MessageRow("a reset is required: the update is not live", "reset-required"),
    "TaskAborted": MessageRow("the task was aborted", "activation-failed"),
    "TaskCancelled": MessageRow("the task was cancelled", "task-cancelled"),
    "TaskRemoved": MessageRow("the task was removed", "task-cancelled"),
}
"""Update 1.2.0, TaskEvent and Base; matched by the last part of the id, because versions differ."""
REGISTRY = STANDARD | MESSAGES
"""The same with those of vendors' own registries, whose names are of their own."""
AWAITING = frozenset({"AwaitToUpdate", "AwaitToActivate"})
"""Those that say that an image waits for its activation."""
