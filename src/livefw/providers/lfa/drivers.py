# SPDX-License-Identifier: Apache-2.0
"""The Linux LFA driver's versions, as far as they can be distinguished from outside, and what that means.

The driver exports no version. What it does export differs: which attributes there are, what ``name`` says for a GUID
that it does not know, and by what kind of device it is bound (postings of the driver from June 2025 to July 2026, and
NVIDIA's kernels). Often several versions fit; then the worst of them has to be assumed.
"""

import errno
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from livefw.files.protocol import Files
from livefw.providers.base import Reason, Trust
from livefw.providers.lfa.tree import FALSE_SUCCESS, HIDES_FAILURES

_FIRST = frozenset(
    {"name", "activation_capable", "activation_pending", "may_reset_cpu", "cpu_rendezvous", "activate", "cancel"}
)
_SECOND = _FIRST | {"force_cpu_rendezvous"}
_WITH_VERSIONS = _SECOND | {"current_version", "pending_version"}
_WITH_SETTINGS = _WITH_VERSIONS | {"auto_activate"}
ATTRIBUTES = _WITH_SETTINGS | {"last_error"}
"""Every attribute of any version: 7, 8, 10, 11 or 12 of them exist."""


class Naming(StrEnum):
    """What ``name`` holds for a GUID that the driver does not know."""

    PLACEHOLDER = "placeholder"
    EMPTY = "empty"
    GUID = "guid"
    ANYTHING = "anything"
    """Whatever lies on the stack."""


class DriverBus(StrEnum):
    """How the driver appears in the device model."""

    NONE = "none"
    PLATFORM = "platform"
    FAUX = "faux"
    SMCCC_BUS = "smccc-bus"


class DriverRow(NamedTuple):
    """One version of the driver.

    ``budget`` is the number of seconds after which it gives up by itself (PRIME and ACTIVATE together; single calls
    into the firmware come on top), None if it never does. ``trust`` is that of a write that succeeded; ``failures``
    are the errnos of an activation that was tried and failed. ``cancels_by_itself``: see the function in
    `livefw.providers.base`.
    """

    name: str
    title: str
    attributes: frozenset[str]
    naming: Naming
    device: DriverBus
    trust: Trust
    budget: int | None
    bugs: tuple[Reason, ...]
    failures: frozenset[int] = frozenset({errno.ECANCELED})
    cancels_by_itself: bool = False


_PENDING_VERSION = Reason("pending-version-garbage", "pending_version may show uninitialised memory")
_NO_LIMIT = Reason("no-time-limit", "there is no time limit for an activation that the firmware never finishes")
_STOPPED_LOOP = Reason("loops-while-stopped", "all CPUs stay stopped while the firmware asks to be called again")
_NOT_SERIALISED = Reason(
    "not-serialised", "concurrent activations interfere with each other", "run one activation at a time"
)
_BUSY_FINAL = Reason("busy-is-final", "an activation fails if the firmware is briefly busy", "try again")
_EMPTY_NAME = Reason("empty-name", "name is empty for a component that the driver does not know")
_NOT_LOADED = Reason("not-auto-loaded", "built as a module, it is not loaded automatically", "modprobe lfa_fw")
_STALE_LIST = Reason("stale-inventory", "the list of components is not read again after an activation")
_CALL_AGAIN = Reason(
    "call-again-broken",
    "firmware that works in several steps fails: the second call is invalid",
    "use a later version of the driver (v2 or newer)",
)
_ACTIVATES_ALL = Reason("activates-unasked", "every platform notification activates all pending components")
_LOOPS = Reason(
    "auto-activate-loops",
    "with auto_activate and firmware whose pending flag never clears, one notification repeats the activation"
    " endlessly",
    "keep auto_activate at 0",
)
_NAME_GARBAGE = Reason("name-garbage", "name shows uninitialised stack memory")

_BY_KIND = frozenset({errno.ECANCELED, errno.EKEYREJECTED, errno.ENOMEM, errno.EINVAL, errno.EIO, errno.ETIMEDOUT})
"""Of the driver in dkms/ (``Documentation/ABI/testing/sysfs-firmware-lfa``)."""

