# SPDX-License-Identifier: Apache-2.0
"""Staging as an act of the engine: checked, recorded before and after, and settled if the engine dies in between."""

import hashlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import cabarchive
import pytest

from livefw.activation import figures
from livefw.activation.actor import Actor
from livefw.activation.checks.table import CHECKS, ON_STAGING, Weight
from livefw.activation.engine import ActivationRequest, Attempt, Engine, Host, Point
from livefw.activation.events import Begun, Control, Event, drain
from livefw.activation.fake import followed
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.history.verify import verify_chain
from livefw.activation.images.target import StagingRequest
from livefw.activation.inventory.guids import instance, made_guid
from livefw.activation.lock.machine_lock import Busy
from livefw.activation.outcome import Outcome
from livefw.activation.paths import Paths
from livefw.activation.policy.document import parse
from livefw.archive import cab
from livefw.archive.cab import CabImage
from livefw.archive.metainfo import Metainfo
from livefw.errors import Interrupted, UsageError
from livefw.machine.bmc.firmware import Pattern
from livefw.providers.base import ImagePackage

from .conftest import CREDENTIALS, Bench, Served

KEY = "redfish:rack/pmfw-a"


def archive(version: str) -> ImagePackage:
    """An archive for the modelled BMC's first component."""
    guid = made_guid(instance("redfish", "rack/pmfw-a"))
    about = Metainfo("org.example.fw", "Example", (guid,), version, "pmfw.bin", summary="For tests")
    return ImagePackage("pmfw.cab", cab.write(CabImage(about, f"version={version}".encode())))


def for_another_model(version: str) -> ImagePackage:
    """As `archive`; its metainfo requires a hardware ID that this machine does not have."""
    members = cabarchive.CabArchive(archive(version).data)
    (name,) = (each for each in members if each.endswith(".metainfo.xml"))
    required = f"<requires><hardware>{uuid.UUID(int=1)}</hardware></requires></component>"
    members[name].buf = members[name].buf.replace(b"</component>", required.encode())
    return ImagePackage("pmfw.cab", members.save(compress=True))


RAW = ImagePackage("pmfw.bin", b"version=1.9.0")


class World:
    """A machine with a BMC, and engines that come and go."""

    def __init__(self, bench: Bench, folder: Path, settings: str = "") -> None:
        self.bench = bench
        self.paths = Paths(str(folder / "state"), str(folder / "run/lock"), str(folder / "etc"), str(folder))
        self.policy = parse(settings.encode())
        self.announced: list[Any] = []
        self.privileged = True

    def host(self) -> Host:
        bench = self.bench
        actor = Actor("root", "alice", "test")
        host = Host(bench.files, (bench.provider,), bench.clock, self.paths, self.policy, actor)
        noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
        return host._replace(announce=self.announced.append, privileged=self.privileged, now=lambda: noon)

    def engine(self) -> Engine:
        return Engine(self.host())

    def stage(self, package: ImagePackage = RAW, word: str | None = KEY, **wish: Any) -> Attempt:
        control = Control()
        steps = self.engine().stage(StagingRequest(package, word, **wish), control=control)
        (attempt,) = followed(steps, control, patience=self.bench.watch.patience, hear=self.bench.watch.hear).attempts
        return attempt

    def install(self, package: ImagePackage = RAW, word: str = "redfish:rack/mcu", **wish: Any) -> Attempt:
        """An activation with an image."""
        control = Control()
        steps = self.engine().activate(ActivationRequest((word,), package=package, **wish), control=control)
        (attempt,) = followed(steps, control, patience=self.bench.watch.patience, hear=self.bench.watch.hear).attempts
        return attempt

    def rows(self) -> list[tuple[RowKind, dict[str, Any]]]:
        journal = Journal.open_to_read(self.paths.state)
        assert journal
        try:
            assert not verify_chain(journal).flaws
            return [(entry.kind, entry.body) for entry in journal.rows()]
        finally:
            journal.close()


MakeWorld = Callable[..., World]


@pytest.fixture
def world(make: type[Bench], tmp_path: Path) -> MakeWorld:
    return lambda *faults, settings="", **more: World(make(*faults, **more), tmp_path, settings)


