# SPDX-License-Identifier: Apache-2.0
"""Everything in which the driver's versions differ, as one table. The driver asks the table and never a version's name.

v1, v2 and v3 are the upstream postings of 19 January, 17 March and 6 July 2026 ("Arm Live Firmware Activation (LFA)
support", linux-arm-kernel); nv3 is NVIDIA's variant of v3 (NV-Kernels, pull request 484). None had been merged by
August 2026. lw1 is the driver of ``dkms/``, which has a procedure of its own (`livefw.kernel.lfa.own`).
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from types import MappingProxyType

from livefw.abi.lfa import LfaStatus
from livefw.kernel.clock import MS, SECOND
from livefw.kernel.lfa.codes import CALL_AGAIN


class Notification(StrEnum):
    """How the platform tells the driver that something changed."""

    ACPI = "acpi"
    """Notify on the device ``ARML0003`` (DEN0147 BET1)."""
    DT = "dt"
    """The interrupt of a device tree node compatible with ``arm,lfa``."""
    NONE = "none"


class Serialisation(Enum):
    """What keeps two activations apart."""

    PHASES = auto()
    """One mutex, held for all of PRIME, released, and taken again for ACTIVATE with its rescan."""
    ATTEMPTS = auto()
    """A reader/writer semaphore: readers are calls with a sequence id, writers are single ACTIVATE attempts.

    Two writers of ``activate`` interleave.
    """
    TRANSACTIONS = auto()
    """As ATTEMPTS, and a mutex around a whole activation and around clean-up; sysfs does not wait for it: EBUSY."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """The pace of one of the two call-again loops."""

    budget_ns: int | None
    """Looked at between calls only; None for a loop without limit."""
    pause_ns: int
    """Slept between calls; 0 for a loop that spins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errnos:
    """What a program sees of each failure (positive errno); None where the driver does not notice."""

    activate_failed: int = errno.ECANCELED
    activate_busy: int | None = None
    cancel_refused: int = errno.EINVAL
    prime_vanished: int | None = None
    """Stays inside the driver: a write to ``activate`` fails with ``activate_failed`` for any reason."""
    cancel_vanished: int | None = None
    pending_vanished: int | None = None
    not_pending: int = errno.ECANCELED
    """PRIME was refused, because nothing is pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Log lines, without ``Arm LFA: ``.

    ``{title}`` is the known name or what stands for an unknown one (may be empty), ``{label}`` the known name or else
    the GUID, ``{code}`` the name of a firmware code. None where a version says nothing.
    """

    no_agent: str | None = "Live Firmware activation: no firmware agent found"
    detected: str = "Live Firmware Activation: detected v{major}.{minor}"
    bad_count: str = "Error getting number of LFA components"
    reset: str = "CPU reset not supported by kernel driver"
    vanished: str | None = None
    prime_failed: str = "LFA_PRIME for image {label} failed: {code}"
    prime_timed_out: str = "LFA_PRIME for image {label} timed out"
    prime_gave_up: str | None = None
    attempt_failed: str | None = None
    """Written by every CPU whose ACTIVATE failed."""
    activate_failed: str | None = "LFA_ACTIVATE for image {label} failed: {code}"
    activate_gave_up: str | None = None
    activated: str = "{label}: successfully activated"
    activated_by_notification: str = "{label}: automatic activation succeeded"
    notification_failed: str = "notified image activation failed: {number}"
    cancelled: str = "Activation cancelled for image {label}"
    not_cancelled: str = "Activation not cancelled for image {label}: {code}"
    registered_acpi: str = "registered LFA ACPI notification"
    registered_dt: str = "registered LFA DT notification interrupt"


@dataclass(frozen=True, slots=True)
class DriverDevice:
    """Where the driver model shows the driver.

    A real ``/sys/bus/*/devices`` entry is a symbolic link into ``/sys/devices``; here it is a directory.
    """

    directories: tuple[str, ...]
    devpath: str
    outlives_driver: bool
    """The device was made by the bus when it found the agent, not by the driver."""
    environment: tuple[tuple[str, str], ...] = ()
    """What its uevents carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverVersion:
    """One version of the driver."""

    name: str
    attributes: tuple[str, ...]
    """Files of each image, in the order of their making."""
    root_attributes: tuple[str, ...] = ()
    """Files beside the directories of the images."""
    unknown_title: str
    """What stands for the name of an image whose GUID the driver does not know."""
    name_file: str = "{title}"
    """The file ``name``, in the terms of `Texts`."""
    texts: Texts
    errnos: Errnos
    prime: Pacing
    activate: Pacing
    retried: frozenset[int]
    """Results of an ACTIVATE attempt after which there is another, as negative numbers."""
    serialisation: Serialisation
    notified: bool
    """Whether the driver listens to notifications at all."""
    device: DriverDevice | None
    inventory_uevents: bool = False
    """A ``change`` event on the device after every settled inventory."""

    absent_bits: int = 64
    """How many bits of LFA_VERSION's x0 are compared with -1; an agent's absence may arrive in 32 or 64."""
    pins_id: bool = False
    """The sequence id that was primed is the one that is activated and cancelled, or none is."""
    cancels_broken_prime: bool = False
    """CANCEL is sent not only after a failed ACTIVATE and a PRIME out of time, but also when PRIME fails after a first
    success."""
    forgets_before_count: bool = False
    """A rescan drops all images before it asks how many there are, and so even if it then fails."""

    loops_inside_stop_machine: bool = False
    """Call-again is answered with all CPUs stopped, and not with a pause in which the system runs."""
    reuses_registers: bool = False
    """One register block for arguments and results: a repeated call starts from the results of the one before, x0 = 0
    included, which is no function identifier; and GET_INVENTORY carries the previous component's results."""
    positive_status_fails: bool = False
    """An ACTIVATE result above 0, which no specification names, is a failure; elsewhere it passes as success."""
    cancel_result_wins: bool = False
    """A failed ACTIVATE whose CANCEL worked is reported as success."""
    checks_error_names: bool = True
    """Codes beyond the table of names are caught; else the kernel reads past its end."""
    pending_version_wrong_slot: bool = False
    """``pending_version`` looks at memory beside the image and prints numbers that nobody wrote: 0.0 where the kernel
    zeroes its stack."""
    own: bool = False
    """The driver of ``dkms/``. Of the fields below, those about what goes wrong say what it does too; its procedure is
    not made from them."""
    survives_failed_inventory: bool = False
    """Probe continues after its inventory failed, with a kset that is already freed."""


