# SPDX-License-Identifier: Apache-2.0
"""The table of checks: everything that public sources say of an agent and that a caller can see.

Sources: TF-A (integration branch of August 2026, and tags v2.14.0 and v2.15.0), tf-a-tests, Hafnium, Arm CCA ACS, Arm
DEN0028 and DEN0147 as these tell of it. No check needs more of the firmware than the components it names.
"""

from typing import NamedTuple

from livefw.abi import guid
from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, LfaStatus
from livefw.abi.smccc import SMCCC_1_2, SMCCC_ARCH_FEATURES, SMCCC_VERSION
from livefw.conformance.steps import (
    CURRENT,
    RELEASED,
    SKIP,
    SPARE,
    AllRestart,
    Begin,
    Beyond,
    Discover,
    Ends,
    Smc,
    Step,
    Suitable,
    Together,
    WritesVersions,
    activate,
    by,
    cancel,
    prime,
)
from livefw.firmware.profile import PROFILES

BL31, BL33, RMM = guid.BL31.guid, guid.BL33.guid, guid.RMM.guid
SP1, SP2, SCP = guid.FVP_SP1.guid, guid.FVP_SP2.guid, guid.SCP_BL2U.guid
END, MINUS_ONE = Beyond(), Beyond(0xFFFF_FFFF)
ALL = tuple(PROFILES)
V2_15 = ALL[1:]

NO, BUSY = LfaStatus.NOT_SUPPORTED, LfaStatus.BUSY
STATE, BAD, OTHER = LfaStatus.WRONG_STATE, LfaStatus.INVALID_PARAMETERS, LfaStatus.COMPONENT_WRONG_STATE
EAGAIN = -35
CRITICAL, FAILED = LfaStatus.CRITICAL_ERROR, LfaStatus.ACTIVATION_FAILED

_PRIME = "TF-A lfa_main.c LFA_PRIME"
_ACTIVATE = "TF-A lfa_main.c LFA_ACTIVATE"
_CANCEL = "TF-A lfa_main.c LFA_CANCEL"
_PEN = "TF-A lfa_holding_pen.c"
_CTAM_BUSY = "; OCP CTAM F24: one update fails while another is being staged"


class Case(NamedTuple):
    """One row: a name for reports, where it comes from, what to do, and what it needs."""

    name: str
    source: str
    steps: tuple[Step, ...]
    needs: tuple[Guid | Suitable, ...] = ()
    profiles: tuple[str, ...] = ALL
    cpus: int = 1
    cold: bool = False
    """Only after a cold boot."""
    slow: bool = False
    """Needs a call that takes long enough for another CPU to meet it."""
    spoils: bool = False
    """Leaves right firmware in a state that only a cold boot ends."""
    dangerous: str = ""
    """What it can do to firmware that is right; it is run only where somebody wants that, and last."""


def _flags(name: str, component: Guid, source: str, x3: tuple[int, int, int, int]) -> Case:
    call = Smc(Function.GET_INVENTORY, component, x3=dict(zip(ALL, x3, strict=True)))
    return Case(f"inventory: flags of {name}", source, (call,), (component,))


def _unknown(function: int, source: str) -> Case:
    return Case(f"unknown call {function:#x}", source, (Smc(function, x0=NO),))


_FEATURES = tuple(Smc(Function.FEATURES, argument=each) for each in Function) + tuple(
    Smc(Function.FEATURES, argument=each, x0=NO) for each in (0xC400_02DF, 0xC400_02E7, 0x8400_02E0, 0x1_C400_02E0)
)
_SELECTORS = tuple(Smc(Function.GET_INFO, argument=each, x0=BAD) for each in (1, 1 << 32))

