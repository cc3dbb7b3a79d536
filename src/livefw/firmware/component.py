# SPDX-License-Identifier: Apache-2.0
"""The components an agent can activate: the callbacks TF-A keeps per component, and what an activation does to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType

from livefw.abi.guid import Guid
from livefw.abi.lfa import LfaStatus
from livefw.abi.version import ComponentVersion
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec, LfaPolicy


@dataclass(frozen=True, slots=True)
class StagedImage:
    """A staged firmware image, as far as an activation can tell one from another."""

    version: ComponentVersion
    authentic: bool = True
    takes_over: bool = True
    """RMM: whether this image can take over the state behind the activation token; one that cannot refuses to boot."""
    after: AfterActivation | None = None


class LoadStatus(Enum):
    """What ``plat_lfa_load_auth_image`` can report, and the x0 that PRIME makes of it (TF-A lfa_main.c)."""

    OK = LfaStatus.SUCCESS
    AUTH = LfaStatus.AUTH_ERROR
    NO_MEMORY = LfaStatus.NO_MEMORY
    DEVICE = LfaStatus.DEVICE_ERROR


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


FFA_TO_LFA: Mapping[FfaError, LfaStatus] = MappingProxyType(
    {
        FfaError.NOT_SUPPORTED: LfaStatus.NOT_SUPPORTED,
        FfaError.INVALID_PARAMETERS: LfaStatus.INVALID_PARAMETERS,
        FfaError.NO_MEMORY: LfaStatus.NO_MEMORY,
        FfaError.BUSY: LfaStatus.BUSY,
        FfaError.INTERRUPTED: LfaStatus.BUSY,
        FfaError.DENIED: LfaStatus.COMPONENT_WRONG_STATE,
        FfaError.RETRY: LfaStatus.BUSY,
        FfaError.ABORTED: LfaStatus.CRITICAL_ERROR,
        FfaError.NO_DATA: LfaStatus.ACTIVATION_FAILED,
    }
)
"""TF-A spmd_logical_sp.c; what it does not name becomes ACTIVATION_FAILED, as NO_DATA here."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a component, until they are changed."""

    load: LoadStatus = LoadStatus.OK
    prime_code: int = 0
    """Status of the component's own PRIME callback, after a load that went well."""
    activate_code: int = 0
    """Status of its activation. BL31 has one code for every failure. An RMM is not set up then, and the profile has
    the code."""
    refuses: bool = False
    """RMM: the new image refuses to boot on the CPU that leads the activation."""
    ffa_error: FfaError | None = None
    """Secure partition: what the SPMC answers to the activation."""
    refuse_notify: bool = False
    refuse_cancel: bool = False
    secondary_refuses: bool = False
    """RMM: the new image boots on the CPU that leads the activation and refuses on the next; ACTIVATE says SUCCESS."""
    endless_prime: bool = False
    endless_activate: bool = False


class FirmwareComponent:
    """One component: its fixed properties, its callbacks, and what is true of it while it runs."""

    __slots__ = ("dead", "faults", "guid", "kind", "spec", "traits", "workers")

    has_pen = False
    """CPUs that come without ``skip_cpu_rendezvous`` wait in the holding pen, and one does the work for all."""
    opens_pen_first = False
    """The leader lets the others out as soon as it has an image, before that takes over."""
    cancel_opens_pen = False
    wipes_activation = False
    """An activation that ended, well or not, leaves nothing primed."""

    def __init__(self, spec: ComponentSpec) -> None:
        self.spec = spec
        self.guid = Guid.parse(spec.guid)
        self.kind = spec.kind
        self.traits = spec.traits
        self.faults = Faults()
        self.workers: set[int] = set()
        """CPUs that are busy with its activation right now."""
        self.dead = False
        """An activation destroyed it: nothing but a cold boot brings it back."""

    def boot(self, cpu: int) -> None:
        """CPU ``cpu`` came up with this component on it."""

    def prime(self) -> int:
        """The component's PRIME callback, called when its image is loaded: 0 or the status PRIME answers."""
        return self.faults.prime_code

    def obstacle(self, image: StagedImage | None, peers: Iterable["FirmwareComponent"]) -> int:  # noqa: ARG002 - a partition asks
        """Status of an activation that ends before it does anything; 0 if there is nothing in the way.

        ``peers`` are all components of the machine.
        """
        if self.dead:
            return LfaStatus.CRITICAL_ERROR
        return LfaStatus.SUCCESS if image is not None else LfaStatus.DEVICE_ERROR

    def crashes(self, image: StagedImage) -> bool:  # noqa: ARG002 - an RMM asks what boots
        """Whether the CPU that does the work is lost in it."""
        return False

    def failure(self, image: StagedImage, cpu: int) -> int:  # noqa: ARG002 - an RMM asks what boots, and where
        """Status of an activation whose work on ``cpu`` does not come off; 0 if it does."""
        return self._failed(self.faults.activate_code)

    def _failed(self, code: int) -> int:
        """``code``, unless it is dead: it may have died on another CPU while this one worked."""
        self.dead = self.dead or code == LfaStatus.CRITICAL_ERROR
        return LfaStatus.CRITICAL_ERROR if self.dead else code

    def apply(self, image: StagedImage, *, leader: int, inside: frozenset[int], online: frozenset[int]) -> int:  # noqa: ARG002
        """``image`` takes over; ``leader`` did the work, ``inside`` took part, ``online`` are all CPUs that are on.

        Status of the leader: other CPUs may already have returned success. The image does not run
        afterwards if the component is dead then.
        """
        return LfaStatus.SUCCESS

    def cancel(self) -> bool:
        """Whether the component lets go; it cannot while a CPU is busy with it. TF-A's own have nothing to say here."""
        return not self.workers


