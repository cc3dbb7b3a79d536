# SPDX-License-Identifier: Apache-2.0
"""``livefw machine bmc`` and the commands that meet it, each a process of its own, over TLS."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cabarchive
import pytest

from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.inventory.guids import instance, made_guid

from .. import starting

Livefw = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def livefw(tmp_path: Path) -> Livefw:
    """Run the command on the machine below a folder."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        root = tmp_path / "root"
        environment = os.environ | {"LIVEFW_STATE": str(tmp_path / "state"), "LIVEFW_RUNTIME_DIR": str(tmp_path)}
        where: list[str | Path] = ["--root", root, "--settings", root / "etc/livefw"]
        return starting.run([*where, *words], environment=environment)

    return run


@pytest.fixture
def bmc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "livefw",
        "--json",
        "machine",
        "bmc",
        tmp_path / "root",
        "--seconds",
        "0.1",
    ]
    command += getattr(request, "param", [])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = ""
        while not said.endswith("}\n}\n"):
            line = process.stdout.readline()
            assert line, said
            said += line
        assert json.loads(said)["bmc"]["url"].startswith("https://127.0.0.1:")
        yield process
        process.terminate()
        assert process.wait(10) == 0


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


@pytest.mark.parametrize("bmc", [["--fault", "completed-warning"]], indirect=True)
def test_what_the_controller_warns_of_is_shown_with_the_success(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    assert bmc.poll() is None
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    assert livefw("stage", "pmfw-a", tmp_path / "image").returncode == 0
    done = livefw("activate", "pmfw-a")
    assert done.returncode == 0
    assert "\n  note: the BMC warns: " in done.stdout
    assert "proves nothing" not in done.stdout


def test_staged_and_activated_by_the_command(bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    staged = livefw("--json", "stage", "pmfw-a", tmp_path / "image")
    assert (staged.returncode, answer(staged)["staging"]["outcome"]) == (0, "staged"), staged.stderr
    rows = {row["key"]: row for row in answer(livefw("--json", "list"))["components"]}
    assert rows["redfish:model/pmfw-a"]["pending_version"] == "1.9.0"
    done = livefw("--json", "activate", "redfish:model/pmfw-a")
    (result,) = answer(done)["results"]
    assert (done.returncode, result["outcome"], result["after"]["current_version"]) == (0, "activated", "1.9.0")


def test_one_table_shows_all_mechanisms(bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path) -> None:
    lfa = tmp_path / "root/sys/firmware/lfa/6c0762a6-12f2-4b56-92cb-ba8f633606d9"
    tdx = tmp_path / "root/sys/devices/faux/tdx_host"
    microcode = tmp_path / "root/sys/devices/system/cpu/microcode"
    for folder in (lfa, tdx, microcode):
        folder.mkdir(parents=True)
    (lfa / "name").write_text("TF-RMM\n", encoding="ascii")
    (tdx / "version").write_text("1.5.06\n", encoding="ascii")
    (microcode / "reload").touch()
    keys = [row["key"] for row in answer(livefw("--json", "list"))["components"]]
    assert [key.partition(":")[0] for key in keys] == ["lfa", "microcode", *["redfish"] * 3, "tdx"]


@pytest.mark.parametrize("bmc", [["--fault", "session-expires"]], indirect=True)
def test_session_that_ends_in_the_middle_is_no_outcome(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    """bb-Ricardo/check_redfish#90: 401 from the monitor was "failed (NoValidSession)", for ever in the history."""
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    staged = livefw("--json", "stage", "pmfw-a", tmp_path / "image")
    assert (staged.returncode, answer(staged)["staging"]["outcome"]) == (0, "staged"), staged.stderr
    done = livefw("--json", "activate", "redfish:model/pmfw-a")
    (result,) = answer(done)["results"]
    assert (done.returncode, result["outcome"]) == (0, "activated"), done.stderr


def _file(tmp_path: Path, size: int) -> Path:
    with open(tmp_path / "image.bin", "wb") as file:
        file.truncate(size)
    return tmp_path / "image.bin"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "image.bin is empty"),
        ((512 << 20) + 1, "it is larger than 536,870,912 bytes"),
        (1 << 40, "it is larger than 536,870,912 bytes"),
    ],
)
def test_an_image_that_cannot_be_is_not_handed_over(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path, size: int, text: str
) -> None:
    done = livefw("stage", "pmfw-a", _file(tmp_path, size))
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr
    assert livefw("history").returncode == 3


