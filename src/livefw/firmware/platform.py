# SPDX-License-Identifier: Apache-2.0
"""What the agent needs from its platform (TF-A's ``plat_lfa_*`` hooks), and a platform that lives in memory."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from livefw.abi.guid import Guid
from livefw.abi.version import ComponentVersion
from livefw.firmware.component import Faults, FirmwareComponent, LoadStatus, StagedImage, build
from livefw.firmware.spec import AfterActivation, ComponentSpec

FVP_SECURE = (range(0x0800_0000),)
"""Trusted ROM, SRAM and DRAM of Arm's FVP Base: no non-secure entry point lies there."""

_PHYSICAL_BITS = 52


class Load(NamedTuple):
    """One bounded step of loading and authenticating: its outcome, if there is more to do, and how long it takes."""

    status: LoadStatus = LoadStatus.OK
    again: bool = False
    work_ns: int = 0


class Platform(Protocol):
    """The seam between agent and hardware, after TF-A's porting guide. No method blocks: durations are figures."""

    def components(self) -> Sequence[FirmwareComponent]:
        """All components; the index is the sequence id. Read at boot and after each successful activation."""

    def is_activation_pending(self, component: FirmwareComponent) -> bool:
        """Whether an image is staged for it now."""

    def image_info(self, component: FirmwareComponent) -> tuple[int, int]:
        """Version words of the running and of the staged image; 0 where not known."""

    def load_auth_image(self, component: FirmwareComponent) -> Load:
        """Do one step of loading the staged image."""

    def loaded(self, component: FirmwareComponent) -> StagedImage | None:
        """The image that was loaded and authenticated and waits for activation."""

    def notify_activate(self, component: FirmwareComponent) -> bool:
        """An activation is about to start; False refuses it."""

    def commit(self, component: FirmwareComponent, image: StagedImage) -> None:
        """``image`` runs now. Called by each CPU that did the work: only the first for a loaded image counts."""

    def cancel(self, component: FirmwareComponent) -> bool:
        """Drop what was loaded; False refuses."""

    def is_entry_point(self, address: int) -> bool:
        """Whether a CPU may restart there in the non-secure world."""


MAX_COMMITS = 1000
"""Commits kept. Firmware whose image is pending for ever, as on Arm's FVP, can be activated without end."""


class Commit(NamedTuple):
    """An image that really began to run. ``sequence`` counts from 0 on and stays its own."""

    sequence: int
    guid: Guid
    version: ComponentVersion


class _Store:
    """What is kept for one component between two calls."""

    __slots__ = ("current", "keeps_staged", "loaded", "loading", "staged", "steps")

    def __init__(self, spec: ComponentSpec) -> None:
        self.current = ComponentVersion.parse(spec.current_version)
        self.keeps_staged = spec.pending_never_clears
        self.staged: StagedImage | None = None
        if spec.pending_version is not None or spec.pending_never_clears:
            self.staged = StagedImage(
                ComponentVersion.parse(spec.pending_version or "0.0"),
                takes_over=spec.pending_takes_over,
                after=spec.after_activation,
            )
        self.loading: StagedImage | None = None
        self.loaded: StagedImage | None = None
        self.steps = 0