_V1_ATTRIBUTES = (
    "name",
    "current_version",
    "pending_version",
    "activation_capable",
    "activation_pending",
    "may_reset_cpu",
    "cpu_rendezvous",
    "force_cpu_rendezvous",
    "activate",
    "cancel",
)

_SMCCC_DEVICE = DriverDevice(
    # The bus counts devices from 1, and LFA's is the only one a model has.
    directories=("/sys/bus/arm_smccc/devices/arm-smccc-lfa-1", "/sys/bus/arm_smccc/drivers/lfa_fw"),
    devpath="/devices/arm-smccc-lfa-1",
    outlives_driver=True,
    environment=(("SUBSYSTEM", "arm_smccc"), ("DRIVER", "lfa_fw"), ("MODALIAS", "arm_smccc:arm-smccc-lfa")),
)

_V1 = DriverVersion(
    name="v1",
    attributes=_V1_ATTRIBUTES,
    unknown_title="(unknown)",
    texts=Texts(
        vanished="Arm LFA: Invalid firmware sequence id",  # the prefix is in the code twice
        prime_failed="LFA_PRIME for image {title} failed: {code}",
        prime_gave_up="Firmware prime failed: {code}",
        attempt_failed="ACTIVATE for image {title} failed: {code}",
        activate_failed=None,
        activate_gave_up="Firmware activation failed: {code}",
        activated="Firmware activation succeeded",
        cancelled="Activation cancelled for image {title}",
        not_cancelled="Firmware activation could not be cancelled: {code}",
    ),
    errnos=Errnos(prime_vanished=errno.ENODEV),
    prime=Pacing(budget_ns=None, pause_ns=0),
    activate=Pacing(budget_ns=None, pause_ns=0),
    retried=frozenset(),
    serialisation=Serialisation.PHASES,
    notified=False,
    device=None,
    forgets_before_count=True,
    loops_inside_stop_machine=True,
    reuses_registers=True,
    positive_status_fails=True,
    cancel_result_wins=True,
    checks_error_names=False,
    pending_version_wrong_slot=True,
)

_V2 = DriverVersion(
    name="v2",
    attributes=(*_V1_ATTRIBUTES, "auto_activate"),
    unknown_title="",
    texts=Texts(
        cancelled="Activation cancelled for image {title}",
        not_cancelled="Activation not cancelled for image {title}: {code}",
    ),
    errnos=Errnos(),
    prime=Pacing(budget_ns=30 * SECOND, pause_ns=10 * MS),
    activate=Pacing(budget_ns=10 * SECOND, pause_ns=10 * MS),
    retried=frozenset({-CALL_AGAIN}),
    serialisation=Serialisation.ATTEMPTS,
    notified=True,
    # The name of the faux device is not on record; the driver's own name is the likely one.
    device=DriverDevice(
        directories=("/sys/bus/faux/devices/ARM_LFA",), devpath="/devices/faux/ARM_LFA", outlives_driver=False
    ),
)

_V3 = replace(
    _V2,
    name="v3",
    texts=Texts(no_agent=None),
    retried=frozenset({-CALL_AGAIN, int(LfaStatus.BUSY)}),
    device=_SMCCC_DEVICE,
    absent_bits=32,
    survives_failed_inventory=True,
)

_NV3 = replace(
    _V3,
    name="nv3",
    name_file="{label}",
    errnos=Errnos(
        activate_busy=errno.EBUSY,
        prime_vanished=errno.ENOENT,
        cancel_vanished=errno.ENOENT,
        pending_vanished=errno.ENOENT,
    ),
    serialisation=Serialisation.TRANSACTIONS,
    inventory_uevents=True,
    pins_id=True,
    cancels_broken_prime=True,
    survives_failed_inventory=False,
)

_LW1 = replace(
    _NV3,
    name="lw1",
    own=True,
    attributes=(*_V2.attributes, "last_error"),
    root_attributes=("version", "count"),
    name_file="{title}",
    texts=Texts(no_agent=None, cancelled="Activation cancelled for image {label}"),
    errnos=Errnos(
        activate_busy=errno.EBUSY,
        prime_vanished=errno.ENOENT,
        cancel_vanished=errno.ENOENT,
        pending_vanished=errno.ENOENT,
        not_pending=errno.EINVAL,
    ),
    inventory_uevents=False,
    device=DriverDevice(
        directories=("/sys/bus/platform/drivers/livefw_lfa",),
        devpath="/bus/platform/drivers/livefw_lfa",
        outlives_driver=False,
    ),
)

VERSIONS: Mapping[str, DriverVersion] = MappingProxyType({row.name: row for row in (_V1, _V2, _V3, _NV3, _LW1)})
"""The versions by name."""