DISCOVERY = (
    Case("SMCCC: version is 1.2 or later", "DEN0028; LFA results go up to x5",
          (Smc(SMCCC_VERSION, x0=SMCCC_1_2, or_more=True),)),
    Case("SMCCC: features", "DEN0028 SMCCC_ARCH_FEATURES",
          (Smc(SMCCC_ARCH_FEATURES, argument=SMCCC_VERSION), Smc(SMCCC_ARCH_FEATURES, argument=SMCCC_ARCH_FEATURES))),
    Case("version is 1.0", "tf-a-tests lfa: version; Hafnium", (Smc(Function.VERSION, x0=0x1_0000),)),
    Case("version: the identifier is W0", "DEN0028, section 2.5", (Smc(Function.VERSION | 1 << 32, x0=0x1_0000),)),
    Case("features", "tf-a-tests lfa: features; TF-A lfa_main.c LFA_FEATURES", _FEATURES),
    Case("info: selectors", "tf-a-tests lfa: get info; TF-A compares all 64 bits",
          (Smc(Function.GET_INFO), *_SELECTORS, Smc(Function.GET_INFO))),
    Case("inventory: every id", "tf-a-tests lfa: get inventory", (Discover(),)),
    Case("inventory: id N", "Hafnium: inventory(count)", (Smc(Function.GET_INVENTORY, END, x0=BAD),)),
    Case("inventory: id -1", "Linux's invalid id", (Smc(Function.GET_INVENTORY, MINUS_ONE, x0=BAD),)),
    Case("inventory: versions", "DEN0147 BET1; BET0 leaves x4 and x5 alone", (WritesVersions(),)),
    _flags("BL31", BL31, "TF-A: capable and never pending before self-activation, 0x7 since", (1, 1, 7, 7)),
    _flags("BL33", BL33, "TF-A FVP: no activator, so no other flag", (0, 0, 0, 0)),
    _flags("RMM", RMM, "TF-A FVP", (3, 3, 3, 3)),
    _flags("SP1", SP1, "Hafnium; TF-A before v2.15 has no activator for partitions", (2, 0xB, 0xB, 0xB)),
    _unknown(0xC400_02E7, "DEN0028: unknown function identifier"),
    _unknown(0xC400_02DF, "DEN0028: unknown function identifier"),
    _unknown(0xC400_01E0, "tf-a-tests of 2024 used these identifiers"),
    _unknown(0x8400_02E0, "Arm CCA ACS used SMC32 identifiers, which DEN0147 has not"),
    _unknown(0, "DEN0028; Linux v1 repeats a call with x0 = 0"),
)  # fmt: skip

PRIMING = (
    Case("prime: before any inventory", f"{_PRIME}: pending is latched by GET_INVENTORY",
          (prime(RMM, STATE),), (RMM,), cold=True),
    Case("prime: id N", f"{_PRIME}: range", (Discover(), prime(END, BAD)), profiles=V2_15),
    Case("prime: id -1", f"{_PRIME}: range", (Discover(), prime(MINUS_ONE, BAD)), profiles=V2_15),
    Case("prime: nothing pending", f"{_PRIME}: pending", (Discover(), prime(BL33, STATE)), (BL33,)),
    Case("prime: no activator", f"{_PRIME}: activator", (Discover(), prime(SP1, NO)), (SP1,), ("tfa-2.14",)),
    Case("prime: BL31", "tf-a-tests lfa: BL31 prime; a stub in releases",
          (Discover(), prime(BL31, by(STATE, 0))), (BL31,)),
    Case("prime: RMM and cancel", "tf-a-tests lfa: RMM prime, cancel", (Discover(), prime(RMM), cancel(RMM)), (RMM,)),
    Case("prime: again", f"{_PRIME}: a COMPLETE component is loaded again",
          (Discover(), prime(RMM), prime(RMM), cancel(RMM)), (RMM,)),
    Case("prime: other component begun", f"{_PRIME}: another component is STARTED",
          (Discover(), Smc(Function.PRIME, SCP, x1=1), prime(RMM, STATE), cancel(SCP)), (SCP, RMM)),
    Case("prime: again, in steps", f"{_PRIME}: a COMPLETE component stays so when it wants to be called again",
          (Discover(), prime(SCP), Smc(Function.PRIME, SCP, x1=1), prime(RMM), cancel(RMM, BAD), cancel(SCP)),
          (SCP, RMM)),
    Case("prime: second component", f"{_PRIME}: the first stays selected",
          (Discover(), prime(RMM), prime(SCP), activate(SCP, BAD, flags=SKIP), cancel(RMM)), (SCP, RMM)),
    Case("prime: from another CPU", "DEN0147, section 2.5",
          (Discover(), Smc(Function.PRIME, SCP, x1=1), prime(SCP, cpu=1), cancel(SCP)), (SCP,), cpus=2),
    Case("prime: busy", f"{_PRIME}: the agent lock{_CTAM_BUSY}", (
        Discover(), Begin(prime(SCP, cpu=1, until_done=False)), prime(SCP, BUSY), prime(END, BUSY), Ends(1),
        cancel(SCP)), (SCP,), cpus=2, slow=True),
)  # fmt: skip

