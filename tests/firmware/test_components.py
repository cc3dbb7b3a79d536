# SPDX-License-Identifier: Apache-2.0
"""What an activation does to components, to the image store, and to the inventory."""

from collections.abc import Callable

import pytest

from livefw.abi import guid
from livefw.abi.lfa import (
    ActivateFlag,
    ActivateRequest,
    CancelRequest,
    InfoRequest,
    InventoryRequest,
    LfaStatus,
    PrimeRequest,
)
from livefw.abi.smccc import Held, Registers, Restart
from livefw.abi.version import ComponentVersion
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Faults, FirmwareComponent, LoadStatus, Realm, Rmm, build
from livefw.firmware.platform import MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec, CpuRendezvous, LfaPolicy
from livefw.testing.agent import ModelAgent

MakeAgent = Callable[..., ModelAgent]

BL31, BL33, RMM, SP1, SP2, SCP = range(6)
SKIP = ActivateFlag.SKIP_CPU_RENDEZVOUS
ENTRY = 0x8800_0000
NEW = ComponentVersion(9, 0)
RMM_SPEC = ComponentSpec(str(guid.RMM.guid), ComponentKind.RMM, "1.0", realms=(LfaPolicy.ALLOW, LfaPolicy.DISALLOW))
SCP_SPEC = ComponentSpec(
    str(guid.SCP_BL2U.guid), ComponentKind.CONTROLLER, "1.0", "1.1", prime_steps=1, activate_steps=1
)


def rmm_of(bench: ModelAgent) -> Rmm:
    rmm = bench.platform.find(guid.RMM.guid)
    assert isinstance(rmm, Rmm)
    return rmm


def staged_rmm(*, cpus: int = 4, takes_over: bool = True, profile: str = "tfa-2026") -> ModelAgent:
    bench = ModelAgent([RMM_SPEC], profile=profile, cpus=cpus)
    bench.platform.stage(guid.RMM.guid, NEW, takes_over=takes_over)
    bench.prime(0)
    return bench


def test_realms_live_on_through_the_tokens(profile: str) -> None:
    """TF-A RMM-EL3 interface, TF-RMM v0.9.0: each CPU hands its activation token on."""
    bench = staged_rmm(profile=profile)
    rmm = rmm_of(bench)
    created = rmm.create_realm(LfaPolicy.DISALLOW)
    before = dict(rmm.tokens)
    assert sorted(before) == [0, 1, 2, 3]
    assert all(before.values())
    bench.rendezvous(range(4), ActivateRequest(0))
    assert bench.platform.version(guid.RMM.guid) == NEW
    assert rmm.tokens == before
    assert rmm.realms == (Realm(1, LfaPolicy.ALLOW), Realm(2, LfaPolicy.DISALLOW), created)
    assert rmm.lost == ()


def test_a_cpu_that_stays_outside_loses_the_realms() -> None:
    """TF-A: all CPUs must take part; here one comes up while the leader works. The consequence is our reading."""
    bench = staged_rmm()
    rmm = rmm_of(bench)
    tokens = dict(rmm.tokens)
    bench.agent.cpu_off(3)
    for cpu in range(3):
        bench.send(cpu, ActivateRequest(0))
    bench.agent.cpu_on(3)
    bench.finish()
    assert (rmm.realms, [realm.id for realm in rmm.lost], rmm.dead) == ((), [1, 2], False)
    assert set(rmm.tokens.values()).isdisjoint(tokens.values())
    assert rmm.create_realm().id == 3


def test_a_cpu_that_is_off_keeps_its_token() -> None:
    bench = staged_rmm()
    rmm = rmm_of(bench)
    token = rmm.tokens[3]
    bench.agent.cpu_off(3)
    bench.rendezvous(range(3), ActivateRequest(0))
    bench.agent.cpu_on(3)
    assert rmm.tokens[3] == token
    assert len(rmm.realms) == 2


def test_an_rmm_that_lets_cpus_skip_loses_its_realms() -> None:
    """A description can say what no TF-A does; the consequence is the same."""
    spec = ComponentSpec(
        str(guid.RMM.guid),
        ComponentKind.RMM,
        "1.0",
        "1.1",
        cpu_rendezvous=CpuRendezvous.OPTIONAL,
        realms=(LfaPolicy.ALLOW,),
    )
    bench = ModelAgent([spec], profile="tfa-2026", cpus=2)
    bench.prime(0)
    assert bench.code(0, ActivateRequest(0, SKIP)) == LfaStatus.SUCCESS
    assert rmm_of(bench).realms == ()


PARTITIONS = [
    ({"vcpus": 2}, "spmd_logical_sp.c: one vCPU only"),
    ({"live_activation_support": False}, "spmd_logical_sp.c: manifest property"),
    ({"cpu_rendezvous": CpuRendezvous.REQUIRED}, "spmd_logical_sp.c: needs the rendezvous"),
]


