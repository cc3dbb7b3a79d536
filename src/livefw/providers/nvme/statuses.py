# SPDX-License-Identifier: Apache-2.0
"""What each status says that a drive answers a firmware command with (Base Specification 2.0, 5.12 and 5.13)."""

import errno
from typing import NamedTuple

from livefw.abi.nvme import NvmeStatus, status_name
from livefw.files.protocol import LOST
from livefw.providers.base import Reason, Reply


class StatusRow(NamedTuple):
    """What a status means for the request that it answers."""

    reply: Reply
    reason: Reason


_RESET_HINT = "livefw cancel COMPONENT keeps the running firmware at the next reset"
_NOTHING = Reply.DECLINED
STATUSES: dict[int, StatusRow] = {
    NvmeStatus.INVALID_OPCODE: StatusRow(
        _NOTHING, Reason("no-firmware-commands", "the drive does not know the command")
    ),
    NvmeStatus.INVALID_FIELD: StatusRow(_NOTHING, Reason("bad-request", "the drive rejected the request as invalid")),
    NvmeStatus.DATA_TRANSFER_ERROR: StatusRow(
        Reply.FAILED, Reason("transfer-failed", "the image did not reach the drive")
    ),
    NvmeStatus.INTERNAL_ERROR: StatusRow(Reply.FAILED, Reason("device-error", "the drive reports an internal error")),
    NvmeStatus.ABORT_REQUESTED: StatusRow(Reply.FAILED, Reason("aborted", "the command was aborted")),
    NvmeStatus.COMMAND_SEQUENCE_ERROR: StatusRow(
        _NOTHING, Reason("busy", "the drive is busy with another firmware command", "try again")
    ),
    NvmeStatus.OPERATION_DENIED: StatusRow(_NOTHING, Reason("not-permitted", "the drive denies the operation")),
    NvmeStatus.SANITIZE_IN_PROGRESS: StatusRow(
        _NOTHING, Reason("busy", "the drive is being sanitized", "try again when that has ended")
    ),
    NvmeStatus.COMMAND_INTERRUPTED: StatusRow(
        _NOTHING, Reason("busy", "the drive interrupted the command", "try again")
    ),
    NvmeStatus.MEDIA_NOT_READY: StatusRow(_NOTHING, Reason("busy", "the drive's media are not ready", "try again")),
    NvmeStatus.INVALID_FIRMWARE_SLOT: StatusRow(
        _NOTHING, Reason("bad-slot", "the slot does not exist, is empty, or is read-only")
    ),
    NvmeStatus.INVALID_FIRMWARE_IMAGE: StatusRow(
        _NOTHING, Reason("image-refused", "the drive rejected the image: not for it, damaged, or not authentic")
    ),
    NvmeStatus.NEEDS_CONVENTIONAL_RESET: StatusRow(
        _NOTHING, Reason("reset-required", "the drive takes a conventional reset for it: not live", _RESET_HINT)
    ),
    NvmeStatus.NEEDS_SUBSYSTEM_RESET: StatusRow(
        _NOTHING, Reason("reset-required", "the drive takes a reset of its NVM subsystem for it: not live", _RESET_HINT)
    ),
    NvmeStatus.NEEDS_CONTROLLER_RESET: StatusRow(
        _NOTHING, Reason("reset-required", "the drive takes a controller level reset for it: not live", _RESET_HINT)
    ),
    NvmeStatus.MAXIMUM_TIME_VIOLATION: StatusRow(
        _NOTHING, Reason("too-long", "the activation would take longer than the drive's MTFA")
    ),
    NvmeStatus.ACTIVATION_PROHIBITED: StatusRow(
        _NOTHING, Reason("version-refused", "the drive prohibits the activation of this image")
    ),
    NvmeStatus.OVERLAPPING_RANGE: StatusRow(
        _NOTHING,
        Reason("overlap", "pieces of the image overlap: another program downloads one, too", "try again"),
    ),
    NvmeStatus.BOOT_PARTITION_PROHIBITED: StatusRow(
        _NOTHING, Reason("not-permitted", "the drive's boot partition is write protected")
    ),
}
_OTHER = Reason("unexpected-status", "the drive answered: {status}")

_DENIED = Reason("no-permission", "this process may not use the device", "run it as root")
ERRNOS: dict[int, StatusRow] = {
    errno.EACCES: StatusRow(Reply.REFUSED, _DENIED),
    errno.ENODEV: StatusRow(Reply.LOST, Reason("drive-gone", "the drive has left while it was asked")),
    errno.EIO: StatusRow(Reply.LOST, Reason("no-reply", "the kernel got no answer from the drive")),
    errno.EINTR: StatusRow(Reply.LOST, Reason("no-reply", "the kernel got no answer from the drive")),
    LOST: StatusRow(Reply.LOST, Reason("lost", "the process that made the call died", "livefw show COMPONENT")),
}
"""What an errno of the ioctl says: the command had no status."""
_ERRNO = Reason("unexpected-errno", "the kernel answered the command with errno {error}")


def row_of_status(status: int) -> StatusRow:
    """What a status other than success means; one that is not known is a failure."""
    return STATUSES.get(status) or StatusRow(Reply.FAILED, _OTHER.fill(status=status_name(status)))


def row_of_errno(error: int) -> StatusRow:
    """What an errno means; one that is not known leaves the end open."""
    return ERRNOS.get(error) or StatusRow(Reply.LOST, _ERRNO.fill(error=error))
