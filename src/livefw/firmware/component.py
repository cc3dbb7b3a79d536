# SPDX-License-Identifier: Apache-2.0
"""The components an agent can activate: the callbacks TF-A keeps per component, and what an activation does to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType

from livefw.abi.guid import Guid
from livefw.abi.lfa import Status
from livefw.abi.version import ComponentVersion
from livefw.firmware.spec import AfterActivation, ComponentSpec, Kind, LfaPolicy


@dataclass(frozen=True, slots=True)
class Image:
    """A staged firmware image, as far as an activation can tell one from another."""

    version: ComponentVersion
    authentic: bool = True
    honours_token: bool = True
    """RMM: whether this image takes up the state behind the activation token."""
    after: AfterActivation | None = None


class LoadStatus(Enum):
    """What ``plat_lfa_load_auth_image`` can report, and the x0 that PRIME makes of it (TF-A lfa_main.c)."""

    OK = Status.SUCCESS
    AUTH = Status.AUTH_ERROR
    NO_MEMORY = Status.NO_MEMORY
    DEVICE = Status.DEVICE_ERROR


class FfaError(IntEnum):
    """FF-A error codes (Arm DEN0077, "Status codes") that the SPMC can answer to a live activation."""

    NOT_SUPPORTED = -1
    INVALID_PARAMETERS = -2
    NO_MEMORY = -3
    BUSY = -4
    INTERRUPTED = -5
    DENIED = -6
    RETRY = -7
    ABORTED = -8
    NO_DATA = -9


FFA_TO_LFA: Mapping[FfaError, Status] = MappingProxyType(
    {
        FfaError.NOT_SUPPORTED: Status.NOT_SUPPORTED,
        FfaError.INVALID_PARAMETERS: Status.INVALID_PARAMETERS,
        FfaError.NO_MEMORY: Status.NO_MEMORY,
        FfaError.BUSY: Status.BUSY,
        FfaError.INTERRUPTED: Status.BUSY,
        FfaError.DENIED: Status.COMPONENT_WRONG_STATE,
        FfaError.RETRY: Status.BUSY,
        FfaError.ABORTED: Status.CRITICAL_ERROR,
        FfaError.NO_DATA: Status.ACTIVATION_FAILED,
    }
)
"""TF-A spmd_logical_sp.c; what it does not name becomes ACTIVATION_FAILED, as NO_DATA here."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What a component has been told to do wrong, until told otherwise."""

    load: LoadStatus = LoadStatus.OK
    prime_code: int = 0
    """Status of the component's own PRIME callback, after a load that went well."""
    activate_code: int = 0
    """Status of its activation; RMM and BL31 have one code for every failure and answer that."""
    ffa_error: FfaError | None = None
    """Secure partition: what the SPMC answers to the activation."""
    refuse_notify: bool = False
    refuse_cancel: bool = False
    endless_prime: bool = False
    endless_activate: bool = False


class Component:
    """One component: its fixed properties, its callbacks, and what is true of it while it runs."""

    __slots__ = ("dead", "faults", "guid", "kind", "spec", "traits", "working")

    has_pen = False
    """CPUs that come without ``skip_cpu_rendezvous`` wait in the holding pen, and one does the work for all."""
    cancel_opens_pen = False
    resets_selection = False
    """An activation that ended, well or not, leaves nothing primed."""

    def __init__(self, spec: ComponentSpec) -> None:
        self.spec = spec
        self.guid = Guid.parse(spec.guid)
        self.kind = spec.kind
        self.traits = spec.traits
        self.faults = Faults()
        self.working = 0
        """CPUs that are busy with its activation right now."""
        self.dead = False
        """An activation ended in CRITICAL_ERROR: nothing but a system reset brings it back."""

    def boot(self, cpu: int) -> None:
        """CPU ``cpu`` came up with this component on it."""

    def prime(self) -> int:
        """The component's PRIME callback, called when its image is loaded: 0 or the status PRIME answers."""
        return self.faults.prime_code

    def obstacle(self, image: Image | None) -> int:
        """Status of an activation that ends before it does anything; 0 if there is nothing in the way."""
        if self.dead:
            return Status.CRITICAL_ERROR
        return Status.SUCCESS if image is not None else Status.DEVICE_ERROR

    def failure(self) -> int:
        """Status of an activation that was told to fail; 0 if it was not."""
        code = self.faults.activate_code
        self.dead = code == Status.CRITICAL_ERROR
        return code

    def apply(self, image: Image, *, inside: frozenset[int], online: frozenset[int]) -> None:
        """``image`` takes over: ``inside`` are the CPUs that took part, ``online`` all that are on."""

    def cancel(self) -> bool:
        """Whether the component lets go; it cannot while a CPU is busy with it."""
        return not self.working


