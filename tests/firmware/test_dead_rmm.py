# SPDX-License-Identifier: Apache-2.0
"""An RMM that refused to boot once is dead until a cold boot, whatever ACTIVATE answers (TF-A rmmd_main.c)."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from livefw.abi import guid
from livefw.abi.lfa import ActivateRequest, InventoryFlag, InventoryRequest, LfaStatus, PrimeRequest, status
from livefw.abi.rmi import RMI_1_0, RMI_VERSION
from livefw.abi.smccc import Exit, Held, Registers
from livefw.abi.version import ComponentVersion
from livefw.firmware.component import Faults, Rmm, RmmDeadError
from livefw.firmware.platform import MAX_COMMITS, Commit
from livefw.firmware.profile import PROFILES, Profile
from livefw.firmware.spec import ComponentKind, ComponentSpec, LfaPolicy
from livefw.testing.agent import ModelAgent

CPUS = 4
OLD, NEW, GOOD = ComponentVersion(1, 0), ComponentVersion(1, 1), ComponentVersion(1, 2)
FAILED = LfaStatus.ACTIVATION_FAILED
SPECS = [
    ComponentSpec(
        str(guid.RMM.guid), ComponentKind.RMM, "1.0", "1.1", prime_steps=1, realms=(LfaPolicy.ALLOW, LfaPolicy.DISALLOW)
    ),
    ComponentSpec(str(guid.SCP_BL2U.guid), ComponentKind.CONTROLLER, "4.0", "4.1", prime_steps=1, activate_steps=1),
]
RMM, SCP = range(2)


def _cannot_take_over(bench: ModelAgent) -> None:
    bench.platform.stage(guid.RMM.guid, NEW, takes_over=False)


def _fails(**faults: int | bool) -> Callable[[ModelAgent], object]:
    return lambda bench: bench.fault(RMM, Faults(**faults))  # type: ignore[arg-type]


class Death(NamedTuple):
    """A way to die, and what is heard of it."""

    title: str
    source: str
    arrange: Callable[[ModelAgent], object]
    answer: Callable[[Profile], int]
    """What every CPU's ACTIVATE answers."""
    refuses: int | None
    """The CPU whose token is 0 afterwards: it has the last word, and the leader is the last to come."""

    def on(self, profile: str) -> int:
        """The answer of one profile."""
        return self.answer(PROFILES[profile])


def _refused(profile: Profile) -> int:
    return profile.rmm_refused


def _not_set_up(profile: Profile) -> int:
    return profile.rmm_not_set_up


def _success(_: Profile) -> int:
    return 0


LEADER, NEXT = CPUS - 1, 0
COUNTING = pytest.mark.parametrize("profile", [name for name, row in PROFILES.items() if not row.pen_counts_out])
"""Where CPUs can meet twice; `test_rendezvous` has what v2.14 does."""
CANNOT_TAKE_OVER = Death(
    "cannot take over", "TF-RMM, July 2026: an image that does not fit", _cannot_take_over, _refused, LEADER
)
DEATHS = [
    Death("refused", "rmmd_main.c rmm_init", _fails(refuses=True), _refused, LEADER),
    Death("not set up", "rmmd_main.c rmmd_setup: image or manifest", _fails(activate_code=-22), _not_set_up, None),
    Death("critical", "rmmd_rmm_lfa.c: one code", _fails(activate_code=LfaStatus.CRITICAL_ERROR), _not_set_up, None),
    CANNOT_TAKE_OVER,
    Death("second CPU", "rmmd_main.c rmmd_cpu_on_finish_handler", _fails(secondary_refuses=True), _success, NEXT),
]


@pytest.fixture(params=DEATHS, ids=lambda death: death.title)
def death(request: pytest.FixtureRequest) -> Death:
    """Every way in turn."""
    way: Death = request.param
    return way


def codes(outcomes: list[Exit | Held]) -> list[int]:
    """x0 of each."""
    assert all(isinstance(outcome, Registers) for outcome in outcomes)
    return [status(outcome) for outcome in outcomes if isinstance(outcome, Registers)]


def rmm_of(bench: ModelAgent) -> Rmm:
    """The RMM."""
    rmm = bench.platform.components()[RMM]
    assert isinstance(rmm, Rmm)
    return rmm


def dies(death: Death, profile: str) -> ModelAgent:
    """A bench whose RMM was activated and died."""
    bench = ModelAgent(SPECS, profile=profile, cpus=CPUS)
    death.arrange(bench)
    assert bench.prime(RMM) == 0
    assert codes(bench.rendezvous(range(CPUS), ActivateRequest(RMM))) == [death.on(profile)] * CPUS, death.source
    return bench


