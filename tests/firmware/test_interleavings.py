# SPDX-License-Identifier: Apache-2.0
"""Up to eight CPUs in any interleaving: what must hold for the agent whatever happens."""

from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from livefw.abi import guid
from livefw.abi.guid import Guid
from livefw.abi.lfa import (
    ActivateFlag,
    ActivateRequest,
    CancelRequest,
    Function,
    InventoryRequest,
    LfaStatus,
    PrimeRequest,
    status,
)
from livefw.abi.smccc import Exit, Held, Registers, Restart
from livefw.abi.version import ComponentVersion
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Faults, FfaError, FirmwareComponent, LoadStatus, StagedImage
from livefw.firmware.platform import Load, MemoryPlatform
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec, LfaPolicy
from livefw.firmware.state import AgentState

ENTRY = 0x8800_0000
MARK = 1 << 32
"""Beyond the 32 bits of a sequence id: shows whether an ACTIVATE wrote x1."""
GUIDS = (guid.BL31, guid.RMM, guid.FVP_SP1, guid.SCP_BL2U, guid.BL33)
SPARE = ComponentSpec(str(guid.FVP_SP2.guid), ComponentKind.SP, pending_version="1.0")
CHANGES = (
    None,
    AfterActivation(appears=(SPARE,)),
    AfterActivation(vanishes=(str(guid.FVP_SP2.guid), str(guid.SCP_BL2U.guid))),
    AfterActivation(vanishes=(str(guid.RMM.guid),), order=(str(guid.BL33.guid), str(guid.FVP_SP1.guid))),
    AfterActivation(order=(str(guid.SCP_BL2U.guid), str(guid.RMM.guid))),
)
FAULTS = (
    Faults(),
    Faults(load=LoadStatus.AUTH),
    Faults(load=LoadStatus.NO_MEMORY),
    Faults(prime_code=LfaStatus.DEVICE_ERROR),
    Faults(activate_code=LfaStatus.ACTIVATION_FAILED),
    Faults(activate_code=LfaStatus.CRITICAL_ERROR),
    Faults(refuse_notify=True),
    Faults(refuse_cancel=True),
    Faults(endless_prime=True),
    Faults(endless_activate=True),
    Faults(refuses=True),
    Faults(secondary_refuses=True),
    *(Faults(ffa_error=error) for error in FfaError),
)
PROMISES = {
    LfaStatus.NOT_SUPPORTED,
    LfaStatus.BUSY,
    LfaStatus.WRONG_STATE,
    LfaStatus.INVALID_PARAMETERS,
    LfaStatus.COMPONENT_WRONG_STATE,
}
"""Codes after which TF-A's state is what it was, where no component had a say."""

CPUS = st.integers(0, 7)
IDS = st.integers(0, 5)


class Witness(MemoryPlatform):
    """A platform that notes which images a PRIME has loaded, and which of those began to run."""

    def __init__(self, specs: Sequence[ComponentSpec]) -> None:
        super().__init__(specs)
        self.primed: list[tuple[FirmwareComponent, StagedImage]] = []
        self.broken_rules: list[str] = []

    def load_auth_image(self, component: FirmwareComponent) -> Load:
        load = super().load_auth_image(component)
        image = self.loaded(component)
        if load.status is LoadStatus.OK and not load.again and image is not None:
            self.primed.append((component, image))
        return load

    def commit(self, component: FirmwareComponent, image: StagedImage) -> None:
        if (component, image) not in self.primed:
            self.broken_rules.append(f"{component.guid} runs {image}, which was not primed")
        if not image.authentic:
            self.broken_rules.append(f"{component.guid} runs a forged image")
        super().commit(component, image)