def test_who_why_what_and_how_it_ended_are_written_down(world: MakeWorld) -> None:
    here = world()
    attempt = here.stage(archive("1.9.0"), None, reason="CVE-2026-0002")
    (begun, intent), (ended, outcome) = here.rows()
    assert (begun, ended) == (RowKind.STAGING, RowKind.STAGED)
    payload = b"version=1.9.0"
    assert intent.pop("machine")["root"] == os.path.realpath(here.paths.root)
    assert intent == {
        "file": "pmfw.bin",
        "size": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
        "uri": None,
        "archive": "pmfw.cab",
        "version": "1.9.0",
        "actor": {"user": "root", "login": "alice", "face": "test"},
        "reason": "CVE-2026-0002",
        "name": "CPU0 power management firmware",
        "host": "rack",
        "current_version": "1.2.0",
        "pending": False,
        "pending_version": None,
        "ignore": [],
    }
    shown = {key: outcome[key] for key in ("outcome", "said", "current_version", "pending", "pending_version")}
    assert shown == {
        "outcome": "staged",
        "said": "accepted",
        "current_version": "1.2.0",
        "pending": True,
        "pending_version": "1.9.0",
    }
    (told,) = here.announced
    assert (told.kind, told.component, told.outcome) == (RowKind.STAGED, KEY, Outcome.STAGED)
    assert told.row == attempt.row
    assert attempt.row.head
    counted = figures.collect(here.host(), version="1", settings_valid=True)
    assert counted.history
    assert not counted.history.outcomes  # a staging is no activation
    assert [(each.key, each.pending) for each in counted.components or () if each.pending] == [(KEY, True)]


def test_passwords_in_a_uri_are_not_written_down(world: MakeWorld) -> None:
    here = world()
    here.stage(ImagePackage("fw.bin", uri="https://me:secret@repo.example/fw/fw.bin?key=secret"))
    (_, intent), _ = here.rows()
    assert (intent["uri"], intent["file"]) == ("https://repo.example/fw/fw.bin", "fw.bin")
    assert (intent["size"], intent["sha256"]) == (None, None)
    assert "secret" not in str(here.rows())


ENDINGS = [
    ("forged", (), {"package": ImagePackage("x", b"forged")}, Outcome.FAILED, "VerificationFailed"),
    ("a BMC that lies", ("false-staging",), {}, Outcome.FAILED, None),
    ("a BMC that is busy", ("busy",), {}, Outcome.REFUSED, None),
    ("nothing that waits", (), {"word": "redfish:rack/pmfw-a", "pattern": "immediate"}, Outcome.REFUSED, None),
]


@pytest.mark.parametrize("row", ENDINGS, ids=[row[0] for row in ENDINGS])
def test_bad_ends_are_recorded_too(world: MakeWorld, row: Any) -> None:
    _, faults, wish, outcome, code = row
    pattern = Pattern(wish.pop("pattern", "both"))
    here = world(*faults, pattern=pattern)
    word = here.bench.provider.discover().components[0].key
    attempt = here.stage(**{"word": word} | wish | {"word": word})
    assert attempt.result.outcome is outcome, attempt
    (_, _), (kind, body) = here.rows()
    assert (kind, body["outcome"]) == (RowKind.STAGED, outcome)
    assert code is None or code in str(body["firmware_code"])


class Checked(NamedTuple):
    """A situation in which a check stops a staging, and whether somebody may have it ignored."""

    check: str
    ignorable: bool
    settings: str = ""
    package: ImagePackage = RAW
    privileged: bool = True


UNSIGNED = {"signed"}
CHECKED = (
    Checked("policy", ignorable=False, settings='deny = ["redfish:*"]'),
    Checked("pinned", ignorable=False, settings='[component."redfish:*"]\npin = "1.4"', package=archive("1.9.0")),
    Checked(
        "forbidden",
        ignorable=False,
        settings='[[forbid]]\ncomponent = "redfish:*"\nto = "1.9*"',
        package=archive("1.9.0"),
    ),
    Checked("permission", ignorable=False, privileged=False),
    Checked("downgrade", ignorable=True, package=archive("1.1.0")),
    Checked("requirements", ignorable=True, package=for_another_model("1.9.0")),
    Checked("signature", ignorable=True, settings="signed-images = true", package=archive("1.9.0")),
)


def test_each_check_on_staging_has_a_situation() -> None:
    blocking = {each.name for each in CHECKS if each.weight is not Weight.WARNING}
    assert {row.check for row in CHECKED} == ON_STAGING & blocking
    assert ON_STAGING - blocking == UNSIGNED == {"signed"}


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.check)
def test_checks_stand_before_the_first_byte(world: MakeWorld, row: Checked) -> None:
    here = world(settings=row.settings)
    here.privileged = row.privileged
    attempt = here.stage(row.package)
    assert (attempt.result.outcome, attempt.result.why.code) == (Outcome.REFUSED, row.check)
    ((kind, body),) = here.rows()
    assert (kind, body["code"], body["archive"]) == (
        RowKind.STAGED,
        row.check,
        None if row.package is RAW else "pmfw.cab",
    )
    assert here.bench.posts("") == here.bench.posts("/Sessions")
    assert [told.kind for told in here.announced] == [RowKind.STAGED]


