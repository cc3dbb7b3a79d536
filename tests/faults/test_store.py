# SPDX-License-Identifier: Apache-2.0
"""The store of firmware images on a disk that fails: it boots the old content or the new one, and can be used again."""

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from livefw.abi.guid import RMM, Guid
from livefw.abi.version import ComponentVersion
from livefw.cli.main import main
from livefw.firmware.image import build, note, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.errors import StoreError
from livefw.firmware.image.store import BANKS, COPIES, COUNTERS, Store
from livefw.firmware.store_platform import open_platform

from ..image.test_store import FLOWS, OLD, Change, check, factory, nothing
from . import python_calls
from .conftest import Count
from .disk import Disk, Fault, Left, PowerCut
from .trial import SECONDS, cuts, leavings, to_try

Contents = list[dict[Guid, ComponentVersion]]
FILES = {*COPIES, *BANKS, COUNTERS}
Work = Callable[[Path], object]


def on(change: Change) -> Work:
    return lambda path: change(Store(Folder(str(path))))


def make(path: Path) -> None:
    factory(Folder(str(path)))


def booted(path: Path) -> None:
    """A folder in which the power went while it was filled is filled again."""
    with suppress(StoreError):
        Store(Folder(str(path))).metadata()
        return
    make(path)


ROWS: list[tuple[str, Change | None, Work, Contents]] = [
    ("fill", None, make, [OLD]),
    *((name, before, on(change), allowed) for name, before, change, allowed in FLOWS),
]
"""What was there before, what is done on the disk that fails, and what may boot afterwards."""


class Trial:
    """One change of a store with one fault."""

    def __init__(self, folder: Path, before: Change | None, work: Work, fault: Fault | None = None) -> None:
        self.folder = folder
        self.path = folder / "store"
        self.path.mkdir(parents=True)
        if before is not None:
            make(self.path)
            on(before)(self.path)
        self.disk = Disk(self.path, fault)
        self.error: Exception | None = None
        with python_calls.seen_by(self.disk):
            try:
                work(self.path)
            except PowerCut:
                pass
            except (StoreError, OSError) as error:
                self.error = error
        self.disk.dead = False

    def left(self, left: Left, name: str) -> Path:
        path = self.folder / name
        path.mkdir()
        self.disk.leave(left, path)
        return path


def judge(path: Path, allowed: Contents) -> None:
    booted(path)
    check(Folder(str(path)), allowed)
    assert {each.name for each in path.iterdir()} == FILES


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(("name", "before", "work", "allowed"), ROWS, ids=[row[0] for row in ROWS])
def test_the_store_boots_whatever_fails(
    name: str, before: Change | None, work: Work, allowed: Contents, folder: Path, count: Count
) -> None:
    sound = Trial(folder / "sound", before, work)
    assert sound.error is None
    log = sound.disk.log
    assert sound.disk.seen() == {path.name: path.read_bytes() for path in sound.path.iterdir()}
    count(cases=1, operations=len(log))
    for number, fault in enumerate(to_try(name, log)):
        trial = Trial(folder / str(number), before, work, fault)
        if fault.error:
            assert trial.error or fault.short or len(trial.disk.log) == fault.number, fault
            judge(trial.path, allowed)
            count(errors=1, states=1)
            continue
        for place, left in enumerate(leavings(fault.number, 2)):
            judge(trial.left(left, f"left-{place}"), allowed)
            count(states=1)
        count(cuts=1)


KEYS = build.generate(CCA)


@pytest.fixture
def sources(folder: Path) -> tuple[Path, Path]:
    """A signed package, and what a machine that believes it has."""
    signer = ImageSigner(CCA, KEYS, {Counter.CCA: 1})
    package, trusted = folder / "factory.fip", folder / "trust.toml"
    package.write_bytes(signer.package({RMM.guid: note.append(b"R", ComponentVersion(1, 1))}))
    trusted.write_text(trust.dumps(signer.anchor()), encoding="ascii")
    return package, trusted


def test_a_store_comes_with_what_it_believes_or_is_filled_again(
    sources: tuple[Path, Path], folder: Path, count: Count
) -> None:
    def fill(path: Path) -> int:
        package, trusted = map(str, sources)
        return main(["image", "store", "init", str(path), package, "--trust", trusted])

    def judge_filled(path: Path) -> None:
        with suppress(StoreError):
            Store(Folder(str(path))).metadata()
            open_platform([], str(path))
            return
        assert fill(path) == 0
        open_platform([], str(path))

    log = Trial(folder / "sound", None, fill).disk.log
    for number, fault in enumerate(to_try("init", log)):
        trial = Trial(folder / f"trial-{number}", None, fill, fault)
        if fault.error:
            judge_filled(trial.path)
            count(errors=1, states=1)
            continue
        for place, left in enumerate(leavings(number, 1)):
            judge_filled(trial.left(left, f"left-{place}"))
            count(states=1)
        count(cuts=1)
    count(cases=1, operations=len(log))


def test_a_store_that_does_not_wait_for_the_disk_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Disk, "synced", lambda self, inode: None)
    monkeypatch.setattr(Disk, "names_synced", lambda self, path: None)
    name, before, work, allowed = ROWS[4]
    assert name == "activate"
    sound = Trial(folder / "sound", before, work)
    found = []
    for each in cuts(sound.disk.log):
        trial = Trial(folder / f"cut-{each.number}", before, work, each)
        for number, left in enumerate(leavings(each.number, 2)):
            try:
                judge(trial.left(left, f"left-{number}"), allowed)
            except (AssertionError, StoreError) as error:
                found.append(error)
    assert found


def test_an_error_is_told_as_what_it_is(folder: Path) -> None:
    trial = Trial(folder, nothing, on(FLOWS[0][2]), Fault(3, errno.ENOSPC, lasting=True))
    assert trial.error
    assert "No space left" in str(trial.error)
