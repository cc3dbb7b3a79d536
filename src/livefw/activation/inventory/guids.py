# SPDX-License-Identifier: Apache-2.0
"""The GUIDs of a component: its own, and those derived from its key and its models as fwupd does
(docs/reference/daemon.md)."""

from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.short_ids import is_guid


def instance(provider: str, ident: str = "") -> str:
    """The instance id from which the GUID of a component is derived; without an id, that of a mechanism."""
    return f"LIVEFW\\{provider}&{ident}" if ident else f"LIVEFW\\{provider}"


def made_guid(text: str) -> str:
    """The GUID that fwupd derives from an instance id: UUIDv5, DNS namespace."""
    import uuid  # slow to import, and only archives and fwupd need it

    return str(uuid.uuid5(uuid.NAMESPACE_DNS, text))


def own_guids(candidate: Candidate) -> list[str]:
    """The component's id and its other spellings as far as they are GUIDs, in lower case."""
    found = [candidate.component.id, *candidate.provider.aliases(candidate.component.id)]
    return list(dict.fromkeys(each.lower() for each in found if is_guid(each)))


def guids(candidate: Candidate) -> list[str]:
    """All GUIDs of a component."""
    component = candidate.component
    keys = [component.key, *([component.linked.key] if component.linked else ())]
    made = [*(instance(*key.split(":", 1)) for key in keys), *component.models]
    return [*own_guids(candidate), *map(made_guid, made)]
