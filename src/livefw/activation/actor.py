# SPDX-License-Identifier: Apache-2.0
"""Who asked for an activation, as the history records it."""

import os
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

_NO_LOGIN = 2**32 - 1
"""The loginuid that the kernel shows for a process without a login session (audit, ``AUDIT_UID_UNSET``)."""


class Actor(NamedTuple):
    """A user, the login account behind it, and the face that was used.

    ``login`` is the account that logged in; it differs from ``user`` after sudo or su.
    """

    user: str
    login: str
    face: str

    def __str__(self) -> str:
        return f"{self.user} (logged in as {self.login})" if self.login not in ("", self.user) else self.user


def current(face: str, *, environment: Mapping[str, str] = os.environ) -> Actor:
    """The user of this process. The login is the audit system's if it has one, else the one that sudo reports."""
    return Actor(_name(os.getuid()), _login(environment), face)


def _login(environment: Mapping[str, str]) -> str:
    try:
        with open("/proc/self/loginuid", "rb") as file:
            uid = int(file.read(16))
    except (OSError, ValueError):
        uid = _NO_LOGIN
    return _name(uid) if uid != _NO_LOGIN else environment.get("SUDO_USER", "")


@cache
def _name(uid: int) -> str:
    """Cached: the daemon asks often, and accounts may be in a directory service behind a network."""
    import pwd  # only here

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
