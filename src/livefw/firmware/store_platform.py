# SPDX-License-Identifier: Apache-2.0
"""A platform whose images are real: a store of two banks, certificates, counters, a measurement log.

Components whose GUID the booted bank holds live here; all others stay with the in-memory platform. What is pending is
what the store says, against what runs: staging by another process shows at the next look.
"""

import os
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from livefw import libraries
from livefw.abi.guid import Guid
from livefw.abi.version import ComponentVersion
from livefw.errors import UsageError
from livefw.firmware.component import FirmwareComponent, LoadStatus, StagedImage
from livefw.firmware.image import fip, note, trust, verify
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.errors import ImageError, StoreError, TrustError, Violation
from livefw.firmware.image.measure import EventLog
from livefw.firmware.image.metadata import BankState, Metadata
from livefw.firmware.image.names import label
from livefw.firmware.image.store import Content, Store
from livefw.firmware.image.verify import TrustAnchor, Verified
from livefw.firmware.platform import Load, MemoryPlatform
from livefw.firmware.spec import AfterActivation, ComponentSpec

STEP = 4 << 20
"""Bytes that one call of LFA_PRIME reads and verifies before it asks to be called again."""

NS_PER_BYTE = 2
"""What reading and hashing costs in the model: 0.5 GB/s, a flash-backed store."""

DEFAULT_MEMORY = 16 << 20
"""Bytes that a component has for its new image (TF-A's FVP gives BL31 that much)."""

_Work = Generator[int, None, Verified]


class _Staged(NamedTuple):
    """An image that is to run: ``state`` is the metadata that said so, which changes with every staging."""

    bank: int
    state: Metadata
    content: Content


class _Loaded(NamedTuple):
    staged: _Staged
    image: StagedImage
    verified: Verified


def open_platform(specs: Iterable[ComponentSpec], directory: str, *, auto_accept: bool = True) -> "StorePlatform":
    """The platform of a store in a folder that has its own trust file.

    Raises:
        ImageError: as `StorePlatform`, and StoreError with STORE_IO if there is no such store.
        TrustFileError: the trust file is malformed.
        NotInstalled: the optional package ``cryptography`` is not there.
    """
    libraries.load("cryptography")
    try:
        anchor = trust.read(os.path.join(directory, trust.NAME))
    except OSError as error:
        raise StoreError(Violation.STORE_IO, subject=directory, found=f"{trust.NAME}: {error.strerror}") from error
    return StorePlatform(specs, Store(Folder(directory)), anchor, auto_accept=auto_accept)


