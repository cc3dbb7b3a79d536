# SPDX-License-Identifier: Apache-2.0
"""Lists of hosts: one a line, or the JSON that ``ansible-inventory --list`` prints, as dynamic inventories do.

A line is a host, or a name and a host. JSON is the form of Ansible's documentation, "Developing dynamic inventory":
groups with ``hosts``, and ``_meta.hostvars`` with what is known of each, of which ``ansible_host`` is its address.
"""

import ipaddress
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from livefw.providers.redfish.settings import HOST, KEYS

MOST_HOSTS = 100_000
"""A list is read whole before anybody is asked, and each host of it is."""
_HOST = re.compile(HOST, re.ASCII)
_SHOWN = 60
"""Characters of a wrong line that are shown."""


class ListedHost(NamedTuple):
    """A host of a list: what the BMC is called, the host as in a url, and where it stands."""

    name: str
    host: str
    place: str


class BadHost(NamedTuple):
    """A part of a list that is no host, where it stands and what is wrong with it."""

    place: str
    text: str


def parse(data: bytes) -> Iterator[ListedHost | BadHost]:
    """The hosts of a list in their order, and whatever in it is none."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    rows = _of_json(text) if text.lstrip().startswith("{") else _of_lines(text)
    for number, row in enumerate(rows):
        if number >= MOST_HOSTS:
            yield BadHost(row.place, f"there are more than {MOST_HOSTS:,} hosts")
            return
        yield row


def one(text: str, place: str) -> ListedHost | BadHost:
    """A host from a line without a comment."""
    words = text.split()
    if len(words) > 2:
        return BadHost(place, f"{_shown(text)} must be a host, or a name and a host")
    return _listed(words[-1] if words else "", place, name=words[0] if len(words) == 2 else None)


def _listed(host: str, place: str, *, name: str | None) -> ListedHost | BadHost:
    found = _normal(host)
    if found is None:
        return BadHost(place, f"{_shown(host)} is no host")
    called = name_of(found) if name is None else name
    if not KEYS["name"].valid(called):
        return BadHost(place, f"{_shown(called)} is no name: it must be {KEYS['name'].kind}; write the name before it")
    return ListedHost(called, found, place)


def name_of(host: str) -> str:
    """What a BMC is called by its host: by the first part of a host name, and by the whole of an address.

    Letters become small ones, and whatever is no letter and no digit becomes a dash.
    """
    plain = re.sub(r":\d+$", "", host) if host.startswith("[") or host.count(":") == 1 else host
    with suppress(ValueError):
        ipaddress.IPv4Address(plain)
        return plain.replace(".", "-")
    first = plain if plain.startswith("[") else plain.partition(".")[0]
    return re.sub(r"[^a-z0-9]+", "-", first.replace("%25", "-").lower()).strip("-")


def _normal(host: str) -> str | None:
    """The host as it stands in a url; None if it is none."""
    with suppress(ValueError):
        address, _, zone = str(ipaddress.IPv6Address(host)).partition("%")
        host = f"[{address}%25{zone}]" if zone else f"[{address}]"
    return host if _HOST.fullmatch(host) else None


def _of_lines(text: str) -> Iterator[ListedHost | BadHost]:
    for number, line in enumerate(text.splitlines(), 1):
        if wanted := re.sub(r"(^|\s)#.*", "", line).strip():
            yield one(wanted, f"line {number}")


def _of_json(text: str) -> Iterator[ListedHost | BadHost]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield BadHost("", "it begins as JSON and is none")
        return
    meta = _record(document.get("_meta"))
    known = _record(meta.get("hostvars"))
    names = {name: None for group, content in document.items() if group != "_meta" for name in _hosts(content)}
    for name in names | dict.fromkeys(known):
        address = _record(known.get(name)).get("ansible_host", name)
        place = f"host {_shown(name)}"
        if not isinstance(name, str) or not isinstance(address, str):
            yield BadHost(place, "it has no address")
        else:
            yield _listed(address, place, name=name_of(_normal(name) or name))


def _hosts(content: Any) -> list[Any]:
    """Of a group; the oldest form of it is the list alone."""
    found = content.get("hosts") if isinstance(content, dict) else content
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _record(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _shown(text: object) -> str:
    found = str(text)
    return repr(found if len(found) <= _SHOWN else f"{found[:_SHOWN]}...")