@pytest.mark.parametrize(("fields", "source"), PARTITIONS)
def test_partitions_that_cannot_be_activated(fields: dict[str, object], source: str) -> None:
    spec = ComponentSpec(str(guid.FVP_SP1.guid), ComponentKind.SP, pending_version="1.1", **fields)  # type: ignore[arg-type]
    bench = ModelAgent([spec], profile="tfa-2026", cpus=1)
    bench.prime(0)
    assert bench.code(0, ActivateRequest(0)) == LfaStatus.NOT_SUPPORTED, source


def test_a_cpu_that_comes_when_the_first_is_done_finds_the_round_s_image() -> None:
    bench = ModelAgent([SCP_SPEC], profile="tfa-2026", cpus=3)
    bench.prime(0)
    bench.send(0, ActivateRequest(0))
    bench.send(1, ActivateRequest(0))
    bench.complete(0)
    assert bench.platform.version(guid.SCP_BL2U.guid) == (1, 1)
    assert bench.code(2, ActivateRequest(0)) == LfaStatus.SUCCESS
    assert bench.complete(1) == ActivateRequest(0).encode().returning(0, 0)


def test_a_controller_that_resets_the_cpus_leaves_the_lock_free() -> None:
    spec = ComponentSpec(
        str(guid.SCP_BL2U.guid), ComponentKind.CONTROLLER, "1.0", "1.1", may_reset_cpu=True, activate_steps=1
    )
    bench = ModelAgent([spec], profile="tfa-2026", cpus=2)
    bench.prime(0)
    assert bench.code(0, ActivateRequest(0, SKIP)) == LfaStatus.CRITICAL_ERROR
    assert bench.run(0, ActivateRequest(0, SKIP, ENTRY, 7)) == Restart(ENTRY, 7)
    assert bench.agent.state.lock_holder is None
    assert bench.code(1, ActivateRequest(0)) == LfaStatus.BUSY


# The image store.


def test_an_image_staged_after_prime_is_not_what_runs(fvp: MakeAgent) -> None:
    bench = fvp(cpus=1)
    bench.prime(SP1)
    bench.platform.stage(guid.FVP_SP1.guid, NEW)
    assert bench.code(0, ActivateRequest(SP1, SKIP)) == LfaStatus.SUCCESS
    assert bench.platform.version(guid.FVP_SP1.guid) == (3, 1)
    bench.send(0, InventoryRequest(SP1))
    assert guid.FVP_SP1.guid in bench.agent.state.pending


def test_a_store_that_never_clears(profile: str) -> None:
    """TF-A's FVP: always pending, and a partition is activated twice with one PRIME (Hafnium's tests)."""
    spec = ComponentSpec(str(guid.RMM.guid), ComponentKind.RMM, pending_never_clears=True)
    bench = ModelAgent([spec], profile=profile, cpus=1)
    for _ in range(2):
        bench.prime(0)
        assert bench.code(0, ActivateRequest(0)) == LfaStatus.SUCCESS
        bench.enumerate()
        assert bench.agent.state.pending == (guid.RMM.guid,)
    assert bench.platform.version(guid.RMM.guid) == (0, 0)


@pytest.mark.parametrize("undo", ["cancel", "failed load"])
def test_what_was_loaded_is_dropped(fvp: MakeAgent, undo: str) -> None:
    bench = fvp()
    bench.prime(RMM)
    rmm = bench.platform.find(guid.RMM.guid)
    assert bench.platform.loaded(rmm) is not None
    if undo == "cancel":
        bench.run(0, CancelRequest(RMM))
    else:
        bench.fault(RMM, Faults(load=LoadStatus.DEVICE)).run(0, PrimeRequest(RMM))
    assert bench.platform.loaded(rmm) is None


def test_a_cancelled_load_begins_afresh(fvp: MakeAgent, profile: str) -> None:
    bench = fvp(profile).enumerate()
    words = PrimeRequest(SCP).encode()
    bench.run(0, words)
    bench.run(0, words)
    bench.run(0, CancelRequest(SCP))
    assert [bench.run(0, words) for _ in range(3)] == [words.returning(0, again) for again in (1, 1, 0)]


def test_no_version_is_shown_while_the_platform_says_that_nothing_is_pending() -> None:
    """DEN0147 BET1: x5 means something only with the pending flag."""

    class Shy(MemoryPlatform):
        def is_activation_pending(self, component: FirmwareComponent) -> bool:
            return False

    agent = LfaAgent(Shy([SCP_SPEC]), profile=PROFILES["bet1"], cpus=1)
    answer = agent.call(0, InventoryRequest(0).encode())
    assert isinstance(answer, Registers)
    assert answer[4:6] == (1 << 32, 0)


