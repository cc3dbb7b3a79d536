# SPDX-License-Identifier: Apache-2.0
"""Pictures of the page for Cockpit on a modelled machine, taken by the Chromium and the visitor of its tests.

They are made with the site and not kept in the tree. Where something that they need is missing, `build.py` says so, and
the site is built without them.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from livefw.cli.demo import site, web
from livefw.errors import LivefwError
from livefw.testing import MountedMachine

CHECKOUT = Path(__file__).parents[2]
sys.path.append(str(CHECKOUT))  # for what the tests of the page have

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page

_HEIGHT = 800
_TALLEST = 1900
"""Of a picture; the policy is as long as its tables."""
_SHOWN = re.compile(r"^<!-- picture: (\S+) -->$", re.MULTILINE)


class Missing(Exception):  # noqa: N818 - what it says is why there are no pictures, which is no error
    """The pictures cannot be taken here; the text says what is missing."""


class View(NamedTuple):
    """A picture.

    Attributes:
        file: its name; a page shows it by a comment ``<!-- picture: FILE -->``.
        view: the name of the view in the page's addresses.
        text: what it shows, for who does not see it.
        width: of the window, in pixels.
        show: goes there.
    """

    file: str
    view: str
    text: str
    width: int
    show: Callable[["Page", MountedMachine], object]


def _overview(page: "Page", _: MountedMachine) -> None:
    _go(page, "/")
    page.get_by_role("table", name="Components").wait_for()


def _component(page: "Page", _: MountedMachine) -> None:
    _overview(page, _)
    page.get_by_role("table", name="Components").get_by_role("link", name="TF-RMM").click()
    page.get_by_role("heading", name="Checks").wait_for()


def _plan(page: "Page", _: MountedMachine) -> None:
    _overview(page, _)
    page.get_by_role("button", name="Activate TF-RMM").first.click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_label("Reason").fill("CHG-4711")
    dialogue.get_by_role("button", name="Activate", exact=True).wait_for()


def _failed(page: "Page", machine: MountedMachine) -> None:
    machine.inject("auth-error", "rmm")
    _ended(_begun(page), "Failed")


def _begun(page: "Page") -> "Locator":
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_role("button", name="Activate", exact=True).click()
    return dialogue


def _ended(dialogue: "Locator", word: str) -> None:
    dialogue.get_by_text(word, exact=True).wait_for()


def _history(page: "Page", machine: MountedMachine) -> None:
    machine.clear_faults()
    _plan(page, machine)
    _ended(_begun(page), "Activated")
    _go(page, "/history")
    page.get_by_role("table", name="History").wait_for()
    page.get_by_role("button", name="Verify the record").click()
    page.get_by_text("Consistent", exact=True).wait_for()


def _activation(page: "Page", _: MountedMachine) -> None:
    _go(page, "/history")
    page.get_by_role("table", name="History").get_by_role("row").nth(1).get_by_role("link").last.click()
    page.get_by_role("heading", name="Judgement").wait_for()


def _policy(page: "Page", _: MountedMachine) -> None:
    _go(page, "/policy")
    page.get_by_role("table", name="Settings").wait_for()


def _go(page: "Page", route: str) -> None:
    """Show a view, without a dialogue that may be open."""
    address, _, _ = page.url.partition("#")
    page.goto("about:blank")
    page.goto(f"{address}#{route}")


VIEWS = (
    View(
        "cockpit-overview.png",
        "",
        "The overview: TF-RMM needs attention, as 1.1 is ready to replace 1.0, with a button for that; below, all "
        "components with their versions, cost and state",
        1280,
        _overview,
    ),
    View(
        "cockpit-narrow.png",
        "",
        "The overview in a window as wide as a phone: the rows of the table are cards below each other",
        390,
        _overview,
    ),
    View(
        "cockpit-component.png",
        "component",
        "One component: its state and buttons, versions and cost, the plan, checks, images and history",
        1280,
        _component,
    ),
    View(
        "cockpit-plan.png",
        "",
        "The dialogue before an activation: the plan as livefw prints it, a check that warns, a field for the reason",
        1280,
        _plan,
    ),
    View(
        "cockpit-failed.png",
        "",
        "The dialogue after one that failed: what it means, the firmware's code AUTH_ERROR, and what to do next",
        1280,
        _failed,
    ),
    View(
        "cockpit-history.png",
        "history",
        "The history: the record is consistent; below, an activation that succeeded and one that failed, with filters",
        1280,
        _history,
    ),
    View(
        "cockpit-activation.png",
        "activation",
        "One activation: judgement, evidence, request, and a bar for each time in which a CPU stopped",
        1280,
        _activation,
    ),
    View(
        "cockpit-policy.png",
        "policy",
        "The policy: when the maintenance window is open, each setting with its value and meaning, and all checks",
        1280,
        _policy,
    ),
)
"""In the order in which they are taken, on one machine: what one does, the next one shows."""


def write(directory: Path) -> None:
    """Take all of them. `Missing`."""
    try:
        from tests.cockpit.browser import Visit, chromium
    except ImportError as error:
        raise Missing(f"no module {error.name}; on Debian: make test installs it") from error
    if shutil.which("chromium") is None:
        raise Missing("no program chromium; on Debian: apt-get install chromium")
    with TemporaryDirectory(prefix="livefw-views-") as folder:
        try:
            with (
                MountedMachine("vera", cpus=16) as machine,
                web.daemon(str(machine.root), f"{folder}/livefwd.sock", folder),
                site.cockpit(_page(f"{folder}/page"), f"{folder}/livefwd.sock", f"{folder}/cockpit") as cockpit,
                chromium() as browser,
            ):
                visit = Visit(browser, cockpit)
                visit.log_in()
                page = visit.open()
                for view in VIEWS:
                    page.set_viewport_size({"width": view.width, "height": _HEIGHT})
                    view.show(page, machine)
                    height = min(_TALLEST, page.evaluate("document.documentElement.scrollHeight"))
                    area: FloatRect = {"x": 0, "y": 0, "width": view.width, "height": height}
                    page.screenshot(path=directory / view.file, full_page=True, clip=area, animations="disabled")
                visit.context.close()
        except LivefwError as error:
            raise Missing(f"{error}; {error.hint}" if error.hint else str(error)) from error


def shown(text: str, pictures: str, directory: Path) -> str:
    """A page of the site with its pictures, which are in ``directory``; with nothing in the place of one that is not.

    ``pictures`` is that directory as the page links to it.
    """
    texts = {view.file: view.text for view in VIEWS}

    def picture(match: re.Match[str]) -> str:
        file = match[1]
        return f"![{texts[file]}]({pictures}/{file})" if (directory / file).exists() else ""

    return _SHOWN.sub(picture, text)


def _page(folder: str) -> str:
    """Build it, of these sources; without the network, so that what it is built with has to be there."""
    if not (CHECKOUT / "cockpit/node_modules/.from").exists():
        raise Missing("the page for Cockpit was never built here: make cockpit")
    subprocess.run([CHECKOUT / "scripts/cockpit.sh", folder], check=True, capture_output=True)
    return folder
