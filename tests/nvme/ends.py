# SPDX-License-Identifier: Apache-2.0
"""How an activation ends under each fault of a drive, and what a killed engine leaves at each moment.

In process (`test_ends`) and on Debian's kernel (`kernel_checks`) the same rows hold. Nothing of livefw is loaded with
this file, which the virtual machine reads before it has installed the package.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from livefw.activation.engine import Host


class End(NamedTuple):
    """Outcome, its code, and what the drive runs then, of an activation from 1.0 to 2.0."""

    outcome: str
    code: str
    runs: str = "1.0"


OF_DRIVE = {
    "no-event": End("activated", "version-arrived", "2.0"),
    "too-slow": End("activated", "arrived-by-reset", "2.0"),
    "dies": End("failed", "device-gone"),
    "other-version": End("unknown", "version-astray", "ODD"),
    "changes-nothing": End("failed", "false-success"),
    "damages-slot": End("unknown", "version-contradicts"),
    "read-only": End("activated", "arrived-with-damage", "2.0"),
    "unhealthy": End("activated", "version-arrived", "2.0"),
    "identify-fails": End("activated", "version-arrived", "2.0"),
    "identify-wrong": End("activated", "version-arrived", "2.0"),
}
"""Faults after which the drive is another one than before; each check that can be ignored is."""
OF_STATUS = {
    "commit-invalid-opcode": End("refused", "no-firmware-commands"),
    "commit-invalid-field": End("refused", "bad-request"),
    "commit-data-transfer-error": End("failed", "transfer-failed"),
    "commit-internal-error": End("failed", "device-error"),
    "commit-abort-requested": End("failed", "aborted"),
    "commit-command-sequence-error": End("refused", "busy"),
    "commit-operation-denied": End("refused", "not-permitted"),
    "commit-sanitize-in-progress": End("refused", "busy"),
    "commit-command-interrupted": End("refused", "busy"),
    "commit-media-not-ready": End("refused", "busy"),
    "commit-invalid-firmware-slot": End("refused", "bad-slot"),
    "commit-invalid-firmware-image": End("refused", "image-refused"),
    "commit-needs-conventional-reset": End("refused", "reset-required"),
    "commit-needs-subsystem-reset": End("refused", "reset-required"),
    "commit-needs-controller-reset": End("refused", "reset-required"),
    "commit-maximum-time-violation": End("refused", "too-long"),
    "commit-activation-prohibited": End("refused", "version-refused"),
    "commit-overlapping-range": End("refused", "overlap"),
    "commit-boot-partition-prohibited": End("refused", "not-permitted"),
}
"""Statuses that the drive answers the commit with; the image stays in its slot."""
ENDS: dict[str, End] = OF_DRIVE | OF_STATUS


class Remains(NamedTuple):
    """What the history has of a request whose engine was killed.

    ``left``: the outcome that it has until somebody settles it, None for none. ``settled``: outcome and code that the
    next request finds; empty where there is nothing to settle. ``done``: whether the drive does what was asked.
    """

    left: str | None = None
    settled: tuple[str, str] | tuple[()] = ()
    done: bool = False


_NOT_BEGUN = Remains()
_NOT_ASKED = Remains(settled=("cancelled", "not-asked"))
_ACTIVATED = Remains(settled=("activated", "version-arrived"), done=True)
DEATHS = {
    "locked": _NOT_BEGUN,
    "settled": _NOT_BEGUN,
    "checked": _NOT_BEGUN,
    "intended": _NOT_ASKED,
    "asked": _NOT_ASKED,
    "commit-sent": _ACTIVATED,
    "identify-sent": _ACTIVATED,
    "answered": _ACTIVATED,
    "judged": _ACTIVATED,
    "recorded": Remains("activated", done=True),
    "announced": Remains("activated", done=True),
}
"""By the moment of an activation at which its engine is killed, in their order."""
_OPEN = Remains(settled=("unknown", "no-evidence"))
_STAGED = _OPEN._replace(done=True)
STAGING_DEATHS = {
    "intended": _OPEN,
    "asked": _OPEN,
    "download-sent": _OPEN,
    "download-again": _OPEN,
    "commit-sent": _STAGED,
    "answered": _STAGED,
    "judged": _STAGED,
    "recorded": Remains("staged", done=True),
    "announced": Remains("staged", done=True),
}
"""The same of a staging. A drive does not tell who filled a slot."""


def watched(host: "Host", reached: Callable[[str], None]) -> "Host":
    """A host whose engine tells each moment: its points, and whatever it sends to a drive, before there is an answer.

    The providers have to see the machine through `WatchedFiles`, too.
    """
    return host._replace(at=lambda point: reached(str(point)))


class WatchedFiles:
    """Files that tell what is sent to a drive."""

    def __init__(self, files: Any, reached: Callable[[str], None]) -> None:
        self._files = files
        self._reached = reached
        self._sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def start_calls(self, path: str, calls: Any) -> Any:
        """As it is; the child that makes the calls outlives its parent."""
        started = self._files.start_calls(path, calls)
        now = {0x06: "identify", 0x10: "commit", 0x11: "download"}.get(calls[0].data[0], "")
        if now and (now != "identify" or "commit" in self._sent):
            self._sent.append(now)
            again = self._sent.count(now) > 1
            self._reached(f"{now}-{'again' if again else 'sent'}")
        return started
