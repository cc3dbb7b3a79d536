# SPDX-License-Identifier: Apache-2.0
"""The table of checks: everything that public sources say of an agent and that a caller can see.

Sources: TF-A (integration branch of August 2026, and tags v2.14.0 and v2.15.0), tf-a-tests, Hafnium, Arm CCA ACS, Arm
DEN0028 and DEN0147 as these tell of it. No check needs more of the firmware than the components it names.
"""

from typing import NamedTuple

from livefw.abi import guid
from livefw.abi.guid import Guid
from livefw.abi.lfa import Function, Status
from livefw.abi.smccc import SMCCC_1_2, SMCCC_ARCH_FEATURES, SMCCC_VERSION
from livefw.conformance.steps import (
    CURRENT,
    RELEASED,
    SKIP,
    SPARE,
    AllRestart,
    Begin,
    Beyond,
    Call,
    Ends,
    Inventory,
    Step,
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

NO, BUSY = Status.NOT_SUPPORTED, Status.BUSY
STATE, BAD, OTHER = Status.WRONG_STATE, Status.INVALID_PARAMETERS, Status.COMPONENT_WRONG_STATE
EAGAIN = -35
CRITICAL, FAILED = Status.CRITICAL_ERROR, Status.ACTIVATION_FAILED

_PRIME = "TF-A lfa_main.c LFA_PRIME"
_ACTIVATE = "TF-A lfa_main.c LFA_ACTIVATE"
_CANCEL = "TF-A lfa_main.c LFA_CANCEL"
_PEN = "TF-A lfa_holding_pen.c"
_CTAM_BUSY = "; OCP CTAM F24: one update fails while another is being staged"


class Check(NamedTuple):
    """One row: a name for reports, where it comes from, what to do, and what it needs."""

    name: str
    source: str
    steps: tuple[Step, ...]
    needs: tuple[Guid, ...] = ()
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


def _flags(name: str, component: Guid, source: str, x3: tuple[int, int, int, int]) -> Check:
    call = Call(Function.GET_INVENTORY, component, x3=dict(zip(ALL, x3, strict=True)))
    return Check(f"inventory: flags of {name}", source, (call,), (component,))


def _unknown(function: int, source: str) -> Check:
    return Check(f"unknown call {function:#x}", source, (Call(function, x0=NO),))


_FEATURES = tuple(Call(Function.FEATURES, argument=each) for each in Function) + tuple(
    Call(Function.FEATURES, argument=each, x0=NO) for each in (0xC400_02DF, 0xC400_02E7, 0x8400_02E0, 0x1_C400_02E0)
)
_SELECTORS = tuple(Call(Function.GET_INFO, argument=each, x0=BAD) for each in (1, 1 << 32))

DISCOVERY = (
    Check("SMCCC: version is 1.2 or later", "DEN0028; LFA results go up to x5",
          (Call(SMCCC_VERSION, x0=SMCCC_1_2, or_more=True),)),
    Check("SMCCC: features", "DEN0028 SMCCC_ARCH_FEATURES",
          (Call(SMCCC_ARCH_FEATURES, argument=SMCCC_VERSION), Call(SMCCC_ARCH_FEATURES, argument=SMCCC_ARCH_FEATURES))),
    Check("version is 1.0", "tf-a-tests lfa: version; Hafnium", (Call(Function.VERSION, x0=0x1_0000),)),
    Check("version: the identifier is W0", "DEN0028, section 2.5", (Call(Function.VERSION | 1 << 32, x0=0x1_0000),)),
    Check("features", "tf-a-tests lfa: features; TF-A lfa_main.c LFA_FEATURES", _FEATURES),
    Check("info: selectors", "tf-a-tests lfa: get info; TF-A compares all 64 bits",
          (Call(Function.GET_INFO), *_SELECTORS, Call(Function.GET_INFO))),
    Check("inventory: every id", "tf-a-tests lfa: get inventory", (Inventory(),)),
    Check("inventory: id N", "Hafnium: inventory(count)", (Call(Function.GET_INVENTORY, END, x0=BAD),)),
    Check("inventory: id -1", "Linux's invalid id", (Call(Function.GET_INVENTORY, MINUS_ONE, x0=BAD),)),
    Check("inventory: versions", "DEN0147 BET1; BET0 leaves x4 and x5 alone", (WritesVersions(),)),
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
    Check("prime: before any inventory", f"{_PRIME}: pending is latched by GET_INVENTORY",
          (prime(RMM, STATE),), (RMM,), cold=True),
    Check("prime: id N", f"{_PRIME}: range", (Inventory(), prime(END, BAD)), profiles=V2_15),
    Check("prime: id -1", f"{_PRIME}: range", (Inventory(), prime(MINUS_ONE, BAD)), profiles=V2_15),
    Check("prime: nothing pending", f"{_PRIME}: pending", (Inventory(), prime(BL33, STATE)), (BL33,)),
    Check("prime: no activator", f"{_PRIME}: activator", (Inventory(), prime(SP1, NO)), (SP1,), ("tfa-2.14",)),
    Check("prime: BL31", "tf-a-tests lfa: BL31 prime; a stub in releases",
          (Inventory(), prime(BL31, by(STATE, 0))), (BL31,)),
    Check("prime: RMM and cancel", "tf-a-tests lfa: RMM prime, cancel", (Inventory(), prime(RMM), cancel(RMM)), (RMM,)),
    Check("prime: again", f"{_PRIME}: a COMPLETE component is loaded again",
          (Inventory(), prime(RMM), prime(RMM), cancel(RMM)), (RMM,)),
    Check("prime: other component begun", f"{_PRIME}: another component is STARTED",
          (Inventory(), Call(Function.PRIME, SCP, x1=1), prime(RMM, STATE), cancel(SCP)), (SCP, RMM)),
    Check("prime: again, in steps", f"{_PRIME}: a COMPLETE component stays so when it wants to be called again",
          (Inventory(), prime(SCP), Call(Function.PRIME, SCP, x1=1), prime(RMM), cancel(RMM, BAD), cancel(SCP)),
          (SCP, RMM)),
    Check("prime: second component", f"{_PRIME}: the first stays selected",
          (Inventory(), prime(RMM), prime(SCP), activate(SCP, BAD, flags=SKIP), cancel(RMM)), (SCP, RMM)),
    Check("prime: from another CPU", "DEN0147, section 2.5",
          (Inventory(), Call(Function.PRIME, SCP, x1=1), prime(SCP, cpu=1), cancel(SCP)), (SCP,), cpus=2),
    Check("prime: busy", f"{_PRIME}: the agent lock{_CTAM_BUSY}", (
        Inventory(), Begin(prime(SCP, cpu=1, until_done=False)), prime(SCP, BUSY), prime(END, BUSY), Ends(1),
        cancel(SCP)), (SCP,), cpus=2, slow=True),
)  # fmt: skip

ACTIVATION = (
    Check("activate: nothing primed", f"{_ACTIVATE}: selection; releases test the state first",
          (Inventory(), activate(RMM, by(OTHER, BAD))), (RMM,)),
    Check("activate: id N", f"{_ACTIVATE}: range",
          (Inventory(), prime(RMM), activate(END, BAD, x1=0), cancel(RMM)), (RMM,), CURRENT),
    Check("activate: id -1", f"{_ACTIVATE}: range",
          (Inventory(), prime(RMM), activate(MINUS_ONE, BAD, x1=0), cancel(RMM)), (RMM,), CURRENT),
    Check("activate: other primed", f"{_ACTIVATE}: selection",
          (Inventory(), prime(RMM), activate(SP1, BAD, flags=SKIP), cancel(RMM)), (RMM, SP1), V2_15),
    Check("activate: prime begun", f"{_ACTIVATE}: PRIME must be COMPLETE",
          (Inventory(), Call(Function.PRIME, SCP, x1=1), activate(SCP, OTHER, flags=SKIP, x1=0), cancel(SCP)), (SCP,)),
    Check("activate: RMM needs the rendezvous", f"{_ACTIVATE}: policy",
          (Inventory(), prime(RMM), activate(RMM, BAD, flags=SKIP), cancel(RMM)), (RMM,)),
    Check("activate: partition, twice", "Hafnium: ACTIVATE(x2=1), twice, GET_INVENTORY before each",
          (Inventory(), prime(SP1), activate(SP1, flags=SKIP, x1=0),
           Inventory(), prime(SP1), activate(SP1, flags=SKIP, x1=0), cancel(SP1)), (SP1,), V2_15),
    Check("activate: again without inventory", f"{_ACTIVATE}: pending is cleared until GET_INVENTORY",
          (Inventory(), prime(SP1), activate(SP1, flags=SKIP), activate(SP1, OTHER, flags=SKIP), cancel(SP1)),
          (SP1,), V2_15),
    Check("activate: in steps", f"{_ACTIVATE}: call_again", (
        Inventory(), prime(SCP), activate(SCP, flags=SKIP, x1=1), activate(SCP, BUSY), cancel(SCP, BUSY),
        activate(SCP, flags=SKIP, until_done=True), cancel(SCP)), (SCP,), CURRENT),
    Check("activate: in steps, on another CPU", f"{_ACTIVATE}: call_again", (
        Inventory(), prime(SCP), activate(SCP, flags=SKIP, x1=1), activate(SCP, flags=SKIP, until_done=True, cpu=1),
        cancel(SCP)), (SCP,), CURRENT, cpus=2),
    Check("activate: no steps", "TF-A v2.15.0: a wish to be called again comes out as it is, EAGAIN of TF-A's libc",
          (Inventory(), prime(SCP), activate(SCP, EAGAIN, flags=SKIP), cancel(SCP)), (SCP,), ("tfa-2.15",)),
    Check("activate: skip asked in a round without", f"{_ACTIVATE}: the first CPU of a round decides; x1 is written",
          (Inventory(), prime(SCP), activate(SCP, x1=1), activate(SCP, BUSY, flags=SKIP, x1=0),
           activate(SCP, until_done=True), cancel(SCP)), (SCP,), CURRENT),
    Check("activate: partition at work", "Hafnium, August 2026: a second START of one partition is DENIED", (
        Inventory(), prime(SP2), Begin(activate(SP2, cpu=1)), activate(SP2, OTHER, x1=0), Ends(1), cancel(SP2)),
        (SP2,), V2_15, cpus=2, slow=True),
    Check("activate: busy", f"{_ACTIVATE}: skip asked while the agent lock is held", (
        Inventory(), prime(SCP), Begin(activate(SCP, flags=SKIP, cpu=1)), activate(SCP, BUSY, flags=SKIP),
        cancel(SCP, BUSY), Ends(1), activate(SCP, flags=SKIP, until_done=True), cancel(SCP)),
        (SCP,), CURRENT, cpus=2, slow=True),
    *(Check(f"activate: BL31, entry point {what}", "TF-A bl31_lfa.c: judged after the pen; never INVALID_ADDRESS",
            (Inventory(), prime(BL31), Together(activate(BL31, CRITICAL, entry=entry)), cancel(BL31)),
            (BL31,), CURRENT)
      for what, entry in (("0", 0), ("misaligned", 0x8800_0002), ("beyond memory", 1 << 52))),
    # Once: FVP's bank has to be loaded again for a second time, and v2.14's pen does not work twice.
    Check("activate: RMM", "tf-a-tests host_realm_lfa: all CPUs ACTIVATE with x2=0; TF-A: nothing stays selected",
          (Inventory(), prime(RMM), Together(activate(RMM, x1=0)), cancel(RMM, BAD), activate(RMM, by(OTHER, BAD))),
          (RMM,)),
)  # fmt: skip

CANCELLING = (
    Check("cancel: nothing primed", f"{_CANCEL}: selection", (cancel(RMM, BAD),), (RMM,)),
    Check("cancel: id N", f"{_CANCEL}: range", (Inventory(), prime(RMM), cancel(END, BAD), cancel(RMM)), (RMM,)),
    Check("cancel: other primed", f"{_CANCEL}: selection",
          (Inventory(), prime(RMM), cancel(SCP, BAD), cancel(RMM)), (RMM, SCP)),
    Check("cancel: twice", _CANCEL, (Inventory(), prime(RMM), cancel(RMM), cancel(RMM, BAD)), (RMM,)),
    Check("cancel: pending stays", _CANCEL, (Inventory(), prime(RMM), cancel(RMM), prime(RMM), cancel(RMM)), (RMM,)),
    Check("cancel: during prime", f"{_CANCEL}: the agent lock",
          (Inventory(), Begin(prime(SCP, cpu=1, until_done=False)), cancel(SCP, BUSY), Ends(1), cancel(SCP)),
          (SCP,), CURRENT, cpus=2, slow=True),
    Check("cancel: partition at work", "TF-A spmd_logical_sp.c: partitions have no cancel hook", (
        Inventory(), prime(SP2), Begin(activate(SP2, cpu=1)), cancel(SP2), cancel(SP2, BAD), Ends(1)),
        (SP2,), V2_15, cpus=2, slow=True),
    Check("cancel: late, BL31", "tf-a-tests lfa: BL31 late cancel",
          (Inventory(), prime(BL31), Begin(activate(BL31, cpu=1)), cancel(BL31), Ends(1, FAILED)),
          (BL31,), CURRENT, cpus=2),
)  # fmt: skip

_ENTRY = "TF-A bl31_lfa.c: judged on each CPU after the pen"

RESTARTING = (
    Check("activate: BL31 after another PRIME", f"{_PRIME}: one reset flag, so no CPU restarts",
          (Inventory(), prime(BL31), prime(SP1), Together(activate(BL31, x1=0)), cancel(BL31)), (BL31, SP1), CURRENT),
    Check("activate: BL31", "tf-a-tests lfa: BL31 activation; TF-A bl31_lfa.c: no CPU returns",
          (Inventory(), prime(BL31), AllRestart(activate(BL31))), (BL31,), CURRENT, spoils=True),
    Check("activate: BL31, bad entry point of a CPU that waits", _ENTRY, (
        Inventory(), prime(BL31), Begin(activate(BL31, cpu=1, entry=0)), AllRestart(activate(BL31), but=(1,)),
        Ends(1, CRITICAL)), (BL31,), CURRENT, cpus=2, spoils=True),
    Check("activate: BL31, bad entry point of the CPU that leads", _ENTRY, (
        Inventory(), prime(BL31), AllRestart(activate(BL31), but=(0,), last=activate(BL31, CRITICAL, entry=0))),
        (BL31,), CURRENT, cpus=2, spoils=True),
    Check("cancel: CPU left in the pen of the RMM", f"{_PEN}: one pen, one status: it leaves with BL31's", (
        Inventory(), prime(RMM), Begin(activate(RMM, cpu=1)), cancel(RMM), prime(BL31),
        AllRestart(activate(BL31), but=(1,)), Ends(1)), (RMM, BL31), CURRENT, cpus=2, spoils=True),
)  # fmt: skip

_BEYOND = "reads beyond the table of components first: may abort in EL3, and the CPU is lost"
_WEDGES = "wedges the service until a reset: PRIME answers 0, ACTIVATE and CANCEL INVALID_PARAMETERS"

DANGEROUS = (
    *(Check(f"prime: id {where}", f"{_PRIME}: v2.14.0 tests pending first",
            (Inventory(), prime(where, STATE, cpu=SPARE)), profiles=("tfa-2.14",), cpus=2, dangerous=_BEYOND)
      for where in (END, MINUS_ONE)),
    *(Check(f"activate: id {where}", f"{_ACTIVATE}: releases test the state first",
            (Inventory(), prime(RMM), activate(where, OTHER, cpu=SPARE), cancel(RMM)),
            (RMM,), RELEASED, cpus=2, dangerous=_BEYOND)
      for where in (END, MINUS_ONE)),
    Check("cancel: during prime, no lock", f"{_CANCEL}: takes no lock in releases", (
        Inventory(), Call(Function.PRIME, SCP, x1=1), Begin(prime(SCP, cpu=1, until_done=False)), cancel(SCP), Ends(1),
        prime(SCP), activate(SCP, BAD, flags=SKIP), cancel(SCP, BAD)),
        (SCP,), RELEASED, cpus=2, slow=True, spoils=True, dangerous=_WEDGES),
)  # fmt: skip

CHECKS = DISCOVERY + PRIMING + ACTIVATION + CANCELLING + RESTARTING + DANGEROUS
"""All checks. Those that leave TF-A in a state that only a cold boot ends come after all others, the dangerous last."""
