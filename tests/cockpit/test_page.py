# SPDX-License-Identifier: Apache-2.0
"""What the page shows, and to whom: names from outside, many components, who may not act, every view for everybody."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import expect

from livefw.activation.policy import reader
from livefw.activation.policy.document import KEYS
from livefw.cli.demo import site, web
from livefw.cli.demo.site import Cockpit
from livefw.errors import NotInstalled, TransportError
from livefw.machine.config import load
from livefw.providers.lfa.fake import FakeLfa
from livefw.testing import MountedMachine

from ..daemon.conftest import Serve
from .browser import Visit, violations
from .conftest import Enter, Held, Hold, both
from .test_activation import COMPONENT, Mounted, begin, row

MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"
RIGHT_TO_LEFT = "\u05d7\u05d5\u05de\u05e8 1.1"
OVERRIDE = "abc\u202egnp.exe"
VIEWS = ("/", COMPONENT, "/history", "/policy")


def plant(folder: Path, bench: FakeLfa) -> Path:
    """Write the tree; its root."""
    root = folder / "root"
    for path, data in bench.files.tree.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


def test_names_from_outside_are_text(folder: Path, serve: Serve, hold: Hold, enter: Enter) -> None:
    bench = FakeLfa()
    bench.add(name=MARKUP)
    bench.add("0509b633-5734-422f-a681-6096e932d93a", name=RIGHT_TO_LEFT)
    bench.add("3ab71f81-32b9-496d-841b-e3d0e9fd1a48", name=OVERRIDE)  # which livefw shows nowhere
    page = enter(hold(serve(plant(folder, bench)))).open()
    shown = page.get_by_role("table", name="Components")
    expect(shown.get_by_role("link")).to_have_count(3)
    expect(shown.get_by_role("link", name=MARKUP)).to_be_visible()
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.content()
    # Isolated, so that it turns nothing of what stands beside it.
    name = shown.get_by_text(RIGHT_TO_LEFT)
    assert name.evaluate("e => getComputedStyle(e).unicodeBidi.match(/isolate|plaintext/) !== null")
    shown.get_by_role("link", name=MARKUP).click()
    expect(page.get_by_role("heading", name=MARKUP)).to_be_visible()


def test_a_thousand_components_stay_usable(folder: Path, serve: Serve, hold: Hold, enter: Enter) -> None:
    bench = FakeLfa()
    for number in range(1000):
        ready = number == 777
        bench.add(f"00000000-0000-4000-8000-{number:012x}", name=f"part-{number}", activation_pending=str(int(ready)))
    daemon = serve(plant(folder, bench))
    page = enter(hold(daemon)).open()
    expect(page.get_by_text("1000 of 1000 components")).to_be_visible()
    rows = page.get_by_role("table", name="Components").get_by_role("row")
    assert 10 < rows.count() <= 101
    page.get_by_role("searchbox").fill("part-99")
    expect(page.get_by_text("11 of 1000 components")).to_be_visible()  # 99 and 990 to 999
    expect(rows).to_have_count(12)
    page.get_by_role("searchbox").fill("")
    page.get_by_label("State").select_option("ready")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("part-777")


AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cockpit-bridge")


@pytest.mark.fuse
@both
def test_a_user_without_rights_sees_all_and_cannot_act(
    mounted: Mounted, serve: Serve, hold: Hold, enter: Enter
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start a session as another user")
    machine, root = mounted(load("vera"))
    daemon = serve(root)
    page = enter(hold(daemon, bridge=AS_NOBODY)).open()
    expect(row(page)).to_contain_text("Ready")
    expect(page.get_by_text("Limited access")).to_be_visible()
    dialogue = begin(page)
    expect(dialogue.get_by_text("No permission", exact=True)).to_be_visible()
    expect(dialogue).to_contain_text("may not activate firmware")
    dialogue.get_by_role("button", name="Close").click()
    expect(row(page)).to_contain_text("Ready")
    page.get_by_role("link", name="Policy").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Policy")
    assert str(machine.platform.version(machine.find("rmm"))) == "1.0"


@pytest.fixture(scope="module")
def unchanged(built: Path) -> Iterator[Cockpit]:
    """Cockpit on a machine that is only looked at."""
    with TemporaryDirectory(prefix="lfd") as folder, ExitStack() as stack:
        try:
            machine = stack.enter_context(MountedMachine("vera"))
            stack.enter_context(web.daemon(str(machine.root), f"{folder}/s", folder))
            cockpit = stack.enter_context(site.cockpit(str(built), f"{folder}/s", f"{folder}/cockpit"))
        except (NotInstalled, TransportError) as error:
            pytest.skip(f"{error}; {error.hint}")
        yield cockpit


@pytest.mark.fuse
@pytest.mark.parametrize("style", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_every_view_is_accessible(unchanged: Cockpit, enter: Enter, style: str, width: int) -> None:
    visit: Visit = enter(unchanged, style=style, viewport={"width": width, "height": 900})
    found = []
    for route in VIEWS:
        page = visit.open(route)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.locator("html").evaluate("e => e.classList.contains('pf-v6-theme-dark')") == (style == "dark")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{route} is wider than {width}"
        found += [f"{route}: {each}" for each in violations(page)]
        page.close()
    page = visit.open(COMPONENT)
    page.get_by_role("button", name="Activate").first.click()
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_visible()
    found += [f"dialogue: {each}" for each in violations(page)]
    assert found == []


@pytest.mark.fuse
@both
def test_it_speaks_the_language_of_cockpit(held: Held, enter: Enter) -> None:
    page = enter(held.cockpit, language="de").open()
    expect(page.get_by_role("link", name="Verlauf")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("table", name="Komponenten")).to_contain_text("hält alle CPUs an")


def settings_help() -> set[str]:
    """What each setting means, in English as a browser shows it."""
    return {each.help.replace("`", "") for each in reader.rows(KEYS)}


@pytest.mark.fuse
def test_what_a_setting_means_is_translated(
    mounted: Mounted, serve: Serve, hold: Hold, folder: Path, enter: Enter
) -> None:
    _, root = mounted(load("vera"))
    settings = folder / "settings"
    settings.mkdir()
    text = '[[window]]\nfrom = "03:00"\nto = "04:00"\n[component."tf-rmm"]\npin = "1.1"\n'
    (settings / "livefw.toml").write_text(text, encoding="ascii")
    page = enter(hold(serve(root, "--settings", str(settings))), language="de").open("/policy")
    rows = page.get_by_role("table", name="Einstellungen").get_by_role("row")
    expect(rows.filter(has_text="window[0].from")).to_contain_text("wann es sich öffnet")
    expect(rows.filter(has_text="component.tf-rmm.pin")).to_contain_text("die einzige Version")
    meanings = [row.get_by_role("cell").nth(3).inner_text() for row in rows.all()[1:]]
    assert set(meanings).isdisjoint({"", *settings_help()})


@both
@pytest.mark.fuse
def test_its_name_in_the_menu_is_translated(held: Held, enter: Enter) -> None:
    visit = enter(held.cockpit, language="de")
    expect(visit.open_in_shell().get_by_role("link", name="Verlauf")).to_be_visible()
    (page,) = visit.context.pages
    expect(page.get_by_role("link", name="Firmware im Betrieb")).to_be_visible()


@pytest.mark.fuse
@both
def test_it_works_in_cockpits_shell_by_the_address_alone(held: Held, enter: Enter) -> None:
    frame = enter(held.cockpit).open_in_shell()
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    expect(frame.get_by_role("table", name="Components")).to_contain_text("TF-RMM")
