# SPDX-License-Identifier: Apache-2.0
"""The store of two banks: its states, and that neither a power cut nor a killed process leaves a broken one."""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.guid import BL31, RMM, Guid
from livefw.abi.version import ComponentVersion
from livefw.firmware.image import fip, note, store
from livefw.firmware.image.chain import Counter
from livefw.firmware.image.disk import Disk, Folder, PowerCutError, SimulatedDisk
from livefw.firmware.image.errors import PackageError, StoreError, Violation
from livefw.firmware.image.fip import Payload
from livefw.firmware.image.metadata import BankImage, BankState
from livefw.firmware.image.store import BANKS, COPIES, COUNTERS, MAX_TRIALS, Store

V1, V2, V3 = (ComponentVersion(1, minor) for minor in (1, 2, 3))


def package(**versions: ComponentVersion) -> io.BytesIO:
    """A package of ``rmm`` and ``bl31`` in these versions."""
    guids = {"rmm": RMM.guid, "bl31": BL31.guid}
    rows = [Payload.of(guids[name], note.append(name.encode(), version)) for name, version in versions.items()]
    return io.BytesIO(fip.dump(rows))


def versions(subject: Store, bank: int) -> dict[Guid, ComponentVersion]:
    return {guid: content.version for guid, content in subject.contents(bank).items()}


def factory(where: Disk) -> Store:
    return Store.create(where, package(rmm=V1, bl31=V1))


NEXT = package(rmm=V2).getvalue()
OLD = {RMM.guid: V1, BL31.guid: V1}
NEW = {RMM.guid: V2, BL31.guid: V1}


