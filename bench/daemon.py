# SPDX-License-Identifier: Apache-2.0
"""``fwupdmgr get-devices --json`` against our daemon with four components, beside fwupd's own on this machine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import livefw
from bench.measure import Aim, NotHere, Row, interleave
from bench.mounted import machine
from livefw.activation.history.journal import Journal
from livefw.activation.outcome import Outcome
from livefw.providers.lfa.fake import FakeLfa

ROUNDS = 101
"""Many, for the two differ by less than one run of either from the next."""
OWN = "/usr/libexec/fwupd/fwupd"
INSTALLED = "/usr/bin/python3"
"""What the Debian package runs livefwd with; fwupd's own daemon is Debian's too."""
COMPONENTS = 4
RECORDED = 100
"""Activations in the record of a machine that has been in use."""
_GUID = "6c0762a6-12f2-4b56-92cb-ba8f633606d"
_PATIENCE_S = 20.0
_SOURCES = str(Path(livefw.__path__[0]).parent)
_ESRT_ENTRY = {
    "fw_type": "2",
    "fw_version": "65586",
    "lowest_supported_fw_version": "65582",
    "capsule_flags": "0xfe",
    "last_attempt_version": "0",
    "last_attempt_status": "0",
}

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={path}</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
"""


def rows() -> Iterator[Row]:
    """Milliseconds of the whole command."""
    if not (shutil.which("fwupdmgr") and shutil.which("dbus-daemon") and os.path.exists(OWN) and os.geteuid() == 0):
        raise NotHere("it needs fwupd, dbus-daemon and root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lfb")))
        ours = {str(folder / f"ours{number}"): each for number, each in enumerate(_alternatives(folder, stack))}
        for path, each in ours.items():
            words = [each.python, "-m", "livefw.daemon.service", "--root", each.root, "--socket", path, "--bus", ""]
            words += ["--state", each.state, "--log-level", "error"]
            stack.enter_context(served(words, path))
        theirs = str(folder / "theirs")
        firmware = stack.enter_context(_esrt(folder / "firmware"))
        bus = str(folder / "bus")
        (folder / "bus.conf").write_text(_BUS.format(path=bus), encoding="ascii")
        stack.enter_context(served(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork"], bus, {}))
        places = {"FWUPD_LOCALSTATEDIR": str(folder / "fwupd"), "FWUPD_SYSFSFWDIR": firmware}
        places |= {"FWUPD_DBUS_SOCKET": theirs, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        stack.enter_context(served([OWN], theirs, places))
        counts = {path: _devices(path) for path in (*ours, theirs)}
        medians = interleave({path: partial(_devices, path) for path in counts}, rounds=ROUNDS)
        limit = round(medians[theirs] * 1e3, 1)
        beside = f"fwupd's own daemon, {counts[theirs]} devices: {limit} ms"
        for path, each in ours.items():
            subject = f"fwupdmgr get-devices --json, {counts[path]} devices, {each.what}"
            compared = (Aim(limit), beside) if each.aims else (None, "")
            yield Row(subject, medians[path] * 1e3, "ms", *compared)


class _Livefwd(NamedTuple):
    """One to be measured: what it shows, by which Python, the root it looks at, where its record is, and whether it is
    to be as fast as fwupd's own."""

    what: str
    python: str
    root: str
    state: str
    aims: bool = True


def _alternatives(folder: Path, stack: ExitStack) -> Iterator[_Livefwd]:
    waiting, idle = (planted(folder / name, pending=name == "waiting") for name in ("waiting", "idle"))
    new, old = str(folder / "new"), str(folder / "old")
    _recorded(old)
    if (version := _version(INSTALLED)) and os.path.realpath(sys.executable) != INSTALLED:
        by = f"installed Python {version}"
        yield _Livefwd(f"nothing waiting, {by}", INSTALLED, idle, new)
        yield _Livefwd(f"images waiting, {by}", INSTALLED, waiting, new)
        yield _Livefwd(f"images waiting, {RECORDED} in the record, {by}", INSTALLED, waiting, old)
    yield _Livefwd("nothing waiting, this Python", sys.executable, idle, new)
    yield _Livefwd("images waiting, this Python", sys.executable, waiting, new)
    mounted = str(stack.enter_context(machine("vera")).root)
    yield _Livefwd("images waiting, this Python, through FUSE", sys.executable, mounted, new, aims=False)


def _recorded(state: str) -> None:
    """A record of activations that went well."""
    journal = Journal.open(state)
    for number in range(RECORDED):
        key = f"lfa:{_GUID}{number % COMPONENTS}"
        activation = journal.begin(key, {"name": f"component {number % COMPONENTS}"})
        journal.end(activation, key, {"outcome": Outcome.ACTIVATED, "seconds": 0.5, "current_version": "1.0"})
    journal.close()


def _version(python: str) -> str:
    """The version of an interpreter that can run the daemon; empty if it cannot."""
    program = "import livefw.daemon.service, platform; print(platform.python_version())"
    environment = os.environ | {"PYTHONPATH": _SOURCES}
    try:
        done = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def planted(folder: Path, *, pending: bool) -> str:
    """Four components as plain files, which cost what sysfs costs; a mounted machine costs ten times that."""
    bench = FakeLfa()
    for number in range(COMPONENTS):
        bench.add(f"{_GUID}{number}", name=f"component {number}", activation_pending=str(int(pending)))
    for path, data in bench.files.tree.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return str(folder)


@contextmanager
def _esrt(folder: Path) -> Iterator[str]:
    """Four firmwares for fwupd's own daemon: entries of an EFI System Resource Table, in the files of Linux's sysfs.

    Its plugin wants the EFI variables to be a file system of their own.
    """
    for number in range(COMPONENTS):
        entry = folder / f"efi/esrt/entries/entry{number}"
        entry.mkdir(parents=True)
        for name, text in (_ESRT_ENTRY | {"fw_class": f"ddc0ee61-e7f0-4e7d-acc5-c070a398838{number}"}).items():
            (entry / name).write_text(f"{text}\n", encoding="ascii")
    variables = folder / "efi/efivars"
    variables.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", variables], check=True)
    try:
        yield str(folder)
    finally:
        subprocess.run(["umount", variables], check=True)


def _devices(path: str) -> int:
    done = subprocess.run(
        ["fwupdmgr", "get-devices", "--json"],
        env={**os.environ, "FWUPD_DBUS_SOCKET": path, "FWUPD_POLKIT_NOCHECK": "1"},
        capture_output=True,
        check=False,
    )
    return len(json.loads(done.stdout).get("Devices", ()))


@contextmanager
def served(
    words: list[str], path: str, environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that runs, from the moment on at which it takes connections."""
    with subprocess.Popen(
        words,
        env={**os.environ, **(environment or {"PYTHONPATH": _SOURCES})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            end = monotonic() + _PATIENCE_S
            while not _answers(path):
                if process.poll() is not None or monotonic() > end:
                    raise RuntimeError(f"{words[0]} does not serve")
                sleep(0.05)
            yield process
        finally:
            process.terminate()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0
