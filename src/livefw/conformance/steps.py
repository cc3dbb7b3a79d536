# SPDX-License-Identifier: Apache-2.0
"""The words in which a check is written down: calls, in order, and what each has to answer."""

from collections.abc import Mapping
from typing import NamedTuple

from livefw.abi.guid import Guid
from livefw.abi.lfa import ActivateFlag, Function, LfaStatus

RELEASED = ("tfa-2.14", "tfa-2.15")
CURRENT = ("tfa-2026", "bet1")

Expected = int | Mapping[str, int]
"""A number, or one for each profile."""

SPARE = -1
"""Stands for the CPU with the highest number, which nobody needs afterwards."""

SKIP = ActivateFlag.SKIP_CPU_RENDEZVOUS
_NONE = ActivateFlag(0)


class Beyond(NamedTuple):
    """A sequence id that nobody has: the number of components, or a given one."""

    fixed: int | None = None

    def __str__(self) -> str:
        return "N" if self.fixed is None else f"{self.fixed:#x}"


class Suitable(NamedTuple):
    """Whichever component is pending and can be activated by one CPU that comes back; agents have their own GUIDs."""

    def __str__(self) -> str:
        return "of any GUID that is pending, needs no rendezvous and resets no CPU"


Where = Guid | Beyond | Suitable


class Smc(NamedTuple):
    """One CPU issues a call, and it ends."""

    function: int
    where: Where | None = None
    """The component whose sequence id is x1; None: ``argument`` is."""
    argument: int = 0
    flags: ActivateFlag = _NONE
    entry: int | None = None
    """Entry point of ACTIVATE; None: the caller's own."""
    cpu: int = 0
    x0: Expected = 0
    or_more: bool = False
    """x0 is a version, and a later one will do."""
    x1: Expected | None = None
    """None: not looked at."""
    x3: Expected | None = None
    until_done: bool = False
    """Call again as long as the answer says so."""
    label: str = ""


class Begin(NamedTuple):
    """A CPU enters a call and stays inside: it waits for others, or the firmware is busy."""

    call: Smc


class Ends(NamedTuple):
    """The call of a CPU that had entered it earlier ends."""

    cpu: int
    x0: Expected = 0


class Together(NamedTuple):
    """All CPUs issue the call, one close behind the other; each has to answer the same."""

    call: Smc


class AllRestart(NamedTuple):
    """All CPUs issue the call, and none returns: each restarts at the entry point with its own context.

    CPUs of ``but`` take no part. ``last`` is then issued by one of them, before anybody restarts, and has to end.
    """

    call: Smc
    but: tuple[int, ...] = ()
    last: Smc | None = None


class Discover(NamedTuple):
    """GET_INVENTORY of every component, as a client does before it primes one; each has to succeed."""

    cpu: int = 0


class WritesVersions(NamedTuple):
    """GET_INVENTORY writes x4 and x5, or leaves them, according to the profile."""


Step = Smc | Begin | Ends | Together | AllRestart | Discover | WritesVersions


def by(released: int, current: int) -> Mapping[str, int]:
    """One answer for TF-A's releases, another for what came after."""
    return {**dict.fromkeys(RELEASED, released), **dict.fromkeys(CURRENT, current)}


def prime(where: Where, x0: Expected = 0, *, cpu: int = 0, until_done: bool = True) -> Smc:
    """LFA_PRIME."""
    return Smc(Function.PRIME, where, cpu=cpu, x0=x0, until_done=until_done)


def activate(
    where: Where,
    x0: Expected = 0,
    *,
    flags: ActivateFlag = _NONE,
    cpu: int = 0,
    entry: int | None = None,
    until_done: bool = False,
    x1: Expected | None = None,
) -> Smc:
    """LFA_ACTIVATE."""
    return Smc(Function.ACTIVATE, where, flags=flags, entry=entry, cpu=cpu, x0=x0, x1=x1, until_done=until_done)


def cancel(where: Where, x0: Expected = 0, *, cpu: int = 0) -> Smc:
    """LFA_CANCEL."""
    return Smc(Function.CANCEL, where, cpu=cpu, x0=x0)


def code(status: int) -> str:
    """A status as people say it."""
    known = status in LfaStatus._value2member_map_
    return f"{status} ({LfaStatus(status).name})" if known else f"{status:#x}" if status > 0 else str(status)
