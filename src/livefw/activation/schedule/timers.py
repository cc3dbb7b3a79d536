# SPDX-License-Identifier: Apache-2.0
"""Transient timers of systemd (systemd-run(1)): each runs one command once.

They are in memory: a reboot removes them. That is meant. What was confirmed was the state of the machine before it.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from livefw.errors import NotInstalled, PermissionDenied, TransportError
from livefw.text import decode

PREFIX = "livefw-activate-"
_SECONDS = 60.0
_LINE_LIMIT = 300
_ABSENT = ("not been booted with systemd", "Failed to connect to bus", "Failed to connect to system scope bus")
"""What its programs say where it is not process 1."""
_PROPERTIES = (
    "Type=exec",
    # As in livefwd.service: an activation is not ended with the process that has asked for it.
    "KillMode=process",
    "OOMPolicy=continue",
    "TimeoutStopSec=180",
)


class ScheduledTimer(NamedTuple):
    """A timer: its unit, what it is for, and when it elapses, as systemd shows it."""

    unit: str
    text: str
    at: str


def start(name: str, text: str, at: datetime, command: Sequence[str], *, environment: dict[str, str]) -> str:
    """Start a timer that runs a command once; returns its unit.

    Raises:
        NotInstalled: there is no systemd-run.
        PermissionDenied, TransportError: systemd does not start it.
    """
    unit = f"{PREFIX}{name}"
    words = [
        "--quiet",
        "--no-ask-password",
        "--collect",
        f"--unit={unit}",
        f"--description={text}",
        f"--on-calendar={at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "--timer-property=AccuracySec=1s",
        *(f"--property={each}" for each in _PROPERTIES),
        *(f"--setenv={name}={value}" for name, value in environment.items()),
        "--",
        # A dollar sign would name a variable (systemd.service(5)).
        *(each.replace("$", "$$") for each in command),
    ]
    _run("systemd-run", *words)
    return f"{unit}.timer"


def require() -> None:
    """Raise `NotInstalled` or another error of `start` if systemd does not run here."""
    _found("systemd-run")
    _run("systemctl", "show", "--property=Version")


def scheduled() -> list[ScheduledTimer]:
    """All timers that have not elapsed, in the order of systemd. Errors as for `start`."""
    wanted = "--property=Id,Description,NextElapseUSecRealtime,ActiveState"
    return [*_parsed(_run("systemctl", "show", "--no-pager", wanted, f"{PREFIX}*.timer"))]


def stop(unit: str) -> None:
    """Stop a timer; its command does not run then. Errors as for `start`."""
    _run("systemctl", "stop", "--no-ask-password", unit)


def _parsed(text: str) -> Iterator[ScheduledTimer]:
    for block in text.split("\n\n"):
        shown = dict(line.partition("=")[::2] for line in block.splitlines())
        if shown.get("ActiveState") == "active" and shown.get("Id", "").startswith(PREFIX):
            yield ScheduledTimer(shown["Id"], shown.get("Description", ""), shown.get("NextElapseUSecRealtime", ""))


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise NotInstalled(f"{program} is missing: activations are scheduled by systemd", phase="schedule")
    return path


def _run(program: str, *words: str) -> str:
    path = _found(program)
    try:
        done = subprocess.run(
            [path, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransportError(f"{program}: {error}", phase="schedule") from error
    if done.returncode == 0:
        return decode(done.stdout)
    said = next(filter(None, decode(done.stderr).splitlines()), f"it ended with {done.returncode}")[:_LINE_LIMIT]
    if any(each in said for each in _ABSENT):
        raise NotInstalled(
            "systemd does not run here, and its timers schedule activations",
            hint="livefw watch activates what is automatic in livefw.toml, in the maintenance window",
            phase="schedule",
        )
    kind = PermissionDenied if "denied" in said or "authentication" in said else TransportError
    raise kind(f"{program}: {said}", phase="schedule")
