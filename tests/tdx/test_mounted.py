# SPDX-License-Identifier: Apache-2.0
"""A mounted machine with TDX under use by a shell, by the provider over real files, and by the command."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.tdx_image import MODULE_OFFSET
from livefw.activation import fake
from livefw.activation.outcome import Outcome
from livefw.clock import SystemClock
from livefw.files.host import HostFiles
from livefw.firmware import tdx_repository
from livefw.firmware.seam import TdState
from livefw.firmware.tdx_image import SIGNER
from livefw.machine.config import load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse.server import MountedTree
from livefw.machine.machine import Machine
from livefw.machine.tdx import IMAGES
from livefw.providers.registry import providers
from livefw.providers.tdx.provider import TdxProvider
from livefw.testing.mounted import shell_in

pytestmark = pytest.mark.fuse

Mount = Callable[..., tuple[Machine, Path]]
NODE = "sys/class/firmware/tdx_module"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a machine of this process; unmounted at the end."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    closing: list[Callable[[], None]] = []

    def make(platform: str = "tdx-spr", **changes: Any) -> tuple[Machine, Path]:
        config = load(platform)
        assert config.tdx is not None
        machine = Machine(replace(config, tdx=replace(config.tdx, **changes)), real_time=True)
        closing.append(machine.close)
        machine.boot()
        directory = tmp_path / "mount"
        directory.mkdir()
        closing.append(MountedTree(machine.tree, machine.runner, directory=str(directory)).close)
        return machine, directory

    yield make
    for close in reversed(closing):
        close()


def shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(shell_in(directory, command), capture_output=True, text=True, check=False, env=environment)


UPLOAD = "echo 1 > loading && cat {image} > data && echo 0 > loading; until [ $(cat status) = idle ]; do :; done"


def test_update_by_hand(mount: Mount) -> None:
    _, root = mount()
    image = root / "var/lib/livefw/tdx/joined_files/1.5/tdx_module_1.5.08.blob"
    assert image.read_bytes() == tdx_repository.image("1.5.08")
    done = shell(UPLOAD.format(image=image) + "; cat error remaining_size", root / NODE)
    assert (done.stdout, done.stderr) == ("0\n", "")
    texts = shell("cat version seamldr_version num_remaining_updates", root / "sys/devices/faux/tdx_host").stdout
    assert texts == "1.5.08\n1.5.00\n2\n"


def test_errno_as_a_shell_reports_it(mount: Mount) -> None:
    machine, root = mount()
    rows = [
        ("echo no > cancel", "Invalid argument"),
        ("echo 1 > cancel", "No such device"),
        ("cat cancel", "Permission denied"),
        ("echo 1 > status", "Permission denied"),
    ]
    for command, text in rows:
        assert text in shell(command, root / NODE).stderr
    machine.inject(FaultRequest(name="tdx-lost"))
    assert "No such device or address" in shell("cat version", root / "sys/devices/faux/tdx_host").stderr


def test_whole_proc_cpuinfo_is_read_page_by_page(mount: Mount) -> None:
    _, root = mount()
    assert shell("grep -c ^processor proc/cpuinfo", root).stdout == "8\n"
    assert HostFiles(str(root)).read("/proc/cpuinfo", 1 << 20).count(b"cpu family\t: 6") == 8


FAULTS = [
    (None, Outcome.ACTIVATED, "version-arrived"),
    ("tdx-shutdown", Outcome.FAILED, "update-refused"),
    ("tdx-install", Outcome.FAILED, "module-lost"),
    ("tdx-entropy", Outcome.FAILED, "module-lost"),
    ("tdx-init", Outcome.FAILED, "module-lost"),
    ("tdx-init-cpu", Outcome.FAILED, "module-lost"),
    ("tdx-restore", Outcome.FAILED, "module-lost"),
    ("tdx-loader", Outcome.REFUSED, "unreadable"),
    ("tdx-lost", Outcome.REFUSED, "module-lost"),
]


@pytest.mark.parametrize(("fault", "outcome", "code"), FAULTS)
def test_provider_over_real_files(mount: Mount, fault: str | None, outcome: Outcome, code: str) -> None:
    machine, root = mount()
    if fault:
        machine.inject(FaultRequest(name=fault))
    files = HostFiles(str(root), settings=f"{root}/etc/livefw")
    result = fake.activate(TdxProvider(files, SystemClock()), "module", files=files, clock=SystemClock())
    assert (result.outcome, result.why.code) == (outcome, code)
    assert machine.tdx
    alive = machine.tdx.seam.td("td0").state is TdState.RUNNING
    assert alive == (code != "module-lost")


def test_registry_finds_it(mount: Mount) -> None:
    _, root = mount()
    assert [provider.name for provider in providers(HostFiles(str(root)))] == ["lfa", "tdx"]


class Command:
    """``livefw --root MOUNT``."""

    def __init__(self, root: Path, state: Path, settings: Path | None = None) -> None:
        self._root = root
        settings = settings or root / "etc/livefw"
        self._settings = ["--settings", str(settings)] if settings.is_dir() else []
        self._environment = os.environ | {"LIVEFW_STATE": str(state), "LC_ALL": "C"}

    def run(self, *words: str, **environment: str) -> tuple[int, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "livefw", "--root", str(self._root), *self._settings, "--json", *words],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment | environment,
        )
        return done.returncode, json.loads(done.stdout)

    def text(self, *words: str) -> str:
        """What a person sees."""
        words = ("-m", "livefw", "--root", str(self._root), *self._settings, *words)
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, check=False, env=self._environment
        )
        return done.stdout


def test_command_lists_activates_and_tells(mount: Mount, tmp_path: Path) -> None:
    machine, root = mount()
    command = Command(root, tmp_path / "state")
    code, listed = command.run("list")
    assert (code, [item["key"] for item in listed["components"]]) == (0, ["tdx:module"])
    code, _ = command.run("activate", "tdx:module")
    assert code == 0
    assert machine.tdx
    assert machine.tdx.seam.slots == 2
    code, _ = command.run("activate", "--all")
    assert (code, machine.tdx.seam.slots) == (3, 2)


def test_command_holds_an_update_against_what_relying_parties_accept(mount: Mount, tmp_path: Path) -> None:
    """Blocked by the check, overridden on record; both values are in the plan, in the history and in the report."""
    machine, root = mount()
    old, new = (tdx_repository.image(each) for each in ("1.5.06", "1.5.24"))
    values = [hashlib.sha384(each[MODULE_OFFSET:]).hexdigest() for each in (old, new)]
    text = f'[tdx]\nimages = "{IMAGES}"\nsigners = ["{SIGNER}"]\nmrseam = ["{values[0]}"]\n'
    (tmp_path / "livefw.toml").write_text(text, encoding="ascii")
    command = Command(root, tmp_path / "state", tmp_path)

    code, planned = command.run("plan", "tdx:module")
    (step,) = planned["steps"]
    expected = {"field": "MRSEAM", "current": values[0], "pending": values[1]}
    assert (code, step["stopped"], step["component"]["attestation"]) == (4, True, expected)
    assert [each["check"] for each in step["problems"] if each["weight"] == "error"] == ["attestation"]
    plain = command.text("plan", "tdx:module")
    assert f"MRSEAM   now    {values[0]}\n" in plain
    assert f"         after  {values[1]}\n" in plain
    assert "--ignore attestation" in plain
    assert command.run("activate", "tdx:module")[0] == 4
    assert machine.tdx
    assert machine.tdx.seam.slots == 3

    assert command.run("activate", "tdx:module", "--ignore", "attestation")[0] == 0
    _, kept = command.run("history", "tdx:module")
    intent = kept["history"][0]["intent"]
    assert (intent["attestation"], [each["check"] for each in intent["ignored"]]) == (expected, ["attestation"])
    assert f"MRSEAM: before {values[0]}, after {values[1]}" in command.text("report", "-o", "-", "--format", "md")
    _, shown = command.run("show", "tdx:module")
    assert shown["components"][0]["attestation"] == {"field": "MRSEAM", "current": values[1], "pending": None}
    _, found = command.run("tdx", "candidates")
    assert {row["version"]: row["accepted"] for row in found["candidates"]}["1.5.24"] is False


REFUSALS: list[tuple[dict[str, Any], str | None, int]] = [
    ({"slots": 0}, None, 4),
    ({"lost": True}, None, 4),
    ({"erratum": True}, None, 4),
    ({}, "tdx-restore", 1),
    ({}, "tdx-shutdown", 1),
]


@pytest.mark.parametrize(("changes", "fault", "expected"), REFUSALS)
def test_weakness_refusals_and_failures_exit_with_0(
    mount: Mount, tmp_path: Path, changes: dict[str, Any], fault: str | None, expected: int
) -> None:
    """Intel's script tells automation that all is well; the exit code here is the outcome."""
    machine, root = mount(**changes)
    if fault:
        machine.inject(FaultRequest(name=fault))
    assert Command(root, tmp_path / "state").run("activate", "tdx:module")[0] == expected


