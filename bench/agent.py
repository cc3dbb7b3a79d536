# SPDX-License-Identifier: Apache-2.0
"""SMC calls that the agent answers in one thread."""

from collections.abc import Iterator
from functools import partial

from bench.measure import Aim, Row, interleave
from livefw.abi.lfa import InfoRequest, InventoryRequest, VersionRequest
from livefw.abi.smccc import Registers
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import ComponentKind, ComponentSpec

CALLS = 30_000
COMPONENTS = 4

MIXES: dict[str, tuple[Registers, ...]] = {
    "LFA_VERSION": (VersionRequest().encode(),),
    "LFA_GET_INFO": (InfoRequest().encode(),),
    "LFA_GET_INVENTORY": tuple(InventoryRequest(index).encode() for index in range(COMPONENTS)),
}
MIXES["VERSION, GET_INFO and GET_INVENTORY in turns"] = tuple(
    call
    for inventory in MIXES["LFA_GET_INVENTORY"]
    for call in (VersionRequest().encode(), InfoRequest().encode(), inventory)
)


def rows() -> Iterator[Row]:
    """Calls per second of each mix; the caller's loop is part of what is measured."""
    specs = [
        ComponentSpec(guid=f"00000000-0000-4000-8000-{index:012x}", kind=ComponentKind.RMM, pending_version="1.1")
        for index in range(COMPONENTS)
    ]
    agent = LfaAgent(MemoryPlatform(specs), profile=PROFILES["bet1"], cpus=4)
    medians = interleave({name: partial(_issue, agent, mix) for name, mix in MIXES.items()}, rounds=15)
    for name, seconds in medians.items():
        yield Row(f"agent, {name}", CALLS / seconds, "calls/s", Aim(200_000, at_least=True))


def _issue(agent: LfaAgent, mix: tuple[Registers, ...]) -> None:
    call = agent.call
    for _ in range(CALLS // len(mix)):
        for registers in mix:
            call(0, registers)
