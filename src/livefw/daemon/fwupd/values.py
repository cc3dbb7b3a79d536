# SPDX-License-Identifier: Apache-2.0
"""Numbers and names of fwupd's interface (fwupd 2.0.20, ``libfwupd``: enums and ``fwupd-error.h``)."""

from enum import IntEnum, IntFlag

from livefw.dbus.wire import Variant
from livefw.text import harmless

PREFIX = "org.freedesktop.fwupd"


class DeviceFlag(IntFlag):
    """What is true of a device."""

    INTERNAL = 1 << 0
    UPDATABLE = 1 << 1
    SUPPORTED = 1 << 5
    NEEDS_REBOOT = 1 << 8
    NEEDS_ACTIVATION = 1 << 20
    HISTORICAL = 1 << 22
    USABLE_DURING_UPDATE = 1 << 29
    UPDATABLE_HIDDEN = 1 << 37
    UNREACHABLE = 1 << 44


class ReleaseFlag(IntFlag):
    """What is true of a release."""

    IS_UPGRADE = 1 << 2
    IS_DOWNGRADE = 1 << 3
    BLOCKED_VERSION = 1 << 4
    BLOCKED_APPROVAL = 1 << 5


class InstallFlag(IntFlag):
    """What a client wants regardless."""

    ALLOW_OLDER = 1 << 2
    IGNORE_REQUIREMENTS = 1 << 9


class RequestKind(IntEnum):
    """When a person is asked for something."""

    POST = 1


class RequestFlag(IntFlag):
    """How."""

    NON_GENERIC_MESSAGE = 1 << 2


class RemoteType(IntEnum):
    """Where a client finds the files of a remote."""

    DIRECTORY = 3


class DeviceProblem(IntFlag):
    """Why a device cannot be updated now."""

    UNREACHABLE = 1 << 1
    UPDATE_PENDING = 1 << 3
    SYSTEM_INHIBIT = 1 << 8
    UPDATE_IN_PROGRESS = 1 << 9
    IN_USE = 1 << 10


class Status(IntEnum):
    """What the daemon does."""

    IDLE = 1
    DEVICE_RESTART = 4
    DEVICE_WRITE = 5
    DEVICE_BUSY = 12


class UpdateState(IntEnum):
    """How the last update of a device went."""

    UNKNOWN = 0
    PENDING = 1
    SUCCESS = 2
    FAILED = 3
    FAILED_TRANSIENT = 5


class VersionFormat(IntEnum):
    """How a version is written."""

    UNKNOWN = 0
    PLAIN = 1
    NUMBER = 2
    PAIR = 3
    TRIPLET = 4
    QUAD = 5


ERRORS = {
    "usage": "NotSupported",
    "no-such-component": "NotFound",
    "ambiguous-component": "NotFound",
    "interrupted": "Internal",
    "nothing-to-do": "NothingToDo",
    "nothing-here": "NothingToDo",
    "refused": "NeedsUserAction",
    "failed": "Write",
    "outcome-unknown": "TimedOut",
    "not-installed": "NotSupported",
    "transport": "Read",
    "no-permission": "PermissionDenied",
    "internal": "Internal",
}
"""Kinds of our errors (`livefw.errors.KINDS`) and what fwupd calls them."""

TYPES = {
    "DeviceId": "s",
    "ParentDeviceId": "s",
    "CompositeId": "s",
    "Guid": "as",
    "InstanceIds": "as",
    "Name": "s",
    "Summary": "s",
    "Description": "s",
    "Vendor": "s",
    "VendorId": "s",
    "Plugin": "s",
    "Protocol": "s",
    "Icon": "as",
    "Flags": "t",
    "Problems": "t",
    "Version": "s",
    "VersionFormat": "u",
    "Created": "t",
    "Modified": "t",
    "InstallDuration": "u",
    "UpdateState": "u",
    "UpdateError": "s",
    "Status": "u",
    "Percentage": "u",
    "Release": "aa{sv}",
    "AppstreamId": "s",
    "TrustFlags": "t",
    "Metadata": "a{ss}",
    "Checksum": "s",
    "Size": "t",
    "Filename": "s",
    "License": "s",
    "RemoteId": "s",
    "Locations": "as",
    "Title": "s",
    "Type": "u",
    "FilenameCache": "s",
    "Enabled": "b",
    "UpdateMessage": "s",
    "RequestKind": "u",
}
"""Types of the keys that are sent: fwupd's clients drop a value of another type, a ``u`` for a ``t`` included."""


def typed(values: dict[str, object]) -> dict[str, Variant]:
    """A dictionary as it is sent; what is None or an empty text or list is left out.

    Some of it was said by firmware, management controllers and archives, and all of it is shown on terminals.
    """
    return {key: Variant(TYPES[key], _shown(value)) for key, value in values.items() if value not in (None, "", [])}


def _shown(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [harmless(each) for each in value]
    if isinstance(value, dict):
        return {harmless(name): harmless(each) for name, each in value.items()}
    return value