@pytest.fixture(params=["folder", "simulated"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return factory(Folder(str(tmp_path)) if request.param == "folder" else SimulatedDisk())


def test_factory_state(fresh: Store) -> None:
    state = fresh.metadata()
    assert (state.active, state.previous, state.trial) == (0, 0, False)
    assert state.states == (BankState.ACCEPTED, BankState.INVALID)
    assert versions(fresh, 0) == OLD
    assert fresh.metadata().candidate == fresh.boot() == 0
    assert set(fresh.non_volatile()) == {0}
    with pytest.raises(StoreError, match="invalid"):
        fresh.contents(1)


def test_staged_package_waits_in_the_other_bank_completed_from_the_active_one(fresh: Store) -> None:
    assert fresh.stage(package(rmm=V2)) == fresh.metadata().candidate == 1
    assert versions(fresh, 1) == NEW
    assert versions(fresh, 0) == OLD
    state = fresh.metadata()
    assert (state.active, state.states) == (0, (BankState.ACCEPTED, BankState.VALID))
    assert state.image(RMM.guid, 1) != state.image(RMM.guid, 0)
    assert state.image(BL31.guid, 1) == state.image(BL31.guid, 0)
    assert fresh.boot() == 0


def test_staging_again_replaces_and_discarding_takes_back(fresh: Store) -> None:
    fresh.stage(package(rmm=V2))
    fresh.stage(package(rmm=V3))
    assert versions(fresh, 1)[RMM.guid] == V3
    fresh.discard()
    assert fresh.metadata().candidate == 0
    assert fresh.metadata().image(RMM.guid, 1) is None
    fresh.discard()


def activate(subject: Store) -> None:
    subject.activated(subject.metadata().candidate, subject.metadata())


def test_activated_bank_boots_on_trial_and_stays_when_accepted(fresh: Store) -> None:
    fresh.stage(package(rmm=V2))
    activate(fresh)
    state = fresh.metadata()
    assert (state.active, state.previous, state.trial) == (1, 0, True)
    assert fresh.boot() == 1
    fresh.accept({Counter.CCA: 4})
    assert fresh.metadata().states == (BankState.ACCEPTED, BankState.ACCEPTED)
    assert all(entry.banks[1].accepted for entry in fresh.metadata().images)
    assert fresh.non_volatile() == (0, 0, 4, 0)
    assert fresh.metadata().candidate == fresh.boot() == 1
    fresh.stage(package(bl31=V3))
    assert versions(fresh, 0) == {RMM.guid: V2, BL31.guid: V3}


def test_nothing_is_staged_over_the_way_back(fresh: Store) -> None:
    fresh.stage(package(rmm=V2))
    activate(fresh)
    for refused in (lambda: fresh.stage(package(rmm=V3)), lambda: fresh.advance({Counter.CCA: 1})):
        with pytest.raises(StoreError) as caught:
            refused()
        assert caught.value.rule is Violation.STORE_STATE
    assert versions(fresh, 0) == OLD


def test_rolling_back(fresh: Store) -> None:
    fresh.stage(package(rmm=V2))
    activate(fresh)
    assert fresh.roll_back() == 0
    state = fresh.metadata()
    assert (state.active, state.trial, state.states[1]) == (0, False, BankState.INVALID)
    assert fresh.metadata().candidate == fresh.boot() == 0
    with pytest.raises(StoreError):
        fresh.roll_back()


def test_bank_that_never_proves_itself_is_given_up(fresh: Store) -> None:
    fresh.stage(package(rmm=V2))
    activate(fresh)
    assert [fresh.boot() for _ in range(MAX_TRIALS + 2)] == [1] * MAX_TRIALS + [0, 0]
    assert fresh.metadata().states == (BankState.ACCEPTED, BankState.INVALID)


def test_what_was_not_verified_does_not_boot(fresh: Store) -> None:
    fresh.stage(package(rmm=V2))
    verified = fresh.metadata()
    fresh.stage(package(rmm=V3))
    with pytest.raises(StoreError) as caught:
        fresh.activated(1, verified)
    assert caught.value.rule is Violation.STORE_STATE
    assert fresh.metadata().active == 0


def test_malformed_package_changes_nothing() -> None:
    disk = SimulatedDisk()
    subject = factory(disk)
    subject.stage(package(rmm=V2))
    before = disk.files
    for data in (b"", b"not a package" * 9, package(rmm=V3).getvalue()[:100]):
        with pytest.raises(PackageError):
            subject.stage(io.BytesIO(data))
    with pytest.raises(StoreError) as caught:
        Store(disk, capacity=200).stage(package(rmm=V3))
    assert caught.value.rule is Violation.STORE_FULL
    assert disk.files == before


@given(
    st.binary(max_size=400)
    | st.tuples(st.integers(0, 159), st.binary(min_size=1, max_size=8)).map(
        lambda row: NEXT[: row[0]] + row[1] + NEXT[row[0] + len(row[1]) :]
    )
)
def test_no_package_changes_the_bank_that_boots_and_a_malformed_one_changes_nothing(data: bytes) -> None:
    disk = SimulatedDisk()
    subject = factory(disk)
    before = disk.files
    try:
        subject.stage(io.BytesIO(data))
    except PackageError:
        assert disk.files == before
    assert disk.files[BANKS[0]] == before[BANKS[0]]
    assert (subject.boot(), versions(subject, 0)) == (0, OLD)


def test_store_is_not_created_twice(fresh: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        fresh.create(fresh._disk, package(rmm=V1))


@pytest.mark.parametrize("damaged", COPIES)
def test_one_damaged_copy_of_the_metadata_is_mended(damaged: str) -> None:
    disk = SimulatedDisk()
    subject = factory(disk)
    subject.stage(package(rmm=V2))
    good = disk.files
    disk.rewrite(damaged, (good[damaged][:-1] + b"!",))
    assert subject.metadata().states[1] is BankState.VALID
    assert subject.boot() == 0
    assert disk.files == good


def test_store_without_metadata_or_counters_says_so() -> None:
    disk = SimulatedDisk()
    subject = factory(disk)
    disk.replace(COUNTERS, b"")
    with pytest.raises(StoreError) as caught:
        subject.non_volatile()
    assert caught.value.rule is Violation.COUNTERS
    for copy in COPIES:
        disk.rewrite(copy, (b"\0" * 200,))
    with pytest.raises(StoreError) as caught:
        subject.metadata()
    assert caught.value.rule is Violation.METADATA
    assert caught.value.found == f"no whole copy: {COPIES[0]}: version 0; {COPIES[1]}: version 0"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 1}, "version 1"),
        ({"states": (BankState.ACCEPTED,) * 4}, "4 banks"),
        ({"states": (BankState.ACCEPTED,)}, "1 banks"),
    ],
)
def test_metadata_of_another_kind_of_store_is_called_so(change: dict[str, Any], why: str) -> None:
    """DEN0118 has version 1, and up to four banks; this store has two."""
    disk = SimulatedDisk()
    subject = factory(disk)
    state = replace(subject.metadata(), **change)
    banks = (BankImage(),) * len(state.states)
    other = replace(state, images=tuple(entry._replace(banks=banks) for entry in state.images))
    for copy in COPIES:
        disk.rewrite(copy, (other.encode(),))
    with pytest.raises(StoreError, match=f"{COPIES[0]}: {why}; {COPIES[1]}: {why}"):
        subject.metadata()


def test_what_a_vendor_appended_stays_and_a_bank_may_have_none_before() -> None:
    disk = SimulatedDisk()
    subject = factory(disk)
    for copy in COPIES:
        disk.rewrite(copy, (replace(subject.metadata(), previous=0xFFFF_FFFF, vendor=b"of a vendor").encode(),))
    assert subject.stage(package(rmm=V2)) == 1
    assert (subject.metadata().previous, subject.metadata().vendor) == (0xFFFF_FFFF, b"of a vendor")


# -- power cuts and killed processes

Change = Callable[[Store], object]


def nothing(subject: Store) -> None:
    pass


def staged(subject: Store) -> None:
    subject.stage(package(rmm=V2))


def on_trial(subject: Store) -> None:
    staged(subject)
    activate(subject)


