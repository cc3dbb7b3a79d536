# SPDX-License-Identifier: Apache-2.0
"""The whole chain: a BMC brings the image, the machine activates it in band, and both are asked what runs.

A machine and its BMC share a store of signed images. In this process the machine is in virtual time, and its BMC is
reached over TLS on the loopback interface; one test has both in a process of their own, and the command beside them.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.abi.guid import RMM
from livefw.abi.version import ComponentVersion
from livefw.activation.events import Attempt
from livefw.activation.outcome import Outcome, Result
from livefw.activation.policy.window import DAYS
from livefw.errors import UsageError
from livefw.firmware.image import build, note, trust
from livefw.firmware.image.build import ImageSigner
from livefw.firmware.image.chain import CCA, Counter
from livefw.firmware.image.disk import Folder
from livefw.firmware.image.store import Store
from livefw.providers.base import Component, ImagePackage, Measured
from livefw.providers.links import read_links
from livefw.providers.registry import providers
from livefw.testing import ModelMachine

KEYS, OTHER_KEYS = build.generate(CCA), build.generate(CCA)
WORD = "tf-rmm"
AUTOMATIC = 'automatic = ["tf-rmm"]\n'
COUNTER = 5
"""The counter of the machine; a package needs at least this."""


def package(version: str, counter: int = COUNTER, keys: Any = KEYS) -> bytes:
    image = note.append(b"RMM" * 99, ComponentVersion.parse(version))
    return ImageSigner(CCA, keys, {Counter.CCA: counter}).package({RMM.guid: image})


GOOD = package("2.1")


@pytest.fixture(scope="session")
def factory() -> bytes:
    return package("2.0")


@pytest.fixture
def machine(tmp_path: Path, factory: bytes) -> Iterator[ModelMachine]:
    """A machine whose RMM 2.0 boots from a store, with a BMC."""
    store = tmp_path / "flash"
    store.mkdir()
    Store.create(Folder(str(store)), io.BytesIO(factory))
    (store / trust.NAME).write_text(trust.dumps(ImageSigner(CCA, KEYS).anchor()))
    with ModelMachine("vera", store=store, bmc=True) as made:
        yield made


def end(events: Any) -> Result:
    (attempt,) = [event for event in events if isinstance(event, Attempt)]
    result: Result = attempt.result
    return result


def stage(machine: ModelMachine, image: bytes, word: str = WORD) -> Result:
    with machine.connect() as host:
        return end(host.stage(ImagePackage("image.fip", image), word))


def activate(machine: ModelMachine) -> Result:
    with machine.connect() as host:
        return end(host.activate(WORD))


def rmm(machine: ModelMachine) -> Component:
    with machine.connect() as host:
        (found,) = [each for each in host.components() if each.name == "TF-RMM"]
        return found


def test_one_component_with_both_sides_is_staged_by_the_bmc_and_activated_in_band(machine: ModelMachine) -> None:
    with machine.connect() as host:
        keys = [each.key for each in host.components()]
    assert [key.partition(":")[0] for key in keys] == ["lfa"] * 4

    staged = stage(machine, GOOD)
    assert (staged.outcome, staged.why.code) == (Outcome.STAGED, "staged")
    found = rmm(machine)
    assert found.linked
    assert (found.pending, str(found.pending_version), str(found.linked.pending_version)) == (True, "2.1", "2.1")
    assert machine.running("rmm") == "2.0"
    # The platform has notified the driver (docs of NVIDIA's: ACPI Notify of the LFA device).
    assert machine.calls[-1].name.startswith("LFA")

    done = activate(machine)
    assert (done.outcome, done.why.code, machine.running("rmm")) == (Outcome.ACTIVATED, "version-arrived", "2.1")
    assert done.claim
    assert done.claim.measured is Measured.CHANGED
    assert done.after
    assert done.after.linked
    assert (str(done.after.current_version), str(done.after.linked.current_version)) == ("2.1", "2.1")
    assert machine.bmc
    asked = [path for method, path, _ in machine.bmc.web.log if method == "POST" and "Activate" in path]
    assert asked == []


class Staging(NamedTuple):
    """An image, what goes wrong with the BMC, and how the staging ends: with which code, and what is said of it."""

    image: bytes
    fault: str
    outcome: Outcome
    code: str
    said: str
    pending: bool


STAGINGS = {
    # What LFA_PRIME would refuse, the BMC refuses when it comes, in the words of the store (firmware/image/errors.py).
    "tampered": Staging(
        GOOD.replace(b"RMMRMM", b"RMMrmm", 1), "", Outcome.FAILED, "auth-failed", "its certificate vouches for", False
    ),
    "rolled back": Staging(
        package("2.9", COUNTER - 1), "", Outcome.FAILED, "auth-failed", "found ccafw 4, expected at least 5", False
    ),
    "of another vendor": Staging(
        package("2.9", keys=OTHER_KEYS), "", Outcome.FAILED, "auth-failed", "not the root of trust", False
    ),
    "no package": Staging(b"text", "", Outcome.FAILED, "auth-failed", "ends inside a structure", False),
    # What a BMC says proves nothing until the agent says the same.
    "the agent sees nothing": Staging(GOOD, "bmc-staged-aside", Outcome.UNKNOWN, "agent-sees-nothing", "", False),
    "nothing is staged": Staging(GOOD, "bmc-false-staging", Outcome.FAILED, "not-staged", "", False),
    "the answer is lost": Staging(GOOD, "bmc-dropped-but-staged", Outcome.STAGED, "staged", "", True),
    "the BMC is lost": Staging(GOOD, "bmc-unreachable", Outcome.REFUSED, "broken", "", False),
}


@pytest.mark.parametrize("row", STAGINGS.values(), ids=STAGINGS)
def test_an_image_is_staged_or_the_outcome_says_what_either_side_reports(machine: ModelMachine, row: Staging) -> None:
    if row.fault:
        machine.inject(row.fault)
    staged = stage(machine, row.image)
    assert (staged.outcome, staged.why.code) == (row.outcome, row.code), staged
    assert row.said in "\n".join(staged.claim.log if staged.claim else ())
    machine.clear_faults()
    found = rmm(machine)
    assert (found.pending, machine.running("rmm")) == (row.pending, "2.0")
    assert found.linked
    assert found.linked.pending is row.pending


class Activation(NamedTuple):
    """What goes wrong after the image was staged, and how the activation ends."""

    fault: str
    outcome: Outcome
    code: str
    measured: Measured
    runs: str
    """What really runs."""
    there: str | None
    """What the BMC shows; None if it shows nothing."""


ACTIVATIONS = [
    Activation("bmc-unreachable", Outcome.ACTIVATED, "version-arrived", Measured.NOT, "2.1", None),
    Activation("bmc-no-measurements", Outcome.ACTIVATED, "version-arrived", Measured.NOT, "2.1", "2.1"),
    Activation("bmc-measurement-forged", Outcome.ACTIVATED, "version-arrived", Measured.NOT, "2.1", "2.1"),
    Activation("bmc-inventory-stays", Outcome.UNKNOWN, "inventory-contradicts", Measured.CHANGED, "2.1", "2.0"),
    Activation("bmc-measurement-stays", Outcome.UNKNOWN, "measurement-contradicts", Measured.UNCHANGED, "2.1", "2.1"),
    # In band it fails, and the BMC shows the same.
    Activation("auth-error:rmm", Outcome.FAILED, "auth-failed", Measured.UNCHANGED, "2.0", "2.0"),
]


@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row.fault)
def test_the_bmc_confirms_or_contradicts_and_prevents_nothing(machine: ModelMachine, row: Activation) -> None:
    stage(machine, GOOD)
    machine.inject(row.fault)
    done = activate(machine)
    assert (done.outcome, done.why.code, machine.running("rmm")) == (row.outcome, row.code, row.runs), done
    assert done.claim
    assert done.claim.measured is row.measured
    assert done.after
    assert done.after.linked
    there = done.after.linked
    assert (there.current_version and there.current_version.text, bool(there.trouble)) == (row.there, row.there is None)


@pytest.mark.parametrize("word", ["redfish:model/rmm-a", "model/rmm-a", str(RMM.guid), "lfa:6c07", "TF-RMM"])
def test_every_name_of_either_side_selects_it(machine: ModelMachine, word: str) -> None:
    staged = stage(machine, GOOD, word)
    assert (staged.outcome, staged.before.key) == (Outcome.STAGED, f"lfa:{RMM.guid}")
    assert [note.text for note in staged.before.notes if note.code == "linked"] == [
        "images come by BMC model (redfish:model/rmm-a); it is activated in band"
    ]


def test_the_bmc_does_not_activate_what_the_machine_activates(machine: ModelMachine) -> None:
    """OCP's requirements have one way in force at a time; the other is refused and not taken in silence."""
    stage(machine, GOOD)
    machine.model.runner.run(machine.model.driver.remove(), name="unload")
    with machine.connect() as host:
        rows = {each.key: each for each in host.components()}
        assert [each.code for each in rows["redfish:model/rmm-a"].reasons][:1] == ["linked-elsewhere"]
        done = end(host.activate("redfish:model/rmm-a"))
    assert (done.outcome, machine.running("rmm")) == (Outcome.REFUSED, "2.0")


