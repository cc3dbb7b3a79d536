# SPDX-License-Identifier: Apache-2.0
"""`livefw activate --to` and `--at`: only what was confirmed is activated, at the time that was said, by a timer."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from livefw.activation.policy.window import Window
from livefw.activation.schedule import when
from livefw.errors import ExitCode, LivefwError, Refused, UsageError

from .conftest import Root

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can schedule an activation")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 29, 13, 0, tzinfo=UTC)  # Sunday, 14:00 in Berlin

RUN = """#!{python}
import json, sys
json.dump(sys.argv[1:], open({told!r}, "a"))
"""
SHOW = """#!/bin/sh
if [ "$1" = stop ]; then echo "$@" >> {stopped}; exit; fi
cat <<END
Id=livefw-activate-1.timer
Description=livefw activate TF-RMM 1.0 -> 1.1
NextElapseUSecRealtime=Fri 2026-12-04 22:00:00 CET
ActiveState=active

Id=livefw-activate-2.timer
Description=gone
NextElapseUSecRealtime=
ActiveState=inactive
END
"""


class Timers:
    """A systemd-run and a systemctl that only keep what they are asked for."""

    def __init__(self, root: Root, folder: Path) -> None:
        self.root = root
        self.told, self.stopped = folder / "told", folder / "stopped"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.write("systemd-run", RUN.format(python=sys.executable, told=str(self.told)))
        self.write("systemctl", SHOW.format(stopped=self.stopped))
        root.environment["PATH"] = f"{self._bin}:{os.environ['PATH']}"

    def write(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    @property
    def options(self) -> list[str]:
        words: list[str] = json.loads(self.told.read_text())
        return words[: words.index("--")]

    @property
    def command(self) -> list[str]:
        """What the timer would run, as systemd hands it over."""
        words: list[str] = json.loads(self.told.read_text())
        return [word.replace("$$", "$") for word in words[words.index("--") + 1 :]]

    def elapse(self) -> subprocess.CompletedProcess[str]:
        """Run it, with the environment of a unit, apart from where this test's machine is."""
        kept = {name: each for name, each in self.root.environment.items() if name.startswith(("LIVEFW_", "PATH"))}
        return subprocess.run(self.command, env=kept, cwd="/", capture_output=True, text=True, check=False)


@pytest.fixture
def timers(vera: Root, tmp_path: Path) -> Timers:
    return Timers(vera, tmp_path)


def outcome(root: Any) -> tuple[str, str]:
    last = json.loads(root.run("--json", "history", "--limit", "1").out)["history"][0]["outcome"]
    return last["outcome"], last["code"]


# --to


@pytest.mark.fuse
def test_only_the_expected_version_is_activated(vera: Any) -> None:
    other = vera.run("activate", "tf-rmm", "--to", "9.9")
    assert other.code == ExitCode.REFUSED
    assert "version 1.1 is pending, and not 9.9" in other.out
    assert outcome(vera) == ("refused", "other-version")
    assert vera.run("activate", "tf-rmm", "--to", "1.1").code == ExitCode.DONE


@pytest.mark.parametrize("words", [("--all", "--to", "1.2"), ("tf-rmm", "--to", "1.2", "--to", "1.2")])
def test_a_version_is_for_one_component(ready: Root, words: tuple[str, ...]) -> None:
    assert ready.run("activate", *words).code == ExitCode.USAGE
    assert ready.run("history", "--limit", "1").code == ExitCode.NOTHING_TO_DO


# --at


