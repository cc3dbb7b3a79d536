# SPDX-License-Identifier: Apache-2.0
"""The agent on a store: staged, primed, activated, and every tampering answered with the code that LFA names."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from livefw.abi.guid import BL31, RMM, SCP_BL2U, Guid
from livefw.abi.lfa import (
    ActivateRequest,
    CancelRequest,
    InventoryFlag,
    InventoryRequest,
    InventoryResult,
    LfaStatus,
    PrimeRequest,
    StepResult,
    status,
)
from livefw.abi.smccc import Exit, Held, Registers, Restart
from livefw.abi.version import ComponentVersion
from livefw.errors import UsageError
from livefw.firmware.agent import LfaAgent
from livefw.firmware.component import Faults, StagedImage
from livefw.firmware.image import build, fip, measure, note, store
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.disk import PowerCutError, SimulatedDisk
from livefw.firmware.image.errors import ImageError, Violation
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.measure import PCR
from livefw.firmware.image.metadata import BankState
from livefw.firmware.image.names import BY_OPTION
from livefw.firmware.image.store import Store
from livefw.firmware.image.verify import TrustAnchor, hash_key
from livefw.firmware.platform import Commit
from livefw.firmware.profile import PROFILES
from livefw.firmware.spec import AfterActivation, ComponentKind, ComponentSpec
from livefw.firmware.store_platform import STEP, StorePlatform
from livefw.testing.agent import ModelAgent

Run = Callable[..., str]
V1, V2, V3 = (ComponentVersion(1, minor) for minor in (1, 2, 3))
KEYS = build.generate(CCA)
SPECS = (
    ComponentSpec(str(RMM.guid), ComponentKind.RMM, pending_version="7.7"),
    ComponentSpec(str(BL31.guid), ComponentKind.BL31),
    ComponentSpec(str(SCP_BL2U.guid), ComponentKind.CONTROLLER, "4.0", "4.1"),
)
RMM_ID, BL31_ID, SCP_ID = range(3)


def signer(counter: int) -> ImageSigner:
    return ImageSigner(CCA, KEYS, dict.fromkeys(Counter, counter))


def images(rmm: ComponentVersion, bl31: ComponentVersion = V1, size: int = 100) -> dict[Guid, bytes]:
    return {RMM.guid: note.append(b"R" * size, rmm), BL31.guid: note.append(b"B", bl31)}


def package(rmm: ComponentVersion, bl31: ComponentVersion = V1, *, counter: int = 5, size: int = 100) -> io.BytesIO:
    return io.BytesIO(signer(counter).package(images(rmm, bl31, size)))


ANCHOR = signer(0).anchor()


class StoreAgent(ModelAgent):
    """A bench on a store; one CPU, which does all the work of a rendezvous by itself."""

    def __init__(
        self,
        disk: SimulatedDisk,
        specs: tuple[ComponentSpec, ...] = SPECS,
        anchor: TrustAnchor = ANCHOR,
        **options: object,
    ):
        self.disk = disk
        self.stored = StorePlatform(specs, Store(disk), anchor, **options)  # type: ignore[arg-type]  # passed through
        self.platform = self.stored
        self.agent = LfaAgent(self.stored, profile=PROFILES["bet1"], cpus=1)
        self.last: dict[int, Exit | Held] = {}

    def inventory(self, component: int = RMM_ID) -> InventoryResult:
        answer = self.run(0, InventoryRequest(component))
        assert isinstance(answer, Registers)
        return InventoryResult.decode(answer)

    def prime_all(self, component: int = RMM_ID) -> tuple[int, int]:
        """Status, and how many calls it took."""
        self.inventory(component)
        for calls in range(1, 100):
            answer = self.run(0, PrimeRequest(component))
            assert isinstance(answer, Registers)
            if status(answer) != LfaStatus.SUCCESS or not StepResult.decode(answer).call_again:
                return status(answer), calls
        raise AssertionError("endless")

    def activate_all(self, component: int = RMM_ID) -> int:
        answer = self.run(0, ActivateRequest(component, entry_point=0x8000_0000))
        if isinstance(answer, Restart):
            return LfaStatus.SUCCESS
        assert isinstance(answer, Registers)
        return status(answer)


@pytest.fixture
def disk() -> SimulatedDisk:
    where = SimulatedDisk()
    Store.create(where, package(V1))
    return where


def test_staged_image_is_primed_in_steps_activated_and_boots_from_then_on(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    before = bench.inventory()
    assert (before.current_version, before.flags & InventoryFlag.ACTIVATION_PENDING) == (V1, 0)
    Store(disk).stage(package(V2, counter=6, size=3 * STEP))
    pending = bench.inventory()
    assert pending.flags & InventoryFlag.ACTIVATION_PENDING
    assert (pending.current_version, pending.pending_version) == (V1, V2)
    outcome, calls = bench.prime_all()
    assert outcome == LfaStatus.SUCCESS
    assert calls > 3
    assert bench.activate_all() == LfaStatus.SUCCESS
    after = bench.inventory()
    assert (after.current_version, after.flags & InventoryFlag.ACTIVATION_PENDING) == (V2, 0)
    assert bench.stored.commits() == (Commit(0, RMM.guid, V2),)
    state = bench.stored.store.metadata()
    assert (state.active, state.states) == (1, (BankState.ACCEPTED, BankState.ACCEPTED))
    assert state.image(RMM.guid, 1) == bench.stored.running(RMM.guid).image
    assert bench.stored.store.non_volatile().counters[Counter.CCA] == 6
    again = StoreAgent(disk)
    assert again.inventory().current_version == V2
    assert not bench.stored.errors
    assert not again.stored.errors


def test_log_replays_to_what_was_loaded(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    Store(disk).stage(package(V2))
    assert bench.prime_all() == (LfaStatus.SUCCESS, 1)
    kinds, events = measure.decode(bench.stored.log.encode())
    assert [event.text for event in events] == ["soc-fw 1.1", "rmm-fw 1.1", "rmm-fw 1.2"]
    expected = measure.EventLog(kinds)
    for guid, image in [(BL31.guid, images(V1)), (RMM.guid, images(V1)), (RMM.guid, images(V2))]:
        expected.measure("", {kind: hash_key(image[guid], kind) for kind in kinds})
    registers = measure.replay(kinds, events)
    assert registers == measure.replay(*measure.decode(expected.encode()))
    assert set(registers) == {(PCR, kind) for kind in kinds}


def altered(changes: dict[Guid, bytes | None]) -> bytes:
    """A good package, taken apart, changed and put together again."""
    file = package(V2)
    parts = {entry.guid: fip.read_payload(file, entry) for entry in fip.read(file).entries}
    return fip.dump([Payload.of(guid, data) for guid, data in (parts | changes).items() if data is not None])


def guid(option: str) -> Guid:
    return BY_OPTION[option].guid


FORGER = ImageSigner(CCA, build.generate(CCA), dict.fromkeys(Counter, 9))
LARGE = 200_000

EVIL = note.append(b"evil", V2)
AUTH = LfaStatus.AUTH_ERROR
REFUSED: list[tuple[str, bytes, LfaStatus, Violation]] = [
    ("image changed", altered({RMM.guid: EVIL}), AUTH, Violation.IMAGE_HASH),
    ("another image changed", altered({BL31.guid: EVIL}), AUTH, Violation.IMAGE_HASH),
    ("certificate of the old image", altered({guid("cca-cert"): None}), AUTH, Violation.IMAGE_HASH),
    ("certificate damaged", altered({guid("cca-cert"): b"0"}), AUTH, Violation.DER_TRUNCATED),
    ("signed by another", FORGER.package(images(V2)), AUTH, Violation.ROOT_KEY),
    ("rolled back", package(V2, counter=4).getvalue(), AUTH, Violation.ROLLBACK),
    ("too large", package(V2, size=LARGE).getvalue(), LfaStatus.NO_MEMORY, Violation.IMAGE_TOO_LARGE),
]


@pytest.mark.parametrize(("data", "answer", "rule"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_prime_refuses_changes_nothing(
    disk: SimulatedDisk, data: bytes, answer: LfaStatus, rule: Violation
) -> None:
    bench = StoreAgent(disk, memory={RMM.guid: LARGE})
    assert bench.stored.store.non_volatile().counters[Counter.CCA] == 5
    Store(disk).stage(io.BytesIO(data))
    files = disk.files
    assert bench.prime_all()[0] == answer
    reason = bench.stored.errors[RMM.guid]
    assert isinstance(reason, ImageError)
    assert reason.rule is rule
    assert bench.inventory().current_version == V1
    assert bench.activate_all() == LfaStatus.COMPONENT_WRONG_STATE
    assert disk.files == files
    assert StoreAgent(disk, memory={RMM.guid: LARGE}).inventory().current_version == V1
    # The way out that LFA offers: cancel, stage a good one.
    assert bench.run(0, CancelRequest(RMM_ID)) == CancelRequest(RMM_ID).encode().returning(0)
    Store(disk).stage(package(V2))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS


def test_damaged_bank_is_a_device_error(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    Store(disk).stage(package(V2))
    bench.inventory()
    whole = disk.files[store.BANKS[1]]
    disk.rewrite(store.BANKS[1], (b"\0" * 500,))
    answer = bench.run(0, PrimeRequest(RMM_ID))
    assert isinstance(answer, Registers)
    assert status(answer) == LfaStatus.DEVICE_ERROR
    assert not bench.inventory().flags & InventoryFlag.ACTIVATION_PENDING
    disk.rewrite(store.BANKS[1], (whole,))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS


def test_failed_activation_and_a_retry_that_says_success_leave_the_old_image_booting(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    Store(disk).stage(package(V2))
    bench.stored.set_faults(RMM.guid, Faults(activate_code=LfaStatus.ACTIVATION_FAILED))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    files = disk.files
    assert bench.activate_all() == LfaStatus.ACTIVATION_FAILED
    bench.stored.set_faults(RMM.guid, Faults())
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS, "TF-A's answer for an RMM that is dead"
    assert (bench.stored.find(RMM.guid).dead, bench.stored.commits()) == (True, ())
    assert disk.files == files
    assert bench.inventory().current_version == V1
    assert bench.inventory().flags & InventoryFlag.ACTIVATION_PENDING
    again = StoreAgent(disk)
    assert (again.inventory().current_version, again.stored.find(RMM.guid).dead) == (V1, False)


def test_one_package_for_two_components_boots_with_the_first_and_keeps_the_second_pending(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    Store(disk).stage(package(V2, V3))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS
    second = bench.inventory(BL31_ID)
    assert second.flags & InventoryFlag.ACTIVATION_PENDING
    assert (second.current_version, second.pending_version) == (V1, V3)
    assert bench.prime_all(BL31_ID)[0] == LfaStatus.SUCCESS
    assert bench.activate_all(BL31_ID) == LfaStatus.SUCCESS
    assert bench.inventory(BL31_ID).current_version == V3
    assert not bench.stored.errors


def test_package_staged_between_prime_and_activate_does_not_boot_unverified(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    Store(disk).stage(package(V2))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    Store(disk).stage(io.BytesIO(FORGER.package(images(V3))))
    assert bench.activate_all() == LfaStatus.SUCCESS
    assert bench.stored.running(RMM.guid).version == V2
    reason = bench.stored.errors[RMM.guid]
    assert isinstance(reason, ImageError)
    assert reason.rule is Violation.STORE_STATE
    assert Store(disk).metadata().active == 0
    assert bench.inventory().pending_version == V3
    assert bench.prime_all()[0] == LfaStatus.AUTH_ERROR


def test_package_staged_in_the_middle_of_a_load_starts_it_afresh(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    Store(disk).stage(package(V2, size=2 * STEP))
    bench.inventory()
    bench.run(0, PrimeRequest(RMM_ID))
    Store(disk).stage(package(V3))
    assert bench.prime_all() == (LfaStatus.SUCCESS, 1)
    assert bench.activate_all() == LfaStatus.SUCCESS
    assert bench.inventory().current_version == V3


def test_without_automatic_acceptance_the_way_back_is_open(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk, auto_accept=False)
    Store(disk).stage(package(V2, counter=6))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS
    assert Store(disk).metadata().trial
    assert Store(disk).non_volatile().counters[Counter.CCA] == 5
    bench.stored.roll_back()
    back = bench.inventory()
    assert (back.current_version, back.pending_version) == (V2, V1)
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS
    assert bench.inventory().current_version == V1
    assert Store(disk).boot() == 0


def test_acceptance_raises_the_counters_and_old_packages_are_refused_then(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk, auto_accept=False)
    Store(disk).stage(package(V2, counter=6))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS
    bench.stored.accept()
    assert Store(disk).non_volatile().counters[Counter.CCA] == 6
    Store(disk).stage(package(V3, counter=5))
    assert bench.prime_all()[0] == LfaStatus.AUTH_ERROR


def test_component_outside_the_store_stays_in_memory(disk: SimulatedDisk) -> None:
    bench = StoreAgent(disk)
    assert bench.inventory(SCP_ID).pending_version == ComponentVersion(4, 1)
    assert bench.prime_all(SCP_ID)[0] == LfaStatus.SUCCESS
    for _ in range(bench.stored.find(SCP_BL2U.guid).traits.activate_steps):
        assert bench.activate_all(SCP_ID) == LfaStatus.SUCCESS
    assert bench.inventory(SCP_ID).current_version == ComponentVersion(4, 1)
    bench.stored.stage(SCP_BL2U.guid, V3)
    assert bench.prime_all(SCP_ID)[0] == LfaStatus.SUCCESS
    assert bench.stored.loaded(bench.stored.find(SCP_BL2U.guid)) == StagedImage(V3, authentic=True, takes_over=True)
    with pytest.raises(UsageError, match="takes packages"):
        bench.stored.stage(RMM.guid, V3)
    assert bench.stored.version(RMM.guid) == V1


def test_activation_that_changes_the_inventory(disk: SimulatedDisk) -> None:
    change = AfterActivation(vanishes=(str(SCP_BL2U.guid),))
    bench = StoreAgent(disk, (ComponentSpec(str(RMM.guid), ComponentKind.RMM, after_activation=change), *SPECS[1:]))
    Store(disk).stage(package(V2))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS
    assert [component.guid for component in bench.stored.components()] == [RMM.guid, BL31.guid]


def test_machine_does_not_boot_what_is_not_authentic(disk: SimulatedDisk) -> None:
    with pytest.raises(ImageError) as caught:
        StoreAgent(disk, anchor=FORGER.anchor())
    assert caught.value.rule is Violation.ROOT_KEY


def test_bank_on_trial_that_is_not_authentic_is_given_up(disk: SimulatedDisk) -> None:
    """As after a bit flip in flash: the boot loader resets until the trials are used up."""
    subject = Store(disk)
    subject.stage(io.BytesIO(FORGER.package(images(V3))))
    subject.activated(1, subject.metadata())
    bench = StoreAgent(disk)
    assert bench.inventory().current_version == V1
    assert subject.metadata().states == (BankState.ACCEPTED, BankState.INVALID)


def test_power_cut_anywhere_between_prime_and_the_end_of_activation(disk: SimulatedDisk) -> None:
    """The machine boots the old or the new image, authentic both, and the counters never lock it out."""
    StoreAgent(disk)
    Store(disk).stage(package(V2, counter=6))
    files = disk.files

    def work(where: SimulatedDisk) -> None:
        bench = StoreAgent(where)
        assert bench.prime_all()[0] == LfaStatus.SUCCESS
        assert bench.activate_all() == LfaStatus.SUCCESS

    whole = SimulatedDisk(files)
    work(whole)
    seen: list[dict[str, bytes]] = []
    for power in range(whole.steps):
        cut = SimulatedDisk(files, power=power)
        with pytest.raises(PowerCutError):
            work(cut)
        for survivor in cut.survivors():
            if survivor not in seen:
                seen.append(survivor)
                bench = StoreAgent(SimulatedDisk(survivor))
                inventory = bench.inventory()
                assert (inventory.current_version, inventory.pending_version) in ((V1, V2), (V2, note.UNKNOWN))
    assert len(seen) > 10


# -- packages of TF-A's own tools


def test_recorded_cca_package_is_staged_primed_and_activated(recorded: tuple[dict[str, bytes], TrustAnchor]) -> None:
    certificates, anchor = recorded
    update = certificates.pop("cca-cert-update")
    base = {
        name: f"{name} as recorded\n".encode() * 64
        for name in ("soc-fw", "rmm-fw", "tos-fw", "nt-fw", "tb-fw", "soc-fw-config")
    }

    def packed(contents: Mapping[str, bytes]) -> io.BytesIO:
        return io.BytesIO(fip.dump([Payload.of(guid(name), data) for name, data in contents.items()]))

    disk = SimulatedDisk()
    Store.create(disk, packed(base | certificates))
    bench = StoreAgent(disk, anchor=anchor)
    new = {"rmm-fw": b"rmm-fw as updated\n" * 64, "cca-cert": update}
    Store(disk).stage(packed({"rmm-fw": b"rmm-fw as tampered\n" * 64, "cca-cert": update}))
    assert bench.prime_all()[0] == LfaStatus.AUTH_ERROR
    Store(disk).stage(packed(new))
    assert bench.prime_all()[0] == LfaStatus.SUCCESS
    assert bench.activate_all() == LfaStatus.SUCCESS
    with bench.stored.store.open_bank(1) as file:
        assert fip.read_payload(file, fip.read(file)[RMM.guid]) == new["rmm-fw"]


def test_real_firmware_packed_by_tf_a_tools_is_staged_primed_and_activated(
    create_tbbr: Callable[..., TrustAnchor], fiptool: Run, firmware: Callable[[str], Path], tmp_path: Path
) -> None:
    def packed(folder: str, counter: int, images: dict[str, Path]) -> tuple[io.BytesIO, TrustAnchor]:
        place = tmp_path / folder
        place.mkdir()
        anchor = create_tbbr(
            place, images, algorithm="rsa", bits=2048, hash_name="sha256", counter=counter, keys=tmp_path
        )
        out = tmp_path / f"{folder}.fip"
        parts = images | {path.name: path for path in place.iterdir()}
        fiptool("create", *(word for name, path in parts.items() for word in (f"--{name}", path)), out)
        return io.BytesIO(out.read_bytes()), anchor

    edk2 = firmware("usr/share/qemu-efi-aarch64/QEMU_EFI.fd")
    old = firmware("usr/lib/arm-trusted-firmware/rpi3/bl31.bin")
    new = firmware("usr/lib/arm-trusted-firmware/rpi4/bl31.bin")
    disk = SimulatedDisk()
    factory, anchor = packed("old", 1, {"tb-fw": old, "soc-fw": old, "nt-fw": edk2})
    Store.create(disk, factory)
    update, _ = packed("new", 2, {"tb-fw": old, "soc-fw": new, "nt-fw": edk2})
    bench = StoreAgent(disk, (ComponentSpec(str(BL31.guid), ComponentKind.BL31),), anchor)
    damaged = bytearray(update.getvalue())
    damaged[damaged.rindex(new.read_bytes()[-16:])] ^= 1
    Store(disk).stage(io.BytesIO(bytes(damaged)))
    assert bench.prime_all(0)[0] == LfaStatus.AUTH_ERROR
    Store(disk).stage(update)
    assert bench.prime_all(0)[0] == LfaStatus.SUCCESS
    assert bench.activate_all(0) == LfaStatus.SUCCESS
    assert bench.stored.store.non_volatile().counters[Counter.TRUSTED] == 2
    with bench.stored.store.open_bank(bench.stored.store.boot()) as file:
        assert fip.read_payload(file, fip.read(file)[BL31.guid]) == new.read_bytes()
