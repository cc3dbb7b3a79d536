# SPDX-License-Identifier: Apache-2.0
"""An LFA agent of your own, here with one component and no call that takes time."""

import pytest

from livefw.abi import smccc
from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, InfoResult, InventoryFlag, InventoryResult, LfaStatus
from livefw.abi.version import ComponentVersion
from livefw.testing import ConformanceError, ModelDriver, Registers, conformance, driver_conformance

MINE, NONE = Guid.parse("c0ffee00-0000-4000-8000-000000000001"), ComponentVersion(0, 0)
CAPABLE = InventoryFlag.ACTIVATION_CAPABLE | InventoryFlag.CPU_RENDEZVOUS_OPTIONAL
FIXED = {smccc.SMCCC_VERSION: smccc.SMCCC_1_2, smccc.SMCCC_ARCH_FEATURES: 0, Function.VERSION: 0x1_0000}


class MyAgent:
    """PRIME loads the image, ACTIVATE runs it, CANCEL forgets it."""

    version, staged, primed = ComponentVersion(1, 0), ComponentVersion(1, 1), False
    unknown_id = unprimed = LfaStatus.INVALID_PARAMETERS

    def call(self, cpu: int, registers: Registers) -> Registers:
        function, argument = registers[0] & 0xFFFF_FFFF, registers[1]
        if function in FIXED:
            return registers.returning(FIXED[function])
        if function not in set(Function) or (function == Function.FEATURES and argument not in set(Function)):
            return registers.returning(LfaStatus.NOT_SUPPORTED.word)
        if argument and function != Function.FEATURES:
            return registers.returning(self.unknown_id.word)
        return registers.returning(*self.answer(Function(function)))

    def answer(self, function: Function) -> tuple[int, ...]:
        match function:
            case Function.GET_INFO:
                return InfoResult(1).encode()
            case Function.GET_INVENTORY:
                flags = CAPABLE | (InventoryFlag.ACTIVATION_PENDING if self.staged > NONE else 0)
                return InventoryResult(MINE, flags, self.version, self.staged).encode()
            case Function.PRIME if self.staged > NONE:
                self.primed = True
            case Function.ACTIVATE if self.primed:
                self.version, self.staged, self.primed = self.staged, NONE, False
            case Function.CANCEL if self.primed:
                self.primed = False
            case Function.PRIME | Function.ACTIVATE | Function.CANCEL:
                return ((LfaStatus.WRONG_STATE if function == Function.PRIME else self.unprimed).word,)
        return (0,) if function in (Function.FEATURES, Function.CANCEL) else (0, 0)


def test_it_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    conformance(MyAgent, profile="bet1", cpus=2)
    monkeypatch.setattr(MyAgent, "unknown_id", LfaStatus.DEVICE_ERROR)
    with pytest.raises(ConformanceError, match="inventory: id N"):
        conformance(MyAgent)


def test_linux_can_activate_on_it() -> None:
    driver = ModelDriver(MyAgent(), version="v3", cpus=1)
    driver.load()
    driver_conformance(driver, version="v3", activates=True)
    assert driver.read(str(MINE), "current_version") == "1.1\n"
