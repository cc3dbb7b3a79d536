# SPDX-License-Identifier: Apache-2.0
"""Each fault of the table has the effect that it promises, as a program on the machine meets it."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from livefw.abi import guid
from livefw.abi.lfa import CancelRequest, LfaStatus, PrimeRequest, status
from livefw.errors import UsageError
from livefw.firmware.component import Faults
from livefw.firmware.state import Preemption
from livefw.machine.config import load
from livefw.machine.faults import FAULTS, FaultRequest, FaultScope
from livefw.testing.machine import ModelMachine

RMM = str(guid.RMM.guid)
SCP = str(guid.SCP_BL2U.guid)
OTHER = "0509b633-5734-422f-a681-6096e932d93a"
MakeMachine = Callable[..., ModelMachine]
AT_WORK = "PRIME and ACTIVATE at work, with the agent's locks"


class Effect(NamedTuple):
    """A fault and what shows it: what writing ``activate`` says, and a text in log and trace afterwards."""

    request: FaultRequest
    write: str
    seen: str
    component: str = RMM


def _fault(name: str, component: str | None = None, **options: object) -> FaultRequest:
    return FaultRequest(name=name, component=component, **options)  # type: ignore[arg-type]


ACTIVATIONS = [
    Effect(_fault("auth-error", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR"),
    Effect(_fault("no-memory", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_NO_MEMORY"),
    Effect(_fault("device-error", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_DEVICE_ERROR"),
    Effect(_fault("bad-signature", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_AUTH_ERROR"),
    Effect(_fault("prime-code", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_ACTIVATION_FAILED"),
    Effect(_fault("prime-code", RMM, code="-4"), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_NO_MEMORY"),
    Effect(
        _fault("activation-failed", RMM), "ECANCELED", "LFA_ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED"
    ),
    Effect(_fault("critical-error", SCP), "ECANCELED", "failed: LFA_CRITICAL_ERROR", SCP),
    Effect(_fault("notify-refused", RMM), "ECANCELED", "LFA_ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED"),
    Effect(_fault("endless-prime", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM timed out"),
    Effect(_fault("endless-activate", SCP), "ECANCELED", "failed: LFA_DEVICE_ERROR", SCP),
    Effect(_fault("lost-realms", RMM), "ECANCELED", "LFA_ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED"),
    Effect(_fault("rmm-refuses", RMM), "ECANCELED", "LFA_ACTIVATE for image TF-RMM failed: LFA_ACTIVATION_FAILED"),
    Effect(_fault("secondary-refuses", RMM), "ok", "TF-RMM: successfully activated"),
    Effect(_fault("busy"), "ECANCELED", "LFA_ACTIVATE for image TF-RMM failed: LFA_DEVICE_ERROR"),
    Effect(_fault("busy", function="PRIME"), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_BUSY"),
    Effect(
        _fault("busy", RMM, times=3), "ok", "LFA_ACTIVATE(fw_seq_id=2, flags=0, entry_point=0, context_id=0) -> BUSY"
    ),
    Effect(_fault("busy", SCP), "ok", "TF-RMM: successfully activated"),
    Effect(_fault("call-again", times=5), "ok", "LFA_PRIME(fw_seq_id=2) -> SUCCESS call_again"),
    Effect(_fault("call-again", function="lfa_activate"), "ECANCELED", "failed: LFA_DEVICE_ERROR"),
    Effect(_fault("unknown-status"), "ECANCELED", "-99, a status without a name"),
    Effect(
        _fault("unknown-status", code="0x7", function="PRIME"), "ECANCELED", "LFA_PRIME(fw_seq_id=2) -> 7, a status"
    ),
    Effect(_fault("one-cpu", RMM), "ECANCELED", "TF-RMM failed: LFA_COMPONENT_WRONG_STATE"),
    Effect(_fault("one-cpu", cpu=3, code="BUSY", times=1), "ECANCELED", "-> INVALID_PARAMETERS"),
    Effect(_fault("slow", ms=40_000), "ECANCELED", "LFA_PRIME for image TF-RMM timed out"),
    Effect(_fault("hang"), "blocked", "LFA_PRIME(fw_seq_id=2) -> SUCCESS"),
    Effect(_fault("hang", cpu=2), "blocked", "LFA_PRIME(fw_seq_id=2) -> SUCCESS"),
    Effect(_fault("reset"), "EIO", "Kernel panic - not syncing"),
    Effect(_fault("vanish", RMM), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_INVALID_PARAMETERS"),
    Effect(_fault("agent-gone"), "ECANCELED", "LFA_PRIME for image TF-RMM failed: LFA_NOT_SUPPORTED"),
    Effect(_fault("agent-gone-32"), "ok", "LFA_PRIME(fw_seq_id=2) -> 4294967295, a status without a name"),
]


@pytest.mark.parametrize("effect", ACTIVATIONS, ids=lambda effect: f"{effect.request.name}-{effect.write}")
def test_what_an_activation_meets(bench: MakeMachine, effect: Effect) -> None:
    made = bench()
    made.model.inject(effect.request)
    assert made.write(effect.component, "activate") == effect.write
    assert effect.seen in made.log + made.trace


def _lost_realms(made: ModelMachine) -> bool:
    made.write(RMM, "activate")
    rmm = made.model.rmm
    return rmm is not None and rmm.dead and len(rmm.lost) == 2 and not rmm.realms


def _refuses_cancel(made: ModelMachine) -> bool:
    made.model.inject(_fault("endless-prime", SCP))
    write = made.files.start_write(f"/sys/firmware/lfa/{SCP}/activate", b"1\n")
    assert not write.wait(1)
    refused = made.write(SCP, "cancel") == "EINVAL"
    assert "LFA_CANCEL(fw_seq_id=0) -> BUSY" in made.trace
    return refused


def _ids(made: ModelMachine) -> list[str]:
    return [str(component.guid) for component in made.model.platform.components()]


def _activated(made: ModelMachine) -> bool:
    activated = made.write(RMM, "activate") == "ok"
    made.pass_time()
    return activated


STATES: dict[str, tuple[FaultRequest, Callable[[ModelMachine], bool]]] = {
    "lost-realms": (_fault("lost-realms", RMM), _lost_realms),
    "rmm-refuses": (_fault("rmm-refuses", RMM), _lost_realms),
    "secondary-refuses": (_fault("secondary-refuses", RMM), _lost_realms),
    "critical-error": (_fault("critical-error", RMM), _lost_realms),
    "cancel-refused": (_fault("cancel-refused", SCP), _refuses_cancel),
    "vanish-after": (_fault("vanish-after", RMM), lambda made: _activated(made) and RMM not in made.guids),
    "appear-after": (_fault("appear-after", RMM), lambda made: _activated(made) and len(made.guids) == 4),
    "reorder-after": (_fault("reorder-after", RMM), lambda made: _activated(made) and _ids(made) == [RMM, OTHER, SCP]),
    "pending-flips": (
        _fault("pending-flips", RMM),
        lambda made: [made.read(RMM, "activation_pending") for _ in range(4)] == ["0", "1", "0", "1"],
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_what_becomes_of_the_machine(bench: MakeMachine, name: str) -> None:
    request, holds = STATES[name]
    made = bench()
    made.model.inject(request)
    assert holds(made)


BOOTS: list[tuple[FaultRequest, Callable[[ModelMachine], bool]]] = [
    (_fault("absurd-count"), lambda made: made.guids == []),
    (_fault("absurd-count", count="0x10000"), lambda made: len(made.guids) == 3),
    (_fault("inventory-error"), lambda made: OTHER not in made.guids and "-> DEVICE_ERROR" in made.trace),
    (_fault("inventory-error", SCP, code="BUSY"), lambda made: SCP not in made.guids and "-> BUSY" in made.trace),
    (_fault("duplicate-guid", SCP), lambda made: sorted(made.guids) == sorted([SCP, OTHER])),
    (
        _fault("reserved-bits"),
        lambda made: "|0xfffffffffffffff0" in made.trace and made.read(RMM, "may_reset_cpu") == "0",
    ),
    (_fault("garbage-versions"), lambda made: made.read(OTHER, "current_version") == "3735928559.3405705229"),
    (_fault("garbage-interface"), lambda made: "detected v32767.65535" in made.log),
    (_fault("agent-gone"), lambda made: made.guids == []),
    (_fault("agent-gone-32"), lambda made: made.guids == []),
    (_fault("vanish", RMM), lambda made: RMM not in made.guids),
]


@pytest.mark.parametrize(("request_", "holds"), BOOTS, ids=lambda value: getattr(value, "name", ""))
def test_what_a_boot_meets(bench: MakeMachine, request_: FaultRequest, holds: Callable[[ModelMachine], bool]) -> None:
    made = bench(faults=(request_,))
    assert holds(made), (made.guids, made.log, made.trace)


PREEMPTED = [f"preempted-{point}" for point in Preemption]


def test_every_fault_is_tested() -> None:
    tested = {effect.request.name for effect in ACTIVATIONS} | set(STATES) | {request.name for request, _ in BOOTS}
    assert tested | set(PREEMPTED) == set(FAULTS)


@pytest.mark.parametrize("name", ["auth-error", "busy"])
def test_a_fault_with_a_number_of_times_passes(bench: MakeMachine, name: str) -> None:
    made = bench()
    function = "PRIME" if name == "busy" else None
    made.model.inject(_fault(name, RMM, times=2, function=function))
    assert [made.write(RMM, "activate") for _ in range(3)] == ["ECANCELED", "ECANCELED", "ok"]


ROUNDS = [  # TF-A lfa_main.c asks the platform once for all CPUs of an activation; kernel, stop_machine: all CPUs call
    ("notify-refused", RMM, 1, ["ECANCELED", "ok"]),
    ("notify-refused", RMM, 2, ["ECANCELED", "ECANCELED", "ok"]),
    ("notify-refused", SCP, 1, ["ECANCELED", "ok"]),
    ("activation-failed", SCP, 1, ["ECANCELED", "ok"]),
    ("activation-failed", SCP, 2, ["ECANCELED", "ECANCELED", "ok"]),
    ("endless-activate", SCP, 3, ["ok"]),
]


@pytest.mark.parametrize("cpus", [1, 2, 4])
@pytest.mark.parametrize(("name", "component", "times", "writes"), ROUNDS)
def test_a_fault_of_an_activation_by_all_cpus_is_one_time(
    bench: MakeMachine, name: str, component: str, times: int, writes: list[str], cpus: int
) -> None:
    made = bench(cpus=cpus)
    made.model.inject(_fault(name, component, times=times))
    assert [made.write(component, "activate") for _ in writes] == writes
    calls = [call.text.rpartition(" -> ")[2] for call in made.model.trace if call.name == "LFA_ACTIVATE"]
    rounds = [set(calls[start : start + cpus]) for start in range(0, len(calls), cpus)]
    assert [len(answers) for answers in rounds] == [1] * len(rounds), "all CPUs hear the same"


@pytest.mark.parametrize("platform", ["vera", "grid"])
@pytest.mark.parametrize("function", ["PRIME", "ACTIVATE"])
def test_a_slow_call_holds_the_lock_of_the_agent(platform: str, function: str) -> None:
    """TF-A lfa_main.c: PRIME holds its lock while it loads, and ACTIVATE without a rendezvous while it works."""
    made = ModelMachine(replace(load(platform), cpus=2, driver="v3"))
    first, second = made.guids[:2]
    for each in (first, second):
        made.model.stage(each)
        assert made.read(each, "activation_pending") == "1"
        assert made.write(each, "force_cpu_rendezvous", "0") == "ok"
    made.model.inject(_fault("slow", first, function=function, ms=5000.0, times=1))
    slow = made.files.start_write(f"/sys/firmware/lfa/{first}/activate", b"1\n")
    assert not slow.wait(1)
    for call in (PrimeRequest(1).encode(), CancelRequest(0).encode()):
        answer = made.model.runner.run(made.model.os.smc(call), name="another CPU")
        assert status(answer) == LfaStatus.BUSY
    assert slow.wait(60)
    assert slow.error == 0
    assert max(call.end_ns - call.start_ns for call in made.model.trace) >= 5_000_000_000


@pytest.mark.parametrize("function", ["GET_INVENTORY", "CANCEL", "PRIME", "ACTIVATE"])
def test_each_call_can_be_slow(bench: MakeMachine, function: str) -> None:
    made = bench()
    made.model.inject(_fault("slow", RMM, function=function, ms=700.0, times=1))
    made.read(RMM, "activation_pending")
    assert made.write(RMM, "activate") == "ok"
    made.write(RMM, "cancel")
    slow = [call for call in made.model.trace if call.end_ns - call.start_ns >= 700_000_000]
    assert {call.name for call in slow} == {f"LFA_{function}"}


class Hang(NamedTuple):
    """A call that never ends, and what a real kernel's log has of it after a minute."""

    request: FaultRequest
    cpus: int
    told: bool
    component: str = RMM