ACTIVATION = (
    Case("activate: nothing primed", f"{_ACTIVATE}: selection; releases test the state first",
          (Discover(), activate(RMM, by(OTHER, BAD))), (RMM,)),
    Case("activate: id N", f"{_ACTIVATE}: range",
          (Discover(), prime(RMM), activate(END, BAD, x1=0), cancel(RMM)), (RMM,), CURRENT),
    Case("activate: id -1", f"{_ACTIVATE}: range",
          (Discover(), prime(RMM), activate(MINUS_ONE, BAD, x1=0), cancel(RMM)), (RMM,), CURRENT),
    Case("activate: other primed", f"{_ACTIVATE}: selection",
          (Discover(), prime(RMM), activate(SP1, BAD, flags=SKIP), cancel(RMM)), (RMM, SP1), V2_15),
    Case("activate: prime begun", f"{_ACTIVATE}: PRIME must be COMPLETE",
          (Discover(), Smc(Function.PRIME, SCP, x1=1), activate(SCP, OTHER, flags=SKIP, x1=0), cancel(SCP)), (SCP,)),
    Case("activate: RMM needs the rendezvous", f"{_ACTIVATE}: policy",
          (Discover(), prime(RMM), activate(RMM, BAD, flags=SKIP), cancel(RMM)), (RMM,)),
    Case("activate: partition, twice", "Hafnium: ACTIVATE(x2=1), twice, GET_INVENTORY before each",
          (Discover(), prime(SP1), activate(SP1, flags=SKIP, x1=0),
           Discover(), prime(SP1), activate(SP1, flags=SKIP, x1=0), cancel(SP1)), (SP1,), V2_15),
    Case("activate: again without inventory", f"{_ACTIVATE}: pending is cleared until GET_INVENTORY",
          (Discover(), prime(SP1), activate(SP1, flags=SKIP), activate(SP1, OTHER, flags=SKIP), cancel(SP1)),
          (SP1,), V2_15),
    Case("activate: in steps", f"{_ACTIVATE}: call_again", (
        Discover(), prime(SCP), activate(SCP, flags=SKIP, x1=1), activate(SCP, BUSY), cancel(SCP, BUSY),
        activate(SCP, flags=SKIP, until_done=True), cancel(SCP)), (SCP,), CURRENT),
    Case("activate: in steps, on another CPU", f"{_ACTIVATE}: call_again", (
        Discover(), prime(SCP), activate(SCP, flags=SKIP, x1=1), activate(SCP, flags=SKIP, until_done=True, cpu=1),
        cancel(SCP)), (SCP,), CURRENT, cpus=2),
    Case("activate: no steps", "TF-A v2.15.0: a wish to be called again comes out as it is, EAGAIN of TF-A's libc",
          (Discover(), prime(SCP), activate(SCP, EAGAIN, flags=SKIP), cancel(SCP)), (SCP,), ("tfa-2.15",)),
    Case("activate: skip asked in a round without", f"{_ACTIVATE}: the first CPU of a round decides; x1 is written",
          (Discover(), prime(SCP), activate(SCP, x1=1), activate(SCP, BUSY, flags=SKIP, x1=0),
           activate(SCP, until_done=True), cancel(SCP)), (SCP,), CURRENT),
    Case("activate: partition at work", "Hafnium, August 2026: a second START of one partition is DENIED", (
        Discover(), prime(SP2), Begin(activate(SP2, cpu=1)), activate(SP2, OTHER, x1=0), Ends(1), cancel(SP2)),
        (SP2,), V2_15, cpus=2, slow=True),
    Case("activate: busy", f"{_ACTIVATE}: skip asked while the agent lock is held", (
        Discover(), prime(SCP), Begin(activate(SCP, flags=SKIP, cpu=1)), activate(SCP, BUSY, flags=SKIP),
        cancel(SCP, BUSY), Ends(1), activate(SCP, flags=SKIP, until_done=True), cancel(SCP)),
        (SCP,), CURRENT, cpus=2, slow=True),
    *(Case(f"activate: BL31, entry point {what}", "TF-A bl31_lfa.c: judged after the pen; never INVALID_ADDRESS",
            (Discover(), prime(BL31), Together(activate(BL31, CRITICAL, entry=entry)), cancel(BL31)),
            (BL31,), CURRENT)
      for what, entry in (("0", 0), ("misaligned", 0x8800_0002), ("beyond memory", 1 << 52))),
    # Once: FVP's bank has to be loaded again for a second time, and v2.14's pen does not work twice.
    Case("activate: RMM", "tf-a-tests host_realm_lfa: all CPUs ACTIVATE with x2=0; TF-A: nothing stays selected",
          (Discover(), prime(RMM), Together(activate(RMM, x1=0)), cancel(RMM, BAD), activate(RMM, by(OTHER, BAD))),
          (RMM,)),
)  # fmt: skip

