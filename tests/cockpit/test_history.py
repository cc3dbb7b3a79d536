# SPDX-License-Identifier: Apache-2.0
"""The history on the page: all of a long one, whether it is consistent, and what is saved of it as a file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from bench.records import fill, rewrite, tamper
from playwright.sync_api import Page, expect

from livefw.activation.history.journal import FILE
from livefw.providers.lfa.fake import FakeLfa

from ..daemon.conftest import Daemon, Serve
from .conftest import Enter, Hold
from .test_page import MARKUP, plant

LENGTH = 600


@pytest.fixture
def recorded(planted: Path, folder: Path, serve: Serve) -> Daemon:
    """A daemon with a history of more activations than it tells at once."""
    state = folder / "long"
    state.mkdir()
    fill(state, LENGTH)
    daemon = serve(planted, "--state", str(state))
    daemon.call("List")  # which records what is pending: from now on nothing is added to the history
    return daemon


def saved(page: Page, button: str) -> tuple[str, str]:
    """The name and the content of the file that a button saves."""
    with page.expect_download() as begun:
        page.get_by_role("button", name=button).click()
    return begun.value.suggested_filename, Path(begun.value.path()).read_text(encoding="utf-8")


def without_time(report: dict[str, Any]) -> dict[str, Any]:
    """A report, but for when it was made."""
    return report | {"report": {name: value for name, value in report["report"].items() if name != "time"}}


def test_older_entries_are_shown_until_there_is_none(recorded: Daemon, hold: Hold, enter: Enter) -> None:
    page = enter(hold(recorded)).open("/history")
    older = page.get_by_role("button", name="Show older entries")
    expect(page.get_by_text("256 of the newest 256 entries")).to_be_visible()
    older.click()
    expect(page.get_by_text("512 of the newest 512 entries")).to_be_visible()
    older.click()
    expect(page.get_by_text(f"{LENGTH} of {LENGTH} entries")).to_be_visible()
    expect(older).to_have_count(0)
    pages = page.get_by_role("navigation", name="Pages of the history")
    expect(pages).to_contain_text("1 / 12")
    for _ in range(11):
        pages.get_by_role("button", name="Next").click()
    newest = json.loads(recorded.call("History", "ss", "", "")[0])
    last = json.loads(recorded.call("HistoryBefore", "ssx", "", "", newest["before"])[0])
    oldest = json.loads(recorded.call("HistoryBefore", "ssx", "", "", last["before"])[0])["history"][-1]
    shown = page.get_by_role("table", name="History").get_by_role("row")
    expect(shown).to_have_count(51)
    expect(shown.last).to_contain_text(oldest["reason"])
    page.get_by_label("Name, user, reason or id").fill(oldest["activation"])
    expect(page.get_by_text(f"1 of {LENGTH} entries")).to_be_visible()


def test_a_record_that_was_changed_is_not_consistent(recorded: Daemon, folder: Path, hold: Hold, enter: Enter) -> None:
    tamper(folder / "long", "UPDATE entry SET body = '{}' WHERE sequence = 7")
    page = enter(hold(recorded)).open("/history")
    page.get_by_role("button", name="Verify the record").click()
    expect(page.get_by_text("Not consistent", exact=True)).to_be_visible()
    document, text, code = recorded.call("Verify")
    assert (json.loads(document)["whole"], code) == (False, 1)
    expect(page.get_by_role("region", name="What livefw prints")).to_have_text(text)


def test_the_report_is_saved_as_the_daemon_makes_it(recorded: Daemon, hold: Hold, enter: Enter) -> None:
    page = enter(hold(recorded)).open("/history")
    document, text, _ = recorded.call("Report", "asss", [], "", "")
    made = json.loads(document)
    name, content = saved(page, "Download the report as JSON")
    assert name == f"livefw-report-{made['report']['time'][:10]}.json"
    assert without_time(json.loads(content)) == without_time(made)
    name, content = saved(page, "Download the report as text")
    assert name.endswith(".md")
    assert content.splitlines()[:1] == text.splitlines()[:1]
    newest = made["activations"][0]["activation"]
    assert newest in content
    page.get_by_role("link", name=newest[:8]).first.click()
    name, content = saved(page, "Download the report as text")
    assert name == f"livefw-{newest}.md"
    assert newest in content
    assert made["activations"][1]["activation"] not in content


def test_the_report_in_html_is_a_document_without_a_script(
    folder: Path, serve: Serve, hold: Hold, enter: Enter
) -> None:
    """Opened from the disk: what is called like markup is text there, too."""
    state = folder / "long"
    state.mkdir()
    fill(state, 3)
    rewrite(state, lambda row: row.__setitem__(5, row[5].replace("TF-1", MARKUP)))
    bench = FakeLfa()
    bench.add(name=MARKUP)
    visit = enter(hold(serve(plant(folder, bench), "--state", str(state))))
    page = visit.open("/history")
    newest, named = f"{2:016x}", f"{1:016x}"
    file = folder / "report.html"
    with page.expect_download() as begun:
        page.get_by_role("button", name="Download the report as HTML").click()
    assert re.fullmatch(r"livefw-report-\d{4}-\d\d-\d\d\.html", begun.value.suggested_filename)
    begun.value.save_as(file)
    report = visit.context.new_page()
    report.goto(file.as_uri())
    expect(report.get_by_role("heading", level=1)).to_have_text("Firmware activation report")
    expect(report.get_by_role("link", name=newest)).to_be_visible()
    expect(report.get_by_role("heading", name=MARKUP).first).to_be_visible()
    assert report.locator("script, img, iframe, link").count() == 0
    report.get_by_role("link", name=named).click()
    assert report.url == f"{file.as_uri()}#a-{named}"
    page.get_by_role("link", name=newest[:8]).first.click()
    name, content = saved(page, "Download the report as HTML")
    assert name == f"livefw-{newest}.html"
    assert newest in content
    assert named not in content


def test_where_there_is_no_report_nothing_is_saved(recorded: Daemon, folder: Path, hold: Hold, enter: Enter) -> None:
    page = enter(hold(recorded)).open("/history")
    expect(page.get_by_text("256 of the newest 256 entries")).to_be_visible()
    files: list[object] = []
    page.on("download", lambda each: files.append(each))
    (folder / "long" / FILE).write_bytes(b"no database at all")
    page.get_by_role("button", name="Download the report as HTML").click()
    expect(page.get_by_text("There is no report")).to_be_visible()
    expect(page.get_by_role("button", name="Verify the record")).to_be_visible()
    assert files == []
