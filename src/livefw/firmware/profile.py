# SPDX-License-Identifier: Apache-2.0
"""Which agent it is: one table of the behaviours in which released and current TF-A differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from livefw.abi.lfa import LfaStatus
from livefw.firmware.spec import ComponentKind


@dataclass(frozen=True, slots=True)
class Profile:
    """Behaviours of one agent version. The agent asks these fields, never the name."""

    name: str
    source: str
    prime_bad_id: LfaStatus
    """Answer of PRIME to an id outside the inventory."""
    serialised: bool
    """ACTIVATE takes the agent lock, counts CPUs, latches the rendezvous policy, and answers BUSY; CANCEL respects it
    all and asks the component. Otherwise ACTIVATE has none of this, tests COMPONENT_WRONG_STATE first and asks the
    platform once per CPU, before it judges a wish to skip, and CANCEL asks the platform only."""
    activate_call_again: bool
    """Otherwise a component's wish to be called again comes out as it is, -35: EAGAIN of TF-A's C library."""
    pending_cleared_on_failure: bool
    rmm_not_set_up: LfaStatus
    """Answer to an activation of the RMM whose image or manifest TF-A cannot set up."""
    rmm_refused: LfaStatus
    """Answer where the new RMM refuses to boot; SUCCESS by an inverted return value. It is dead either way."""
    pen_counts_out: bool
    """CPUs count themselves out of a holding pen that was set to zero when it opened, so the count ends below that."""
    without_activator: frozenset[ComponentKind]
    """Kinds that are listed, but cannot be activated by this version."""
    stubs: frozenset[ComponentKind]
    """Kinds that are listed as capable without more (x3 = 0x1), and never become pending."""
    versions: bool
    """GET_INVENTORY writes x4 and x5 (DEN0147 BET1); otherwise x0 to x3 only (BET0)."""


_TFA_2_14 = Profile(
    name="tfa-2.14",
    source="TF-A v2.14.0, November 2025",
    prime_bad_id=LfaStatus.WRONG_STATE,
    serialised=False,
    activate_call_again=False,
    pending_cleared_on_failure=True,
    rmm_not_set_up=LfaStatus.BUSY,
    rmm_refused=LfaStatus.SUCCESS,
    pen_counts_out=True,
    without_activator=frozenset({ComponentKind.SP}),
    stubs=frozenset({ComponentKind.BL31}),
    versions=False,
)
_TFA_2_15 = replace(
    _TFA_2_14,
    name="tfa-2.15",
    source="TF-A v2.15.0, May 2026",
    prime_bad_id=LfaStatus.INVALID_PARAMETERS,
    pending_cleared_on_failure=False,
    rmm_not_set_up=LfaStatus.ACTIVATION_FAILED,
    rmm_refused=LfaStatus.ACTIVATION_FAILED,
    pen_counts_out=False,
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