HANGS = [  # kernel, kernel/rcu/tree_stall.h; in kernel/stop_machine.c interrupts are off on all CPUs
    Hang(_fault("hang", function="PRIME"), 4, told=True),
    Hang(_fault("hang", function="PRIME"), 1, told=False),
    Hang(_fault("hang", function="ACTIVATE", cpu=2), 4, told=False),
    Hang(_fault("hang", function="ACTIVATE"), 4, told=False),
    Hang(_fault("hang", function="ACTIVATE", cpu=2), 4, told=False, component=SCP),  # the others come back, and wait
    Hang(_fault("slow", function="PRIME", ms=60_000), 4, told=True),
    Hang(_fault("slow", function="PRIME", ms=20_000), 4, told=False),
    Hang(_fault("slow", function="ACTIVATE", ms=60_000), 4, told=False),
]


@pytest.mark.parametrize("hang", HANGS, ids=str)
def test_what_the_log_says_of_a_cpu_that_does_not_come_back(bench: MakeMachine, hang: Hang) -> None:
    made = bench(cpus=hang.cpus)
    made.model.inject(hang.request)
    made.write(hang.component, "activate", seconds=70)
    assert ("rcu: INFO: rcu_preempt detected stalls" in made.log) is hang.told


@pytest.mark.parametrize("name", ["secondary-refuses", "rmm-refuses"])
def test_a_fault_that_answers_success_passes_too(bench: MakeMachine, name: str) -> None:
    """TF-A v2.14 calls it a success when the RMM refuses to boot."""
    made = bench(agent="tfa-2.14")
    made.model.inject(_fault(name, RMM, times=1))
    assert made.write(RMM, "activate") == "ok"
    rmm = made.model.rmm
    assert rmm is not None
    assert (rmm.dead, rmm.faults) == (True, Faults())