class Bl31(FirmwareComponent):
    """The EL3 runtime firmware that replaces parts of itself (TF-A bl31_lfa.c, lfa_holding_pen.c)."""

    __slots__ = ()
    has_pen = True
    opens_pen_first = True
    cancel_opens_pen = True

    def obstacle(self, image: StagedImage | None, peers: Iterable[FirmwareComponent]) -> int:  # noqa: ARG002 - see above
        """A missing image is critical to TF-A, although nothing has been touched."""
        return LfaStatus.SUCCESS if image is not None else LfaStatus.CRITICAL_ERROR

    def failure(self, image: StagedImage, cpu: int) -> int:  # noqa: ARG002 - see above
        """What can fail before the pen opens is its image."""
        return LfaStatus.SUCCESS

    def apply(self, image: StagedImage, *, leader: int, inside: frozenset[int], online: frozenset[int]) -> int:  # noqa: ARG002
        """A failure to patch is CRITICAL_ERROR on the CPU that leads; the others have left the pen and restart."""
        return LfaStatus.CRITICAL_ERROR if self.faults.activate_code else LfaStatus.SUCCESS

    def cancel(self) -> bool:
        """TF-A's hook opens the pen and is content."""
        return True


class SecurePartition(FirmwareComponent):
    """A secure partition, activated by the SPMC (TF-A spmd_logical_sp.c, FF-A v1.3 ALP2)."""

    __slots__ = ()

    def obstacle(self, image: StagedImage | None, peers: Iterable[FirmwareComponent]) -> int:
        """TF-A's checks before the START message, then the SPMC's, which activates one partition at a time."""
        if self.spec.vcpus != 1 or not self.spec.live_activation_support or self.traits.cpu_rendezvous == "required":
            return LfaStatus.NOT_SUPPORTED
        if self.dead:
            return FFA_TO_LFA[FfaError.ABORTED]
        if image is None:
            return LfaStatus.DEVICE_ERROR
        if self.workers:
            return FFA_TO_LFA[FfaError.DENIED]
        others = any(peer.workers for peer in peers if peer.kind is ComponentKind.SP)
        return FFA_TO_LFA[FfaError.BUSY] if others else LfaStatus.SUCCESS

    def cancel(self) -> bool:
        """TF-A has no hook here, so an activation is wiped while the SPMC is at it."""
        return True

    def failure(self, image: StagedImage, cpu: int) -> int:
        """The SPMC's error, translated; once the FINISH message failed the old image is gone."""
        if self.faults.ffa_error is None:
            return FirmwareComponent.failure(self, image, cpu)
        return self._failed(FFA_TO_LFA[self.faults.ffa_error])


@dataclass(frozen=True, slots=True)
class Realm:
    """A confidential guest of the RMM."""

    id: int
    lfa_policy: LfaPolicy


class RmmFailure(IntEnum):
    """Why an RMM does not take over, in codes that no status has: what ACTIVATE answers is a matter of the profile."""

    SET_UP = 1
    """TF-A does not get as far as to enter it: ``rmmd_setup`` fails, by its image or manifest."""
    REFUSED = 2
    """It was entered on the leading CPU, and says that it cannot boot."""


class RmmDeadError(RuntimeError):
    """The RMM is dead: every RMI call answers SMC_UNK, until a cold boot."""

    def __init__(self) -> None:
        super().__init__("the RMM is dead until a cold boot: RMI calls answer SMC_UNK")


