# SPDX-License-Identifier: Apache-2.0
"""An activation from the page, in each way in which it can end or be interrupted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from livefw.machine.config import MachineConfig, load
from livefw.machine.faults import FaultRequest
from livefw.machine.fuse.mount import unmount
from livefw.machine.machine import Machine

from ..daemon.conftest import Daemon, Serve
from .conftest import Enter, Held, Hold, both

pytestmark = pytest.mark.fuse
Mounted = Callable[[MachineConfig], tuple[Machine, Path]]
RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
COMPONENT = f"/component/{RMM}"
PMFW = "redfish:model/pmfw-a"
ON_BMC = f"/component/{quote(PMFW, safe='')}"


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


@both
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
    dialogue.get_by_role("link").click()  # to what proves it
    expect(dialogue).to_have_count(0)
    expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(shown)


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
    """Let the image take so long that something else happens meanwhile, until the fault is cleared."""
    held.machine.inject(FaultRequest(name="slow", ms=2000))


@both
def test_a_reload_in_the_middle_changes_nothing(held: Held, enter: Enter) -> None:
    slow(held)
    page = enter(held.cockpit).open()
    begin(page, reason="reloaded")
    expect(row(page)).to_contain_text("Activating")
    page.reload()
    expect(row(page)).to_contain_text("Activating")
    held.machine.clear_faults()
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
    held.machine.clear_faults()
    expect(row(second)).to_contain_text("Up to date")


@both
def test_a_daemon_that_dies_and_comes_back_has_the_truth(held: Held, enter: Enter, serve: Serve) -> None:
    slow(held)
    page = enter(held.cockpit).open()
    dialogue = begin(page)
    expect(row(page)).to_contain_text("Activating")
    held.daemon.end(signal.SIGKILL)
    serve(held.root)
    held.machine.clear_faults()
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(row(page)).to_contain_text("Up to date")


@both
def test_of_a_daemon_that_is_gone_nothing_can_be_asked(held: Held, enter: Enter, serve: Serve) -> None:
    """Cockpit 287 does not tell when such a connection ends; the page finds out by itself."""
    visit = enter(held.cockpit)
    page, other = visit.open(), visit.open(COMPONENT)
    other.get_by_role("button", name="Activate").click()
    dialogue = other.get_by_role("dialog")
    go = dialogue.get_by_role("button", name="Activate", exact=True)
    expect(go).to_be_enabled()
    expect(row(page)).to_contain_text("Ready")
    held.daemon.end(signal.SIGKILL)
    gone = page.get_by_text("livefw's daemon does not answer")
    expect(gone).to_be_visible()
    expect(page.get_by_text("What is shown may be out of date")).to_be_visible()
    assert "Traceback" not in page.content()
    expect(row(page)).to_contain_text("Ready")  # it can still be read
    page.get_by_role("link", name="History").click()
    page.get_by_role("link", name="Overview").click()
    expect(row(page)).to_contain_text("Ready")
    buttons = page.get_by_role("main").get_by_role("button")
    assert buttons.count() > 0
    for each in buttons.all():
        expect(each).to_be_disabled()
    expect(dialogue.get_by_text("livefw's daemon does not answer")).to_be_visible()
    expect(go).to_be_disabled()
    expect(dialogue.get_by_role("button", name="Close")).to_be_enabled()
    serve(held.root)
    expect(gone).to_have_count(0)
    for each in buttons.all():
        expect(each).to_be_enabled()
    expect(go).to_be_enabled()
    go.click()
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
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


def stage(page: Page) -> Locator:
    """Hand an image for the BMC over; the closed dialogue."""
    page.get_by_role("button", name="Stage an image").click()
    dialogue = page.get_by_role("dialog")
    image: FilePayload = {"name": "pmfw.bin", "mimeType": "application/octet-stream", "buffer": b"version=1.9.0"}
    dialogue.get_by_label("Image").set_input_files(image)
    dialogue.get_by_label("Reason").fill("from the page")
    dialogue.get_by_role("button", name="Stage", exact=True).click()
    expect(dialogue.get_by_text("Staged", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Ready", exact=True).first).to_be_visible()
    return dialogue


@both
def test_an_image_goes_through_the_page_to_the_bmc_and_runs(bmc: Path, serve: Serve, hold: Hold, enter: Enter) -> None:
    page = enter(hold(serve(bmc))).open(ON_BMC)
    dialogue = stage(page)
    page.get_by_role("button", name="Activate", exact=True).click()
    dialogue.get_by_role("button", name="Activate", exact=True).click()
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(page.get_by_role("table", name="History")).to_contain_text("from the page")


def test_what_is_staged_is_cancelled_from_the_page(bmc: Path, serve: Serve, hold: Hold, enter: Enter) -> None:
    daemon = serve(bmc)
    page = enter(hold(daemon)).open(ON_BMC)
    dialogue = stage(page)
    cancel = page.get_by_role("button", name="Cancel what is pending or unfinished")
    cancel.click()
    dialogue.get_by_role("button", name="Keep it").click()
    expect(dialogue).to_have_count(0)
    expect(cancel).to_be_focused()
    assert newest(daemon)["outcome"]["outcome"] == "staged"
    cancel.click()
    dialogue.get_by_label("Reason").fill("a mistake")
    dialogue.get_by_role("button", name="Cancel it").click()
    expect(dialogue.get_by_text("Cancelled", exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Up to date", exact=True).first).to_be_visible()
    expect(cancel).to_have_count(0)
    last = newest(daemon)
    assert (last["outcome"]["outcome"], last["reason"], last["actor"]["user"]) == ("cancelled", "a mistake", "root")
    (shown,) = json.loads(daemon.call("Show", "as", [PMFW])[0])["components"]
    assert not shown["pending"]


def newest(daemon: Daemon) -> dict[str, Any]:
    """What the history has last."""
    found: dict[str, Any] = json.loads(daemon.call("History", "ss", "", "")[0])["history"][0]
    return found
