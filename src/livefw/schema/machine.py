# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of a machine's description in TOML, from the types that read it and the tables of what they take.

What it refuses the reader refuses. The reader refuses more: what a schema cannot say, such as a version above 32 bits,
a TDX module that no table has, or more components in sum than a machine may have.
"""

from typing import Any

from livefw.firmware.spec import MAX_REALMS, ComponentKind
from livefw.firmware.spec import RANGES as COMPONENT_RANGES
from livefw.machine.catalog import ALL_FAULTS
from livefw.machine.config import CHOICES, MAX_COMPONENTS, MAX_CPUS, NAME, NESTED, MachineConfig
from livefw.machine.tdx import CPUS
from livefw.machine.tdx import RANGES as TDX_RANGES
from livefw.schema.generate import schema_of, without_null

FILE = "machine.schema.json"

_GUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_VERSION = {"pattern": r"^[0-9]+\.[0-9]+$", "maxLength": 21}
_TDX_VERSION = {"pattern": r"^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$"}
_ONLY_RMM = {
    "if": {"properties": {"kind": {"not": {"const": ComponentKind.RMM.value}}}},
    "then": {"properties": {"realms": {"maxItems": 0}, "one_bank": {"const": False}}},
}


def machine_schema() -> dict[str, Any]:
    """The schema."""
    made: dict[str, Any] = without_null(
        schema_of(
            MachineConfig,
            dict.fromkeys(each for (outer, _), inner in NESTED.items() for each in (outer, inner)),
            title="A modelled machine",
            description="Description of a machine in TOML, for `livefw machine run --platform ./NAME.toml`.",
        )
    )
    for record, fields in _limits().items():
        properties = made["$defs"][record]["properties"]
        for field, limit in fields.items():
            where = properties[field]
            (where["items"] if where.get("type") == "array" and "pattern" in limit else where).update(limit)
    made["$defs"]["ComponentSpec"] |= _ONLY_RMM
    return made


def _limits() -> dict[str, dict[str, dict[str, Any]]]:
    """What a field takes besides its type, by class and field."""
    return {
        "MachineConfig": {
            "name": {"pattern": f"^{NAME}$"},
            "cpus": _range(1, MAX_CPUS),
            "kernel": {"pattern": r"^[0-9]{1,4}\.[0-9]{1,4}(?![0-9])"},
            "components": {"maxItems": MAX_COMPONENTS},
            **{field: {"enum": list(table)} for field, table in CHOICES.items()},
        },
        "ComponentSpec": {
            "guid": {"pattern": _GUID},
            "current_version": _VERSION,
            "pending_version": _VERSION,
            "realms": {"maxItems": MAX_REALMS},
            **{field: _range(*limits) for field, limits in COMPONENT_RANGES.items()},
        },
        "AfterActivation": {"vanishes": {"pattern": _GUID}, "order": {"pattern": _GUID}},
        "Grid": {
            "count": _range(0, MAX_COMPONENTS),
            "pending_every": {"minimum": 0},
            **{field: _range(*COMPONENT_RANGES[field]) for field in ("prime_ms", "activate_ms")},
        },
        "TdxSpec": {
            "cpu": {"enum": list(CPUS)},
            "module": _TDX_VERSION,
            "seamldr": _TDX_VERSION,
            **{field: _range(*limits) for field, limits in TDX_RANGES.items()},
        },
        "FaultRequest": {"name": {"enum": list(ALL_FAULTS)}},
    }


def _range(low: float, high: float) -> dict[str, float]:
    return {"minimum": low, "maximum": high}