@pytest.mark.fuse
@as_root
def test_what_was_confirmed_is_activated_later(timers: Timers) -> None:
    vera: Any = timers.root
    done = vera.run("--json", "activate", "tf-rmm", "--at", "+2h", "--reason", "$HOME 100%", "--on-failure", "continue")
    assert done.code == ExitCode.DONE, done.err
    scheduled = done.json["scheduled"]
    assert [each["pending_version"] for each in scheduled["components"]] == ["1.1"]
    at = datetime.fromisoformat(scheduled["at"])
    assert abs(at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=10)
    assert f"--on-calendar={at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" in timers.options
    assert f"--unit={scheduled['unit'].removesuffix('.timer')}" in timers.options
    assert {"--collect", "--property=KillMode=process"} <= set(timers.options)
    assert vera.run("--json", "list").json["components"][-1]["pending"]
    (row,) = (each["outcome"] for each in json.loads(vera.run("--json", "history").out)["history"])
    assert (row["kind"], row["unit"], row["reason"]) == ("scheduled", scheduled["unit"], "$HOME 100%")
    (ident,) = (each["activation"] for each in json.loads(vera.run("--json", "history").out)["history"])
    assert scheduled["unit"] in vera.run("history", ident).out
    told = f"scheduled for {at:%Y-%m-%d %H:%M}"
    assert [told in line and "1.0 -> 1.1" in line for line in vera.run("history").out.splitlines()] == [False, True]
    ran = timers.elapse()
    assert ran.returncode == ExitCode.DONE, ran.stderr
    last = json.loads(vera.run("--json", "history", "--limit", "1").out)["history"][0]
    assert last["outcome"]["outcome"] == "activated"
    assert last["intent"]["reason"].startswith(f"scheduled by {row['actor']['user']}")
    assert last["intent"]["reason"].endswith(": $HOME 100%")


@pytest.mark.fuse
@as_root
def test_another_image_is_not_activated_later(timers: Timers) -> None:
    vera: Any = timers.root
    assert vera.run("activate", "tf-rmm", "--at", "22:00").code == ExitCode.DONE
    vera.machine.stage("rmm", "7.0")
    ran = timers.elapse()
    assert ran.returncode == ExitCode.REFUSED
    assert outcome(vera) == ("refused", "other-version")


@as_root
def test_it_is_told_in_80_columns_how_to_cancel(ready: Root, tmp_path: Path) -> None:
    timers = Timers(ready, tmp_path)
    done = ready.run("activate", "--all", "--at", "+3d")
    assert done.code == ExitCode.DONE, done.err
    assert ", in 3 days\n  TF-RMM  1.0 -> 1.2\n  to cancel it: systemctl stop livefw-activate-" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    shown = ready.run("activate", "--scheduled")
    assert shown.out == (
        "Fri 2026-12-04 22:00:00 CET  livefw activate TF-RMM 1.0 -> 1.1\n"
        "  to cancel it: systemctl stop livefw-activate-1.timer\n"
    )
    assert [each["unit"] for each in ready.run("--json", "activate", "--scheduled").json["timers"]] == [
        "livefw-activate-1.timer"
    ]
    assert not timers.stopped.exists()


@as_root
def test_a_timer_without_a_row_is_stopped(ready: Root, tmp_path: Path) -> None:
    timers = Timers(ready, tmp_path)
    state = Path(ready.environment["LIVEFW_STATE"])
    # Between the timer and the row the history goes away.
    timers.write("systemd-run", f"#!/bin/sh\nrm {state}/history.db*; mkdir {state}/history.db")
    done = ready.run("activate", "--all", "--at", "+1h")
    assert done.code != ExitCode.DONE
    assert timers.stopped.read_text().startswith("stop --no-ask-password livefw-activate-")


SETTINGS = {
    "denied": ("deny = ['*']", "+1h", ExitCode.REFUSED, "policy"),
    "pinned": ("[component.tf-rmm]\npin = '9'", "+1h", ExitCode.REFUSED, "requires version 9"),
    "no-window": ("", "window", ExitCode.REFUSED, "there is no maintenance window"),
    "window-closed": (
        "[[window]]\ndays = ['mon']\nfrom = '00:00'\nto = '00:01'",
        "2027-06-01T12:00",
        ExitCode.REFUSED,
        "no maintenance window is open at Tue 01 Jun 12:00",
    ),
    "window-is-open": (
        "[[window]]\nfrom = '00:00'\nto = '12:00'\n[[window]]\nfrom = '12:00'\nto = '00:00'",
        "window",
        ExitCode.REFUSED,
        "is open now",
    ),
    "nonsense": ("", "tomorrow", ExitCode.USAGE, "'tomorrow' is no time"),
    "past": ("", "2020-01-01T00:00", ExitCode.USAGE, "not within the next year"),
}