def test_candidates(mount: Mount, tmp_path: Path) -> None:
    _, root = mount()
    command = Command(root, tmp_path / "state")
    code, found = command.run("tdx", "candidates")
    verdicts = {row["version"]: [reason["code"] for reason in row["reasons"]] for row in found["candidates"]}
    assert code == 0
    assert verdicts["1.5.05"] == ["downgrade", "svn"]
    assert verdicts["1.5.06"] == ["same"]
    assert verdicts["1.5.08"] == []
    assert verdicts["1.5.25"] == ["seamldr", "cpu"]
    assert [row["version"] for row in found["candidates"] if row["chosen"]] == ["1.5.24"]


def test_candidates_of_a_directory_on_this_host(mount: Mount, tmp_path: Path) -> None:
    """The directory may be reached through a symbolic link, as a clone often is; the key is the machine's own."""
    _, root = mount()
    command = Command(root, tmp_path / "state")
    release = next(release for release in tdx_repository.RELEASES if release.version == "1.5.08")
    tdx_repository.write(
        str(tmp_path / "clone"), {"1.5.08": tdx_repository.image("1.5.08")}, tdx_repository.table([release])
    )
    (tmp_path / "link").symlink_to(tmp_path / "clone")
    code, found = command.run("tdx", "candidates", "--images", str(tmp_path / "link"))
    assert (code, [row["version"] for row in found["candidates"]]) == (0, ["1.5.08"])
    code, listed = command.run("list", LIVEFW_TDX_IMAGES=str(tmp_path / "link"))
    assert listed["components"][0]["pending_version"] == "1.5.08"
    code, found = command.run("tdx", "candidates", "--images", str(tmp_path / "nowhere"))
    assert (code, found["error"]["kind"]) == (1, "transport")


def test_candidates_where_there_is_no_tdx(tmp_path: Path) -> None:
    code, found = Command(tmp_path, tmp_path / "state").run("tdx", "candidates")
    assert (code, found["error"]["kind"]) == (3, "nothing-here")