class Rmm(FirmwareComponent):
    """The Realm Management Monitor (TF-A rmmd_rmm_lfa.c and rmmd_main.c; TF-RMM from v0.9.0).

    Each CPU carries an activation token from one RMM to the next: 0 on cold boot, then whatever the RMM answered when
    it booted on that CPU. It is how a new image finds the Realms.

    The first RMM that refuses to boot, on whichever CPU, sets TF-A's ``rmm_boot_failed``, which nothing clears: the RMM
    is dead until a cold boot, and every Realm with it. A later image is entered on the CPU that leads its activation,
    and on no other; TF-A calls that a success, and RMI calls answer SMC_UNK as before.

    No document says what a CPU does that is on and stays outside an activation: here it continues with the old image's
    state beside the new image. The reading that a client must fear most: the Realms are lost.
    """

    __slots__ = ("_cold_boots", "_entered", "_image", "_next_realm", "lost", "realms", "tokens")
    has_pen = True
    wipes_activation = True

    def __init__(self, spec: ComponentSpec) -> None:
        super().__init__(spec)
        self.realms = tuple(Realm(number, policy) for number, policy in enumerate(spec.realms, start=1))
        self.lost: tuple[Realm, ...] = ()
        """Realms that did not survive an activation."""
        self.tokens: dict[int, int] = {}
        """Activation token by CPU; 0 where the last RMM that was entered refused to boot."""
        self._next_realm = len(self.realms) + 1
        self._cold_boots = 1
        self._image: StagedImage | None = None
        self._entered: frozenset[int] = frozenset()
        """CPUs that took part in the activation of this image. Two can lead, one after the other."""

    def create_realm(self, lfa_policy: LfaPolicy = LfaPolicy.ALLOW) -> Realm:
        """Start a Realm; ids are not used again. RmmDeadError if the RMM is dead."""
        if self.dead:
            raise RmmDeadError
        realm = Realm(self._next_realm, lfa_policy)
        self._next_realm += 1
        self.realms += (realm,)
        return realm

    def boot(self, cpu: int) -> None:
        """Enter the RMM on a CPU that came up; TF-A leaves that out once an RMM has refused."""
        if not self.dead:
            self._enter(cpu)

    def obstacle(self, image: StagedImage | None, peers: Iterable[FirmwareComponent]) -> int:  # noqa: ARG002 - see above
        """TF-A's flag is set for one to find an image, too."""
        if image is not None:
            return LfaStatus.SUCCESS
        self._die()
        return RmmFailure.SET_UP

    def crashes(self, image: StagedImage) -> bool:
        """An image that has cleared its cold-boot flag takes the version of the interface for a token."""
        if not (self.spec.one_bank and image is self._image):
            return False
        self._die()
        return True

    def failure(self, image: StagedImage, cpu: int) -> int:
        """Whether the image is not set up, or refuses to boot on the leader.

        An image that cannot take over refuses where there is something to take over, which the token says.
        """
        if self.faults.activate_code:
            self._die()
            return RmmFailure.SET_UP
        if self.faults.refuses or (not image.takes_over and self.tokens.get(cpu)):
            self._refuse(cpu)
            return RmmFailure.REFUSED
        return LfaStatus.SUCCESS

    def cancel(self) -> bool:
        """TF-A has no hook here: the activation is wiped, and CPUs in the pen stay there."""
        return True

    def apply(self, image: StagedImage, *, leader: int, inside: frozenset[int], online: frozenset[int]) -> int:
        """Boot the new image with each CPU's token, on the leader first."""
        self._enter(leader)
        others = inside - {leader}
        if others and self.faults.secondary_refuses and not self.dead:
            self._refuse(min(others))
        if self.dead:
            return LfaStatus.SUCCESS
        self._entered = inside | (self._entered if image is self._image else frozenset())
        self._image = image
        if not online <= self._entered:
            self._lose_realms()
            self._cold_boots += 1
            self.tokens.clear()
        for cpu in sorted(online):
            self.boot(cpu)
        return LfaStatus.SUCCESS

    def _enter(self, cpu: int) -> None:
        """Hand the CPU's token over and keep the answer; a CPU that was on before comes back with its own."""
        self.tokens[cpu] = self.tokens.get(cpu) or self._cold_boots << 32 | cpu + 1

    def _refuse(self, cpu: int) -> None:
        self.tokens[cpu] = 0
        self._die()

    def _die(self) -> None:
        self.dead = True
        self._lose_realms()

    def _lose_realms(self) -> None:
        self.lost += self.realms
        self.realms = ()


_CLASSES: Mapping[ComponentKind, type[FirmwareComponent]] = MappingProxyType(
    {
        ComponentKind.BL31: Bl31,
        ComponentKind.RMM: Rmm,
        ComponentKind.SP: SecurePartition,
        ComponentKind.BL33: FirmwareComponent,
        ComponentKind.CONTROLLER: FirmwareComponent,
    }
)


def build(spec: ComponentSpec) -> FirmwareComponent:
    """The component that a description stands for."""
    return _CLASSES[spec.kind](spec)
