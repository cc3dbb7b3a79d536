# SPDX-License-Identifier: Apache-2.0
"""An activation from the page, in each way in which it can end or be interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from livefw.machine.config import MachineConfig, load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse.mount import unmount
from livefw.machine.machine import Machine

from ..daemon.conftest import Serve
from .conftest import Enter, Held, Hold

pytestmark = pytest.mark.fuse
Mounted = Callable[[MachineConfig], tuple[Machine, Path]]
RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
COMPONENT = f"/component/{RMM}"


def begin(page: Page, *, reason: str = "") -> Locator:
    """Ask for the activation; the dialogue."""
    page.get_by_role("button", name="Activate", exact=False).first.click()
    dialogue = page.get_by_role("dialog")
    expect(dialogue.get_by_role("region", name="Plan")).to_contain_text("stops all CPUs")
    if reason:
        dialogue.get_by_label("Reason").fill(reason)
    dialogue.get_by_role("button", name="Activate", exact=True).click()
    return dialogue


def row(page: Page) -> Locator:
    """The RMM in the table of components."""
    return page.get_by_role("table", name="Components").get_by_role("row").filter(has_text="TF-RMM")


def test_it_is_activated_and_the_history_has_who_and_why(held: Held, enter: Enter) -> None:
    page = enter(held.cockpit).open()
    expect(row(page)).to_contain_text("Ready")
    dialogue = begin(page, reason="CHG-4711 <b>")
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(row(page)).to_contain_text("Up to date")
    page.get_by_role("link", name="History").click()
    newest = page.get_by_role("table", name="History").get_by_role("row").nth(1)
    expect(newest).to_contain_text("TF-RMM")
    expect(newest).to_contain_text("Activated")
    expect(newest).to_contain_text("root")
    expect(newest).to_contain_text("CHG-4711 <b>")
    page.get_by_role("button", name="Verify the record").click()
    expect(page.get_by_text("Consistent", exact=True)).to_be_visible()
    assert str(held.machine.platform.version(held.machine.find("rmm"))) == "1.1"


@pytest.mark.parametrize(
    ("fault", "word", "shown"),
    [
        ("auth-error", "Failed", "AUTH_ERROR"),
        ("activation-failed", "Failed", "ACTIVATION_FAILED"),
    ],
)
def test_a_failure_is_shown_with_the_firmwares_code(
    held: Held, enter: Enter, fault: str, word: str, shown: str
) -> None:
    held.machine.inject(FaultRequest(name=fault, component="rmm"))
    page = enter(held.cockpit).open(COMPONENT)
    dialogue = begin(page)
    expect(dialogue.get_by_text(word, exact=True)).to_be_visible()
    expect(dialogue).to_contain_text(shown)
    expect(dialogue).to_contain_text("What to do next")


def test_keyboard_is_enough(held: Held, enter: Enter) -> None:
    page = enter(held.cockpit).open(COMPONENT)
    expect(page.get_by_role("button", name="Activate").first).to_be_visible()
    assert _tab_to(page, "Activate")
    page.keyboard.press("Enter")
    dialogue = page.get_by_role("dialog")
    expect(dialogue.get_by_label("Reason")).to_be_visible()
    for _ in range(12):  # the focus does not leave the dialogue
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement.closest('dialog') !== null || document.activeElement === document.body"
        )
    assert _tab_to(page, "Activate")
    page.keyboard.press("Enter")
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialogue).to_have_count(0)


def _tab_to(page: Page, text: str) -> bool:
    """Press Tab until an enabled button with this text has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(
            "e => document.activeElement.matches('button') && document.activeElement.innerText.trim() === e", text
        ):
            return True
    return False


def slow(held: Held) -> None:
    """Let the image take so long that something else happens meanwhile."""
    held.machine.inject(FaultRequest(name="slow", ms=1500))


def test_a_reload_in_the_middle_changes_nothing(held: Held, enter: Enter) -> None:
    slow(held)
    page = enter(held.cockpit).open()
    begin(page, reason="reloaded")
    expect(row(page)).to_contain_text("Activating")
    page.reload()
    expect(row(page)).to_contain_text("Activating")
    expect(row(page)).to_contain_text("Up to date")
    page.get_by_role("link", name="History").click()
    newest = page.get_by_role("table", name="History").get_by_role("row").nth(1)
    expect(newest).to_contain_text("Activated")
    expect(newest).to_contain_text("reloaded")