SETTINGS = """
[[redfish.bmc]]
name = "rack1"
url = "https://127.0.0.1:1"

[[link]]
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('component = "tf-rmm"\nbmc = "rakc1"\nmember = "rmm"', r"link\[0\].bmc: .*did you mean rack1\?"),
        ('component = "tf-rmm"\nbmc = "rack1"', r"link\[0\].member: is missing"),
        ('component = "tf-*"\nbmc = "rack1"\nmember = "rmm"', r"link\[0\].component: .*is a pattern"),
        ('component = 3\nbmc = "rack1"\nmember = "rmm"', r"link\[0\].component: has to be"),
        ('component = "tf-rmm"\nbmc = "rack1"\nmembre = "rmm"', r"link\[0\].membre: .*did you mean member\?"),
        (
            'component = "a"\nbmc = "rack1"\nmember = "b"\n[[link]]\ncomponent = "A"\nbmc = "rack1"\nmember = "c"',
            r"link\[1\].component: two links name A",
        ),
    ],
)
def test_a_wrong_link_is_an_error_with_its_place(machine: ModelMachine, text: str, said: str) -> None:
    files = _Told(machine, (SETTINGS + text).encode())
    with pytest.raises(UsageError, match=said):
        read_links(files, ("rack1",))
    with pytest.raises(UsageError, match=said):
        providers(files)


class _Told:
    """The files of a machine, with other settings."""

    def __init__(self, machine: ModelMachine, text: bytes) -> None:
        self._files, self._text = machine.files, text

    def settings(self, limit: int = 1 << 20) -> bytes:
        return self._text[:limit]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


class Beside(NamedTuple):
    """A machine with its BMC as a process, and how the command is begun for it."""

    settings: Path
    own: str
    command: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self.command, *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def write(self, text: str) -> None:
        """Put this before the machine's own settings; in one step, or half of it would be read."""
        fresh = self.settings / "new"
        fresh.write_text(f"{text}\n{self.own}")
        fresh.rename(self.settings / "livefw.toml")