def pending(bench: ModelAgent) -> bool:
    """What GET_INVENTORY says of the RMM."""
    answer = bench.send(0, InventoryRequest(RMM))
    assert isinstance(answer, Registers)
    return bool(answer[3] & InventoryFlag.ACTIVATION_PENDING)


def test_every_realm_is_gone_and_nothing_runs_that_did_not_before(death: Death, profile: str) -> None:
    bench = dies(death, profile)
    rmm = rmm_of(bench)
    assert (rmm.dead, rmm.realms, [realm.id for realm in rmm.lost]) == (True, (), [1, 2])
    assert (bench.platform.version(guid.RMM.guid), bench.platform.commits()) == (OLD, ())
    assert [cpu for cpu in range(CPUS) if not rmm.tokens[cpu]] == [each for each in [death.refuses] if each is not None]
    assert bench.code(0, Registers(RMI_VERSION)) == LfaStatus.NOT_SUPPORTED, "SMC_UNK"
    with pytest.raises(RmmDeadError, match="cold boot"):
        rmm.create_realm()
    assert pending(bench)
    now = bench.agent.state
    assert (now.component, now.prime, now.in_progress, now.users) == (None, "none", False, 0)


@COUNTING
def test_a_retry_with_a_good_image_says_success_and_changes_nothing(death: Death, profile: str) -> None:
    """TF-A enters the good image on the leader, and on no other CPU, because the flag is never cleared."""
    bench = dies(death, profile)
    rmm = rmm_of(bench)
    tokens = dict(rmm.tokens)
    bench.fault(RMM, Faults()).platform.stage(guid.RMM.guid, GOOD)
    assert bench.prime(RMM) == 0
    leader = 1
    assert codes(bench.rendezvous([0, 2, 3, leader], ActivateRequest(RMM))) == [0] * CPUS
    assert (rmm.dead, rmm.realms, len(rmm.lost)) == (True, (), 2)
    assert bench.code(0, Registers(RMI_VERSION)) == LfaStatus.NOT_SUPPORTED
    assert (bench.platform.version(guid.RMM.guid), bench.platform.commits()) == (OLD, ())
    assert {cpu: token for cpu, token in rmm.tokens.items() if cpu != leader} == {
        cpu: token for cpu, token in tokens.items() if cpu != leader
    }
    now = bench.agent.state
    assert (now.component, now.prime, now.in_progress, now.users) == (None, "none", False, 0)
    assert guid.RMM.guid not in now.pending, "lfa_main.c clears it after a success"
    assert bench.code(0, PrimeRequest(RMM)) == LfaStatus.WRONG_STATE
    assert pending(bench), "and the platform has it as before"


def test_a_retry_on_one_cpu(profile: str) -> None:
    bench = ModelAgent(SPECS, profile=profile, cpus=1).fault(RMM, Faults(refuses=True))
    for faults in (Faults(), Faults()):
        bench.prime(RMM)
        bench.run(0, ActivateRequest(RMM))
        bench.fault(RMM, faults)
    assert (bench.last[0][0], rmm_of(bench).dead, bench.platform.commits()) == (0, True, ())


@COUNTING
def test_a_leader_whose_token_is_0_boots_as_from_cold(profile: str) -> None:
    """So an image that cannot take over has nothing to refuse the second time."""
    bench = dies(CANNOT_TAKE_OVER, profile)
    assert bench.prime(RMM) == 0
    assert codes(bench.rendezvous(range(CPUS), ActivateRequest(RMM))) == [0] * CPUS
    assert rmm_of(bench).dead
    assert rmm_of(bench).tokens[LEADER]


@COUNTING
def test_an_image_that_refuses_again_fails_again(profile: str) -> None:
    bench = dies(DEATHS[0], profile)
    for _ in range(2):
        assert bench.prime(RMM) == 0
        assert codes(bench.rendezvous(range(CPUS), ActivateRequest(RMM))) == [FAILED] * CPUS


def test_a_dead_rmm_is_not_entered_on_a_cpu_that_comes_on(death: Death, profile: str) -> None:
    """TF-A rmmd_main.c: "Ignoring for CPU"."""
    bench = dies(death, profile)
    rmm = rmm_of(bench)
    tokens = dict(rmm.tokens)
    cpu = death.refuses or 0
    bench.agent.cpu_off(cpu)
    bench.agent.cpu_on(cpu)
    assert rmm.tokens == tokens


def test_other_components_live_on(death: Death, profile: str) -> None:
    bench = dies(death, profile)
    assert bench.prime(SCP) == 0
    assert bench.code(0, ActivateRequest(SCP)) == 0
    assert [commit[1:] for commit in bench.platform.commits()] == [(guid.SCP_BL2U.guid, (4, 1))]