CANCELLING = (
    Case("cancel: nothing primed", f"{_CANCEL}: selection", (cancel(RMM, BAD),), (RMM,)),
    Case("cancel: id N", f"{_CANCEL}: range", (Discover(), prime(RMM), cancel(END, BAD), cancel(RMM)), (RMM,)),
    Case("cancel: other primed", f"{_CANCEL}: selection",
          (Discover(), prime(RMM), cancel(SCP, BAD), cancel(RMM)), (RMM, SCP)),
    Case("cancel: twice", _CANCEL, (Discover(), prime(RMM), cancel(RMM), cancel(RMM, BAD)), (RMM,)),
    Case("cancel: pending stays", _CANCEL, (Discover(), prime(RMM), cancel(RMM), prime(RMM), cancel(RMM)), (RMM,)),
    Case("cancel: during prime", f"{_CANCEL}: the agent lock",
          (Discover(), Begin(prime(SCP, cpu=1, until_done=False)), cancel(SCP, BUSY), Ends(1), cancel(SCP)),
          (SCP,), CURRENT, cpus=2, slow=True),
    Case("cancel: partition at work", "TF-A spmd_logical_sp.c: partitions have no cancel hook", (
        Discover(), prime(SP2), Begin(activate(SP2, cpu=1)), cancel(SP2), cancel(SP2, BAD), Ends(1)),
        (SP2,), V2_15, cpus=2, slow=True),
    Case("cancel: late, BL31", "tf-a-tests lfa: BL31 late cancel",
          (Discover(), prime(BL31), Begin(activate(BL31, cpu=1)), cancel(BL31), Ends(1, FAILED)),
          (BL31,), CURRENT, cpus=2),
)  # fmt: skip

_ANY = Suitable()
_STEPS = "DEN0147, LFA_PRIME, LFA_ACTIVATE and LFA_CANCEL"