@as_root
@pytest.mark.parametrize("name", SETTINGS)
def test_what_cannot_be_is_not_scheduled(ready: Root, tmp_path: Path, name: str) -> None:
    settings, at, code, text = SETTINGS[name]
    timers = Timers(ready, tmp_path)
    folder = ready.file("/etc/livefw")
    folder.mkdir(parents=True)
    (folder / "livefw.toml").write_text(settings)
    done = ready.run("activate", "--all", "--at", at)
    assert (done.code, timers.told.exists()) == (code, False), done.err
    assert text in done.err


@as_root
@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        (
            "echo 'System has not been booted with systemd as init system' >&2; exit 1",
            ExitCode.NOT_INSTALLED,
            "systemd does not run here",
        ),
        ("echo 'Failed to start transient timer unit: Access denied' >&2; exit 1", ExitCode.NO_PERMISSION, "denied"),
        (None, ExitCode.NOT_INSTALLED, "systemd-run is missing"),
    ],
)
def test_without_systemd(ready: Root, tmp_path: Path, script: str | None, code: int, text: str) -> None:
    timers = Timers(ready, tmp_path)
    timers.write("systemd-run", f"#!/bin/sh\n{script}")
    if script is None:
        (tmp_path / "bin/systemd-run").unlink()
        ready.environment["PATH"] = str(tmp_path / "bin")
    done = ready.run("activate", "--all", "--at", "+1h")
    assert (done.code, text in done.err) == (code, True), done.err
    assert " --to=1.2 --yes\n" in done.err  # the command for another scheduler


@as_root
def test_where_systemd_does_not_run_nobody_is_asked(ready: Root, tmp_path: Path) -> None:
    timers = Timers(ready, tmp_path)
    timers.write("systemctl", "#!/bin/sh\necho 'System has not been booted with systemd as init system' >&2; exit 1")
    for words in (("--all", "--at", "+1h"), ("--scheduled",)):
        done = ready.run("activate", *words)
        assert (done.code, done.out) == (ExitCode.NOT_INSTALLED, ""), done.err
        assert "systemd does not run here" in done.err
        assert "booted" not in done.err
    assert not timers.told.exists()


TIMES = {
    "22:00": datetime(2026, 11, 29, 22, 0, tzinfo=BERLIN),
    "9:30": datetime(2026, 11, 30, 9, 30, tzinfo=BERLIN),
    "14:00": datetime(2026, 11, 30, 14, 0, tzinfo=BERLIN),
    "+2h": NOW + timedelta(hours=2),
    "+90m": NOW + timedelta(minutes=90),
    "+7d": NOW + timedelta(days=7),
    "2026-12-04T22:00": datetime(2026, 12, 4, 22, 0, tzinfo=BERLIN),
    "2026-12-04T22:00+00:00": datetime(2026, 12, 4, 22, 0, tzinfo=UTC),
    "2026-12-04": datetime(2026, 12, 4, 0, 0, tzinfo=BERLIN),
    "window": datetime(2026, 12, 4, 21, 0, tzinfo=UTC),
}
FRIDAY = (Window(frozenset({4}), 22 * 60, 23 * 60, BERLIN),)


@pytest.mark.parametrize("text", TIMES)
def test_times(text: str) -> None:
    assert when.moment(text, FRIDAY, NOW, zone=BERLIN) == TIMES[text]


def test_a_time_that_the_clock_skips_is_on_the_next_day() -> None:
    before = datetime(2027, 3, 28, 0, 0, tzinfo=BERLIN)  # at 02:00 the clock is put forward to 03:00
    assert when.moment("02:30", (), before, zone=BERLIN) == datetime(2027, 3, 29, 2, 30, tzinfo=BERLIN)


ARABIC = "\u0662\u0662:\u0660\u0660"  # digits for int(), 22:00
WRONG = ["", "+", "+1", "+0h", "-1h", "+1w", "24:00", "9:60", "now", "2026-13-01", "+99999d", "9999-12-31"]


@pytest.mark.parametrize("text", [*WRONG, ARABIC])
def test_no_times(text: str) -> None:
    with pytest.raises(UsageError):
        when.moment(text, FRIDAY, NOW, zone=BERLIN)


@pytest.mark.parametrize("windows", [(), (Window(frozenset(range(7)), 0, 0, UTC),)])
def test_no_opening(windows: tuple[Window, ...]) -> None:
    with pytest.raises(Refused) as refused:
        when.moment("window", windows, NOW, zone=UTC)
    assert isinstance(refused.value, LivefwError)
    assert refused.value.hint
