# SPDX-License-Identifier: Apache-2.0
"""``livefw demo --web``, as a newcomer runs it."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from livefw.cli.demo import site
from livefw.cli.demo.site import Cockpit
from livefw.errors import ExitCode, NotInstalled

from ..conftest import below
from ..daemon.conftest import need
from .browser import Visit
from .test_activation import begin, row

_WITH_THE_PAGE_IN = """
import sys
from livefw.cli.demo import site
from livefw.cli.main import main
site._PAGES = (sys.argv.pop(1),)
sys.exit(main())
"""
DEMO = (sys.executable, "-c", _WITH_THE_PAGE_IN)
NOBODY = 65534
_AS_NOBODY = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
)
"""An ordinary user, who may read the interpreter and the checkout, wherever these are."""
by_both = pytest.mark.parametrize("demo", ["", "nobody"], indirect=True, ids=["by this user", "by nobody"])


@pytest.fixture
def demo(
    request: pytest.FixtureRequest, built: Path, folder: Path
) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """One that runs, and what it printed; nothing of it is left at the end."""
    try:
        site.find_server()
    except NotInstalled as error:
        pytest.skip(f"{error}; on Debian: {error.hint}")
    environment = os.environ | {"TMPDIR": str(folder), "LIVEFW_RUNTIME_DIR": str(folder / "run")}
    command = [*DEMO, str(built), "--json", "demo", "--web"]
    if getattr(request, "param", ""):
        if os.geteuid() != 0:
            pytest.skip("only root can start it as another user")
        need("fusermount3", "fuse3")
        command = [*_AS_NOBODY, *command]
        environment["HOME"] = str(folder)
        os.chown(folder, NOBODY, NOBODY)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            said = ""
            while not said.endswith("}\n}\n"):
                line = process.stdout.readline()
                assert line, said
                said += line
            yield process, json.loads(said)["web"]
        finally:
            process.send_signal(signal.SIGINT)  # killed, it would leave its mount


@by_both
@pytest.mark.fuse
def test_it_shows_the_machine_to_who_has_the_address_and_ends_with_everything(
    demo: tuple["subprocess.Popen[str]", dict[str, Any]], browser: Browser, folder: Path
) -> None:
    process, web = demo
    origin, key = web["address"].split("/livefw#key=")
    visit = Visit(browser, Cockpit(origin, key))
    page = visit.context.new_page()
    page.goto(web["address"])
    expect(page.frame_locator("iframe[name*='/livefw']").get_by_role("link", name="TF-RMM").first).to_be_visible()
    page.close()
    page = visit.open()
    page.set_viewport_size({"width": 390, "height": 900})
    dialogue = begin(page)
    expect(dialogue.get_by_text("Activated", exact=True)).to_be_visible()
    dialogue.get_by_role("link").click()
    picture = page.get_by_role("img", name="Stops of the CPUs")
    expect(picture).to_be_visible()
    assert picture.evaluate("e => e.getScreenCTM().a") > 0.9  # its texts are as large as they are meant to be
    page.get_by_role("link", name="Overview").click()
    expect(row(page)).to_contain_text("1.1")
    running = {Path(f"/proc/{each}/comm").read_text(encoding="ascii").strip() for each in below(process.pid)}
    assert "cockpit-bridge" in running
    assert not running & {"ssh-agent", "dbus-daemon"}  # killed with the rest, they would leave sockets in /tmp
    visit.context.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == ExitCode.DONE
    assert [each.name for each in folder.iterdir() if each.name != "run"] == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(origin, timeout=60)


@pytest.mark.fuse
@pytest.mark.parametrize("key", ["", "wrong"])
def test_without_the_key_there_is_no_session(
    demo: tuple["subprocess.Popen[str]", dict[str, Any]], browser: Browser, key: str
) -> None:
    _, web = demo
    origin, _ = web["address"].split("/livefw#key=")
    context = browser.new_context()
    request = context.request.get(f"{origin}/cockpit/login", headers={"Authorization": f"Bearer {key}"} if key else {})
    assert request.status == 401
    page = context.new_page()
    page.goto(f"{origin}/livefw" + (f"#key={key}" if key else ""))
    expect(page.get_by_text("Authentication failed" if key else "The whole address is needed")).to_be_visible()
    context.close()


def test_what_is_missing_is_said_with_how_to_install_it(tmp_path: Path) -> None:
    command = [*DEMO, str(tmp_path), "demo", "--web"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == ExitCode.NOT_INSTALLED
    assert "the page for Cockpit is not installed" in done.stderr
    assert "make cockpit" in done.stderr
