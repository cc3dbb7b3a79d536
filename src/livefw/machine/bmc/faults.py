# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a modelled BMC: one row each; the command, its help and the tests follow from it."""

FAULTS = {
    "verify-fails": "the component does not take the image for authentic",
    "activate-fails": "the activation ends with ActivateFailed, and the old version runs on",
    "activate-hangs": "the task of an activation never goes on",
    "reset-after-all": "the task completes with ResetRequired, and the old version runs on",
    "false-success": "the task completes with UpdateSuccessful, and the old version runs on",
    "false-staging": "the task completes, and nothing is staged",
    "monitor-vanishes": "the monitor of a running task answers 404, and so does the task",
    "monitor-once": "a monitor answers 204 once when the task is over, and 404 from then on",
    "no-location": "an answer of 202 has a Task for its body and no Location",
    "busy": "actions are answered with 503",
    "reboots": "the BMC drops the connection upon an activation, and forgets sessions and tasks",
    "foreign-work": "somebody else has queued an update of another component",
    "measurement-stays": "an activation changes no measurement",
    "measurement-replayed": "every signed measurement is the first one again",
    "measurement-forged": "signatures of measurements are wrong",
}
