# SPDX-License-Identifier: Apache-2.0
"""What is known of LFA agents beyond what sysfs shows: which agent it is, only an administrator can say.

TF-A reports no versions, so where a component has one, the agent is none of TF-A's releases.
"""

from __future__ import annotations

from livefw.abi.guid import RMM
from livefw.errors import TransportError, UsageError
from livefw.providers.component import Flag, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from livefw.files.protocol import Files
else:
    from livefw.light_tuple import NamedTuple


class AgentRow(NamedTuple):
    """One agent.

    ``clears_after_failure``: a failed RMM activation is answered with success, and its pending flag clears as after
    one. ``deadly``: what it answers to an ACTIVATE of the RMM that left this dead until a cold boot; empty if it lives.
    """

    name: str
    title: str
    clears_after_failure: bool
    deadly: frozenset[str]


_FAILED = frozenset({"ACTIVATION_FAILED", "CRITICAL_ERROR"})
_FAILED_2_14 = _FAILED | {"BUSY", "COMPONENT_WRONG_STATE"}
"""An RMM that v2.14 cannot set up is BUSY. A driver that asks again hears that nothing is primed any more."""

AGENTS = {
    agent.name: agent
    for agent in (
        AgentRow("tfa-2.14", "TF-A v2.14 and its long-term releases", clears_after_failure=True, deadly=_FAILED_2_14),
        AgentRow("tfa-2.15", "TF-A v2.15", clears_after_failure=False, deadly=_FAILED),
        AgentRow(
            "tfa-2026", "TF-A after v2.15, integration branch of 2026", clears_after_failure=False, deadly=_FAILED
        ),
        AgentRow("other", "firmware that is not TF-A", clears_after_failure=False, deadly=frozenset()),
    )
}
"""TF-A services/std_svc/lfa/lfa_main.c and services/std_svc/rmmd/{rmmd_main,rmmd_rmm_lfa}.c of each release."""

NOT_STATED = AgentRow("", "an agent that the settings do not name", clears_after_failure=True, deadly=_FAILED_2_14)
"""The worst of them: which one it is cannot be seen."""

TABLE = "lfa"
_RMM = str(RMM.guid)
_HINT = "set [lfa] agent in livefw.toml to the firmware in use, or accept-unconfirmed to rely on its reply"
_NEVER_CLEARS = Reason(
    "unconfirmed", "the firmware reports no version, and some firmware never clears the pending flag", _HINT
)
_CLEARS_ALWAYS = Reason(
    "unconfirmed",
    "the firmware reports no version, and TF-A 2.14 clears the pending flag of an RMM also after a failure",
    _HINT,
)
_RMM_DEAD = Reason(
    "rmm-dead",
    "after a failed activation TF-A keeps the RMM unusable until a cold boot: all Realms are lost, and another"
    " attempt would report success but change nothing",
    "power-cycle the machine; a warm reboot is not enough",
)
AT_STAKE = "if the activation of an RMM fails, all Realms on this machine are lost until a cold boot"


def flag(agent: AgentRow, guid: str, *, versions: bool) -> Flag:
    """What the pending flag of a component is worth; ``versions``: the agent reports them."""
    doubtful = guid == _RMM and agent.clears_after_failure and not versions
    return Flag.PROVES_NOTHING if doubtful else Flag.PROVES


def lasting(agent: AgentRow, guid: str, code: str | None) -> Reason | None:
    """What a failed ACTIVATE with this code leaves behind."""
    return _RMM_DEAD if guid == _RMM and code in agent.deadly else None


def at_stake(agent: AgentRow, guid: str) -> str:
    """What a failure costs besides the component; empty for nothing."""
    return AT_STAKE if guid == _RMM and agent.deadly else ""


def unconfirmed(agent: AgentRow, guid: str, *, versions: bool) -> Reason | None:
    """Why a success could not be confirmed; None where a version will show it."""
    if versions:
        return None
    return _NEVER_CLEARS if flag(agent, guid, versions=versions) is Flag.PROVES else _CLEARS_ALWAYS


def stated(files: Files) -> AgentRow:
    """The agent that ``[lfa] agent`` of the settings names; `UsageError` if there is no such key or agent.

    Settings that cannot be read at all are for the engine to tell: that nobody has named one is the careful reading.
    """
    from livefw.providers import tables  # most machines have no such table

    try:
        return tables.read(files, TABLE, _stated)
    except tables.TableError:
        raise
    except (UsageError, TransportError):
        return NOT_STATED


def _stated(table: Any) -> AgentRow:
    if table == {}:
        return NOT_STATED
    from livefw.providers.tables import TableError

    if not isinstance(table, dict) or table.keys() != {"agent"}:
        raise TableError("agent is the only key", path=TABLE, mechanism=TABLE, hint=_KNOWN)
    agent = AGENTS.get(table["agent"]) if isinstance(table["agent"], str) else None
    if agent is None:
        from livefw import suggest  # only for errors

        raise TableError(
            f"unknown agent {table['agent']!r}",
            path=f"{TABLE}.agent",
            mechanism=TABLE,
            hint=suggest.hint(str(table["agent"]), AGENTS, rest=_KNOWN),
        )
    return agent


_KNOWN = f"agent is one of {', '.join(AGENTS)}"