@pytest.fixture
def beside(tmp_path: Path, factory: bytes) -> Iterator[Beside]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not allowed")
    store, settings = tmp_path / "flash", tmp_path / "settings"
    store.mkdir()
    settings.mkdir()
    Store.create(Folder(str(store)), io.BytesIO(factory))
    (store / trust.NAME).write_text(trust.dumps(ImageSigner(CCA, KEYS).anchor()))
    environment = os.environ | {"LIVEFW_STATE": str(tmp_path / "state"), "LIVEFW_RUNTIME_DIR": str(tmp_path / "run")}
    livefw = (sys.executable, "-m", "livefw")
    machine = [*livefw, "machine", "run", "--platform", "vera", "--store", str(store), "--bmc", "0.1"]
    with subprocess.Popen(machine, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        mount = process.stdout.readline().rstrip("\n").rpartition(" is ready on ")[2]
        try:
            own = Path(mount, "etc/livefw/livefw.toml").read_text()
            made = Beside(settings, own, (*livefw, "--root", mount, "--settings", str(settings)), environment)
            made.write("")
            yield made
        finally:
            process.terminate()
            process.communicate()


def closed() -> str:
    """A window that is not open today, whatever day it is, nor for the rest of a long test."""
    day = DAYS[(datetime.now(UTC).weekday() + 3) % 7]
    return f'[[window]]\ndays = ["{day}"]\nfrom = "12:00"\nto = "13:00"\nzone = "UTC"\n'


@pytest.mark.fuse
def test_the_command_from_the_push_to_the_proof(beside: Beside, tmp_path: Path) -> None:
    assert json.loads(beside.run("--json", "policy", "--check").stdout)["mistakes"] == []
    image = tmp_path / "rmm.fip"
    image.write_bytes(GOOD)
    staged = beside.run("stage", WORD, str(image))
    assert (staged.returncode, "way: staged by redfish:model/rmm-a, activated in band" in staged.stdout) == (0, True)
    listed = beside.run("list")
    row = next(line.split() for line in listed.stdout.splitlines() if line.startswith("TF-RMM"))
    assert row[:3] == ["TF-RMM", "2.0", "2.1"]
    assert "redfish:model/rmm-a" in row
    plan = beside.run("plan").stdout
    assert "way      staged by redfish:model/rmm-a, activated in band" in plan

    beside.write(AUTOMATIC + closed())
    command = [*beside.command, "--json", "watch", "--interval", "0.1"]
    with subprocess.Popen(command, env=beside.environment, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout
        events = map(json.loads, watch.stdout)
        held = next(event for event in events if event["event"] == "held-back")
        assert "window" in held["text"]
        beside.write(AUTOMATIC)
        done = next(event for event in events if event["event"] == "activation")
        watch.terminate()
    assert done["outcome"] == "activated"

    (shown,) = json.loads(beside.run("--json", "show", WORD).stdout)["components"]
    assert (shown["current_version"], shown["linked"]["current_version"], shown["linked"]["agrees"]) == (
        "2.1",
        "2.1",
        True,
    )
    (newest, *_) = json.loads(beside.run("--json", "history").stdout)["history"]
    assert newest["outcome"]["linked"] == {
        "key": "redfish:model/rmm-a",
        "current_version": "2.1",
        "pending_version": None,
        "trouble": None,
        "measured": "changed",
    }

    beside.write('[[link]]\ncomponent = "scp"\nbmc = "modle"\nmember = "rmm-b"\n')
    wrong = beside.run("policy", "--check")
    assert (wrong.returncode, "did you mean model?" in wrong.stdout) == (2, True)
    fresh = beside.own.replace('"rmm-a"', '"rmm-c"').replace('"65922703-2f74', '"65922703-2f75')
    (beside.settings / "livefw.toml").write_text(fresh)
    wrong = beside.run("policy", "--check")
    assert wrong.returncode == 4
    assert "component: '65922703-2f75-e644-8dff-579ac1ff0610' matches no component here; close to it:" in wrong.stdout
    assert "member: 'redfish:model/rmm-c' matches no component here; close to it: redfish:model/rmm-a" in wrong.stdout
