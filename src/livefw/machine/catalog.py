# SPDX-License-Identifier: Apache-2.0
"""Every fault of a machine, of whatever part of it, under one name each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from livefw.errors import UsageError
from livefw.machine.bmc import faults as bmc
from livefw.machine.faults import FAULTS, Fault, FaultRequest, FaultScope, FaultSite
from livefw.machine.nvme import faults as nvme
from livefw.machine.tdx import TDX_FAULTS, TdxFault

_PREFIX = "bmc-"
_OF_ITS_ACTIVATIONS = frozenset(
    {
        *bmc.ENDINGS,
        *bmc.LOOKS,
        *(name for name, reply in bmc.REPLIES.items() if reply.action == bmc.ACTIVATE),
        *("activate-hangs", "waits-for-reset", "task-suspends", "reboots", "installs-at-once"),
        *("one-bank", "foreign-work"),
    }
)
"""Faults of activations by a BMC, which the BMC of a machine does not make, and of firmware that it does not have."""


class BmcFault(NamedTuple):
    """One row of a BMC's table; see `livefw.machine.faults.Fault`."""

    name: str
    text: str
    where: FaultSite = FaultSite.BMC
    target: FaultScope = FaultScope.NONE
    options: tuple[str, ...] = ()


class FaultyBmc(Protocol):
    """The BMC of a machine, as far as others need it."""

    url: str
    """Where it serves; empty without a socket."""

    def inject(self, fault: str) -> None:
        """Let this go wrong from now on, by its name among those of BMCs."""
        ...

    def clear_faults(self) -> None:
        """Let everything behave from now on."""
        ...


BMC_FAULTS: Mapping[str, BmcFault] = MappingProxyType(
    {
        _PREFIX + name: BmcFault(_PREFIX + name, text)
        for name, text in (bmc.FAULTS | bmc.SHARED_FAULTS).items()
        if name not in _OF_ITS_ACTIVATIONS
    }
)
"""What can be made to go wrong with the BMC of a machine."""

_DRIVE_PREFIX = "nvme-"


class DriveFaultRow(NamedTuple):
    """One row of the table of drives; see `livefw.machine.faults.Fault`. The component is a serial number."""

    name: str
    text: str
    where: FaultSite = FaultSite.DRIVE
    target: FaultScope = FaultScope.ANY
    options: tuple[str, ...] = ()

    @property
    def name_of_drive(self) -> str:
        """Its name in `livefw.machine.nvme.faults`."""
        return self.name.removeprefix(_DRIVE_PREFIX)


DRIVE_FAULTS: Mapping[str, DriveFaultRow] = MappingProxyType(
    {_DRIVE_PREFIX + name: DriveFaultRow(_DRIVE_PREFIX + name, text) for name, text in nvme.FAULTS.items()}
)
"""What can be made to go wrong with a modelled drive."""

AnyFault = Fault | TdxFault | BmcFault | DriveFaultRow
ALL_FAULTS: Mapping[str, AnyFault] = MappingProxyType({**FAULTS, **TDX_FAULTS, **BMC_FAULTS, **DRIVE_FAULTS})
"""Every fault there is."""


def inject_into_bmc(half: FaultyBmc | None, request: FaultRequest) -> BmcFault:
    """Inject a fault of a BMC from now on; `UsageError` if the request is invalid."""
    fault = BMC_FAULTS[request.name]
    if half is None:
        raise UsageError("this machine has no BMC", hint="livefw machine run --platform vera --bmc")
    refuse_options(request, "component", "times", "function", "code", "ms", "cpu", "count")
    half.inject(request.name.removeprefix(_PREFIX))
    return fault


def refuse_options(request: FaultRequest, *options: str) -> None:
    """`UsageError` for one of these that is given."""
    for option in options:
        if getattr(request, option) is not None:
            raise UsageError(f"the fault {request.name} has no option {option}")
