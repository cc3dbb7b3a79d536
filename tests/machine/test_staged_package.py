# SPDX-License-Identifier: Apache-2.0
"""Signed packages on a machine with a store, by the commands that an engineer would type."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livefw.abi.guid import RMM
from livefw.abi.version import ComponentVersion
from livefw.errors import ExitCode
from livefw.firmware.image import build, note, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter

pytestmark = pytest.mark.fuse
KEYS = build.generate(CCA)
Livefw = Callable[..., subprocess.CompletedProcess[str]]


def package(path: Path, version: str, counter: int) -> bytes:
    image = note.append(b"RMM" * 99, ComponentVersion.parse(version))
    path.write_bytes(ImageSigner(CCA, KEYS, {Counter.CCA: counter}).package({RMM.guid: image}))
    return path.read_bytes()


@pytest.fixture
def livefw(process: Callable[..., Any], environment: dict[str, str], tmp_path: Path) -> Livefw:
    """The command beside a machine whose RMM 1.0 boots from a store; ``--root`` is given already."""
    environment["LIVEFW_STATE"] = str(tmp_path / "state")
    package(tmp_path / "factory.fip", "1.0", 5)
    (tmp_path / "trust.toml").write_text(trust.dumps(ImageSigner(CCA, KEYS).anchor()))
    store = str(tmp_path / "flash")
    words = ("image", "store", "init", store, tmp_path / "factory.fip", "--trust", tmp_path / "trust.toml")
    machine: Any = None

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        root = ("--root", str(machine.mount)) if machine else ()
        done: subprocess.CompletedProcess[str] = started.livefw(*root, *map(str, words))
        return done

    started = process("--platform", "fvp", "--machine", "memory")
    assert run(*words).returncode == 0
    machine = process("--platform", "vera", "--store", store)
    return run


def activate(livefw: Livefw, *words: str) -> tuple[int, dict[str, Any]]:
    done = livefw("--json", "activate", "tf-rmm", *words)
    document = json.loads(done.stdout)
    return done.returncode, document["results"][0]


def test_the_firmware_judges_what_was_staged(livefw: Livefw, tmp_path: Path) -> None:
    bad, old, new = (tmp_path / f"{name}.fip" for name in ("bad", "old", "new"))
    bad.write_bytes(package(bad, "1.1", 6).replace(b"RMMRMM", b"RMMrmm", 1))
    package(old, "0.9", 4)
    package(new, "1.1", 6)

    said = livefw("machine", "stage", bad, "--machine", "vera").stdout
    assert said == f"staged {bad} in bank 1: rmm-fw 1.1, declared, not verified until PRIME\n"
    code, result = activate(livefw)
    assert (code, result["outcome"], result["claim"]["firmware_code"]) == (ExitCode.FAILED, "failed", "AUTH_ERROR")
    shown = livefw("machine", "show", "--machine", "vera").stdout
    assert "the firmware last refused: rmm-fw: the image is not the one that its certificate vouches for" in shown

    livefw("machine", "stage", old, "--machine", "vera")
    code, result = activate(livefw)
    assert (code, result["outcome"]) == (ExitCode.REFUSED, "refused")
    code, result = activate(livefw, "--ignore", "downgrade")
    assert (code, result["outcome"], result["claim"]["firmware_code"]) == (ExitCode.FAILED, "failed", "AUTH_ERROR")
    assert "ccafw 4, expected at least 5" in livefw("machine", "show", "--machine", "vera").stdout

    staged = json.loads(livefw("--json", "machine", "stage", new, "--machine", "vera").stdout)["stage"]
    assert (staged["bank"], staged["images"][0]["version"], staged["images"][0]["differs"]) == (1, "1.1", True)
    code, result = activate(livefw)
    assert (code, result["outcome"], result["after"]["current_version"]) == (ExitCode.DONE, "activated", "1.1")
    assert "the firmware last refused" not in livefw("machine", "show", "--machine", "vera").stdout
    same_registers_as_the_tools_of_the_tcg(livefw, tmp_path / "event.log")


def same_registers_as_the_tools_of_the_tcg(livefw: Livefw, file: Path) -> None:
    """What was measured above: the image that booted, and the only one that was primed."""
    done = livefw("--json", "machine", "eventlog", "--machine", "vera", "--output", file)
    said = json.loads(done.stdout)
    assert [event["name"] for event in said["events"]] == ["rmm-fw 1.0", "rmm-fw 1.1"]
    if shutil.which("tpm2_eventlog") is None:
        pytest.skip("tpm2_eventlog is not installed (Debian package tpm2-tools)")
    replayed = subprocess.run(["tpm2_eventlog", file], capture_output=True, text=True, check=True).stdout
    theirs = re.findall(r"^  (sha\d+):\n    0  : 0x([0-9a-f]+)$", replayed, re.MULTILINE)
    assert theirs == [(each["hash"].lower(), each["value"]) for each in said["registers"]]


def test_what_cannot_be_staged_is_said_and_changes_nothing(livefw: Livefw, tmp_path: Path) -> None:
    new = tmp_path / "new.fip"
    package(new, "1.1", 6)
    (tmp_path / "text.fip").write_text("no package")
    files = {path.name: path.read_bytes() for path in (tmp_path / "flash").iterdir()}
    for words, code, text in (
        ((new, "--machine", "memory"), ExitCode.USAGE, "has no store"),
        (("rmm", "--machine", "vera"), ExitCode.USAGE, "is in a store, which takes packages"),
        ((new, "1.1", "--machine", "vera"), ExitCode.USAGE, "brings its own versions"),
        ((new, "--forged", "--machine", "vera"), ExitCode.USAGE, "brings its own versions"),
        ((tmp_path / "nothing.fip", "--machine", "vera"), ExitCode.USAGE, "No such file"),
        ((tmp_path / "text.fip", "--machine", "vera"), ExitCode.REFUSED, "the package ends inside a structure"),
    ):
        done = livefw("machine", "stage", *words)
        assert (done.returncode, text in done.stderr) == (code, True), done.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "flash").iterdir()} == files
    done = livefw("machine", "eventlog", "--machine", "memory")
    assert (done.returncode, "has no store, and measures nothing" in done.stderr) == (ExitCode.USAGE, True)
    machines = json.loads(livefw("--json", "machine", "list").stdout)["machines"]
    assert [machine["store"] for machine in machines] == [None, str(tmp_path / "flash")]
