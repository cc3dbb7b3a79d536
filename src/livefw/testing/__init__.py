# SPDX-License-Identifier: Apache-2.0
"""A test kit for tools, drivers, agents and BMC clients: modelled machines, faults, traces, and conformance.

Names are imported on first use, because pytest imports this package in every run, for the sake of its plug-in.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw.abi.smccc import CpuRelease, Held, Registers, Restart
    from livefw.firmware.profile import PROFILES as AGENTS
    from livefw.firmware.spec import ComponentSpec
    from livefw.kernel.conduit import Conduit
    from livefw.kernel.lfa.versions import VERSIONS as DRIVERS
    from livefw.machine.bmc.faults import FAULTS as BMC_FAULTS
    from livefw.machine.catalog import ALL_FAULTS as FAULTS
    from livefw.machine.config import MachineConfig
    from livefw.machine.faults import FaultRequest
    from livefw.machine.trace import TracedCall
    from livefw.testing.agent import ModelAgent
    from livefw.testing.bmc import ModelBmc
    from livefw.testing.driver import ModelDriver
    from livefw.testing.machine import ModelMachine
    from livefw.testing.mounted import MountedMachine, shell_in
    from livefw.testing.suites import ConformanceError, conformance, driver_conformance

__all__ = [
    "AGENTS",
    "BMC_FAULTS",
    "DRIVERS",
    "FAULTS",
    "ComponentSpec",
    "Conduit",
    "ConformanceError",
    "CpuRelease",
    "FaultRequest",
    "Held",
    "MachineConfig",
    "ModelAgent",
    "ModelBmc",
    "ModelDriver",
    "ModelMachine",
    "MountedMachine",
    "Registers",
    "Restart",
    "TracedCall",
    "conformance",
    "driver_conformance",
    "shell_in",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        from livefw.testing.names import find

        found = globals()[name] = find(name)
        return found