class MemoryPlatform:
    """A platform whose image store is memory: the model's own, and the double for tests."""

    def __init__(self, specs: Iterable[ComponentSpec], *, secure: Sequence[range] = FVP_SECURE) -> None:
        self._secure = tuple(secure)
        self._stores: dict[FirmwareComponent, _Store] = {}
        self._components: tuple[FirmwareComponent, ...] = ()
        self._commits: deque[Commit] = deque(maxlen=MAX_COMMITS)
        self.next_commit = 0
        """Sequence of the commit to come."""
        for spec in specs:
            self._add(spec)

    def find(self, guid: Guid) -> FirmwareComponent:
        """The first component with this GUID; KeyError if there is none."""
        for component in self._components:
            if component.guid == guid:
                return component
        raise KeyError(str(guid))

    def stage(
        self,
        guid: Guid,
        version: ComponentVersion,
        *,
        authentic: bool = True,
        takes_over: bool = True,
        after: AfterActivation | None = None,
    ) -> None:
        """Put a new image into the store, in place of one that waits there; KeyError if there is no such component."""
        version.encode()
        image = StagedImage(version, authentic=authentic, takes_over=takes_over, after=after)
        self._stores[self.find(guid)].staged = image

    def withdraw(self, guid: Guid) -> None:
        """Take the staged image away; KeyError if there is no such component."""
        self._stores[self.find(guid)].staged = None

    def set_faults(self, guid: Guid, faults: Faults) -> None:
        """Tell a component what to do wrong from now on; KeyError if there is no such component."""
        self.find(guid).faults = faults

    def version(self, guid: Guid) -> ComponentVersion:
        """Version of the running image; KeyError if there is no such component."""
        return self._stores[self.find(guid)].current

    def commits(self, since: int = 0) -> tuple[Commit, ...]:
        """What really took over, oldest first, from the sequence ``since`` on; of more than `MAX_COMMITS` the last.

        The truth that an outcome is measured against: no status, flag or log line says it. What a dead component
        was activated to is not among them.
        """
        return tuple(commit for commit in self._commits if commit.sequence >= since)

    def components(self) -> Sequence[FirmwareComponent]:
        """See `Platform`."""
        return self._components

    def is_activation_pending(self, component: FirmwareComponent) -> bool:
        """See `Platform`."""
        return self._stores[component].staged is not None

    def image_info(self, component: FirmwareComponent) -> tuple[int, int]:
        """See `Platform`."""
        store = self._stores[component]
        return store.current.encode(), store.staged.version.encode() if store.staged else 0

    def load_auth_image(self, component: FirmwareComponent) -> Load:
        """See `Platform`. An image staged in the middle of a load starts it afresh."""
        store, traits, faults = self._stores[component], component.traits, component.faults
        if store.staged is None:
            return Load(LoadStatus.DEVICE)
        if store.staged is not store.loading:
            store.loading, store.steps = store.staged, 0
        store.loaded = None
        if faults.load is not LoadStatus.OK:
            store.loading = None
            return Load(faults.load, work_ns=traits.prime_ns)
        store.steps = min(store.steps + 1, traits.prime_steps)
        if faults.endless_prime or store.steps < traits.prime_steps:
            return Load(again=True, work_ns=traits.prime_ns)
        image, store.loading = store.loading, None
        if not image.authentic:
            return Load(LoadStatus.AUTH, work_ns=traits.prime_ns)
        store.loaded = image
        return Load(work_ns=traits.prime_ns)

    def loaded(self, component: FirmwareComponent) -> StagedImage | None:
        """See `Platform`."""
        return self._stores[component].loaded

    def notify_activate(self, component: FirmwareComponent) -> bool:
        """See `Platform`."""
        return not component.faults.refuse_notify

    def commit(self, component: FirmwareComponent, image: StagedImage) -> None:
        """See `Platform`."""
        store = self._stores[component]
        if store.loaded is not image:
            return
        store.current = image.version
        self._note_commit(component, image)
        if not store.keeps_staged:
            store.loaded = None
            if store.staged is image:
                store.staged = None
        if image.after is not None:
            self._change_inventory(image.after)

    def cancel(self, component: FirmwareComponent) -> bool:
        """See `Platform`."""
        if component.faults.refuse_cancel:
            return False
        store = self._stores[component]
        store.loading = None
        if not component.workers:  # what is being put in place runs, whatever the agent has forgotten
            store.loaded = None
        return True

    def is_entry_point(self, address: int) -> bool:
        """See `Platform`: not 0, aligned, within the physical address space, and not in secure memory."""
        if not address or address % 4 or address >> _PHYSICAL_BITS:
            return False
        return not any(address in part for part in self._secure)

    def _note_commit(self, component: FirmwareComponent, image: StagedImage) -> None:
        self._commits.append(Commit(self.next_commit, component.guid, image.version))
        self.next_commit += 1

    def _add(self, spec: ComponentSpec) -> None:
        component = build(spec)
        self._stores[component] = _Store(spec)
        self._components += (component,)

    def _change_inventory(self, change: AfterActivation) -> None:
        gone = {Guid.parse(text) for text in change.vanishes}
        self._components = tuple(component for component in self._components if component.guid not in gone)
        present = {component.guid for component in self._components}
        for spec in change.appears:
            if Guid.parse(spec.guid) not in present:
                self._add(spec)
        place = {Guid.parse(text): index for index, text in enumerate(change.order)}
        self._components = tuple(sorted(self._components, key=lambda each: place.get(each.guid, len(place))))
