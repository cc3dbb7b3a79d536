# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium, and a visit of the page by it, which may do no more than a page in Cockpit should."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FrameLocator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from livefw.cli.demo.site import Cockpit

PATIENCE_S = 120
"""For whatever is waited for: a machine that has other things to do is slow and not broken."""
_ARGUMENTS = (
    "--no-sandbox",  # root in a container has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_OWN = "/livefw/"
"""In the address of everything that is the page's own; the shell and its console are Cockpit's."""

expect.set_options(timeout=1000 * PATIENCE_S)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One that has nothing of an earlier one, and asks nobody for anything by itself."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is missing; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS, timeout=1000 * PATIENCE_S)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One browser at one Cockpit. What it did that it must not do is in ``wrong``.

    Chromium reports what the page's Content-Security-Policy has refused as an error on the console.
    """

    def __init__(
        self, browser: Browser, cockpit: Cockpit, *, language: str = "en", style: str = "light", **options: Any
    ) -> None:
        self.cockpit = cockpit
        self.wrong: list[str] = []
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(1000 * PATIENCE_S)
        self.context.add_init_script(
            f"if (location.protocol === 'http:') localStorage.setItem('shell:style', '{style}')"
        )
        self.context.add_cookies([{"name": "CockpitLang", "value": language, "url": cockpit.origin}])
        self.context.on("request", self._requested)
        self.context.on("console", self._printed)
        self.context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))

    def log_in(self) -> None:
        """As the address of `livefw demo --web` does."""
        headers = {"Authorization": f"Bearer {self.cockpit.key}"}
        answer = self.context.request.get(f"{self.cockpit.origin}/cockpit/login", headers=headers)
        assert answer.status == 200, answer.text()

    def open(self, route: str = "/") -> Page:
        """A tab with the page, without Cockpit's shell around it."""
        page = self.context.new_page()
        page.goto(f"{self.cockpit.origin}/cockpit/@localhost/livefw/index.html#{route}")
        return page

    def open_in_shell(self) -> FrameLocator:
        """The page as a person gets it, by nothing but the address."""
        page = self.context.new_page()
        page.goto(self.cockpit.address)
        return page.frame_locator("iframe[name*='/livefw']")

    def _requested(self, request: Request) -> None:
        if urlsplit(request.url).netloc not in (urlsplit(self.cockpit.origin).netloc, ""):
            self.wrong.append(f"request: {request.url}")

    def _printed(self, message: ConsoleMessage) -> None:
        where = str(message.location["url"])
        if message.type in ("error", "warning") and _OWN in where:
            self.wrong.append(f"{message.type}: {message.text} ({where})")


def violations(page: Page) -> list[str]:
    """What axe finds wrong, each with where it is."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}" for each in found]