def give_up(subject: Store) -> None:
    for _ in range(MAX_TRIALS + 1):
        subject.boot()


FLOWS: list[tuple[str, Change, Change, list[dict[Guid, ComponentVersion]]]] = [
    ("stage", nothing, staged, [OLD]),
    ("stage again", staged, lambda s: s.stage(package(rmm=V3)), [OLD]),
    ("discard", staged, Store.discard, [OLD]),
    ("activate", staged, activate, [OLD, NEW]),
    ("accept", on_trial, lambda s: s.accept({Counter.CCA: 3}), [NEW]),
    ("roll back", on_trial, Store.roll_back, [OLD, NEW]),
    ("boot on trial", on_trial, Store.boot, [NEW]),
    ("boot until it is given up", on_trial, give_up, [OLD, NEW]),
]
"""What happens before, what is cut, and the contents that the machine may boot afterwards."""


def check(where: Disk, allowed: list[dict[Guid, ComponentVersion]]) -> None:
    """The store boots one of the allowed contents, tells the truth about it, and can be used to the end."""
    subject = Store(where)
    subject.non_volatile()
    bank = subject.boot()
    assert versions(subject, bank) in allowed
    assert bank == subject.metadata().active
    pending = subject.metadata().candidate
    if pending != bank:
        assert versions(subject, pending)[RMM.guid] in (V2, V3)
    if subject.metadata().trial:
        subject.accept({})
    update = subject.stage(package(rmm=ComponentVersion(9, 9)))
    assert versions(subject, update)[RMM.guid] == ComponentVersion(9, 9)
    activate(subject)
    assert subject.boot() == update


@pytest.mark.parametrize(("before", "change", "allowed"), [row[1:] for row in FLOWS], ids=[row[0] for row in FLOWS])
def test_power_cut_at_any_byte(before: Change, change: Change, allowed: list[dict[Guid, ComponentVersion]]) -> None:
    disk = SimulatedDisk()
    before(factory(disk))
    files = disk.files
    whole = SimulatedDisk(files)
    change(Store(whole))
    checked: list[dict[str, bytes]] = []
    for power in range(whole.steps):
        cut = SimulatedDisk(files, power=power)
        with pytest.raises(PowerCutError):
            change(Store(cut))
        for survivor in cut.survivors():
            if survivor not in checked:
                checked.append(survivor)
                check(SimulatedDisk(survivor), allowed)
    assert len(checked) > 3
    check(whole, [*allowed, {**NEW, RMM.guid: V3}])


def test_power_cut_while_the_factory_fills_the_store_leaves_none_or_a_whole_one() -> None:
    whole = SimulatedDisk()
    factory(whole)
    checked: list[dict[str, bytes]] = []
    for power in range(whole.steps):
        cut = SimulatedDisk(power=power)
        with pytest.raises(PowerCutError):
            factory(cut)
        for survivor in cut.survivors():
            if survivor in checked:
                continue
            checked.append(survivor)
            disk = SimulatedDisk(survivor)
            try:
                Store(disk).metadata()
            except StoreError:
                factory(disk)
            check(disk, [OLD])


KILLER = """
import os, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import test_store as t
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.store import Store
name, before, change, allowed = t.FLOWS[int(sys.argv[2])]
point, points = 0, []
while True:
    path = os.path.join(sys.argv[3], str(point))
    os.mkdir(path)
    before(t.factory(Folder(path)))
    child = os.fork()
    if child == 0:
        left = point
        def kill(step):
            global left
            if left == 0:
                os.write(1, (step + "\\n").encode())
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        change(Store(Folder(path, before=kill)))
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    t.check(Folder(path), allowed if killed else [*allowed, {**t.NEW, t.RMM.guid: t.V3}])
    if not killed:
        break
    point += 1
"""


@pytest.mark.parametrize("flow", range(len(FLOWS)), ids=[row[0] for row in FLOWS])
def test_process_killed_before_any_write_sync_or_rename(flow: int) -> None:
    # In memory where there is a place for it: a killed process loses no page, so a slow fsync shows nothing more here.
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    paths = os.pathsep.join(path for path in sys.path if path)
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        program = [sys.executable, "-c", KILLER, __file__, str(flow), folder]
        environment = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    points = done.stdout.splitlines()
    assert {f"fsync {COPIES[0]}", f"write {COPIES[1]}"} <= set(points) or f"rename {COUNTERS}" in points
    if FLOWS[flow][0].startswith("stage"):
        assert f"write {BANKS[1]}" in points


def test_lock_keeps_a_second_process_out(tmp_path: Path) -> None:
    probe = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    command = [sys.executable, "-c", probe, str(tmp_path)]
    with Folder(str(tmp_path)).lock():
        assert "BlockingIOError" in subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert subprocess.run(command, check=False).returncode == 0


def test_store_module_calls_every_known_certificate_a_certificate() -> None:
    assert RMM.guid not in store.CERTIFICATES
    assert len(store.CERTIFICATES) == 16