@pytest.mark.parametrize("fault", PREEMPTED)
def test_a_schedule_that_takes_cpus_their_time(bench: MakeMachine, fault: str) -> None:
    """All CPUs stand still meanwhile; `tests/firmware/test_races.py` has what can come of it."""
    made = bench()
    for name, long in ((fault, True), (None, False)):
        made.model.clear_faults()
        if name:
            made.model.inject(_fault(name, ms=3000.0))
        made.model.stage(RMM)
        assert made.read(RMM, "activation_pending") == "1"
        assert made.write(RMM, "activate") == "ok"
        stall = made.model.os.stalls[-1]
        assert (stall.end_ns - stall.start_ns >= 3_000_000_000) == long
    with pytest.raises(UsageError, match="until the fault is cleared"):
        made.model.inject(_fault(fault, times=1))


@pytest.mark.parametrize(("again", "second"), [(False, "blocked"), (True, "ok")])
def test_the_bank_of_fvp_has_to_be_loaded_again(bench: MakeMachine, again: bool, second: str) -> None:
    """The CPU that leads is lost in an RMM that takes a cold boot for a warm one, and all others wait for it."""
    made = bench(components=load("fvp").all_components)
    assert made.write(RMM, "activate") == "ok"
    if again:
        made.model.stage(RMM, "0.0")
    assert made.write(RMM, "activate") == second
    rmm = made.model.rmm
    assert rmm is not None
    assert rmm.dead != again


