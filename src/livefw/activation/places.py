# SPDX-License-Identifier: Apache-2.0
"""Where the engine keeps its files: history, lock, settings.

A machine looked at with ``--root DIR`` is another machine than the one we run on, and has its own history and lock.
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

STATE_VARIABLE = "LIVEFW_STATE"
RUNTIME_VARIABLE = "LIVEFW_RUNTIME_DIR"
SYSTEM_STATE = "/var/lib/livefw"
SYSTEM_RUNTIME = "/run/livefw"
SYSTEM_SETTINGS = "/etc/livefw"


class Places(NamedTuple):
    """``state`` holds the history, ``lock`` is a file, ``settings`` the directory of livefw.toml and checks.d.

    ``root`` is where the machine's files are, ``/`` for the one that we run on.
    """

    state: str
    lock: str
    settings: str
    root: str


def places(
    root: str,
    *,
    state: str | None = None,
    settings: str | None = None,
    environment: Mapping[str, str] = os.environ,
    privileged: bool | None = None,
) -> Places:
    """Places for the machine at ``root``; ``state`` and ``settings`` as asked for on the command line.

    All are absolute: a check of the administrator's own runs somewhere else, and so may whoever reads them.
    The lock does not follow ``state``: two engines with different histories must still not meet on one machine.
    """
    real = os.path.realpath(root)
    own = real == "/"
    name = "" if own else sha256(os.fsencode(real)).hexdigest()[:16]
    directory = os.path.abspath(state or environment.get(STATE_VARIABLE) or _default_state(name, environment))
    privileged = os.geteuid() == 0 if privileged is None else privileged
    lock = os.path.join(
        _runtime(own=own, privileged=privileged, state=directory, environment=environment),
        f"activation{name and '-' + name}.lock",
    )
    own_settings = SYSTEM_SETTINGS if own else os.path.join(real, "etc/livefw")
    return Places(directory, os.path.abspath(lock), os.path.abspath(settings or own_settings), real)


def _runtime(*, own: bool, privileged: bool, state: str, environment: Mapping[str, str]) -> str:
    """Where the lock is. That of our own machine is for root to take, and nobody may lead root elsewhere."""
    if own and privileged:
        return SYSTEM_RUNTIME
    if chosen := environment.get(RUNTIME_VARIABLE):
        return chosen
    if privileged:
        return SYSTEM_RUNTIME
    session = environment.get("XDG_RUNTIME_DIR")
    return os.path.join(session, "livefw") if session else state


def _default_state(name: str, environment: Mapping[str, str]) -> str:
    if not name:
        return SYSTEM_STATE
    home = environment.get("XDG_STATE_HOME") or os.path.join(environment.get("HOME") or "/", ".local/state")
    return os.path.join(home, "livefw", name)
