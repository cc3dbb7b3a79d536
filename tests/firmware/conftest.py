# SPDX-License-Identifier: Apache-2.0
"""The components that the agent's tests are about, as TF-A's FVP port has them."""

from collections.abc import Callable

import pytest

from livefw.abi import guid
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec, LfaPolicy
from livefw.testing.agent import ModelAgent

MakeAgent = Callable[..., ModelAgent]


def _fvp() -> list[ComponentSpec]:
    return [
        ComponentSpec(str(guid.BL31.guid), ComponentKind.BL31, "1.0", "1.1"),
        ComponentSpec(str(guid.BL33.guid), ComponentKind.BL33),
        ComponentSpec(str(guid.RMM.guid), ComponentKind.RMM, "2.0", "2.1", prime_steps=1, realms=(LfaPolicy.ALLOW,)),
        ComponentSpec(str(guid.FVP_SP1.guid), ComponentKind.SP, "3.0", "3.1"),
        ComponentSpec(str(guid.FVP_SP2.guid), ComponentKind.SP, "3.0", "3.1"),
        ComponentSpec(str(guid.SCP_BL2U.guid), ComponentKind.CONTROLLER, "4.0", "4.1", prime_steps=3, activate_steps=2),
    ]


@pytest.fixture
def fvp() -> Callable[..., ModelAgent]:
    """Make a bench with BL31 0, BL33 1, RMM 2, two partitions 3 and 4, a controller 5; 4 CPUs unless told."""

    def make(profile: str = "tfa-2026", *, cpus: int = 4, specs: list[ComponentSpec] | None = None) -> ModelAgent:
        return ModelAgent(_fvp() if specs is None else specs, profile=profile, cpus=cpus)

    return make


@pytest.fixture(params=list(PROFILES))
def profile(request: pytest.FixtureRequest) -> str:
    """Every profile in turn."""
    name: str = request.param
    return name
