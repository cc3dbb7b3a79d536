# SPDX-License-Identifier: Apache-2.0
"""What a mechanism still holds of one component is let go for another of its own, and for nobody else's."""

from typing import Any

import pytest

from livefw.abi.lfa import Function
from livefw.activation.outcome import Outcome
from livefw.machine.faults import FaultRequest
from livefw.machine.files import MachineFiles
from livefw.providers.base import Component, Discovery

RMM, SCP = "6c0762a6-12f2-4b56-92cb-ba8f633606d9", "65922703-2f74-e644-8dff-579ac1ff0610"


class Other:
    """The same component by another mechanism."""

    name = "other"

    def __init__(self, lfa: Any) -> None:
        self._lfa = lfa

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lfa, name)

    def inspect(self, ident: str) -> Component | None:
        found: Component | None = self._lfa.inspect(ident)
        return found._replace(provider=self.name) if found else None

    def discover(self) -> Discovery:
        found: Discovery = self._lfa.discover()
        return found._replace(components=tuple(each._replace(provider=self.name) for each in found.components))


@pytest.mark.parametrize(
    ("orders", "let_go"),
    [
        ([[f"lfa:{RMM}", f"lfa:{SCP}"]], [RMM]),
        ([[f"lfa:{RMM}", f"other:{SCP}"]], []),
        ([[f"lfa:{RMM}"], [f"lfa:{SCP}"]], [RMM]),
        ([[f"lfa:{RMM}"], [f"lfa:{RMM}"]], []),
        ([[f"lfa:{RMM}"], [f"other:{SCP}"]], []),
    ],
    ids=["the same mechanism", "another", "an earlier engine's", "the same component", "an earlier engine's, another"],
)
def test_who_stands_in_the_way_is_let_go(make: Any, orders: list[list[str]], let_go: list[str]) -> None:
    bench = make("vera")
    host = bench.host()
    lfa = host.providers[0]
    cancel, asked = lfa.cancel, list[str]()

    def noted(ident: str, observer: Any) -> Any:
        asked.append(ident)
        return cancel(ident, observer)

    lfa.cancel = noted
    bench.changes = {"providers": (*host.providers, Other(lfa))}
    for version, words in enumerate(orders, start=7):
        for ident in (RMM, SCP):
            bench.machine.stage(ident, f"{version}.0")
        assert [each.result.outcome for each in bench.run(*words)] == [Outcome.ACTIVATED] * len(words)
    assert asked == let_go


@pytest.mark.parametrize(("driver", "last"), [("lw1", "PRIME LFA_AUTH_ERROR -3"), ("v3", None)])
def test_who_cancels_by_itself_keeps_its_last_error_for_others_to_read(
    make: Any, driver: str, last: str | None
) -> None:
    """The driver of dkms/ says what failed until somebody asks it for something else; a CANCEL would be that."""
    bench = make("vera", driver=driver)
    for ident in (RMM, SCP):
        bench.machine.stage(ident, "7.0")
    bench.machine.inject(FaultRequest(name="auth-error", component=RMM))
    (failed,) = bench.run(f"lfa:{RMM}")
    assert failed.result.claim is not None
    assert (failed.result.outcome, failed.result.claim.firmware_code) == (Outcome.FAILED, "AUTH_ERROR")
    told = MachineFiles(bench.machine).read(f"/sys/firmware/lfa/{RMM}/last_error").decode().strip() if last else None
    assert told == last
    assert [each.result.outcome for each in bench.run(f"lfa:{SCP}")] == [Outcome.ACTIVATED]
    cancels = [call for call in bench.machine.trace if call.registers[0] == Function.CANCEL]
    assert len(cancels) == (1 if last else 2), "the driver's own, and livefw's where the driver has none"
