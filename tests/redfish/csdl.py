# SPDX-License-Identifier: Apache-2.0
"""Schemas for DMTF's service validator, which fetches them from DMTF's site; no package index has them as they are.

What is in them is DMTF's: the properties of every resource, their types, values, URIs and methods, as the package
mirastack-redfish-mcp has them in an index of DSP8010 2026.1. That leaves out what is below a property, which is here,
as far as the model has it. An older version of a schema has the properties of the newest.
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

STRUCTURES: dict[str, dict[str, str]] = {
    "Resource.Status": {"State": "Resource.State", "Health": "Resource.Health", "HealthRollup": "Resource.Health"},
    "Message.Message": {
        "MessageId": "Edm.String!",
        "Message": "Edm.String",
        "MessageArgs": "[Edm.String]",
        "Resolution": "Edm.String",
        "Severity": "Edm.String",
        "MessageSeverity": "Resource.Health",
        "RelatedProperties": "[Edm.String]",
        "Oem": "Resource.Oem",
    },
    "ServiceRoot.Links": {"Sessions": "->SessionCollection!"},
    "ServiceRoot.ProtocolFeaturesSupported": {
        "ExpandQuery": "ServiceRoot.Expand",
        "FilterQuery": "Edm.Boolean",
        "OnlyMemberQuery": "Edm.Boolean",
        "SelectQuery": "Edm.Boolean",
        "ExcerptQuery": "Edm.Boolean",
        "DeepOperations": "ServiceRoot.DeepOperations",
    },
    "ServiceRoot.Expand": {
        "ExpandAll": "Edm.Boolean",
        "Levels": "Edm.Boolean",
        "Links": "Edm.Boolean",
        "NoLinks": "Edm.Boolean",
        "MaxLevels": "Edm.Int64",
    },
    "ServiceRoot.DeepOperations": {"DeepPATCH": "Edm.Boolean", "DeepPOST": "Edm.Boolean"},
    "ComputerSystem.Links": {"Chassis": "[->Chassis]", "ManagedBy": "[->Manager]"},
    "Chassis.Links": {"ComputerSystems": "[->ComputerSystem]", "ManagedBy": "[->Manager]"},
    "Manager.Links": {"ManagerForServers": "[->ComputerSystem]", "ManagerForChassis": "[->Chassis]"},
    "ManagerAccount.Links": {"Role": "->Role"},
    "ComponentIntegrity.Links": {"ComponentsProtected": "[->]"},
    "Task.Payload": {
        "HttpOperation": "Edm.String",
        "HttpHeaders": "[Edm.String]",
        "JsonBody": "Edm.String",
        "TargetUri": "Edm.String",
    },
    "Task.Links": {"CreatedResources": "[->]"},
    "UpdateService.HttpPushUriOptions": {
        "HttpPushUriApplyTime": "UpdateService.HttpPushUriApplyTime",
        "ForceUpdate": "Edm.Boolean",
    },
    "UpdateService.HttpPushUriApplyTime": {
        "ApplyTime": "Edm.String",
        "MaintenanceWindowStartTime": "Edm.DateTimeOffset",
        "MaintenanceWindowDurationInSeconds": "Edm.Int64",
    },
    "Bios.Attributes": {},
}
"""What is below a property: ``[X]`` is an array of X, ``->X`` a link to an X, ``->`` to anything, ``!`` needed."""

LINKS = {
    "AccountService": {"Accounts": "ManagerAccountCollection", "Roles": "RoleCollection"},
    "ComputerSystem": {"Bios": "Bios", "Processors": "ProcessorCollection"},
    "ServiceRoot": {
        "AccountService": "AccountService",
        "Chassis": "ChassisCollection",
        "ComponentIntegrity": "ComponentIntegrityCollection",
        "Managers": "ManagerCollection",
        "SessionService": "SessionService",
        "Systems": "ComputerSystemCollection",
        "Tasks": "TaskService",
        "UpdateService": "UpdateService",
    },
    "SessionService": {"Sessions": "SessionCollection"},
    "TaskService": {"Tasks": "TaskCollection"},
    "UpdateService": {
        "FirmwareInventory": "SoftwareInventoryCollection",
        "SoftwareInventory": "SoftwareInventoryCollection",
    },
}
"""Resources that a link of a resource leads to; those that are not here may lead to any."""

ARRAYS = {"Task.Messages": "Message.Message", "SoftwareInventory.RelatedItem": "->"}
"""Arrays of what is no text."""
MESSAGES = ("v1_0_0", "v1_1_0", "v1_1_1", "v1_1_2", "v1_2_0", "v1_2_1", "v1_3_0")
"""Versions of the schema of a message, which is no resource (DSP8010 2026.1, Message)."""
_VALUES = {"State": "State", "Health": "Health"}
_EDM = {"string": "Edm.String", "integer": "Edm.Int64", "boolean": "Edm.Boolean", "number": "Edm.Decimal"}
_ODATA = "@odata."


def write(index: Path, folder: Path, kinds: Iterable[str]) -> None:
    """Write the schemas of these resources and of their collections into a folder."""
    known = json.loads(gzip.decompress(index.read_bytes()))
    names = {f"{kind}{end}" for kind in kinds for end in ("", "Collection")}
    for name, kind in known["resource_types"].items():
        if name not in names:
            continue
        schema = _collection(name, kind) if name.endswith("Collection") else _resource(name, kind, known["enums"])
        _save(folder, name, schema)
    _save(folder, "Resource", _base(known["enums"]))
    _save(folder, "Message", _message())


def _save(folder: Path, name: str, lines: Iterator[str]) -> None:
    head = '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>'
    (folder / f"{name}_v1.xml").write_text(
        "\n".join([head, *lines, "</edmx:DataServices></edmx:Edmx>"]), encoding="utf-8"
    )


def _space(name: str, lines: Iterator[str]) -> Iterator[str]:
    yield f'<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="{name}">'
    yield from lines
    yield "</Schema>"


def _resource(name: str, kind: dict[str, Any], enums: dict[str, Any]) -> Iterator[str]:
    """A resource: what all its versions have in common, and each version."""
    newest = f"{name}.{kind['latest_version']}"

    def common() -> Iterator[str]:
        yield f'<EntityType Name="{name}" BaseType="Resource.v1_0_0.Resource" Abstract="true">'
        yield from _facts(kind)
        yield "</EntityType>"
        for action in kind["actions"]:
            yield f'<Action Name="{action.partition(".")[2]}" IsBound="true"/>'
        yield from _structures(name)
        yield '<ComplexType Name="Actions"><Property Name="Oem" Type="Resource.Oem"/></ComplexType>'

    def version() -> Iterator[str]:
        yield f'<EntityType Name="{name}" BaseType="{name}.{name}">'
        for prop, facts in kind["properties"].items():
            if not prop.startswith(_ODATA) and "@" not in prop and prop not in ("Id", "Name", "Description"):
                yield _property(name, newest, prop, facts)
        yield "</EntityType>"
        for prop, facts in kind["properties"].items():
            if values := enums.get(facts.get("enum_ref")):
                yield _enum(f"{prop}Value", values["values"])

    yield from _space(name, common())
    yield from _space(newest, version())
    older = {found[1] for key in enums if (found := re.match(rf"({name}\.v\d+_\d+_\d+)\.json", key))}
    for each in sorted(older - {newest}):
        yield from _space(each, iter([f'<EntityType Name="{name}" BaseType="{newest}.{name}"/>']))


def _property(name: str, version: str, prop: str, facts: dict[str, Any]) -> str:
    kinds = facts.get("type")
    several = [kinds] if isinstance(kinds, str) else list(kinds or [])
    kind = next((each for each in several if each != "null"), None)
    more = "" if "null" in several or prop == "Password" else ' Nullable="false"'
    if facts.get("enum_ref"):
        return _line(prop, f"{version}.{prop}Value", more, facts)
    if kind is None:
        return (
            f'<NavigationProperty Name="{prop}" Type="{_target(LINKS.get(name, {}).get(prop, ""))}" Nullable="false"/>'
        )
    if kind == "array":
        return _typed(prop, f"[{ARRAYS.get(f'{name}.{prop}', 'Edm.String')}]", facts)
    if kind == "object":
        return _typed(prop, _structure(name, prop), facts)
    return _line(prop, "Edm.DateTimeOffset" if facts.get("format") == "date-time" else _EDM[kind], more, facts)


def _structure(name: str, prop: str) -> str:
    own = f"{name}.{prop}"
    if prop == "Actions" or own in STRUCTURES:
        return own
    return f"Resource.{prop}" if f"Resource.{prop}" in STRUCTURES else "Resource.Oem"


def _typed(prop: str, kind: str, facts: dict[str, Any]) -> str:
    """A property of a type as `STRUCTURES` writes it."""
    needed, kind = kind.endswith("!"), kind.rstrip("!")
    inner = kind.strip("[]")
    link = inner.startswith("->")
    inner = _target(inner[2:]) if link else inner
    shown = f"Collection({inner})" if kind.startswith("[") else inner
    if link:
        return (
            f'<NavigationProperty Name="{prop}" Type="{shown}" Nullable="false">{_NEEDED * needed}</NavigationProperty>'
        )
    return _line(prop, shown, "", facts, extra=_NEEDED * needed)


_NEEDED = '<Annotation Term="Redfish.Required"/>'


def _target(kind: str) -> str:
    return f"{kind}.{kind}" if kind else "Resource.v1_0_0.Any"


def _line(prop: str, kind: str, more: str, facts: dict[str, Any], *, extra: str = "") -> str:
    terms = [extra]
    for term, name in (("Minimum", "minimum"), ("Maximum", "maximum")):
        if name in facts:
            terms.append(f'<Annotation Term="Validation.{term}" Int="{facts[name]}"/>')
    if "pattern" in facts:
        terms.append(f'<Annotation Term="Validation.Pattern" String={quoteattr(facts["pattern"])}/>')
    if facts.get("readonly"):
        terms.append('<Annotation Term="OData.Permissions" EnumMember="OData.Permission/Read"/>')
    if "version_deprecated" in facts:
        record = '<PropertyValue Property="Kind" EnumMember="Redfish.RevisionKind/Deprecated"/>'
        record += f'<PropertyValue Property="Version" String="{facts["version_deprecated"]}"/>'
        terms.append(
            f'<Annotation Term="Redfish.Revisions"><Collection><Record>{record}</Record></Collection></Annotation>'
        )
    return f'<Property Name="{prop}" Type="{kind}"{more}>{"".join(terms)}</Property>'


def _message() -> Iterator[str]:
    yield from _space("Message", _structures("Message"))
    for version in MESSAGES:
        yield from _space(f"Message.{version}", iter(['<ComplexType Name="Message" BaseType="Message.Message"/>']))


def _structures(name: str) -> Iterator[str]:
    for each, properties in STRUCTURES.items():
        schema, _, kind = each.partition(".")
        if schema == name:
            yield f'<ComplexType Name="{kind}">'
            yield from (_typed(prop, told, {}) for prop, told in properties.items())
            if each == "Bios.Attributes":
                yield _ANYTHING
            yield "</ComplexType>"


def _enum(name: str, values: list[str]) -> str:
    return f'<EnumType Name="{name}">' + "".join(f'<Member Name="{value}"/>' for value in values) + "</EnumType>"


_ANYTHING = (
    '<Annotation Term="Redfish.DynamicPropertyPatterns"><Collection><Record>'
    '<PropertyValue Property="Pattern" String=".*"/><PropertyValue Property="Type" String="Edm.PrimitiveType"/>'
    "</Record></Collection></Annotation>"
)


def _facts(kind: dict[str, Any]) -> Iterator[str]:
    """Where a resource may be, and what it takes."""
    yield '<Annotation Term="Redfish.Uris"><Collection>'
    yield from (f"<String>{uri}</String>" for uri in kind["uris"])
    yield "</Collection></Annotation>"
    for term, what in (("Insert", "insertable"), ("Update", "updatable"), ("Delete", "deletable")):
        allowed = f'<PropertyValue Property="{what.capitalize()}" Bool="{str(kind[what]).lower()}"/>'
        yield f'<Annotation Term="Capabilities.{term}Restrictions"><Record>{allowed}</Record></Annotation>'


def _collection(name: str, kind: dict[str, Any]) -> Iterator[str]:
    member = name.removesuffix("Collection")

    def lines() -> Iterator[str]:
        yield f'<EntityType Name="{name}" BaseType="Resource.v1_0_0.ResourceCollection">'
        yield from _facts(kind)
        yield f'<NavigationProperty Name="Members" Type="Collection({member}.{member})" Nullable="false">{_NEEDED}'
        yield "</NavigationProperty></EntityType>"

    return _space(name, lines())


def _base(enums: dict[str, Any]) -> Iterator[str]:
    """What all resources are made of."""
    text = "Edm.String!"

    def common() -> Iterator[str]:
        yield '<EntityType Name="Any" Abstract="true"/>'
        for kind, properties in (("Resource", {"Id": text, "Name": text}), ("ResourceCollection", {"Name": text})):
            yield f'<EntityType Name="{kind}" BaseType="Resource.v1_0_0.Any" Abstract="true">'
            yield from (_typed(prop, each, {}) for prop, each in properties.items())
            yield f"{_typed('Description', 'Edm.String', {})}{_typed('Oem', 'Resource.Oem', {})}</EntityType>"

    def more() -> Iterator[str]:
        yield from _structures("Resource")
        yield f'<ComplexType Name="Oem">{_OBJECTS}</ComplexType><ComplexType Name="OemObject"/>'
        for name in _VALUES:
            ref = next(key for key in sorted(enums, reverse=True) if key.startswith("Resource.") and key.endswith(name))
            yield _enum(name, enums[ref]["values"])

    yield from _space("Resource.v1_0_0", common())
    yield from _space("Resource", more())


_OBJECTS = _ANYTHING.replace("Edm.PrimitiveType", "Resource.OemObject")
