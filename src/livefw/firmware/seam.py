# SPDX-License-Identifier: Apache-2.0
"""SEAM firmware of a modelled machine: the TDX module that runs, the TDs in it, and P-SEAMLDR, which replaces it.

Sources: public P-SEAMLDR source (handler of SEAMLDR.INSTALL, loader API definitions), Linux
``Documentation/arch/x86/tdx.rst``. The loader of a real machine may differ. How long calls take is not public; the
times here are invented.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from livefw.abi.tdx import Feature, Leaf, SeamAnswer, SeamldrInfo, SeamldrStatus, Svn, TdxStatus, TdxVersion
from livefw.abi.tdx_image import (
    MAX_CPUS,
    MAX_MODULE_PAGES,
    PAGE,
    RSA_BYTES,
    SIGSTRUCT_SIZE,
    Sigstruct,
    rsa_padding,
    signed_part,
)
from livefw.firmware.tdx_image import SIGNER, module_version

_US = 1_000
_WORK_NS = {
    Leaf.SEAMLDR_INFO: 20 * _US,
    Leaf.SEAMLDR_INSTALL: 100 * _US,
    Leaf.TDH_SYS_SHUTDOWN: 200 * _US,
    Leaf.TDH_SYS_INIT: 100 * _US,
    Leaf.TDH_SYS_LP_INIT: 20 * _US,
    Leaf.TDH_SYS_UPDATE: 500 * _US,
}

TDX_ERROR = 0xC000_0001_0000_0000
"""Stands for any error of a TDX module; its own codes are not needed for an update."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeamSpec:
    """What a machine has at boot."""

    module: TdxVersion
    svn: Svn
    seamldr: TdxVersion
    cpus: int
    """Logical CPUs present; P-SEAMLDR wants to see every one of them."""
    eax: frozenset[int]
    """CPUID.1:EAX of the CPU models, without stepping."""
    slots: int
    features: int = Feature.TD_PRESERVING
    room_pages: int = MAX_MODULE_PAGES
    """The capacity of the SEAM range."""
    handoff_version: int = 0
    signer: str = SIGNER
    """SHA-384 of the modulus of the one key whose modules are taken."""
    locked: bool = True
    """A platform in production takes no debug modules."""


class ModuleState(Enum):
    """Where the TDX module is."""

    RUNNING = 0
    SHUT_DOWN = 1
    INSTALLED = 2
    INITIALISED = 3
    GONE = 4
    """Its code was overwritten by something that cannot run."""


class TdState(StrEnum):
    """Where a TD is."""

    BUILDING = "building"
    RUNNING = "running"
    DEAD = "dead"


@dataclass(slots=True)
class Td:
    """A trust domain, and whether the record of what was measured into it is still right."""

    state: TdState = TdState.BUILDING
    measurement_right: bool = True


@dataclass(slots=True)
class _Fault:
    leaf: Leaf
    status: int
    times: int