def test_unknown_components_are_named(fvp: MakeAgent) -> None:
    platform = fvp(specs=[]).platform
    for call in (platform.find, platform.withdraw, platform.version):
        with pytest.raises(KeyError, match=str(guid.RMM.guid)):
            call(guid.RMM.guid)
    with pytest.raises(KeyError):
        platform.stage(guid.RMM.guid, NEW)
    with pytest.raises(KeyError):
        platform.set_faults(guid.RMM.guid, Faults())


# The inventory after an activation.


def activate_with(bench: ModelAgent, fw_seq_id: int, change: AfterActivation) -> list[str]:
    known = bench.platform.components()[fw_seq_id].guid
    bench.platform.stage(known, NEW, after=change)
    bench.prime(fw_seq_id)
    bench.rendezvous(range(4), ActivateRequest(fw_seq_id))
    info = bench.send(0, InfoRequest())
    assert isinstance(info, Registers)
    listed = []
    for index in range(info[1]):
        answer = bench.send(0, InventoryRequest(index))
        assert isinstance(answer, Registers)
        listed.append(str(guid.Guid.from_registers(answer[1], answer[2])))
    return listed


def names(*known: guid.KnownGuid) -> list[str]:
    return [str(each.guid) for each in known]


def test_components_appear_vanish_and_move(fvp: MakeAgent, profile: str) -> None:
    """DEN0147: after an activation the number of components and their ids may differ; GUIDs are what stays."""
    change = AfterActivation(
        appears=(ComponentSpec(str(guid.BL32.guid), ComponentKind.SP),),
        vanishes=(str(guid.FVP_SP1.guid), str(guid.FVP_SP2.guid)),
        order=(str(guid.SCP_BL2U.guid), str(guid.RMM.guid)),
    )
    listed = activate_with(fvp(profile), RMM, change)
    assert listed == names(guid.SCP_BL2U, guid.RMM, guid.BL31, guid.BL33, guid.BL32)


def test_latched_pending_moves_with_its_component(fvp: MakeAgent) -> None:
    bench = fvp()
    bench.platform.stage(guid.RMM.guid, NEW, after=AfterActivation(order=(str(guid.SCP_BL2U.guid),)))
    bench.prime(RMM)
    bench.rendezvous(range(4), ActivateRequest(RMM))
    assert bench.id_of(guid.SCP_BL2U.guid) == 0
    assert guid.SCP_BL2U.guid in bench.agent.state.pending
    assert bench.code(0, PrimeRequest(0)) == LfaStatus.SUCCESS


def test_a_component_that_vanishes_by_its_own_activation_is_no_longer_selected() -> None:
    bench = ModelAgent([SCP_SPEC, RMM_SPEC], profile="tfa-2026", cpus=4)
    listed = activate_with(bench, 0, AfterActivation(vanishes=(str(guid.SCP_BL2U.guid),)))
    assert listed == names(guid.RMM)
    now = bench.agent.state
    assert (now.component, now.prime, now.in_progress) == (None, "none", False)


def test_an_rmm_that_appears_boots_on_every_cpu() -> None:
    bench = ModelAgent([SCP_SPEC], profile="tfa-2026", cpus=4)
    activate_with(bench, 0, AfterActivation(appears=(RMM_SPEC,)))
    assert sorted(rmm_of(bench).tokens) == [0, 1, 2, 3]


def test_bl31_changes_the_inventory_although_no_cpu_returns() -> None:
    spec = ComponentSpec(
        str(guid.BL31.guid),
        ComponentKind.BL31,
        pending_version="1.1",
        after_activation=AfterActivation(appears=(RMM_SPEC,)),
    )
    bench = ModelAgent([spec], profile="tfa-2026", cpus=2)
    bench.prime(0)
    bench.rendezvous(range(2), ActivateRequest(0, entry_point=ENTRY))
    assert bench.send(0, InfoRequest()) == InfoRequest().encode().returning(0, 2, 0)


def test_a_failed_activation_changes_no_inventory(fvp: MakeAgent) -> None:
    bench = fvp()
    bench.fault(RMM, Faults(activate_code=-6))
    before = [str(each.guid) for each in bench.platform.components()]
    assert activate_with(bench, RMM, AfterActivation(vanishes=(str(guid.BL33.guid),))) == before


def test_a_cpu_turned_off_locks_cancel_out_when_the_rest_is_inside(fvp: MakeAgent) -> None:
    bench = fvp()
    bench.prime(RMM)
    for cpu in range(3):
        bench.send(cpu, ActivateRequest(RMM))
    bench.agent.cpu_off(3)
    assert bench.agent.state.cancel_locked
    assert bench.agent.released()[0].exit == Held(2_000_000)


def test_build_makes_what_the_kind_says() -> None:
    for kind in ComponentKind:
        component = build(ComponentSpec(str(guid.RMM.guid), kind))
        assert component.kind is kind
        assert isinstance(component, Rmm) == (kind is ComponentKind.RMM)
