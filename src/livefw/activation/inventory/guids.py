# SPDX-License-Identifier: Apache-2.0
"""GUIDs by which others know a component: its own, and one that is made from its key (docs/reference/daemon.md)."""

from livefw.activation.inventory.discovery import Candidate


def instance(provider: str, ident: str = "") -> str:
    """The text that the GUID of a component or, without its id, of a mechanism is made from."""
    return f"LIVEFW\\{provider}&{ident}" if ident else f"LIVEFW\\{provider}"


def made_guid(text: str) -> str:
    """The GUID that fwupd makes from such a text: UUIDv5, DNS namespace."""
    import uuid  # slow to import, and only needed with archives and with fwupd

    return str(uuid.uuid5(uuid.NAMESPACE_DNS, text))


def own_guids(candidate: Candidate) -> list[str]:
    """The component's id and its other spellings, where they are GUIDs; in small letters."""
    found = [candidate.component.id, *candidate.provider.aliases(candidate.component.id)]
    return list(dict.fromkeys(each.lower() for each in found if is_guid(each)))


def guids(candidate: Candidate) -> list[str]:
    """All GUIDs that a component answers to."""
    component = candidate.component
    return [*own_guids(candidate), made_guid(instance(component.provider, component.id))]


def is_guid(text: str) -> bool:
    """Whether it has the shape of one."""
    return len(text) == 36 and [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]
