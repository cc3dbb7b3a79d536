# SPDX-License-Identifier: Apache-2.0
"""Where the engine keeps its files: history, lock, settings.

A machine that is inspected with ``--root DIR`` has a history of its own, named after the path. The lock is named after
the machine itself (`livefw.activation.lock.machine_identity`), because several paths may lead to one machine, including
the one that livefw runs on.
"""

from __future__ import annotations

import os
from contextlib import suppress

from livefw.activation.lock import machine_identity
from livefw.reading import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple
else:
    from livefw.light_tuple import NamedTuple

STATE_VARIABLE = "LIVEFW_STATE"
RUNTIME_VARIABLE = "LIVEFW_RUNTIME_DIR"
HISTORY_FILE = "history.db"
"""Name of the history in its directory."""
SYSTEM_STATE = "/var/lib/livefw"
SYSTEM_RUNTIME = "/run/livefw"


class Paths(NamedTuple):
    """Absolute paths of one machine.

    ``state`` is the directory of the history, ``lock`` a file, ``settings`` the directory of livefw.toml and checks.d
    (empty if there is none), ``root`` the directory of the machine's files, ``/`` for the machine that livefw runs on.
    """

    state: str
    lock: str
    settings: str
    root: str


def paths_for(
    root: str,
    *,
    state: str | None = None,
    settings: str | None = None,
    environment: Mapping[str, str] = os.environ,
    privileged: bool | None = None,
) -> Paths:
    """The paths for the machine at ``root``; ``state`` and ``settings`` are those of the command line.

    All are absolute, because hooks run in another working directory. The lock does not depend on ``state``: two engines
    with different histories must not run on one machine at the same time.

    Raises:
        OSError: a relative path cannot be resolved, because the working directory was removed.
    """
    from livefw.files.host import settings_directory  # `livefw list` does not need it

    real = real_root(root)
    directory = state_directory(real, state=state, environment=environment)
    lock = lock_path(real, state=state, environment=environment, privileged=privileged)
    return Paths(directory, lock, settings_directory(real, settings), real)


def state_directory(real: str, *, state: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """The absolute path of the history of the machine at ``real``, a root without symbolic links."""
    name = ""
    if real != "/":
        name = machine_identity.hash_of(real)
    chosen = state or environment.get(STATE_VARIABLE)
    return absolute(chosen or _default_state(name, environment, own=not name))


def lock_path(
    real: str,
    *,
    state: str | None = None,
    environment: Mapping[str, str] = os.environ,
    privileged: bool | None = None,
) -> str:
    """The absolute path of the lock of the machine at ``real``, a root without symbolic links."""
    privileged = os.geteuid() == 0 if privileged is None else privileged
    machine = machine_identity.name(real)
    beside = state or environment.get(STATE_VARIABLE) or _default_state("", environment, own=not machine)
    directory = _runtime(own=not machine, privileged=privileged, state=beside, environment=environment)
    return absolute(os.path.join(directory, f"activation{machine and '-' + machine}.lock"))


def real_root(root: str) -> str:
    """The absolute path of a root without symbolic links, or with them if only they lead there (`/proc/PID/root`)."""
    root = absolute(root)
    real = os.path.realpath(root)
    with suppress(OSError):
        if not os.path.samestat(os.stat(root), os.stat(real)):
            return root
    return real


def _runtime(*, own: bool, privileged: bool, state: str, environment: Mapping[str, str]) -> str:
    """The directory of the lock. Root locks its own machine in one fixed place, which no variable can change."""
    if own and privileged:
        return SYSTEM_RUNTIME
    if chosen := environment.get(RUNTIME_VARIABLE):
        return chosen
    if privileged:
        return SYSTEM_RUNTIME
    session = environment.get("XDG_RUNTIME_DIR")
    return os.path.join(session, "livefw") if session else state


def _default_state(name: str, environment: Mapping[str, str], *, own: bool) -> str:
    """For other machines: the directory ``name``, or without a name the directory above all of them."""
    if own:
        return SYSTEM_STATE
    home = environment.get("XDG_STATE_HOME") or os.path.join(environment.get("HOME") or "/", ".local/state")
    return os.path.join(home, "livefw", name)
