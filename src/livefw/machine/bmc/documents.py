# SPDX-License-Identifier: Apache-2.0
"""Resources of a modelled BMC that look the same whatever happens, and the pieces that all resources are made of."""

from typing import Any

from livefw.machine.bmc.identity import Identity

ROOT = "/redfish/v1"
SERVICE = f"{ROOT}/UpdateService"
SESSIONS = f"{ROOT}/SessionService/Sessions"
TASKS = f"{ROOT}/TaskService/Tasks"
MONITORS = f"{ROOT}/TaskService/TaskMonitors"
INTEGRITY = f"{ROOT}/ComponentIntegrity"
SYSTEM = f"{ROOT}/Systems/1"
"""The system of a BMC of nobody's."""
ACCOUNTS = f"{ROOT}/AccountService/Accounts"
ROLES = f"{ROOT}/AccountService/Roles"
METADATA = f"{ROOT}/$metadata"
ODATA = f"{ROOT}/odata"
SCHEMAS = "http://redfish.dmtf.org/schemas/v1"
UUID = "92384634-2938-2342-8820-489239905423"

KINDS = {
    "AccountService": "v1_18_1",
    "Bios": "v1_3_0",
    "Chassis": "v1_28_0",
    "ComponentIntegrity": "v1_4_0",
    "ComputerSystem": "v1_28_0",
    "Manager": "v1_25_0",
    "ManagerAccount": "v1_14_1",
    "Processor": "v1_23_0",
    "Role": "v1_3_3",
    "ServiceRoot": "v1_21_0",
    "Session": "v1_8_0",
    "SessionService": "v1_2_0",
    "SoftwareInventory": "v1_14_0",
    "Task": "v1_7_4",
    "TaskService": "v1_3_0",
    "UpdateService": "v1_17_1",
}
"""Schemas of the resources and their versions, those of DSP8010 2026.1."""
PRIVILEGES = {
    "Administrator": ("Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"),
    "Operator": ("Login", "ConfigureSelf", "ConfigureComponents"),
    "ReadOnly": ("Login", "ConfigureSelf"),
}
"""Roles that every service has, and what they may do (DSP0266 1.22, "Roles")."""
_OK = {"State": "Enabled", "Health": "OK"}


def resource(place: str, kind: str, name: str, ident: str = "", *, version: str = "") -> dict[str, Any]:
    """What each resource begins with; ``kind`` is its schema, ``version`` another one than that of `KINDS`."""
    last = ident or place.rpartition("/")[2]
    return {
        "@odata.id": place,
        "@odata.type": f"#{kind}.{version or KINDS[kind]}.{kind}",
        "Id": last,
        "Name": name,
    }


def collection(place: str, kind: str, uris: list[str]) -> dict[str, Any]:
    """A collection of resources of a kind."""
    found = {"@odata.id": place, "@odata.type": f"#{kind}Collection.{kind}Collection", "Name": f"{kind} collection"}
    return found | {"Members": [ref(uri) for uri in uris], "Members@odata.count": len(uris)}


def ref(uri: str) -> dict[str, str]:
    """A link."""
    return {"@odata.id": uri}


def error(key: str, text: str) -> dict[str, Any]:
    """An error (DSP0266, "Error responses")."""
    info = {"MessageId": key, "Message": text, "MessageSeverity": "Critical", "Resolution": "None."}
    return {"error": {"code": key, "message": text, "@Message.ExtendedInfo": [info]}}


def schema_of(document: dict[str, Any]) -> str:
    """Where the JSON schema of a document is; empty for an error."""
    kind = str(document.get("@odata.type", "")).removeprefix("#").rpartition(".")[0]
    return kind and f"{SCHEMAS}/{kind}.json"


def processor_of(identity: Identity) -> str:
    """The processor, whose firmware is measured."""
    return f"{ROOT}/Systems/{identity.system}/Processors/{identity.processor}"


def fixed(identity: Identity) -> dict[str, dict[str, Any]]:
    """All that never changes, by its URI."""
    system, manager = f"{ROOT}/Systems/{identity.system}", f"{ROOT}/Managers/{identity.manager}"
    chassis, processor = f"{ROOT}/Chassis/{identity.chassis}", processor_of(identity)
    name = processor.rpartition("/")[2]
    everything = [
        resource(f"{ROOT}/SessionService", "SessionService", "Sessions")
        | {"ServiceEnabled": True, "SessionTimeout": 1800, "Sessions": ref(SESSIONS)},
        resource(f"{ROOT}/AccountService", "AccountService", "Accounts")
        | {
            "ServiceEnabled": True,
            "MinPasswordLength": 8,
            "HTTPBasicAuth": "Enabled",
            "Accounts": ref(ACCOUNTS),
            "Roles": ref(ROLES),
        },
        collection(ROLES, "Role", [f"{ROLES}/{role}" for role in PRIVILEGES]),
        *(
            resource(f"{ROLES}/{role}", "Role", role)
            | {"RoleId": role, "IsPredefined": True, "AssignedPrivileges": list(privileges)}
            for role, privileges in PRIVILEGES.items()
        ),
        collection(f"{ROOT}/Systems", "ComputerSystem", [system]),
        resource(system, "ComputerSystem", "Modelled server")
        | {
            "SystemType": "Physical",
            "Manufacturer": identity.vendor,
            "PowerState": "On",
            "Status": _OK,
            "Bios": ref(f"{system}/Bios"),
            "Processors": ref(f"{system}/Processors"),
            "Links": {"Chassis": [ref(chassis)], "ManagedBy": [ref(manager)]},
        },
        resource(f"{system}/Bios", "Bios", "BIOS") | {"Attributes": {}},
        collection(f"{system}/Processors", "Processor", [processor]),
        resource(processor, "Processor", name) | {"ProcessorType": "GPU" if "GPU" in name else "CPU", "Status": _OK},
        collection(f"{ROOT}/Chassis", "Chassis", [chassis]),
        resource(chassis, "Chassis", "Modelled chassis")
        | {
            "ChassisType": "RackMount",
            "Manufacturer": identity.vendor,
            "Status": _OK,
            "Links": {"ComputerSystems": [ref(system)], "ManagedBy": [ref(manager)]},
        },
        collection(f"{ROOT}/Managers", "Manager", [manager]),
        resource(manager, "Manager", "Modelled BMC")
        | {
            "ManagerType": "BMC",
            "Manufacturer": identity.vendor,
            "Model": identity.product,
            "FirmwareVersion": "1.0.0",
            "ServiceEntryPointUUID": UUID,
            "Status": _OK,
            "Links": {"ManagerForServers": [ref(system)], "ManagerForChassis": [ref(chassis)]},
        },
        resource(f"{ROOT}/TaskService", "TaskService", "Tasks") | {"ServiceEnabled": True, "Tasks": ref(TASKS)},
        collection(INTEGRITY, "ComponentIntegrity", [f"{INTEGRITY}/{name}"]),
    ]
    return {document["@odata.id"]: document for document in everything}