class StorePlatform(MemoryPlatform):
    """A platform that primes from a store.

    Args:
        specs: the components of the machine; what they say of versions and PRIME counts only for those in memory.
        store: the store; its bank is booted here, which counts a trial and may fall back to the other bank.
        anchor: the chain of trust and the hashes of its root keys.
        memory: bytes that a component has for its image, where not `DEFAULT_MEMORY`.
        auto_accept: accept a bank as soon as one of its images was activated; without it `accept` or `roll_back` has
            to be called, and nothing can be staged until then.

    Raises:
        ImageError: no bank boots, or the accepted one is not authentic.
    """

    def __init__(
        self,
        specs: Iterable[ComponentSpec],
        store: Store,
        anchor: TrustAnchor,
        *,
        memory: Mapping[Guid, int] | None = None,
        auto_accept: bool = True,
    ) -> None:
        self.store = store
        self.log = EventLog()
        """What was loaded since power-on: the boot bank's images, then each image that was primed."""
        self.errors: dict[Guid, ImageError | OSError] = {}
        """Why a component's last load or commit failed, in full; LFA has one of three codes for it, or none."""
        self._anchor = anchor
        self._memory = dict(memory or {})
        self._auto_accept = auto_accept
        self._running: dict[Guid, Content] = {}
        self._work: dict[Guid, tuple[_Staged, _Work]] = {}
        self._loaded: dict[Guid, _Loaded] = {}
        self._boot()
        super().__init__(specs)

    def running(self, guid: Guid) -> Content:
        """The image that runs; KeyError if the store does not hold this component."""
        return self._running[guid]

    def version(self, guid: Guid) -> ComponentVersion:
        """Version of the running image; KeyError if there is no such component."""
        return self._running[guid].version if guid in self._running else super().version(guid)

    def stage(
        self,
        guid: Guid,
        version: ComponentVersion,
        *,
        authentic: bool = True,
        takes_over: bool = True,
        after: AfterActivation | None = None,
    ) -> None:
        """As `MemoryPlatform`, for components outside the store; UsageError for others, which come as packages."""
        if guid in self._running:
            raise UsageError(f"{label(guid)} is in a store, which takes packages", hint="livefw machine stage FILE")
        super().stage(guid, version, authentic=authentic, takes_over=takes_over, after=after)

    def withdraw(self, guid: Guid) -> None:
        """Take the staged image away; for a component of the store, the whole staged package."""
        if guid in self._running:
            self.store.discard()
        else:
            super().withdraw(guid)

    def holds(self, guid: Guid) -> bool:
        """Whether the store has this component."""
        return guid in self._running

    def check(self, package: BinaryIO) -> Verified:
        """What the certificates of a package vouch for, by the rules of PRIME; `ImageError` if it would be refused."""
        return verify.verify(package, self._anchor, self.store.non_volatile().counters)

    def accept(self) -> None:
        """Accept the active bank and raise the counters; ImageError if it is no longer authentic."""
        with self.store.open_bank(self.store.metadata().active) as file:
            verified = verify.verify(file, self._anchor, self.store.non_volatile().counters)
        self.store.accept(verified.counters)

    def roll_back(self) -> None:
        """Give up the bank on trial; what runs of it becomes pending in the version before."""
        self.store.roll_back()

    # -- Platform

    def is_activation_pending(self, component: FirmwareComponent) -> bool:
        """See `Platform`: the image that is to run is another than the one that runs."""
        if component.guid not in self._running:
            return super().is_activation_pending(component)
        return self._pending(component.guid) is not None

    def image_info(self, component: FirmwareComponent) -> tuple[int, int]:
        """See `Platform`. The staged version is the image's own word until it is primed."""
        if component.guid not in self._running:
            return super().image_info(component)
        staged = self._pending(component.guid)
        version = staged.content.version if staged else note.UNKNOWN
        return self._running[component.guid].version.encode(), version.encode()

    def load_auth_image(self, component: FirmwareComponent) -> Load:
        """See `Platform`: verify the whole bank, because it boots next; an image staged meanwhile starts afresh."""
        guid = component.guid
        if guid not in self._running:
            return super().load_auth_image(component)
        self._loaded.pop(guid, None)
        faults, traits = component.faults, component.traits
        if faults.load is not LoadStatus.OK:
            self._drop(guid)
            return Load(faults.load, work_ns=traits.prime_ns)
        try:
            done, verified = self._step(guid)
        except (ImageError, OSError) as error:
            self._drop(guid)
            self.errors[guid] = error
            status = LoadStatus(error.status) if isinstance(error, ImageError) else LoadStatus.DEVICE
            return Load(status, work_ns=traits.prime_ns)
        if verified is None or faults.endless_prime:
            return Load(again=True, work_ns=done * NS_PER_BYTE)
        staged, _ = self._work.pop(guid)
        self._finish(component, staged, verified)
        return Load(work_ns=done * NS_PER_BYTE)

    def loaded(self, component: FirmwareComponent) -> StagedImage | None:
        """See `Platform`."""
        if component.guid not in self._running:
            return super().loaded(component)
        found = self._loaded.get(component.guid)
        return found.image if found else None

    def commit(self, component: FirmwareComponent, image: StagedImage) -> None:
        """See `Platform`: the image runs, and the bank it came from boots from now on.

        If the store cannot be written, or was staged anew since PRIME, the image runs all the same and the old bank
        boots; `errors` has the reason, and what is staged then stays pending.
        """
        super().commit(component, image)
        found = self._loaded.get(component.guid)
        if found is None or found.image is not image:
            return
        del self._loaded[component.guid]
        self._running[component.guid] = replace(found.staged.content, version=image.version)
        self._note_commit(component, image)
        try:
            self.store.activated(found.staged.bank, found.staged.state)
            if self._auto_accept:
                self.store.accept(found.verified.counters)
        except (ImageError, OSError) as error:
            self.errors[component.guid] = error
        if image.after is not None:
            self._change_inventory(image.after)

    def cancel(self, component: FirmwareComponent) -> bool:
        """See `Platform`."""
        if not super().cancel(component):
            return False
        self._drop(component.guid)
        if not component.workers:  # what is being put in place runs, whatever the agent has forgotten
            self._loaded.pop(component.guid, None)
        return True

    # -- inside

    def _boot(self) -> None:
        """Boot as often as it takes: a bank on trial that is not authentic ends each time in a reset."""
        while True:
            bank = self.store.boot()
            try:
                self._boot_from(bank)
            except ImageError:
                if not self.store.metadata().trial:
                    raise
            else:
                return

    def _boot_from(self, bank: int) -> None:
        contents = self.store.contents(bank)
        with self.store.open_bank(bank) as file:
            verified = verify.verify(file, self._anchor, self.store.non_volatile().counters, measure=self.log.kinds)
        if self.store.metadata().states[bank] is BankState.ACCEPTED:
            # Also makes up for a power cut between the acceptance and the counters.
            self.store.advance(verified.counters)
        for guid, image in verified.images.items():
            version = note.read(image.tail)
            self.log.measure(_name(guid, version), image.measured)
            if guid in contents:
                self._running[guid] = replace(contents[guid], version=version)

    def _staged(self, guid: Guid) -> _Staged | None:
        """The image that is to run next, unless it runs."""
        state = self.store.metadata()
        image = state.image(guid, state.candidate)
        if image is None or image == self._running[guid].image:
            return None
        content = self.store.contents(state.candidate).get(guid)
        # Another process may have staged between the two looks; the next one sees it whole.
        return _Staged(state.candidate, state, content) if content and content.image == image else None

    def _pending(self, guid: Guid) -> _Staged | None:
        """As `_staged`; a store that cannot be read has nothing pending."""
        try:
            return self._staged(guid)
        except (ImageError, OSError) as error:
            self.errors[guid] = error
            return None

    def _step(self, guid: Guid) -> tuple[int, Verified | None]:
        """Verify up to `STEP` bytes; returns how many, and the result when all is done."""
        staged = self._staged(guid)
        if staged is None:
            raise StoreError(Violation.STORE_STATE, subject=label(guid), found="nothing staged")
        if guid not in self._work or self._work[guid][0] != staged:
            self._drop(guid)
            limit = self._memory.get(guid, DEFAULT_MEMORY)
            if staged.content.size > limit:
                raise StoreError(
                    Violation.IMAGE_TOO_LARGE, subject=label(guid), found=staged.content.size, expected=limit
                )
            self._work[guid] = staged, self._verification(staged, guid)
        done = 0
        work = self._work[guid][1]
        while done < STEP:
            try:
                done += next(work)
            except StopIteration as result:
                return done, result.value
        return done, None

    def _verification(self, staged: _Staged, guid: Guid) -> _Work:
        with self.store.open_bank(staged.bank) as file:
            counters = self.store.non_volatile().counters
            verified = yield from verify.steps(file, fip.read(file), self._anchor, counters, measure=self.log.kinds)
        if guid not in verified.images:
            raise TrustError(Violation.IMAGE_NOT_COVERED, subject=label(guid))
        return verified

    def _finish(self, component: FirmwareComponent, staged: _Staged, verified: Verified) -> None:
        image = verified.images[component.guid]
        version = note.read(image.tail)
        self.errors.pop(component.guid, None)
        self.log.measure(_name(component.guid, version), image.measured)
        spec = component.spec
        loaded = StagedImage(version, takes_over=spec.pending_takes_over, after=spec.after_activation)
        self._loaded[component.guid] = _Loaded(staged, loaded, verified)

    def _drop(self, guid: Guid) -> None:
        staged_and_work = self._work.pop(guid, None)
        if staged_and_work:
            staged_and_work[1].close()


def _name(guid: Guid, version: ComponentVersion) -> str:
    return f"{label(guid)} {version}"
