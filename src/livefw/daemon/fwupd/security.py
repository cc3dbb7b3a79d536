# SPDX-License-Identifier: Apache-2.0
"""What the engine's checks know of the host, as fwupd's security attributes (fwupd 2.0.20, ``fwupd-enums.h``)."""

from typing import Any

from livefw.activation.checks.facts import Facts
from livefw.activation.engine import Host
from livefw.dbus.wire import Variant

_SUCCESS = 1 << 0
_RUNTIME_ISSUE = 1 << 10
_ENABLED, _NOT_ENABLED = 1, 2


def attributes(host: Host) -> list[dict[str, Any]]:
    """Whether the kernel is locked down: without that, root can write to firmware interfaces around any tool."""
    locked = bool(Facts(host.files).snapshot().lockdown)
    return [
        {
            "AppstreamId": Variant("s", "org.fwupd.hsi.Kernel.Lockdown"),
            "Name": Variant("s", "Linux kernel lockdown"),
            "Plugin": Variant("s", "livefw"),
            "Flags": Variant("t", _RUNTIME_ISSUE | (_SUCCESS if locked else 0)),
            "HsiResult": Variant("u", _ENABLED if locked else _NOT_ENABLED),
            "HsiResultSuccess": Variant("u", _ENABLED),
        }
    ]
