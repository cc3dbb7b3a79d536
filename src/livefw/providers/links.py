# SPDX-License-Identifier: Apache-2.0
"""The tables ``[[link]]`` of livefw.toml: which member of a BMC's inventory is which component of this machine.

Nothing is linked by itself. OCP's requirements let a machine take images in band or out of band, one of them, chosen
at boot ("Hyperscale CPU Impactless Firmware Updates", Global Summit 2025); Arm's LFA leaves staging to the platform
(DEN0147). Which BMC serves which component is therefore for an administrator to say.
"""

from __future__ import annotations

from livefw.providers import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, NamedTuple

    from livefw.files.protocol import Files
else:
    from livefw.light_tuple import NamedTuple

TABLE = "link"
WAY = "redfish"
"""The mechanism by which images come."""


class Link(NamedTuple):
    """One link: a component by key, id or name, the BMC by its name, and the member by its key within the BMC."""

    component: str
    bmc: str
    member: str

    @property
    def ident(self) -> str:
        """The id of the member's component."""
        return f"{self.bmc}/{self.member}"

    @property
    def key(self) -> str:
        """Its key."""
        return f"{WAY}:{self.ident}"


class LinkKey(NamedTuple):
    """One key: the kind of its value, what checks it (ValueError), and what it does."""

    kind: str
    read: Callable[[Any], str]
    text: str


def _component(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("has to be the key, id or name of a component")
    if not {*"*?["}.isdisjoint(value):
        raise ValueError("has to name one component, and is a pattern")
    return value.strip()


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or " " in value:
        raise ValueError("has to be a word in quotes")
    return value


KEYS = {
    "component": LinkKey(
        "component", _component, "LFA component whose images come by the BMC: its key, GUID or name; activated in band"
    ),
    "bmc": LinkKey("BMC", _word, "BMC that brings them: the `name` of a table [[redfish.bmc]]"),
    "member": LinkKey("member", _word, "the component in the inventory of the BMC: its key without `redfish:BMC/`"),
}
"""Everything that may be in one table; all is required."""


def read_links(files: Files, bmcs: Collection[str]) -> tuple[Link, ...]:
    """The links in the settings of the machine behind ``files``; ``bmcs`` are the names of its BMCs. `UsageError`."""
    return tables.read(files, TABLE, lambda found: _decode(found, bmcs))


def _decode(rows: Any, bmcs: Collection[str]) -> tuple[Link, ...]:
    if not rows:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong(TABLE, "has to be a list of tables")
    found: list[Link] = []
    for number, row in enumerate(rows):
        found.append(_link(row, f"{TABLE}[{number}]", bmcs))
        if (both := clash(found)) is not None:
            raise _wrong(f"{TABLE}[{number}].{both[0]}", both[1])
    return tuple(found)


def clash(links: Collection[Link]) -> tuple[str, str] | None:
    """The key of the last link that says the same as an earlier one, and what to say; None if none does."""
    *earlier, last = links
    if any(each.component.casefold() == last.component.casefold() for each in earlier):
        return "component", f"two links name {last.component}"
    if any(each.key == last.key for each in earlier):
        return "member", f"two links name {last.key}"
    return None


def _link(row: dict[str, Any], place: str, bmcs: Collection[str]) -> Link:
    for name in row:
        if name not in KEYS:
            raise tables.unknown_key(place, name, KEYS, mechanism=TABLE, hint=_HINT)
    values = {}
    for name, key in KEYS.items():
        if name not in row:
            raise _wrong(f"{place}.{name}", "is missing")
        try:
            values[name] = key.read(row[name])
        except ValueError as error:
            raise _wrong(f"{place}.{name}", f"{error}, not {row[name]!r}") from error
    if values["bmc"] not in bmcs:
        from livefw import suggest  # only for errors

        near = suggest.closest(values["bmc"], bmcs)
        rest = f"; did you mean {near}?" if near else f"; there is {', '.join(bmcs) or 'none'}"
        raise _wrong(f"{place}.bmc", f"no table [[redfish.bmc]] has the name {values['bmc']}{rest}")
    return Link(**values)


_HINT = "livefw policy --keys lists every key"


def _wrong(path: str, text: str) -> tables.TableError:
    return tables.TableError(text, path=path, mechanism=TABLE, hint=_HINT)
