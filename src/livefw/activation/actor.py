# SPDX-License-Identifier: Apache-2.0
"""Who asks for an activation, as the journal keeps it."""

import os
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

_NO_LOGIN = 2**32 - 1
"""What the kernel shows as loginuid of a process that no login stands behind (audit, ``AUDIT_UID_UNSET``)."""


class Actor(NamedTuple):
    """``user`` asked through ``face``; ``login`` is the account that had logged in, where it was another."""

    user: str
    login: str
    face: str

    def __str__(self) -> str:
        return f"{self.user} (logged in as {self.login})" if self.login not in ("", self.user) else self.user


def current(face: str, *, environment: Mapping[str, str] = os.environ) -> Actor:
    """This process's user. The login is the audit system's where there is one, else what sudo says."""
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
    """The daemon asks at each look, and an account may be kept in a directory at the other end of a network."""
    import pwd  # only here

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