class Interleaving(RuleBasedStateMachine):
    """One machine; every rule is one event that can happen to it at any time."""

    @initialize(profile=st.sampled_from(list(PROFILES)), cpus=st.integers(1, 8), slow=st.booleans())
    def build(self, profile: str, cpus: int, slow: bool) -> None:
        ms = 5.0 if slow else 0.0
        self.platform = Witness(
            [
                ComponentSpec(
                    str(guid.BL31.guid), ComponentKind.BL31, pending_version="1.0", prime_ms=ms, activate_ms=ms
                ),
                ComponentSpec(
                    str(guid.RMM.guid),
                    ComponentKind.RMM,
                    pending_version="1.0",
                    prime_steps=2,
                    activate_steps=2,
                    realms=(LfaPolicy.ALLOW,),
                    prime_ms=ms,
                    activate_ms=ms,
                ),
                ComponentSpec(
                    str(guid.FVP_SP1.guid),
                    ComponentKind.SP,
                    pending_version="1.0",
                    pending_never_clears=True,
                    prime_ms=ms,
                    activate_ms=ms,
                ),
                ComponentSpec(
                    str(guid.SCP_BL2U.guid),
                    ComponentKind.CONTROLLER,
                    pending_version="1.0",
                    prime_ms=ms,
                    activate_ms=ms,
                ),
                ComponentSpec(str(guid.BL33.guid), ComponentKind.BL33),
            ]
        )
        self.agent = LfaAgent(self.platform, profile=PROFILES[profile], cpus=cpus)
        self.cpus = cpus
        self.inside: dict[int, tuple[Registers, Held]] = {}

    def left(self, cpu: int, words: Registers, outcome: Exit | Held) -> None:
        """Account for a CPU that made, or was in, the call ``words``."""
        if isinstance(outcome, Held):
            self.inside[cpu] = (words, outcome)
        else:
            self.inside.pop(cpu, None)
            self.check_exit(words, outcome)

    def drain(self) -> None:
        for release in self.agent.released():
            words, held = self.inside[release.cpu]
            assert held.work_ns is None, "a CPU that works is not released by others"
            self.left(release.cpu, words, release.exit)

    def check_exit(self, words: Registers, outcome: Exit) -> None:
        if isinstance(outcome, Restart):
            assert words[0] == Function.ACTIVATE
            assert outcome == (words[3], words[4])
            return
        changed = [index for index in range(1, 18) if outcome[index] != words[index]]
        if status(outcome) == LfaStatus.SUCCESS:
            allowed = {Function.GET_INVENTORY: [1, 2, 3, 4, 5], Function.CANCEL: []}.get(Function(words[0]), [1])
        else:
            allowed = [1] if words[0] == Function.ACTIVATE else []
            assert outcome[1] in (0, words[1])
        assert set(changed) <= set(allowed)

    def call(self, cpu: int, words: Registers) -> None:
        if cpu >= self.cpus or cpu in self.inside or cpu not in self.agent.state.online:
            return
        before = self.agent.state
        outcome = self.agent.call(cpu, words)
        self.left(cpu, words, outcome)
        self.drain()
        after = self.agent.state
        if words[0] == Function.ACTIVATE:
            self.check_activation(words, before, outcome)
        if isinstance(outcome, Registers) and status(outcome) in PROMISES and not self.was_let_in(words, before):
            assert after == before

    def was_let_in(self, words: Registers, before: AgentState) -> bool:
        """Whether a call may have got as far as the component and the latches of an activation."""
        listed = self.platform.components()
        fw_seq_id = words[1] & 0xFFFF_FFFF
        if words[0] not in (Function.ACTIVATE, Function.CANCEL) or fw_seq_id >= len(listed):
            return False
        return before.component == listed[fw_seq_id].guid

    def check_activation(self, words: Registers, before: AgentState, outcome: Exit | Held) -> None:
        """An ACTIVATE that was let in, and did not wait for the lock to be told, needs a primed, pending component."""
        refused = isinstance(outcome, Registers) and status(outcome) != LfaStatus.SUCCESS
        if refused or before.lock_holder is not None:
            return
        assert before.prime == "complete"
        assert before.component in before.pending

    @rule(cpu=CPUS, fw_seq_id=IDS)
    def get_inventory(self, cpu: int, fw_seq_id: int) -> None:
        self.call(cpu, InventoryRequest(fw_seq_id).encode())

    @rule(cpu=CPUS)
    def enumerate(self, cpu: int) -> None:
        for fw_seq_id in range(6):
            self.call(cpu, InventoryRequest(fw_seq_id).encode())

    @rule(cpu=CPUS, fw_seq_id=IDS)
    def prime(self, cpu: int, fw_seq_id: int) -> None:
        self.call(cpu, PrimeRequest(fw_seq_id).encode())

    @rule(cpu=CPUS, fw_seq_id=IDS)
    def prime_fully(self, cpu: int, fw_seq_id: int) -> None:
        self.enumerate(cpu)
        for _ in range(4):
            self.call(cpu, PrimeRequest(fw_seq_id).encode())
            self.work_done(cpu)

    @rule(cpu=CPUS, fw_seq_id=IDS, skip=st.booleans(), entry=st.sampled_from([0, ENTRY]))
    def activate(self, cpu: int, fw_seq_id: int, skip: bool, entry: int) -> None:
        self.call(cpu, ActivateRequest(MARK | fw_seq_id, ActivateFlag(skip), entry, cpu).encode())

    @rule(fw_seq_id=IDS, but=CPUS, skip=st.booleans(), entry=st.sampled_from([0, ENTRY]))
    def activate_on_all_but_one(self, fw_seq_id: int, but: int, skip: bool, entry: int) -> None:
        for cpu in range(self.cpus):
            if cpu != but:
                self.activate(cpu, fw_seq_id, skip, entry)

    @rule(cpu=CPUS, fw_seq_id=IDS)
    def cancel(self, cpu: int, fw_seq_id: int) -> None:
        self.call(cpu, CancelRequest(fw_seq_id).encode())

    @rule(cpu=CPUS)
    def work_done(self, cpu: int) -> None:
        if cpu in self.inside and self.inside[cpu][1].work_ns is not None:
            words, _ = self.inside[cpu]
            self.left(cpu, words, self.agent.complete(cpu))
            self.drain()

    @rule()
    def all_work_done(self) -> None:
        for cpu in range(self.cpus):
            self.work_done(cpu)

    @rule(cpu=CPUS)
    def turn_off(self, cpu: int) -> None:
        online = self.agent.state.online
        if cpu in online and cpu not in self.inside and len(online) > 1:
            self.agent.cpu_off(cpu)
            self.drain()

    @rule(cpu=CPUS)
    def turn_on(self, cpu: int) -> None:
        if cpu < self.cpus and cpu not in self.agent.state.online:
            self.agent.cpu_on(cpu)
            self.drain()

    def listed(self, known: guid.KnownGuid) -> Guid | None:
        return next((each.guid for each in self.platform.components() if each.guid == known.guid), None)

    @rule(known=st.sampled_from(GUIDS), authentic=st.booleans(), token=st.booleans(), after=st.sampled_from(CHANGES))
    def stage(self, known: guid.KnownGuid, authentic: bool, token: bool, after: AfterActivation | None) -> None:
        if target := self.listed(known):
            version = ComponentVersion(1, 1)
            self.platform.stage(target, version, authentic=authentic, takes_over=token, after=after)

    @rule(known=st.sampled_from(GUIDS))
    def withdraw(self, known: guid.KnownGuid) -> None:
        if target := self.listed(known):
            self.platform.withdraw(target)

    @rule(known=st.sampled_from(GUIDS), faults=st.sampled_from(FAULTS))
    def break_or_mend(self, known: guid.KnownGuid, faults: Faults) -> None:
        if target := self.listed(known):
            self.platform.set_faults(target, faults)

    @invariant()
    @precondition(lambda self: hasattr(self, "agent"))
    def nothing_runs_that_was_not_primed(self) -> None:
        assert not self.platform.broken_rules

    @invariant()
    @precondition(lambda self: hasattr(self, "agent"))
    def state_is_consistent(self) -> None:
        now = self.agent.state
        assert dict(now.held) == {cpu: held for cpu, (_, held) in self.inside.items()}
        assert now.users >= 0
        if now.component is None:
            assert now.prime != "started"  # COMPLETE of nothing: an activation was wiped in the middle of a PRIME
        else:
            assert now.prime != "none"
        assert now.lock_holder is None or now.lock_holder in self.inside
        assert set(self.inside) <= now.online
        if now.cancel_locked or now.users:
            assert now.in_progress

    @invariant()
    @precondition(lambda self: hasattr(self, "agent"))
    def somebody_can_always_go_on(self) -> None:
        """Not all CPUs wait for each other, and who holds the lock is at work."""
        now = self.agent.state
        waiting = {cpu for cpu, (_, held) in self.inside.items() if held.work_ns is None}
        assert waiting != now.online
        assert now.lock_holder not in waiting

    def teardown(self) -> None:
        """The rest can always let everybody go: finish all work, then turn the other CPUs off."""
        if not hasattr(self, "agent"):
            return
        for _ in range(4 * self.cpus):
            self.all_work_done()
        for cpu in range(self.cpus):
            if cpu in self.agent.state.online and cpu not in self.inside:
                self.agent.cpu_off(cpu)
                self.drain()
                self.all_work_done()
                self.all_work_done()
        assert not self.inside


def test_interleavings() -> None:
    run_state_machine_as_test(
        Interleaving,
        settings=settings(
            max_examples=max(400, settings().max_examples),
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