class Bl31(Component):
    """The EL3 runtime firmware that replaces parts of itself (TF-A bl31_lfa.c, lfa_holding_pen.c)."""

    __slots__ = ()
    has_pen = True
    cancel_opens_pen = True

    def obstacle(self, image: Image | None) -> int:
        """A missing image is critical to TF-A, although nothing has been touched."""
        return Status.SUCCESS if image is not None else Status.CRITICAL_ERROR

    def failure(self) -> int:
        """Every failure, such as one to patch, is CRITICAL_ERROR; the old image still runs."""
        return Status.CRITICAL_ERROR if self.faults.activate_code else Status.SUCCESS


class SecurePartition(Component):
    """A secure partition, activated by the SPMC (TF-A spmd_logical_sp.c, FF-A v1.3 ALP2)."""

    __slots__ = ()

    def obstacle(self, image: Image | None) -> int:
        """The SPMC's and TF-A's checks before the START message."""
        if self.spec.vcpus != 1 or not self.spec.live_activation_support or self.traits.cpu_rendezvous == "required":
            return Status.NOT_SUPPORTED
        if self.dead:
            return FFA_TO_LFA[FfaError.ABORTED]
        if self.working:
            return FFA_TO_LFA[FfaError.BUSY]
        return Status.SUCCESS if image is not None else Status.DEVICE_ERROR

    def failure(self) -> int:
        """The SPMC's error, translated; once the FINISH message failed the old image is gone."""
        if self.faults.ffa_error is None:
            return Component.failure(self)
        code = FFA_TO_LFA[self.faults.ffa_error]
        self.dead = code is Status.CRITICAL_ERROR
        return code


@dataclass(frozen=True, slots=True)
class Realm:
    """A confidential guest of the RMM."""

    id: int
    lfa_policy: LfaPolicy


class Rmm(Component):
    """The Realm Management Monitor (TF-A rmmd_rmm_lfa.c; TF-RMM from v0.9.0).

    Each CPU carries an activation token from one RMM to the next: 0 on cold boot, then whatever the RMM answered when
    it booted on that CPU. It is how a new image finds the Realms. They are lost if it does not look at the token, or
    if a CPU that is on stays outside the activation and goes on with the old image's state.
    """

    __slots__ = ("_cold_boots", "_next_realm", "lost", "realms", "tokens")
    has_pen = True
    resets_selection = True

    def __init__(self, spec: ComponentSpec) -> None:
        super().__init__(spec)
        self.realms = tuple(Realm(number, policy) for number, policy in enumerate(spec.realms, start=1))
        self.lost: tuple[Realm, ...] = ()
        """Realms that did not survive an activation."""
        self.tokens: dict[int, int] = {}
        """Activation token by CPU."""
        self._next_realm = len(self.realms) + 1
        self._cold_boots = 1

    def create_realm(self, lfa_policy: LfaPolicy = LfaPolicy.ALLOW) -> Realm:
        """Start a Realm; ids are not used again."""
        realm = Realm(self._next_realm, lfa_policy)
        self._next_realm += 1
        self.realms += (realm,)
        return realm

    def boot(self, cpu: int) -> None:
        """Hand the CPU's token over and keep the answer; a CPU that was on before comes back with its own."""
        self.tokens.setdefault(cpu, self._cold_boots << 32 | cpu + 1)

    def obstacle(self, image: Image | None) -> int:
        """There is one code for every failure."""
        return Status.SUCCESS if image is not None else Status.ACTIVATION_FAILED

    def failure(self) -> int:
        """There is one code for every failure, and the old RMM runs on."""
        return Status.ACTIVATION_FAILED if self.faults.activate_code else Status.SUCCESS

    def apply(self, image: Image, *, inside: frozenset[int], online: frozenset[int]) -> None:
        """Boot the new image on each CPU with its token."""
        if not image.honours_token or not online <= inside:
            self.lost += self.realms
            self.realms = ()
            self._cold_boots += 1
            self.tokens.clear()
        for cpu in sorted(online):
            self.boot(cpu)


_CLASSES: Mapping[Kind, type[Component]] = MappingProxyType(
    {
        Kind.BL31: Bl31,
        Kind.RMM: Rmm,
        Kind.SP: SecurePartition,
        Kind.BL33: Component,
        Kind.CONTROLLER: Component,
    }
)


def build(spec: ComponentSpec) -> Component:
    """The component that a description stands for."""
    return _CLASSES[spec.kind](spec)
