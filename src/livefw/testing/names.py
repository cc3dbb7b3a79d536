# SPDX-License-Identifier: Apache-2.0
"""Where the public names of `livefw.testing` are defined."""

from importlib import import_module
from typing import Any

_MODULES = {
    "livefw.abi.smccc": {"Held": "Held", "Registers": "Registers", "CpuRelease": "CpuRelease", "Restart": "Restart"},
    "livefw.firmware.profile": {"AGENTS": "PROFILES"},
    "livefw.firmware.spec": {"ComponentSpec": "ComponentSpec"},
    "livefw.kernel.conduit": {"Conduit": "Conduit"},
    "livefw.kernel.lfa.versions": {"DRIVERS": "VERSIONS"},
    "livefw.machine.bmc.faults": {"BMC_FAULTS": "FAULTS"},
    "livefw.machine.config": {"MachineConfig": "MachineConfig"},
    "livefw.machine.faults": {"FaultRequest": "FaultRequest"},
    "livefw.machine.catalog": {"FAULTS": "ALL_FAULTS"},
    "livefw.machine.trace": {"TracedCall": "TracedCall"},
    "livefw.testing.agent": {"ModelAgent": "ModelAgent"},
    "livefw.testing.bmc": {"ModelBmc": "ModelBmc"},
    "livefw.testing.driver": {"ModelDriver": "ModelDriver"},
    "livefw.testing.machine": {"ModelMachine": "ModelMachine"},
    "livefw.testing.mounted": {"MountedMachine": "MountedMachine", "shell_in": "shell_in"},
    "livefw.testing.suites": {
        "ConformanceError": "ConformanceError",
        "conformance": "conformance",
        "driver_conformance": "driver_conformance",
    },
}
"""Public names and what they are called in their module, by module."""


def find(name: str) -> Any:
    """The object of a public name. AttributeError if there is none."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), names[name])
    raise AttributeError(f"module 'livefw.testing' has no attribute {name!r}")
