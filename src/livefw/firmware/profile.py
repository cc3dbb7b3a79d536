# SPDX-License-Identifier: Apache-2.0
"""Which agent it is: one table of the behaviours in which released and current TF-A differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from livefw.abi.lfa import Status
from livefw.firmware.spec import Kind


@dataclass(frozen=True, slots=True)
class Profile:
    """Behaviours of one agent version. The agent asks these fields, never the name."""

    name: str
    source: str
    prime_bad_id: Status
    """Answer of PRIME to an id outside the inventory."""
    serialised: bool
    """ACTIVATE takes the agent lock, counts CPUs, latches the rendezvous policy, and answers BUSY; CANCEL respects it
    all and asks the component. Otherwise ACTIVATE has none of this, tests COMPONENT_WRONG_STATE first and asks the
    platform once per CPU, and CANCEL asks the platform only."""
    activate_call_again: bool
    """Otherwise a component's wish to be called again comes out as ACTIVATION_FAILED."""
    pending_cleared_on_failure: bool
    rmm_failure_is_success: bool
    """A failed activation of the RMM answers SUCCESS, because of an inverted return value; the RMM is dead as ever."""
    pen_miscounts: bool
    """The holding pen's count of waiting CPUs goes below zero in the first rendezvous."""
    without_activator: frozenset[Kind]
    """Kinds that are listed, but cannot be activated by this version."""
    stubs: frozenset[Kind]
    """Kinds that are listed as capable without more (x3 = 0x1), and never become pending."""
    versions: bool
    """GET_INVENTORY writes x4 and x5 (DEN0147 BET1); otherwise x0 to x3 only (BET0)."""


_TFA_2_14 = Profile(
    name="tfa-2.14",
    source="TF-A v2.14.0, November 2025",
    prime_bad_id=Status.WRONG_STATE,
    serialised=False,
    activate_call_again=False,
    pending_cleared_on_failure=True,
    rmm_failure_is_success=True,
    pen_miscounts=True,
    without_activator=frozenset({Kind.SP}),
    stubs=frozenset({Kind.BL31}),
    versions=False,
)
_TFA_2_15 = replace(
    _TFA_2_14,
    name="tfa-2.15",
    source="TF-A v2.15.0, May 2026",
    prime_bad_id=Status.INVALID_PARAMETERS,
    pending_cleared_on_failure=False,
    rmm_failure_is_success=False,
    pen_miscounts=False,
    without_activator=frozenset(),
)
_TFA_2026 = replace(
    _TFA_2_15,
    name="tfa-2026",
    source="TF-A integration branch, August 2026 (ACTIVATE serialised on 30 June 2026)",
    serialised=True,
    activate_call_again=True,
    stubs=frozenset(),
)
_BET1 = replace(
    _TFA_2026,
    name="bet1",
    source="as tfa-2026, with the version words of DEN0147 BET1; no public firmware writes them yet",
    versions=True,
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (_TFA_2_14, _TFA_2_15, _TFA_2026, _BET1)}
)