@pytest.mark.parametrize("by", ["--ignore", "ignore of the settings"])
@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.check)
def test_only_what_may_be_ignored_is(world: MakeWorld, row: Checked, by: str) -> None:
    wish: dict[str, Any] = {"ignore": (row.check,)} if by == "--ignore" else {}
    here = world(settings=row.settings if wish else f"ignore = ['{row.check}']\n{row.settings}")
    here.privileged = row.privileged
    if row.ignorable:
        attempt = here.stage(row.package, **wish)
        assert attempt.result.outcome is Outcome.STAGED
        told = {each.check: each.ignored for each in attempt.problems}
        assert told.pop(row.check)
        assert told.keys() <= UNSIGNED  # which is a warning
        return
    with pytest.raises(UsageError, match="cannot be ignored"):
        here.stage(row.package, **wish)
    assert here.bench.posts("") == here.bench.posts("/Sessions")


def test_what_is_about_the_moment_does_not_keep_an_image_from_waiting(world: MakeWorld) -> None:
    """A shut window, a load, a watchdog, CPUs: they are looked at when it is activated."""
    here = world(settings="[[window]]\nfrom='01:00'\nto='02:00'\nzone='UTC'\n[limits]\nload = 0.1\nseconds = 50")
    here.bench.files.tree |= {
        "/proc/loadavg": b"99 1 1 1/1 1\n",
        "/sys/devices/system/cpu/online": b"0\n",
        "/sys/devices/system/cpu/present": b"0-3\n",
        "/sys/class/watchdog/watchdog0/state": b"active\n",
        "/sys/class/watchdog/watchdog0/timeout": b"30\n",
        "/sys/kernel/security/lockdown": b"[confidentiality]\n",
        "/sys/fs/cgroup/misc.current": b"tdx 2\n",
    }
    attempt = here.stage()
    assert (attempt.result.outcome, attempt.problems) == (Outcome.STAGED, ())
    (attempt,) = drain(here.engine().activate(ActivationRequest((KEY,)))).attempts
    assert {"window", "load", "watchdog", "lockdown", "guests"} <= {each.check for each in attempt.problems}


def test_an_untold_version_is_left_to_the_checks_before_the_activation(world: MakeWorld) -> None:
    here = world(settings='[component."redfish:*"]\npin = "1.4"')
    assert here.stage().result.outcome is Outcome.STAGED
    (attempt,) = drain(here.engine().activate(ActivationRequest((KEY,)))).attempts
    assert attempt.result.why.code == "pinned"


@pytest.mark.parametrize(
    ("ours", "theirs", "refused"),
    [("1.1.0", None, False), (None, "1.1.0", True), ("1.1.0", "1.0.9", True)],
    ids=["ours", "somebody else's", "ours, and then somebody else's"],
)
def test_a_step_back_is_decided_once(world: MakeWorld, ours: str | None, theirs: str | None, refused: bool) -> None:
    """Who stages an older version on purpose need not say so again; nobody else's older image gets by."""
    here = world()
    if ours:
        assert here.stage(archive(ours), ignore=("downgrade",)).result.outcome is Outcome.STAGED
    if theirs:
        here.bench.stage(image=f"version={theirs}".encode())
    (attempt,) = drain(here.engine().activate(ActivationRequest((KEY,)))).attempts
    assert attempt.result.outcome is (Outcome.REFUSED if refused else Outcome.ACTIVATED), attempt.result.why
    assert [problem.ignored for problem in attempt.problems if problem.check == "downgrade"] == [not refused]


def test_one_at_a_time(world: MakeWorld) -> None:
    here = world()
    with here.engine().open(), pytest.raises(Busy):
        here.stage()