class SeamFirmware:
    """The module and its loader."""

    def __init__(self, spec: SeamSpec) -> None:
        self.spec = spec
        self.module_version = spec.module
        self.svn = spec.svn
        self.slots = spec.slots
        self.state = ModuleState.RUNNING
        self.tds: dict[str, Td] = {}
        self._called: set[int] = set()
        """CPUs that have called INSTALL since the last round was finished."""
        self._lp_ready: set[int] = set()
        self._faults: list[_Fault] = []

    @property
    def features(self) -> int:
        """TDX_FEATURES0."""
        return self.spec.features

    def td(self, name: str) -> Td:
        """A TD as it is now: without a running module, a caller of it is killed. KeyError."""
        found = self.tds[name]
        return found if self.state is ModuleState.RUNNING else Td(TdState.DEAD, found.measurement_right)

    @property
    def td_being_built(self) -> bool:
        """Whether a TD is being built."""
        return any(td.state is TdState.BUILDING for td in self.tds.values())

    def add_td(self, name: str, *, finished: bool = True) -> None:
        """Create a TD; ``finished`` is whether its building has ended. RuntimeError if no module runs."""
        if self.state is not ModuleState.RUNNING:
            raise RuntimeError("no TDX module is running")
        self.tds[name] = Td(TdState.RUNNING if finished else TdState.BUILDING)

    def inject(self, leaf: Leaf, status: int, *, times: int = 1) -> None:
        """Let the next so many calls of ``leaf`` do nothing and answer ``status``."""
        self._faults.append(_Fault(leaf, status, times))

    def clear_faults(self) -> None:
        """Let every call do what it should."""
        self._faults.clear()

    def seamldr_info(self) -> SeamldrInfo:
        """What SEAMLDR.INFO writes."""
        return SeamldrInfo(self.spec.seamldr, self.slots)

    def lose(self) -> None:
        """Let an earlier update have failed: nothing is there that could be entered."""
        self.state = ModuleState.GONE

    def call(self, cpu: int, leaf: Leaf, image: tuple[bytes, bytes] | None = None) -> SeamAnswer:
        """A SEAMCALL of one CPU."""
        status = self._injected(leaf)
        if status is None:
            status = self._serve(cpu, leaf, image)
        return SeamAnswer(status, _WORK_NS[leaf])

    def _serve(self, cpu: int, leaf: Leaf, image: tuple[bytes, bytes] | None) -> int:
        match leaf:
            case Leaf.SEAMLDR_INFO:
                return SeamldrStatus.SUCCESS
            case Leaf.SEAMLDR_INSTALL:
                return self._install(cpu, *image) if image else SeamldrStatus.EBADPARAM
            case Leaf.TDH_SYS_SHUTDOWN:
                return self._advance(ModuleState.RUNNING, ModuleState.SHUT_DOWN)
            case Leaf.TDH_SYS_INIT:
                return self._advance(ModuleState.INSTALLED, ModuleState.INITIALISED)
            case Leaf.TDH_SYS_LP_INIT:
                self._lp_ready.add(cpu)
                return self._advance(ModuleState.INITIALISED, ModuleState.INITIALISED)
            case Leaf.TDH_SYS_UPDATE:
                if len(self._lp_ready) < self.spec.cpus:
                    return TDX_ERROR
                return self._take_over()

    def _injected(self, leaf: Leaf) -> int | None:
        for fault in self._faults:
            if fault.leaf is leaf and fault.times:
                fault.times -= 1
                return fault.status
        return None

    def _advance(self, wanted: ModuleState, then: ModuleState) -> int:
        if self.state is not wanted:
            return TdxStatus.VMFAILINVALID
        self.state = then
        return 0

    def _take_over(self) -> int:
        """Restore TDs. The record of one that is being built is not part of the handoff and goes wrong (class H)."""
        status = self._advance(ModuleState.INITIALISED, ModuleState.RUNNING)
        if status == 0:
            for td in self.tds.values():
                td.measurement_right = td.measurement_right and td.state is not TdState.BUILDING
        return status

    # P-SEAMLDR.

    def _install(self, cpu: int, sigstruct: bytes, module: bytes) -> int:
        """All calls of a round succeed; the last one of all present CPUs does the work, and has all that goes wrong."""
        if len(sigstruct) < SIGSTRUCT_SIZE or not 1 <= len(module) // PAGE <= MAX_MODULE_PAGES:
            return SeamldrStatus.EBADPARAM
        if cpu in self._called:
            return SeamldrStatus.EBADCALL
        self._called.add(cpu)
        if len(self._called) < self.spec.cpus:
            return SeamldrStatus.SUCCESS
        self._called.clear()
        structure = Sigstruct.decode(sigstruct)
        for check in _INSTALL_CHECKS:
            if status := check(self, structure, module):
                return status
        if structure.seamhash != hashlib.sha384(module).digest():
            self.state = ModuleState.GONE  # found out after the old code was overwritten
            return SeamldrStatus.EBADHASH
        self.slots -= 1
        self.module_version = module_version(module) or TdxVersion(0, 0, 0)
        self.svn = structure.svn
        self.state = ModuleState.INSTALLED
        self._lp_ready.clear()
        return SeamldrStatus.SUCCESS

    def check_order(self, _: Sigstruct, __: bytes) -> int:
        """Slots are left."""
        return 0 if self.slots > 0 else SeamldrStatus.EBADCALL

    def check_handoff(self, structure: Sigstruct, _: bytes) -> int:
        """The old module was shut down in order, and the new one reads what it has left."""
        known = structure.min_handoff_version <= self.spec.handoff_version <= structure.handoff_version
        return 0 if self.state is ModuleState.SHUT_DOWN and known else SeamldrStatus.EBADHANDOFF

    def check_svn_major(self, structure: Sigstruct, _: bytes) -> int:
        """The major security version stays what it is."""
        same = structure.svn_major and structure.svn_major == self.svn.major
        return 0 if same else SeamldrStatus.EUNSUPPORTED

    def check_room(self, _: Sigstruct, module: bytes) -> int:
        """It fits."""
        return 0 if len(module) <= self.spec.room_pages * PAGE else SeamldrStatus.ENOMEM

    def check_cpus(self, structure: Sigstruct, _: bytes) -> int:
        """It is for all CPUs of the platform; a table that cannot be is a matter of the signature check."""
        judged_later = not 1 <= structure.cpu_count <= MAX_CPUS
        covered = judged_later or self.spec.eax <= set(structure.cpus)
        return 0 if covered else SeamldrStatus.EUNSUPCPU

    def check_signature(self, structure: Sigstruct, _: bytes) -> int:
        """Signed by the right key, for production unless unlocked, and no older in security than what runs."""
        sound = (
            hashlib.sha384(structure.modulus).hexdigest() == self.spec.signer
            and _verifies(structure)
            and not (structure.debug and self.spec.locked)
            and (structure.cpu_count > 0 or structure.debug)
            and structure.cpu_count <= MAX_CPUS
            and structure.svn_minor >= self.svn.minor
        )
        return 0 if sound else SeamldrStatus.EBADSIG


_INSTALL_CHECKS: tuple[Callable[[SeamFirmware, Sigstruct, bytes], int], ...] = (
    SeamFirmware.check_order,
    SeamFirmware.check_handoff,
    SeamFirmware.check_svn_major,
    SeamFirmware.check_room,
    SeamFirmware.check_cpus,
    SeamFirmware.check_signature,
)
"""In the order of P-SEAMLDR's status codes, which is as near to its order of checks as is public."""


def _verifies(structure: Sigstruct) -> bool:
    modulus = int.from_bytes(structure.modulus, "little")
    signature = int.from_bytes(structure.signature, "little")
    digest = hashlib.sha384(signed_part(structure.encode())).digest()
    return modulus.bit_length() == RSA_BYTES * 8 and pow(signature, 0x10001, modulus) == rsa_padding(digest)