ANY_COMPONENT = (
    Case("any component: prime and cancel", _STEPS, (Discover(), prime(_ANY), cancel(_ANY)), (_ANY,)),
    Case("any component: prime again", _STEPS, (Discover(), prime(_ANY), prime(_ANY), cancel(_ANY)), (_ANY,)),
    Case("any component: activate without prime", _ACTIVATE,
         (Discover(), activate(_ANY, by(OTHER, BAD), flags=SKIP)), (_ANY,)),
    Case("any component: cancel without prime", _CANCEL, (cancel(_ANY, BAD),), (_ANY,)),
    Case("any component: activate", _STEPS,
         (Discover(), prime(_ANY), activate(_ANY, flags=SKIP, until_done=True)), (_ANY,), CURRENT),
)  # fmt: skip

_ENTRY = "TF-A bl31_lfa.c: judged on each CPU after the pen"

RESTARTING = (
    Case("activate: BL31 after another PRIME", f"{_PRIME}: one reset flag, so no CPU restarts",
          (Discover(), prime(BL31), prime(SP1), Together(activate(BL31, x1=0)), cancel(BL31)), (BL31, SP1), CURRENT),
    Case("activate: BL31", "tf-a-tests lfa: BL31 activation; TF-A bl31_lfa.c: no CPU returns",
          (Discover(), prime(BL31), AllRestart(activate(BL31))), (BL31,), CURRENT, spoils=True),
    Case("activate: BL31, bad entry point of a CPU that waits", _ENTRY, (
        Discover(), prime(BL31), Begin(activate(BL31, cpu=1, entry=0)), AllRestart(activate(BL31), but=(1,)),
        Ends(1, CRITICAL)), (BL31,), CURRENT, cpus=2, spoils=True),
    Case("activate: BL31, bad entry point of the CPU that leads", _ENTRY, (
        Discover(), prime(BL31), AllRestart(activate(BL31), but=(0,), last=activate(BL31, CRITICAL, entry=0))),
        (BL31,), CURRENT, cpus=2, spoils=True),
    Case("cancel: CPU left in the pen of the RMM", f"{_PEN}: one pen, one status: it leaves with BL31's", (
        Discover(), prime(RMM), Begin(activate(RMM, cpu=1)), cancel(RMM), prime(BL31),
        AllRestart(activate(BL31), but=(1,)), Ends(1)), (RMM, BL31), CURRENT, cpus=2, spoils=True),
)  # fmt: skip

_BEYOND = "reads beyond the table of components first: may abort in EL3, and the CPU is lost"
_WEDGES = "wedges the service until a reset: PRIME answers 0, ACTIVATE and CANCEL INVALID_PARAMETERS"

DANGEROUS = (
    *(Case(f"prime: id {where}", f"{_PRIME}: v2.14.0 tests pending first",
            (Discover(), prime(where, STATE, cpu=SPARE)), profiles=("tfa-2.14",), cpus=2, dangerous=_BEYOND)
      for where in (END, MINUS_ONE)),
    *(Case(f"activate: id {where}", f"{_ACTIVATE}: releases test the state first",
            (Discover(), prime(RMM), activate(where, OTHER, cpu=SPARE), cancel(RMM)),
            (RMM,), RELEASED, cpus=2, dangerous=_BEYOND)
      for where in (END, MINUS_ONE)),
    Case("cancel: during prime, no lock", f"{_CANCEL}: takes no lock in releases", (
        Discover(), Smc(Function.PRIME, SCP, x1=1), Begin(prime(SCP, cpu=1, until_done=False)), cancel(SCP), Ends(1),
        prime(SCP), activate(SCP, BAD, flags=SKIP), cancel(SCP, BAD)),
        (SCP,), RELEASED, cpus=2, slow=True, spoils=True, dangerous=_WEDGES),
)  # fmt: skip

CHECKS = DISCOVERY + PRIMING + ACTIVATION + CANCELLING + ANY_COMPONENT + RESTARTING + DANGEROUS
"""All checks. Those that leave TF-A in a state that only a cold boot ends come after all others, the dangerous last."""