def test_interrupted_before_anything_was_sent(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()

    def interrupt(event: Event, control: Control) -> None:
        if isinstance(event, Begun):
            control.stop()

    monkeypatch.setattr(here.bench.watch, "hear", interrupt)
    with pytest.raises(Interrupted, match="nothing was handed over"):
        here.stage()
    assert here.rows()[-1][1]["outcome"] == "cancelled"
    assert here.bench.model.firmware[0].staged is None


def test_lost_from_sight(world: MakeWorld) -> None:
    """Whoever comes next finds out: the management controller has gone on by itself."""
    here = world(seconds=60.0)
    here.bench.watch.patience = 5.0
    attempt = here.stage()
    assert (attempt.result.outcome, attempt.row.open) == (Outcome.UNKNOWN, True)
    assert [kind for kind, _ in here.rows()] == [RowKind.STAGING]
    here.bench.clock.sleep(60.0)
    with here.engine().open() as run:
        assert [settled.outcome for settled in run.settled] == [Outcome.STAGED]
    assert [kind for kind, _ in here.rows()] == [RowKind.STAGING, RowKind.STAGED]


ENGINE = """
import os, signal, sys
from livefw.activation.actor import Actor
from livefw.activation.engine import Engine, Host, Point
from livefw.activation.paths import Paths
from livefw.activation.policy.document import DEFAULT
from livefw.activation.images.target import StagingRequest
from livefw.providers.base import ImagePackage
from livefw.files.host import HostFiles
from livefw.providers.registry import SystemClock, providers
import redfish, livefw.providers.redfish.transport

root, state, lock, image = sys.argv[1:]

def engine(last):
    def at(point):
        if point == last:
            os.kill(os.getpid(), signal.SIGKILL)

    files, clock = HostFiles(root, settings=f"{root}/etc/livefw"), SystemClock()
    places = Paths(state, lock, state, root)
    host = Host(files, providers(files, clock), clock, places, DEFAULT, Actor("r", "", "t"), at=at)
    with open(image, "rb") as file:
        package = ImagePackage(os.path.basename(image), file.read())
    list(Engine(host).stage(StagingRequest(package, "rack/pmfw-a", "to be killed")))

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            engine(line.strip())
        finally:
            os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Mortal(NamedTuple):
    """A BMC on a socket, and a process that makes engines."""

    served: Served
    world: World
    nursery: "subprocess.Popen[str]"

    def die_at(self, point: Point) -> None:
        assert self.nursery.stdin
        assert self.nursery.stdout
        self.nursery.stdin.write(f"{point}\n")
        self.nursery.stdin.flush()
        assert int(self.nursery.stdout.readline()) == -signal.SIGKILL

    def settled(self) -> list[tuple[Outcome | None, str]]:
        with self.world.engine().open() as run:
            return [(each.outcome, each.why.code) for each in run.settled]


@pytest.fixture
def mortal(serve: Callable[..., Served], make: type[Bench], tmp_path: Path) -> Iterator[Mortal]:
    served = serve(seconds=0.02)
    bench = make()
    bench.web = served.web
    world = World(bench, tmp_path)
    root, image = tmp_path, tmp_path / "pmfw.cab"  # the root of the world, whose rows they are
    image.write_bytes(archive("1.9.0").data)
    etc = root / "etc/livefw"
    etc.mkdir(parents=True)
    (etc / "ca.pem").write_bytes(served.server.pem.certificate)
    (root / CREDENTIALS.lstrip("/")).write_bytes(b"admin\na word of passage\n")
    (root / CREDENTIALS.lstrip("/")).chmod(0o600)
    (etc / "livefw.toml").write_text(
        f'[[redfish.bmc]]\nname = "rack"\nurl = "{served.server.url}"\nca = "/etc/livefw/ca.pem"\n'
        f'credentials = "{CREDENTIALS}"\n',
        encoding="ascii",
    )
    command = [sys.executable, "-c", ENGINE, str(root), world.paths.state, world.paths.lock, str(image)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        yield Mortal(served, world, nursery)


BEFORE = (Point.LOCKED, Point.SETTLED, Point.CHECKED)
AFTER = (Point.RECORDED, Point.ANNOUNCED)
UNSENT = (Point.INTENDED, Point.ASKED)
SENT = (Point.ANSWERED, Point.JUDGED)


def test_every_point_is_covered() -> None:
    assert {*BEFORE, *AFTER, *UNSENT, *SENT} == set(Point)


def test_killed_at_every_point(mortal: Mortal) -> None:
    """The next engine tells what is there; where nothing is, nobody can know that the BMC will not come up with it."""
    firmware = mortal.served.model.firmware[0]
    stagings = 0
    for point in Point:
        firmware.staged = None
        mortal.die_at(point)
        stagings += point not in BEFORE
        found = mortal.settled()
        if point in SENT:
            assert found == [(Outcome.STAGED, "version-waits")], point
        elif point in UNSENT:
            assert found == [(Outcome.UNKNOWN, "no-evidence")], point
        else:
            assert found == [], point
        assert (firmware.staged is not None) is (point in (*SENT, *AFTER)), point
        assert mortal.settled() == []
    rows = mortal.world.rows()
    assert [kind for kind, _ in rows] == [RowKind.STAGING, RowKind.STAGED] * stagings
    assert [told.kind for told in mortal.world.announced] == [RowKind.STAGED] * len((*UNSENT, *SENT))