DRIVERS = (
    DriverRow(
        "rfc1", "first posting, June 2025", _FIRST, Naming.PLACEHOLDER, DriverBus.NONE, Trust.FULL, None,
        (_NO_LIMIT, _STOPPED_LOOP, _BUSY_FINAL, _NOT_SERIALISED, _STALE_LIST), frozenset({errno.EIO}),
    ),
    DriverRow(
        "rfc2", "second posting, September 2025", _SECOND, Naming.PLACEHOLDER, DriverBus.NONE, Trust.FULL, None,
        (_NO_LIMIT, _STOPPED_LOOP, _BUSY_FINAL, _NOT_SERIALISED, _STALE_LIST),
    ),
    DriverRow(
        "v1", "version 1, January 2026", _WITH_VERSIONS, Naming.PLACEHOLDER, DriverBus.NONE, Trust.DOUBTFUL, None,
        (FALSE_SUCCESS, _PENDING_VERSION, _NO_LIMIT, _STOPPED_LOOP, _CALL_AGAIN, _BUSY_FINAL),
    ),
    DriverRow(
        "nv1", "NVIDIA 6.17 and 6.18, February 2026", _WITH_VERSIONS, Naming.ANYTHING, DriverBus.PLATFORM,
        Trust.DOUBTFUL, 50,
        (FALSE_SUCCESS, _PENDING_VERSION, _NAME_GARBAGE, _ACTIVATES_ALL, _STOPPED_LOOP, _BUSY_FINAL),
    ),
    DriverRow(
        "v2", "version 2, March 2026", _WITH_SETTINGS, Naming.EMPTY, DriverBus.FAUX, Trust.FULL, 40,
        (_NOT_SERIALISED, _EMPTY_NAME, _NOT_LOADED, _BUSY_FINAL, _LOOPS),
    ),
    DriverRow(
        "v3", "version 3, July 2026", _WITH_SETTINGS, Naming.EMPTY, DriverBus.SMCCC_BUS, Trust.FULL, 40,
        (_NOT_SERIALISED, _EMPTY_NAME, _LOOPS),
    ),
    DriverRow(
        "nv3", "NVIDIA 7.0, July 2026", _WITH_SETTINGS, Naming.GUID, DriverBus.SMCCC_BUS, Trust.FULL, 40, (_LOOPS,),
    ),
    DriverRow(
        "lw1", "livefw's own, November 2026", ATTRIBUTES, Naming.EMPTY, DriverBus.PLATFORM, Trust.FULL, 40,
        (_EMPTY_NAME,), _BY_KIND, cancels_by_itself=True,
    ),
)  # fmt: skip


class DriverEvidence(NamedTuple):
    """What was seen: names in a component's directory, how unknown components are named, and the device if known."""

    attributes: frozenset[str]
    naming: frozenset[Naming] = frozenset()
    device: DriverBus | None = None


def guess(evidence: DriverEvidence) -> tuple[DriverRow, ...]:
    """The versions that fit what was seen; none if it looks like no version that is known."""
    return tuple(driver for driver in DRIVERS if _fits(driver, evidence))


def _fits(driver: DriverRow, evidence: DriverEvidence) -> bool:
    # A file that no known version has may come from a later one, and does not make it less like its forebears.
    if evidence.attributes & ATTRIBUTES != driver.attributes:
        return False
    if evidence.device not in (None, driver.device):
        return False
    return driver.naming is Naming.ANYTHING or evidence.naming <= {driver.naming}


def naming(text: str, guid: str) -> Naming:
    """How a component was named that no table knows."""
    by_text = {"": Naming.EMPTY, "(unknown)": Naming.PLACEHOLDER, guid: Naming.GUID}
    return by_text.get(text, Naming.ANYTHING)


def trust(candidates: Iterable[DriverRow]) -> tuple[Trust, str]:
    """How far a successful write can be believed, and why not."""
    found = tuple(candidates)
    doubted = [driver.name for driver in found if driver.trust is Trust.DOUBTFUL]
    if doubted:
        return Trust.DOUBTFUL, f"the driver appears to be {' or '.join(doubted)}, which {HIDES_FAILURES}"
    if not found:
        return Trust.DOUBTFUL, "the driver version is unknown"
    return Trust.FULL, ""


def repeats_wrongly(candidates: Iterable[DriverRow]) -> bool:
    """Whether it may be a driver whose second call to the firmware is invalid."""
    return any(_CALL_AGAIN in driver.bugs for driver in candidates)


_DEVICES = (
    ("/sys/bus/arm_smccc/devices", re.compile(r"arm-smccc-lfa-.*"), DriverBus.SMCCC_BUS),
    ("/sys/bus/faux/devices", re.compile(r".*lfa.*", re.IGNORECASE), DriverBus.FAUX),
    ("/sys/bus/platform/drivers", re.compile(r"ARM_LFA|livefw_lfa"), DriverBus.PLATFORM),
)


def device(files: Files) -> DriverBus | None:
    """How the driver is bound; None where the tree does not show any bus at all."""
    for directory, pattern, bus in _DEVICES:
        if any(pattern.fullmatch(name) for name in _names(files, directory)):
            return bus
    return DriverBus.NONE if _names(files, "/sys/bus") else None


def _names(files: Files, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError:
        return []


_MARGIN = 3
_WITHOUT_BUDGET = 600.0


def patience(candidates: Iterable[DriverRow]) -> float:
    """Seconds to watch a write before giving up on it.

    Three times what the slowest driver allows itself, because it looks at its limit only between calls into the
    firmware. Where the driver has no limit, ten minutes: by then a person is wanted.
    """
    budgets = [driver.budget for driver in candidates]
    known = [budget for budget in budgets if budget is not None]
    return _MARGIN * max(known) if known and len(known) == len(budgets) else _WITHOUT_BUDGET