def test_another_browser_sees_it_live(held: Held, enter: Enter) -> None:
    slow(held)
    first, second = enter(held.cockpit).open(), enter(held.cockpit).open()
    expect(row(second)).to_contain_text("Ready")
    begin(first)
    expect(row(second)).to_contain_text("Activating")
    expect(row(second)).to_contain_text("Up to date")


def test_a_daemon_that_dies_and_comes_back_has_the_truth(held: Held, enter: Enter, serve: Serve) -> None:
    slow(held)
    page = enter(held.cockpit).open()
    dialogue = begin(page)
    expect(row(page)).to_contain_text("Activating")
    held.daemon.end(signal.SIGKILL)
    serve(held.root)
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(row(page)).to_contain_text("Up to date")


def test_a_closed_window_refuses_until_a_person_has_it_ignored(
    mounted: Mounted, serve: Serve, hold: Hold, folder: Path, enter: Enter
) -> None:
    _, root = mounted(load("vera"))
    settings = folder / "settings"
    settings.mkdir()
    (settings / "livefw.toml").write_text(
        f'[[window]]\ndays = ["{_in_three_days()}"]\nfrom = "03:00"\nto = "04:00"\n', encoding="ascii"
    )
    page = enter(hold(serve(root, "--settings", str(settings)))).open()
    expect(row(page)).to_contain_text("Held")
    expect(page.get_by_text("Held until")).to_be_visible()
    page.get_by_role("button", name="Activate TF-RMM").first.click()
    dialogue = page.get_by_role("dialog")
    go = dialogue.get_by_role("button", name="Activate", exact=True)
    expect(dialogue).to_contain_text("no maintenance window is open")
    expect(go).to_be_disabled()
    dialogue.get_by_label("Ignore the check window").check()
    expect(go).to_be_enabled()
    go.click()
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()


def _in_three_days() -> str:
    return f"{datetime.now() + timedelta(days=3):%a}".lower()


@pytest.fixture
def hanging(folder: Path) -> Iterator["tuple[subprocess.Popen[str], Path]"]:
    """A machine as a process, whose firmware does not come back from PRIME."""
    root = folder / "m"
    livefw = [sys.executable, "-m", "livefw"]
    environment = os.environ | {"LIVEFW_RUNTIME_DIR": str(folder / "run")}
    command = [*livefw, "--json", "machine", "run", "--platform", "vera", "--mount", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            said = ""
            while not said.endswith("}\n}\n"):
                line = process.stdout.readline()
                assert line, said
                said += line
            subprocess.run([*livefw, "machine", "fault", "hang", "--function", "PRIME"], env=environment, check=True)
            yield process, root
        finally:
            process.kill()
            process.wait()
            unmount(str(root))


def test_a_machine_that_hangs_and_is_lost_is_unknown(
    hanging: "tuple[subprocess.Popen[str], Path]", serve: Serve, hold: Hold, enter: Enter
) -> None:
    machine, root = hanging
    page = enter(hold(serve(root))).open()
    dialogue = begin(page)
    expect(row(page)).to_contain_text("Activating")
    machine.kill()
    expect(dialogue.get_by_text("Unknown", exact=True)).to_be_visible()
    expect(dialogue).to_contain_text("What to do next")
    dialogue.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("table", name="History").get_by_role("row").nth(1)).to_contain_text("Unknown")


def test_an_image_goes_through_the_page_to_the_bmc_and_runs(bmc: Path, serve: Serve, hold: Hold, enter: Enter) -> None:
    page = enter(hold(serve(bmc))).open("/component/redfish%3Amodel%2Fpmfw-a")
    page.get_by_role("button", name="Stage an image").click()
    dialogue = page.get_by_role("dialog")
    image: FilePayload = {"name": "pmfw.bin", "mimeType": "application/octet-stream", "buffer": b"version=1.9.0"}
    dialogue.get_by_label("Image").set_input_files(image)
    dialogue.get_by_label("Reason").fill("from the page")
    dialogue.get_by_role("button", name="Stage", exact=True).click()
    expect(dialogue.get_by_text("Staged", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Activate", exact=True).click()
    dialogue.get_by_role("button", name="Activate", exact=True).click()
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(page.get_by_role("table", name="History")).to_contain_text("from the page")
