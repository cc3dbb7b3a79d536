# SPDX-License-Identifier: Apache-2.0
"""Two banks of firmware and the metadata that says which one boots: where a new image waits, and where it stays.

    metadata.0  metadata.1   two copies of the PSA metadata; the first one that is whole counts
    bank.0      bank.1       one package each
    counters                 non-volatile counters

A power cut at any byte leaves a bank that boots, because of three habits: a bank is written only while the metadata
calls it invalid; the copies of the metadata are written one after the other, and only when both were whole before; the
bank that boots changes in that one write. Nothing here checks signatures: the loader of an image does that.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from livefw.abi.guid import Guid
from livefw.abi.version import ComponentVersion
from livefw.firmware.image import counters, disk, fip, metadata, note
from livefw.firmware.image.chain import CHAINS, Counter
from livefw.firmware.image.counters import NonVolatile
from livefw.firmware.image.disk import Disk
from livefw.firmware.image.errors import StoreError, Violation
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.metadata import BankImage, BankState, ImageEntry, Metadata
from livefw.firmware.image.verify import row_guid

COPIES = ("metadata.0", "metadata.1")
BANKS = ("bank.0", "bank.1")
COUNTERS = "counters"

DEFAULT_CAPACITY = 128 << 20
"""Bytes of one bank."""

MAX_TRIALS = 3
"""Boots of a bank on trial before the machine goes back to the other one (STM32's choice in TF-A)."""

LOCATION = Guid.parse("6c697665-6677-4d00-8000-62616e6b0000")
"""Location GUID of the metadata: the folder itself."""

CERTIFICATES = frozenset(row_guid(row) for chain in CHAINS.values() for row in chain.rows)


@dataclass(frozen=True, slots=True)
class Content:
    """One image in a bank: its declared version, and the GUID that its bytes determine."""

    image: Guid
    version: ComponentVersion
    size: int


class Store:
    """Banks, metadata and counters on a disk. Every method reads the disk anew, so other processes may use it too."""

    def __init__(self, where: Disk, *, capacity: int = DEFAULT_CAPACITY) -> None:
        self._disk = where
        self._capacity = capacity

    # -- reading

    def metadata(self) -> Metadata:
        """The metadata: the first copy that is whole; StoreError, with what is wrong with each, if none is."""
        first, second = self._copies()
        if first is not None:
            return first
        if second is not None:
            return second
        whys = "; ".join(f"{name}: {self._objection(name)}" for name in COPIES)
        raise StoreError(Violation.METADATA, subject=" and ".join(COPIES), found=f"no whole copy: {whys}")

    def non_volatile(self) -> NonVolatile:
        """The counters; StoreError if their file is not whole."""
        return counters.decode(disk.read(self._disk, COUNTERS, counters.SIZE))

    def open_bank(self, bank: int) -> BinaryIO:
        """A bank's package; the caller closes it. StoreError if there is none."""
        try:
            return self._disk.open(BANKS[bank])
        except FileNotFoundError:
            raise StoreError(Violation.STORE_IO, subject=BANKS[bank], found="no such file") from None

    def contents(self, bank: int) -> dict[Guid, Content]:
        """The images of a bank that is whole, without its certificates, by type; StoreError, PackageError."""
        state = self.metadata()
        if state.states[bank] is BankState.INVALID:
            raise StoreError(Violation.STORE_STATE, subject=BANKS[bank], found="invalid")
        with self.open_bank(bank) as file:
            found = {}
            for entry in fip.read(file).entries:
                image = state.image(entry.guid, bank)
                if image is not None:
                    size = min(entry.size, note.SIZE)
                    tail = fip.read_payload(file, entry._replace(offset=entry.offset + entry.size - size, size=size))
                    found[entry.guid] = Content(image, note.read(tail), entry.size)
            return found

    # -- changing

    @classmethod
    def create(
        cls,
        where: Disk,
        package: BinaryIO,
        *,
        beside: Iterable[tuple[str, bytes]] = (),
        capacity: int = DEFAULT_CAPACITY,
    ) -> "Store":
        """Fill an empty folder as a factory does: the package in bank 0, accepted, and all counters 0.

        Files ``beside`` it, by name, are there as soon as there is a store.
        """
        store = cls(where, capacity=capacity)
        with where.lock():
            if any(store._copies()):
                raise StoreError(Violation.STORE_STATE, subject=COPIES[0], found="a store that exists")
            payloads = _payloads(package)
            store._check_fits(payloads)
            images = store._fill(0, payloads)
            where.replace(COUNTERS, NonVolatile().encode())
            for name, data in beside:
                where.replace(name, data)
            state = Metadata(0, 0, (BankState.ACCEPTED, BankState.INVALID))
            store._save(_with_images(state, 0, images, accepted=True))
        return store

    def stage(self, package: BinaryIO) -> int:
        """Put a package into the update bank, where its images become pending; returns the bank.

        What the package leaves out is taken from the active bank, so that the bank can boot (DEN0118, partial update).

        Raises:
            PackageError: the package is malformed; nothing was changed.
            StoreError: STORE_STATE while the active bank is on trial, STORE_FULL; the active bank is untouched.
        """
        fresh = _payloads(package)
        with self._disk.lock():
            state = self._repaired()
            if state.trial:
                raise StoreError(
                    Violation.STORE_STATE,
                    subject=BANKS[state.active],
                    found="on trial",
                    expected="accept or roll back first",
                )
            bank = state.update
            with self.open_bank(state.active) as base:
                kept = [entry for entry in _payloads(base) if entry.guid not in {image.guid for image in fresh}]
                merged = [*fresh, *kept]
                self._check_fits(merged)
                state = self._save(_without_images(state, bank))
                images = self._fill(bank, merged)
            self._save(_with_images(_with_state(state, bank, BankState.VALID), bank, images, accepted=False))
        return bank

    def discard(self) -> None:
        """Take a staged update back; nothing happens if there is none."""
        with self._disk.lock():
            state = self._repaired()
            if state.states[state.update] is BankState.VALID:
                self._save(_without_images(state, state.update))

    def activated(self, bank: int, state: Metadata) -> None:
        """An image of this bank runs: the bank boots from now on, on trial until accepted. Of the active one: nothing.

        Args:
            bank: the bank.
            state: the metadata when its images were verified.

        Raises:
            StoreError: STORE_STATE if something else was staged since, so that nobody verified what the bank holds.
        """
        with self._disk.lock():
            now = self._repaired()
            if bank == now.active:
                return
            if now != state or now.states[bank] is BankState.INVALID:
                raise StoreError(Violation.STORE_STATE, subject=BANKS[bank], found="another content than was verified")
            self._disk.replace(COUNTERS, self.non_volatile()._replace(trial_boots=0).encode())
            self._save(replace(now, active=bank, previous=now.active))

    def accept(self, to: Mapping[Counter, int]) -> None:
        """The active bank proved itself: no way back, and the counters rise to what its certificates allow.

        The bank is accepted first: after a cut in between the old bank would still boot, and `advance` at the next
        boot makes up for it; the other way round it would not boot, without the new one being trusted yet.
        """
        with self._disk.lock():
            state = self._repaired()
            if state.trial:
                state = _with_state(state, state.active, BankState.ACCEPTED)
                self._save(_accepted(state, state.active))
            self._advance(to)

    def advance(self, to: Mapping[Counter, int]) -> None:
        """Raise the counters to what the active bank's certificates allow; only for a bank that was accepted."""
        with self._disk.lock():
            if self._repaired().trial:
                raise StoreError(Violation.STORE_STATE, subject="active bank", found="on trial")
            self._advance(to)

    def roll_back(self) -> int:
        """Give up the active bank, which is on trial, for the one before it; returns the bank that boots now.

        Raises:
            StoreError: STORE_STATE if the active bank is not on trial, or no other bank boots.
        """
        with self._disk.lock():
            state = self._repaired()
            return self._give_up(state)

    def boot(self) -> int:
        """Choose the bank as the boot loader does, counting trials; returns the bank. StoreError if none boots."""
        with self._disk.lock():
            state = self._repaired()
            if state.states[state.active] is BankState.ACCEPTED:
                return state.active
            machine = self.non_volatile()
            if state.states[state.active] is BankState.INVALID or machine.trial_boots >= MAX_TRIALS:
                return self._give_up(state)
            self._disk.replace(COUNTERS, machine._replace(trial_boots=machine.trial_boots + 1).encode())
            return state.active

    # -- inside

    def _copies(self) -> tuple[Metadata | None, Metadata | None]:
        found: list[Metadata | None] = []
        for name in COPIES:
            data = disk.read(self._disk, name, metadata.MAX_SIZE)
            try:
                found.append(_decoded(data, name) if data is not None else None)
            except StoreError:
                found.append(None)
        return found[0], found[1]

    def _objection(self, name: str) -> object:
        data = disk.read(self._disk, name, metadata.MAX_SIZE)
        if data is None:
            return "not there"
        try:
            _decoded(data, name)
        except StoreError as error:
            return error.found
        return "whole again"

    def _repaired(self) -> Metadata:
        """The metadata, with both copies whole and alike: a change may start only then."""
        first, second = self._copies()
        state = self.metadata()
        if first != second:
            stale = COPIES[0] if first is None else COPIES[1]
            self._disk.rewrite(stale, (state.encode(),))
        return state

    def _save(self, state: Metadata) -> Metadata:
        data = state.encode()
        for name in COPIES:
            self._disk.rewrite(name, (data,))
        return state

    def _fill(self, bank: int, images: Iterable[Payload]) -> dict[Guid, Guid]:
        """Write a package into a bank; returns the image GUID by type, without certificates."""
        hashed = [_Hashed(image) for image in images]
        self._disk.rewrite(BANKS[bank], fip.write(each.payload for each in hashed))
        return {each.payload.guid: each.image for each in hashed if each.payload.guid not in CERTIFICATES}

    def _check_fits(self, images: Iterable[Payload]) -> None:
        size = fip.layout([(image.guid, image.size, image.flags) for image in images]).size
        if size > self._capacity:
            raise StoreError(Violation.STORE_FULL, subject="bank", found=size, expected=f"at most {self._capacity}")

    def _advance(self, to: Mapping[Counter, int]) -> None:
        before = self.non_volatile()
        after = before.advance(to)._replace(trial_boots=0)
        if after != before:
            self._disk.replace(COUNTERS, after.encode())

    def _give_up(self, state: Metadata) -> int:
        other = metadata.alternate_bank(state)
        if not state.trial or other is None:
            raise StoreError(Violation.STORE_STATE, subject=BANKS[state.active], found=state.states[state.active].name)
        rejected = _without_images(state, state.active)
        self._save(replace(rejected, active=other, previous=other))
        return other


class _Hashed:
    """A payload that notes the GUID of its bytes while they pass."""

    def __init__(self, payload: Payload) -> None:
        self._source = payload
        self.payload = payload._replace(chunks=self._chunks)
        self.image = metadata.NO_IMAGE

    def _chunks(self) -> Iterator[bytes]:
        work = hashlib.sha256()
        for data in self._source.chunks():
            work.update(data)
            yield data
        self.image = Guid(work.digest()[:16])


def _decoded(data: bytes, name: str) -> Metadata:
    """One copy; StoreError also for metadata of another kind than a store of two banks has."""
    found = metadata.decode(data, name)
    if found.version != metadata.VERSION:
        raise StoreError(
            Violation.METADATA, subject=name, offset=4, found=f"version {found.version}", expected=metadata.VERSION
        )
    if len(found.states) != len(BANKS):
        raise StoreError(Violation.METADATA, subject=name, found=f"{len(found.states)} banks", expected=len(BANKS))
    return found


def _payloads(package: BinaryIO) -> list[Payload]:
    return [Payload.from_package(package, entry) for entry in fip.read(package).entries]


def _with_state(state: Metadata, bank: int, value: BankState) -> Metadata:
    return replace(state, states=(*state.states[:bank], value, *state.states[bank + 1 :]))


def _with_bank(entry: ImageEntry, bank: int, value: BankImage) -> ImageEntry:
    return entry._replace(banks=(*entry.banks[:bank], value, *entry.banks[bank + 1 :]))


def _without_images(state: Metadata, bank: int) -> Metadata:
    """The bank is invalid and holds nothing; types that no bank holds go."""
    entries = (_with_bank(entry, bank, BankImage()) for entry in state.images)
    kept = tuple(entry for entry in entries if any(each.image != metadata.NO_IMAGE for each in entry.banks))
    return replace(_with_state(state, bank, BankState.INVALID), images=kept)


def _with_images(state: Metadata, bank: int, images: Mapping[Guid, Guid], *, accepted: bool) -> Metadata:
    entries = {entry.type: entry for entry in state.images}
    for kind, image in images.items():
        entry = entries.get(kind) or ImageEntry(kind, LOCATION, (BankImage(),) * len(BANKS))
        entries[kind] = _with_bank(entry, bank, BankImage(image, accepted))
    return replace(state, images=tuple(entries.values()))


def _accepted(state: Metadata, bank: int) -> Metadata:
    return replace(
        state,
        images=tuple(
            _with_bank(entry, bank, entry.banks[bank]._replace(accepted=entry.banks[bank].image != metadata.NO_IMAGE))
            for entry in state.images
        ),
    )