def test_rmi_calls_reach_an_rmm_that_lives(profile: str) -> None:
    """TF-A rmmd_main.c rmmd_rmi_handler. Where there is no RMM the call is unknown, too."""
    for specs, answer in ((SPECS, (0, RMI_1_0, RMI_1_0)), (SPECS[SCP:], (LfaStatus.NOT_SUPPORTED.word,))):
        words = Registers(RMI_VERSION, 5, 6, 7)
        assert ModelAgent(specs, profile=profile, cpus=1).send(0, words) == words.returning(*answer)


@pytest.mark.parametrize("faults", [Faults(refuse_notify=True), Faults(activate_code=FAILED)])
def test_an_rmm_that_was_not_reached_lives(faults: Faults, profile: str) -> None:
    """The platform refused, or the component was another: ACTIVATION_FAILED is not always the RMM's."""
    bench = ModelAgent(SPECS, profile=profile, cpus=1)
    other = RMM if faults.refuse_notify else SCP
    bench.fault(other, faults)
    assert bench.prime(other) == 0
    assert bench.code(0, ActivateRequest(other)) == FAILED
    assert (rmm_of(bench).dead, len(rmm_of(bench).realms)) == (False, 2)


def test_there_is_no_second_cpu_to_refuse_on_a_machine_with_one(profile: str) -> None:
    bench = ModelAgent(SPECS, profile=profile, cpus=1).fault(RMM, Faults(secondary_refuses=True))
    bench.prime(RMM)
    assert bench.code(0, ActivateRequest(RMM)) == 0
    assert bench.platform.commits() == (Commit(0, guid.RMM.guid, NEW),)
    assert not rmm_of(bench).dead


def test_what_died_on_one_cpu_does_not_come_to_life_on_another() -> None:
    """Two CPUs work; the first destroys the component, and nothing is wrong on the second."""
    bench = ModelAgent(SPECS, profile="tfa-2026", cpus=2).fault(SCP, Faults(activate_code=LfaStatus.CRITICAL_ERROR))
    bench.prime(SCP)
    bench.send(0, ActivateRequest(SCP))
    bench.send(1, ActivateRequest(SCP))
    bench.complete(0)
    bench.fault(SCP, Faults()).complete(1)
    assert codes([bench.last[0], bench.last[1]]) == [LfaStatus.CRITICAL_ERROR] * 2
    assert (bench.platform.components()[SCP].dead, bench.platform.commits()) == (True, ())


@COUNTING
@pytest.mark.parametrize("again", [False, True], ids=["as it lies there", "staged again"])
def test_a_bank_that_is_entered_twice_has_to_be_loaded_again(profile: str, again: bool) -> None:
    """TF-A plat/arm/board/fvp: always the same bank; TF-RMM: a flag in the image tells a cold boot from a warm one."""
    spec = ComponentSpec(
        str(guid.RMM.guid),
        ComponentKind.RMM,
        pending_never_clears=True,
        one_bank=True,
        prime_steps=1,
        realms=(LfaPolicy.ALLOW,),
    )
    bench = ModelAgent([spec], profile=profile, cpus=2)
    bench.prime(RMM)
    assert codes(bench.rendezvous(range(2), ActivateRequest(RMM))) == [0, 0]
    if again:
        bench.platform.stage(guid.RMM.guid, NEW)
    bench.prime(RMM)
    outcomes = bench.rendezvous(range(2), ActivateRequest(RMM))
    assert outcomes == ([ActivateRequest(RMM).encode().returning(0, 0)] * 2 if again else [Held(None)] * 2)
    rmm = rmm_of(bench)
    assert (rmm.dead, len(rmm.realms), len(rmm.lost)) == ((False, 1, 0) if again else (True, 0, 1))


def test_commits_are_what_took_over_in_order_and_bounded() -> None:
    bench = ModelAgent(
        [ComponentSpec(str(guid.FVP_SP1.guid), ComponentKind.SP, pending_version="1.1", pending_never_clears=True)],
        profile="tfa-2026",
        cpus=1,
    )
    for _ in range(MAX_COMMITS + 2):
        bench.prime(0)
        assert bench.code(0, ActivateRequest(0)) == 0
    kept = bench.platform.commits()
    assert [commit.sequence for commit in kept] == list(range(2, MAX_COMMITS + 2))
    assert bench.platform.next_commit == MAX_COMMITS + 2
    assert bench.platform.commits(MAX_COMMITS) == kept[-2:]
    assert bench.platform.commits(bench.platform.next_commit) == ()
