# SPDX-License-Identifier: Apache-2.0
"""The trace: every call once, readable, and good for a replay."""

from collections.abc import Callable
from typing import Any

import pytest

from livefw.abi.guid import RMM
from livefw.abi.lfa import (
    ActivateFlag,
    ActivateRequest,
    CancelRequest,
    FeaturesRequest,
    Function,
    InfoRequest,
    InventoryRequest,
    PrimeRequest,
    VersionRequest,
)
from livefw.abi.smccc import SMCCC_VERSION, WORD, Exit, Held, Registers, Restart
from livefw.firmware.agent import LfaAgent
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.kernel.scripted import ScriptedFirmware
from livefw.machine.trace import CAPACITY, CallTrace, replay
from livefw.testing.machine import ModelMachine

FLAGS_AND_VERSIONS = "flags=ACTIVATION_CAPABLE|ACTIVATION_PENDING|0x80, current_version=1.2, pending_version=0.0"
MakeMachine = Callable[..., ModelMachine]


def test_every_call_is_there_once(bench: MakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0
    call = LfaAgent.call

    def counting(self: LfaAgent, cpu: int, registers: Registers) -> Exit | Held:
        nonlocal counted
        counted += 1
        return call(self, cpu, registers)

    monkeypatch.setattr(LfaAgent, "call", counting)
    made = bench()
    assert made.write(str(RMM.guid), "activate") == "ok"
    assert made.write(str(RMM.guid), "cancel") == "EINVAL"
    calls = list(made.model.trace)
    assert len(calls) == counted == made.model.trace.next_sequence
    assert [each.sequence for each in calls] == list(range(counted))
    assert sum(each.registers[0] == Function.ACTIVATE for each in calls) == 4, "one from each CPU"
    assert made.model.trace.inside == ()


@pytest.mark.parametrize(
    ("registers", "answer", "text"),
    [
        (VersionRequest().encode(), (0x10000,), "cpu3 LFA_VERSION() -> version 1.0"),
        (VersionRequest().encode(), (WORD,), "cpu3 LFA_VERSION() -> NOT_SUPPORTED"),
        (Registers(SMCCC_VERSION), (0x10002,), "cpu3 SMCCC_VERSION() -> version 1.2"),
        (FeaturesRequest(Function.PRIME).encode(), (0,), "cpu3 LFA_FEATURES(function_id=LFA_PRIME) -> SUCCESS"),
        (InfoRequest().encode(), (0, 4, 0), "cpu3 LFA_GET_INFO(selector=0) -> SUCCESS components=4"),
        (PrimeRequest(2).encode(), (0, 1), "cpu3 LFA_PRIME(fw_seq_id=2) -> SUCCESS call_again"),
        (PrimeRequest(2).encode(), (0, 0), "cpu3 LFA_PRIME(fw_seq_id=2) -> SUCCESS"),
        (PrimeRequest(2).encode(), (-3 & WORD,), "cpu3 LFA_PRIME(fw_seq_id=2) -> AUTH_ERROR"),
        (CancelRequest(1).encode(), (-99 & WORD,), "cpu3 LFA_CANCEL(fw_seq_id=1) -> -99, a status without a name"),
        (
            ActivateRequest(1, ActivateFlag.SKIP_CPU_RENDEZVOUS, 0x80000, 7).encode(),
            (0, 0),
            "cpu3 LFA_ACTIVATE(fw_seq_id=1, flags=SKIP_CPU_RENDEZVOUS, entry_point=0x80000, context_id=7) -> SUCCESS",
        ),
        (
            InventoryRequest(0).encode(),
            (0, *RMM.guid.to_registers(), 0x83, 1 << 32 | 2, 0),
            f"cpu3 LFA_GET_INVENTORY(fw_seq_id=0) -> SUCCESS guid={RMM.guid}, {FLAGS_AND_VERSIONS}",
        ),
        (Registers(0x8400_0000, 5), (WORD,), "cpu3 0x84000000(x1=0x5) -> NOT_SUPPORTED"),
    ],
)
def test_text(registers: Registers, answer: tuple[int, ...], text: str) -> None:
    firmware = ScriptedFirmware()
    firmware.script(registers[0], answer)
    trace = CallTrace(firmware, lambda: 0)
    trace.call(3, registers)
    assert [call.text for call in trace] == [text]


@pytest.mark.parametrize(("driver", "said"), [("v1", "LFA_NOT_SUPPORTED"), ("v2", "successfully activated")])
def test_a_call_that_is_not_of_lfa_does_not_come_to_the_agent(bench: MakeMachine, driver: str, said: str) -> None:
    """lfa_fw.c v1 repeats PRIME with x0 = 0, a function of the architecture's range (DEN0028)."""
    made = bench(driver=driver)
    assert said in (made.write(str(RMM.guid), "activate") and made.log)
    assert {call.name[:4] for call in made.model.trace} == {"LFA_"}


def test_what_is_not_of_lfa_is_answered_all_the_same(bench: MakeMachine) -> None:
    machine = bench().model
    answers = [
        machine.runner.run(machine.os.smc(Registers(function)), name="call")[0]
        for function in (SMCCC_VERSION, 0, 0xC400_02E7, 0x8400_0000, 0xFFFF_FFFF_0000_0000 | Function.VERSION)
    ]
    assert answers == [0x10002, WORD, WORD, WORD, 0x10000]


def test_a_reset_and_a_call_that_never_ends() -> None:
    firmware = ScriptedFirmware()
    firmware.script(Function.ACTIVATE, Restart(0x8000_0000, 7))
    firmware.script(Function.PRIME, Held(None))
    trace = CallTrace(firmware, lambda: 5_000_000)
    trace.call(0, ActivateRequest(1).encode())
    trace.call(1, PrimeRequest(1).encode())
    assert [call.text.partition(" -> ")[2] for call in trace] == ["restarts at 0x80000000 with 0x7"]
    assert [call.text for call in trace.inside] == ["cpu1 LFA_PRIME(fw_seq_id=1) -> still inside"]


def test_the_record_is_bounded() -> None:
    trace = CallTrace(ScriptedFirmware(), lambda: 0)
    for _ in range(CAPACITY + 10):
        trace.call(0, VersionRequest().encode())
    assert [next(iter(trace)).sequence, trace.next_sequence] == [10, CAPACITY + 10]
    assert next(trace.since(3)).sequence == 10


def _recorded(bench: ModelMachine) -> list[dict[str, Any]]:
    return [call.document() for call in bench.model.trace]


@pytest.mark.livefw(platform=["vera", "fvp", "grid"])
def test_replay_gives_the_same_answers(livefw_machine: ModelMachine) -> None:
    made, config = livefw_machine, livefw_machine.model.config
    for guid in made.guids:
        if made.read(guid, "activation_pending") == "1":
            made.write(guid, "activate")
    agent = LfaAgent(MemoryPlatform(config.all_components), profile=PROFILES[config.agent], cpus=config.cpus)
    assert len(_recorded(made)) > 20
    assert replay(_recorded(made), agent) == []


def test_replay_tells_what_ended_differently(bench: MakeMachine) -> None:
    made = bench()
    made.write(str(RMM.guid), "activate")
    other = LfaAgent(MemoryPlatform(made.model.config.all_components), profile=PROFILES["tfa-2026"], cpus=4)
    differences = replay(_recorded(made), other)
    assert {each.recorded["function"] for each in differences} == {"LFA_GET_INVENTORY"}, "this agent writes no versions"
