# SPDX-License-Identifier: Apache-2.0
"""Accounts of a modelled BMC: who may do what, and their resources (ManagerAccount 1.14)."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livefw.machine.bmc.documents import ACCOUNTS, PRIVILEGES, ROLES, collection, ref, resource
from livefw.machine.bmc.model import Rejected

_MOST = 16
_SHORTEST = 8
_GIVEN = {"UserName": str, "Password": str, "RoleId": str, "Enabled": bool}
"""What a client may set, and its type."""


@dataclass(slots=True)
class BmcAccount:
    """One user; ``generation`` counts its changes."""

    number: int
    name: str
    password: str
    role: str = "Administrator"
    enabled: bool = True
    generation: int = 0

    @property
    def place(self) -> str:
        """Its URI."""
        return f"{ACCOUNTS}/{self.number}"

    @property
    def etag(self) -> str:
        """A tag that changes with it."""
        return f'"{self.number}-{self.generation}"'

    def may(self, privilege: str) -> bool:
        """Whether its role has a privilege."""
        return privilege in PRIVILEGES[self.role]

    def document(self) -> dict[str, Any]:
        """Its resource. A password is null in every answer."""
        return resource(self.place, "ManagerAccount", f"Account of {self.name}") | {
            "@odata.etag": self.etag,
            "UserName": self.name,
            "Password": None,
            "RoleId": self.role,
            "Enabled": self.enabled,
            "Locked": False,
            "AccountTypes": ["Redfish"],
            "Links": {"Role": ref(f"{ROLES}/{self.role}")},
        }


class Accounts:
    """All of them. ``users`` maps names to passwords; they are administrators."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._known = [BmcAccount(number, *user) for number, user in enumerate(users.items(), 1)]
        self._number = len(self._known)

    def right(self, user: object, password: object) -> BmcAccount | None:
        """Whose name and password these are."""
        for each in self._known:
            same = hmac.compare_digest(each.password.encode(), str(password).encode())
            if each.name == user and same and each.enabled:
                return each
        return None

    def of(self, name: str) -> BmcAccount | None:
        """The account of a session's user, unless it was removed or disabled meanwhile."""
        return next((each for each in self._known if each.name == name and each.enabled), None)

    def at(self, place: str) -> BmcAccount:
        """The account that has this URI."""
        if found := next((each for each in self._known if each.place == place), None):
            return found
        raise Rejected(404, "There is no such account.", "Base.1.19.ResourceMissingAtURI")

    def collection(self) -> dict[str, Any]:
        """Their collection."""
        return collection(ACCOUNTS, "ManagerAccount", [each.place for each in self._known])

    def add(self, wanted: Mapping[str, Any]) -> BmcAccount:
        """A new account."""
        _check(wanted)
        for name in ("UserName", "Password", "RoleId"):
            if name not in wanted:
                raise Rejected(400, f"{name} is missing.", "Base.1.19.CreateFailedMissingReqProperties")
        self._check_name(wanted["UserName"])
        if len(self._known) >= _MOST:
            raise Rejected(400, "There are too many accounts.", "Base.1.19.CreateLimitReachedForResource")
        self._number += 1
        enabled = wanted.get("Enabled", True)
        self._known.append(
            BmcAccount(self._number, wanted["UserName"], wanted["Password"], wanted["RoleId"], enabled=enabled)
        )
        return self._known[-1]

    def change(self, account: BmcAccount, wanted: Mapping[str, Any], matches: str | None) -> None:
        """Change it, all or nothing, unless it was changed since the client has seen it (``If-Match``)."""
        if matches not in (None, "*", account.etag):
            raise Rejected(412, "The account has been changed meanwhile.", "Base.1.19.PreconditionFailed")
        if wanted and all(name.startswith("@odata.") for name in wanted):
            raise Rejected(400, "There is nothing to change.", "Base.1.19.NoOperation")
        _check(wanted)
        if wanted.get("UserName", account.name) != account.name:
            self._check_name(wanted["UserName"])
        account.name = wanted.get("UserName", account.name)
        account.password = wanted.get("Password", account.password)
        account.role = wanted.get("RoleId", account.role)
        account.enabled = wanted.get("Enabled", account.enabled)
        account.generation += 1

    def remove(self, account: BmcAccount) -> None:
        """Remove it."""
        self._known.remove(account)

    def _check_name(self, name: str) -> None:
        if not name or any(each.name == name for each in self._known):
            raise Rejected(400, "There is an account of this name.", "Base.1.19.ResourceAlreadyExists")


def _check(wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if name not in _GIVEN:
            raise Rejected(400, f"The property {name} cannot be set.", "Base.1.19.PropertyNotWritable")
        if not isinstance(value, _GIVEN[name]):
            raise Rejected(400, f"The value of {name} has a wrong type.", "Base.1.19.PropertyValueTypeError")
    if len(wanted.get("Password", "x" * _SHORTEST)) < _SHORTEST:
        raise Rejected(400, "The password is too short.", "Base.1.19.PropertyValueFormatError")
    if wanted.get("RoleId", "ReadOnly") not in PRIVILEGES:
        raise Rejected(400, "There is no such role.", "Base.1.19.PropertyValueNotInList")
