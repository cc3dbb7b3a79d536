# SPDX-License-Identifier: Apache-2.0
"""Where the engine keeps its files: history, lock, settings.

A machine looked at with ``--root DIR`` has a history of its own, which is named by the path. The lock is named by what
the machine is (`livefw.activation.lock.machine_identity`): several ways may lead to one, and to the one that we run on.
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
SYSTEM_STATE = "/var/lib/livefw"
SYSTEM_RUNTIME = "/run/livefw"


class Paths(NamedTuple):
    """``state`` holds the history, ``lock`` is a file, ``settings`` the directory of livefw.toml and checks.d.

    There may be no settings, and then it is empty. ``root`` is where the machine's files are, ``/`` for the one that
    we run on.
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
    """Places for the machine at ``root``; ``state`` and ``settings`` as asked for on the command line.

    All are absolute: a check of the administrator's own runs somewhere else, and so may whoever reads them; OSError
    where that cannot be, because the working directory was removed.
    The lock does not follow ``state``: two engines with different histories must still not meet on one machine.
    """
    from livefw.files.host import settings_directory  # not needed to list

    real = _real(absolute(root))
    directory = state_directory(real, state=state, environment=environment)
    lock = lock_path(real, state=state, environment=environment, privileged=privileged)
    return Paths(directory, lock, settings_directory(real, settings), real)


def state_directory(real: str, *, state: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Where the history of the machine at a root without links is; absolute."""
    name = ""
    if real != "/":
        from hashlib import sha256  # takes long to import, and is not for our own machine

        name = sha256(os.fsencode(real)).hexdigest()[:16]
    chosen = state or environment.get(STATE_VARIABLE)
    return absolute(chosen or _default_state(name, environment, own=not name))


def lock_path(
    real: str,
    *,
    state: str | None = None,
    environment: Mapping[str, str] = os.environ,
    privileged: bool | None = None,
) -> str:
    """The lock of the machine at a root without links; absolute."""
    privileged = os.geteuid() == 0 if privileged is None else privileged
    machine = machine_identity.name(real)
    beside = state or environment.get(STATE_VARIABLE) or _default_state("", environment, own=not machine)
    directory = _runtime(own=not machine, privileged=privileged, state=beside, environment=environment)
    return absolute(os.path.join(directory, f"activation{machine and '-' + machine}.lock"))


def _real(root: str) -> str:
    """The root without links; as it is where it is another directory than its text says (``/proc/PID/root``)."""
    real = os.path.realpath(root)
    with suppress(OSError):
        if not os.path.samestat(os.stat(root), os.stat(real)):
            return root
    return real


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


def _default_state(name: str, environment: Mapping[str, str], *, own: bool) -> str:
    """For another machine than our own the folder ``name``, or, without one, what all of those have in common."""
    if own:
        return SYSTEM_STATE
    home = environment.get("XDG_STATE_HOME") or os.path.join(environment.get("HOME") or "/", ".local/state")
    return os.path.join(home, "livefw", name)