def test_clearing_lets_everything_behave(bench: MakeMachine) -> None:
    made = bench()
    made.model.inject(_fault("busy"))
    made.model.inject(_fault("auth-error", RMM))
    made.model.clear_faults()
    assert made.write(RMM, "activate") == "ok"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (_fault("gremlin"), "no fault"),
        (_fault("auth-error"), "needs a component"),
        (_fault("agent-gone", RMM), "does not take a component"),
        (_fault("auth-error", "nonsense"), "no component"),
        (_fault("auth-error", "controller"), "matches"),
        (_fault("auth-error", RMM, ms=5), "no option ms"),
        (_fault("busy", times=0), "times"),
        (_fault("busy", function="LUNCH"), "no call"),
        (_fault("unknown-status", code="seven"), "64-bit"),
        (_fault("absurd-count", count=str(1 << 64)), "64-bit"),
        (_fault("slow", ms=0), "ms"),
        (_fault("hang", cpu=4), "no CPU 4"),
        (_fault("bad-signature", OTHER), "nothing is staged"),
    ],
)
def test_a_request_that_cannot_be_meant(bench: MakeMachine, request_: FaultRequest, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bench().model.inject(request_)


def test_faults_that_need_a_component_say_so() -> None:
    assert {fault.name for fault in FAULTS.values() if fault.target is FaultScope.ONE} >= {"auth-error", "vanish"}
    assert all(fault.text for fault in FAULTS.values())


def test_components_are_found_as_a_person_names_them(bench: MakeMachine) -> None:
    machine = bench().model
    for text in (RMM, RMM.upper(), RMM[:4], "rmm", "TF-RMM", "tf-rmm"):
        assert str(machine.find(text)) == RMM


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (FaultRequest(name="slow"), f"a call takes longer (PRIME, by 1000 ms); {AT_WORK}"),
        (FaultRequest(name="slow", ms=4000.0, times=1), f"a call takes longer (PRIME, by 4000 ms); {AT_WORK}; once"),
        (
            FaultRequest(name="slow", function="ACTIVATE", ms=0.5),
            f"a call takes longer (ACTIVATE, by 0.5 ms); {AT_WORK}",
        ),
        (FaultRequest(name="hang", cpu=3), "a call never returns, on one CPU or on each (ACTIVATE); on CPU 3"),
        (
            FaultRequest(name="one-cpu", code="BUSY", cpu=2),
            (
                "one CPU gets another answer to ACTIVATE than the firmware gave it, and all others theirs "
                "(BUSY, by default CPU 0); on CPU 2"
            ),
        ),
        (FaultRequest(name="absurd-count", count="0x7"), "the agent claims an absurd number of components (0x7)"),
        (FaultRequest(name="busy", times=2), "a call answers BUSY (ACTIVATE); 2 times"),
    ],
)
def test_what_was_asked_for_is_what_is_said(request_: FaultRequest, said: str) -> None:
    assert FAULTS[request_.name].describe(request_) == said


def test_every_text_has_its_defaults_and_names_only_options() -> None:
    for fault in FAULTS.values():
        assert "{" not in fault.text
        assert set(re.findall(r"{(\w+)=", fault.template)) <= set(fault.options), fault.name
        assert {"function", "code", "ms", "count"} & set(fault.options) <= set(re.findall(r"{(\w+)=", fault.template))
