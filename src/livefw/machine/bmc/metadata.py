# SPDX-License-Identifier: Apache-2.0
"""The two documents of OData that every Redfish service has (DSP0266, "OData metadata", "OData service document")."""

from typing import Any

from livefw.machine.bmc.documents import KINDS, METADATA, ROOT, SCHEMAS

_COLLECTIONS = (
    "Chassis",
    "ComponentIntegrity",
    "ComputerSystem",
    "Manager",
    "ManagerAccount",
    "Processor",
    "Role",
    "Session",
    "SoftwareInventory",
    "Task",
)
_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"


def schemas() -> str:
    """Which schemas the resources are of."""
    single = [
        f'<edmx:Reference Uri="{SCHEMAS}/{kind}_v1.xml"><edmx:Include Namespace="{kind}"/>'
        f'<edmx:Include Namespace="{kind}.{version}"/></edmx:Reference>'
        for kind, version in KINDS.items()
    ]
    several = [
        f'<edmx:Reference Uri="{SCHEMAS}/{kind}Collection_v1.xml"><edmx:Include Namespace="{kind}Collection"/>'
        "</edmx:Reference>"
        for kind in _COLLECTIONS
    ]
    container = f"ServiceRoot.{KINDS['ServiceRoot']}.ServiceContainer"
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0">',
            *single,
            *several,
            f'<edmx:DataServices><Schema xmlns="{_EDM}" Namespace="Service">',
            f'<EntityContainer Name="Service" Extends="{container}"/>',
            "</Schema></edmx:DataServices></edmx:Edmx>",
        ]
    )


def service(root: dict[str, Any]) -> dict[str, Any]:
    """The service root and what it links, in the form of OData."""
    links = {"Service": ROOT} | {
        name: value["@odata.id"] for name, value in root.items() if isinstance(value, dict) and "@odata.id" in value
    }
    value = [{"name": name, "kind": "Singleton", "url": f"{place}/"} for name, place in links.items()]
    return {"@odata.context": METADATA, "value": value}
