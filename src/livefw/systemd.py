# SPDX-License-Identifier: Apache-2.0
"""What systemd hears: entries for the system journal in its native protocol, and readiness of a service.

Both are one datagram on a Unix socket (systemd: ``journal-native-protocol``, ``sd_notify(3)``). A machine without
systemd has no such socket, and nothing is missing there.
"""

import os
import socket
from collections.abc import Mapping

JOURNAL_SOCKET = "/run/systemd/journal/socket"
OUTCOME_MESSAGE_ID = "7b0d9b3ce2f14d0f8a52c5d1f3a6e94b"
"""``journalctl MESSAGE_ID=...`` finds every outcome of every activation; it never changes."""
STAGING_MESSAGE_ID = "0c9e3b1f6a7d4e2f9b5d84a1c2e7f360"
"""The same for every image that was handed over to a mechanism, or was to be."""
SET_ASIDE_MESSAGE_ID = "5d1f0a9c7e3b4861a2c4d7f8b96e0315"
"""The same for a history that was damaged and set aside."""

_LIMIT = 60_000
"""Bytes of one entry. A datagram has to fit into the socket's buffer; longer values are cut."""


def log(message: str, *, priority: int, fields: Mapping[str, str], path: str = JOURNAL_SOCKET) -> bool:
    """Send one entry; whether somebody took it. ``fields`` in capitals, beside MESSAGE and PRIORITY."""
    share = _LIMIT // (len(fields) + 1)
    entry = {"MESSAGE": message, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "livefw", **fields}
    return _send(
        path, b"".join(_field(name, value.encode("utf-8", "replace")[:share]) for name, value in entry.items())
    )


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell the service manager, for instance ``READY=1``; False if there is none."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    return _send("\0" + path[1:] if path.startswith("@") else path, state.encode())


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often to send ``WATCHDOG=1`` to the service manager, in seconds: twice in the time that it gives
    (sd_watchdog_enabled(3)); None if it does not want that of this process."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 2e6 if microseconds.isdigit() and ours else None


def _field(name: str, value: bytes) -> bytes:
    """A field with its length, which lets the value hold line breaks and anything else."""
    return name.encode("ascii") + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def _send(path: str, data: bytes) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
            client.settimeout(0)  # a journal that hangs must not hold up an activation
            client.sendto(data, path)
    except OSError:
        return False
    return True