def test_a_uri_is_for_the_mechanism_to_fetch(bmc: subprocess.Popen[str], livefw: Livefw) -> None:
    done = livefw("--json", "stage", "pmfw-a", "https://images.example/a/pmfw.bin?version=1.9.0")
    assert (done.returncode, answer(done)["staging"]["outcome"]) == (0, "staged"), done.stderr
    (row,) = answer(livefw("--json", "history"))["history"]
    assert row["intent"]["file"] == "pmfw.bin"


def test_what_an_earlier_engine_left_open_is_told_first(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    journal = Journal.open(str(tmp_path / "state"))
    journal.begin(
        "redfish:model/pmfw-a", {"name": "x", "current_version": "1.2.0", "version": "1.9.0"}, kind=RowKind.STAGING
    )
    journal.close()
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    done = livefw("stage", "pmfw-a", tmp_path / "image")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("found unfinished: model: x: staging, unknown"), done.stderr
    outcomes = [row["outcome"]["outcome"] for row in answer(livefw("--json", "history"))["history"]]
    assert outcomes[0] == "staged"
    assert len(outcomes) == 2


@pytest.mark.parametrize("bmc", [["--fault", "task-deleted-page", "--fault", "one-bank"]], indirect=True)
def test_staging_whose_task_is_deleted_is_seen_in_the_inventory(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    """dell/iDRAC-Redfish-Scripting#160, with a page for its 404: that was three minutes of polling, then unknown."""
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    staged = livefw("--json", "stage", "pmfw", tmp_path / "image")
    assert (staged.returncode, answer(staged)["staging"]["outcome"]) == (0, "staged"), staged.stderr


@pytest.mark.parametrize("bmc", [["--fault", "answers-204", "--fault", "one-bank"]], indirect=True)
def test_answer_that_changes_nothing_is_no_activation(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    """DMTF's mockup server answers 204 to every action: that was "activated", exit 0, with the old version running."""
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    livefw("stage", "pmfw", tmp_path / "image")
    done = livefw("--json", "activate", "redfish:model/pmfw")
    (result,) = answer(done)["results"]
    assert done.returncode != 0
    assert result["outcome"] in ("failed", "unknown")
    assert result["after"]["current_version"] == "1.2.0"


@pytest.mark.parametrize("bmc", [["--fault", "activate-fails"]], indirect=True)
def test_activation_that_fails_leaves_the_image_staged(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    """What the engine does to make room for another component must not take back what somebody has staged."""
    (tmp_path / "image").write_bytes(b"version=1.9.0")
    livefw("stage", "pmfw-a", tmp_path / "image")
    livefw("stage", "tmpm", tmp_path / "image")
    done = livefw("--json", "activate", "--all", "--on-failure", "continue")
    outcomes = [(row["component"], row["outcome"]) for row in answer(done)["results"]]
    assert outcomes == [("redfish:model/pmfw-a", "failed"), ("redfish:model/tmpm", "failed")]
    rows = {row["key"]: row["pending"] for row in answer(livefw("--json", "list"))["components"]}
    assert (rows["redfish:model/pmfw-a"], rows["redfish:model/tmpm"]) == (True, True)


def test_staging_that_is_refused_has_its_exit_code(bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"forged")
    done = livefw("stage", "tmpm", tmp_path / "image")
    assert done.returncode == 1
    assert "rejects the image as not authentic" in done.stdout


def test_bmc_that_is_gone_hides_nothing_and_is_told(bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path) -> None:
    os.kill(bmc.pid, signal.SIGTERM)
    bmc.wait(10)
    folder = tmp_path / "root/sys/firmware/lfa/6c0762a6-12f2-4b56-92cb-ba8f633606d9"
    folder.mkdir(parents=True)
    (folder / "name").write_text("TF-RMM\n", encoding="ascii")
    done = livefw("list")
    assert done.returncode == 0
    assert "TF-RMM" in done.stdout
    assert "BMC model" in done.stderr


def test_credentials_of_the_model_are_for_its_owner_only(bmc: subprocess.Popen[str], tmp_path: Path) -> None:
    assert (tmp_path / "root/etc/livefw/bmc.credentials").stat().st_mode & 0o777 == 0o600


def test_settings_of_somebody_else_are_not_overwritten(tmp_path: Path, livefw: Livefw) -> None:
    settings = tmp_path / "root/etc/livefw/livefw.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("# mine\n", encoding="ascii")
    assert livefw("machine", "bmc", tmp_path / "root").returncode == 2
    assert settings.read_text(encoding="ascii") == "# mine\n"


def test_machine_without_a_bmc_loads_nothing_of_redfish(tmp_path: Path) -> None:
    probe = "import sys; from livefw.cli.main import main; main(['--root', sys.argv[1], 'list']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe, tmp_path], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not {name for name in loaded if name.startswith(("redfish", "requests", "ssl", "livefw.providers.redfish"))}
    assert not {"livefw.providers.pfrut", "livefw.providers.sfs", "livefw.providers.microcode"} & set(loaded)


def test_images_that_lie_here_are_shown_and_staged(bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path) -> None:
    images = tmp_path / "state/images"
    images.mkdir(parents=True)
    for version in ("1.1.0", "1.9.0", "2.0.0"):
        image = tmp_path / f"image-{version}"
        image.write_text(f"version={version}", encoding="ascii")
        about = ("--component", "redfish:model/pmfw-a", "--version", version)
        assert livefw("image", "cab", images / f"{version}.cab", "--image", image, *about).returncode == 0
    (images / "broken.cab").write_bytes(b"MSCF")

    shown = livefw("--json", "show", "pmfw-a")
    (component,) = answer(shown)["components"]
    told = [(each["version"], each["verdict"], each["path"]) for each in component["images"]]
    rows = [("2.0.0", "newer"), ("1.9.0", "newer"), ("1.1.0", "older")]
    assert told == [(version, verdict, f"{images}/{version}.cab") for version, verdict in rows]
    assert f"{images}/broken.cab is left out" in shown.stderr
    assert "2.0.0 newer" in livefw("show", "pmfw-a").stdout

    steps = [
        (("pmfw-a", "1.1.0"), 4, "--ignore downgrade"),
        (("pmfw-a", "8.8"), 2, "no such file, nor an image of that version"),
        (("tmpm",), 3, "no newer image"),
        (("pmfw-a", "1.9.0"), 0, "staged"),
        (("pmfw-a", "--reason", "newest"), 0, "staged"),
        (("pmfw-a",), 3, "already pending"),
    ]
    for words, code, says in steps:
        done = livefw("stage", *words)
        assert (done.returncode, says in done.stdout + done.stderr) == (code, True), (words, done)
    (component,) = answer(livefw("--json", "show", "pmfw-a"))["components"]
    assert [each["verdict"] for each in component["images"]] == ["pending", "newer", "older"]
    assert livefw("--json", "show", "pmfw-a", "--images", tmp_path).stdout.count('"verdict"') == 0

    history = answer(livefw("--json", "history"))["history"]
    assert [(row["outcome"]["outcome"], row["outcome"]["kind"]) for row in history] == [
        ("staged", "staged"),
        ("staged", "staged"),
        ("refused", "staged"),
    ]
    assert history[0]["intent"]["reason"] == "newest"
    text = livefw("history").stdout
    assert "stage: refused (downgrade)" in text
    assert livefw("history", "--verify").returncode == 0


def _archive(folder: Path, payload: bytes, version: str = "1.9.0", kind: str = "sha256", form: str = "triplet") -> Path:
    """An archive for the modelled BMC's first component; its checksum is that of an image which is good."""
    guid = made_guid(instance("redfish", "model/pmfw-a"))
    digits = hashlib.new(kind.replace("-", "").lower(), b"version=1.9.0").hexdigest()
    text = f"""<component type="firmware"><id>org.example.fw</id><name>N</name>
        <provides><firmware type="flashed">{guid}</firmware></provides><releases><release version="{version}">
        <checksum type="{kind}" target="content" filename="pm.bin">{digits}</checksum></release></releases>
        <custom><value key="LVFS::VersionFormat">{form}</value></custom></component>"""
    packed = cabarchive.CabArchive()
    packed["pm.bin"] = cabarchive.CabFile(payload)
    packed["a.metainfo.xml"] = cabarchive.CabFile(text.encode())
    path = folder / f"{version}-{kind}-{form}.cab"
    path.write_bytes(packed.save(compress=True))
    return path


@pytest.mark.parametrize("kind", ["sha1", "SHA256", "sha-256", "sha384", "sha512", "SHA-512", "md5"])
def test_an_archive_that_is_damaged_is_never_staged(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path, kind: str
) -> None:
    done = livefw("--json", "stage", "pmfw-a", _archive(tmp_path, b"version=1.9.1", kind=kind))
    assert (done.returncode, "is not the one in the metainfo" in answer(done)["error"]["message"]) == (2, True)
    (component,) = answer(livefw("--json", "show", "pmfw-a"))["components"]
    assert component["pending"] is False
    assert livefw("stage", "pmfw-a", _archive(tmp_path, b"version=1.9.0", kind=kind)).returncode == 0


@pytest.mark.parametrize(("version", "form"), [("65536", "tripple"), ("1.9", "pair"), ("1.9.0", "quad")])
def test_a_version_in_another_format_is_neither_newer_nor_older(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path, version: str, form: str
) -> None:
    images = tmp_path / "state/images"
    images.mkdir(parents=True)
    path = _archive(images, b"version=1.9.0", version, form=form)
    (component,) = answer(livefw("--json", "show", "pmfw-a"))["components"]
    assert [each["verdict"] for each in component["images"]] == ["other"]
    assert "no newer image" in livefw("stage", "pmfw-a").stderr
    for words in (("stage", "pmfw-a", version), ("stage", "pmfw-a", path)):
        done = livefw(*words)
        text = f"the version {version} cannot be compared with the running version 1.2.0"
        assert (done.returncode, text in done.stdout) == (4, True), done
    assert livefw("stage", "pmfw-a", path, "--ignore", "downgrade").returncode == 0


@pytest.mark.parametrize("version", ["65536", "0x00010000"])
def test_an_integer_is_older_by_the_format_that_its_archive_declares(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path, version: str
) -> None:
    """1.2.0 runs, and both are 0.1.0 as a triplet."""
    path = _archive(tmp_path, b"version=1.9.0", version, form="triplet")
    done = livefw("stage", "pmfw-a", path)
    assert (done.returncode, "the version would go back from 1.2.0 to 0.1.0" in done.stdout) == (4, True), done
    assert livefw("stage", "pmfw-a", path, "--ignore", "downgrade").returncode == 0


def test_a_plan_compares_no_numbers_of_different_formats(
    bmc: subprocess.Popen[str], livefw: Livefw, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(b"version=65536")
    assert livefw("stage", "pmfw-a", tmp_path / "image").returncode == 0  # nobody knows its version yet
    done = livefw("plan", "pmfw-a")
    assert "the version 65536 cannot be compared with the running version 1.2.0" in done.stdout
    assert livefw("activate", "pmfw-a").returncode == 4
