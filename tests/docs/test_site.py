# SPDX-License-Identifier: Apache-2.0
"""The site of the documents: that it builds without a warning, and that its reference is what the tables say."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from livefw.cli.verbs import VERBS
from livefw.errors import KINDS
from livefw.firmware.profile import PROFILES
from livefw.kernel.lfa.versions import VERSIONS
from livefw.machine.catalog import ALL_FAULTS
from livefw.machine.config import platforms

from .page import CHECKOUT

SCRIPTS = CHECKOUT / "docs/_site"

NAMES = {
    "commands": {*(f"## livefw {name}\n" for name in VERBS), "## livefwd\n", "### livefw machine run\n"},
    "errors": {f"| `{kind.name}` |" for kind in KINDS.values()},
    "dbus": {"## org.livefw.Livefw1\n", "## org.freedesktop.fwupd\n", "| `Activate` |", "| `Event` |", "| `Version` |"},
    "metrics": {"| `livefw_component_info` |", "| `livefw_activations_total` |"},
    "machine-schema": {"| `components` |", "## ComponentSpec\n"},
    "machines": {f"| `{name}` |" for name in platforms()},
    "agents": {f" `{name}` |" for name in PROFILES},
    "drivers": {*(f" `{name}` |" for name in VERSIONS), "| `activation_pending` |"},
    "faults": {f"| `{name}` |" for name in ALL_FAULTS},
    "sample-report": {"(sample-report.html)"},
    "api": {"autofunction:: livefw.connect\n", "livefw.testing.ModelMachine\n", "livefw.errors.Refused\n"},
}
"""What each page that is made has to name."""


class Loaded(HTMLParser):
    """What a browser fetches for a page by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        address = found.get("href") if tag == "link" else found.get("src") if tag != "a" else None
        if address:
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the site and of its sources."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("Sphinx is missing: scripts/setup.sh docs")
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "build.py"), str(directory)], capture_output=True, text=True, timeout=900
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "" or done.stderr.startswith("without the pictures of the page for Cockpit: ")
    return directory


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("page", sorted(NAMES))
def test_the_reference_names_what_the_tables_have(site: Path, page: str) -> None:
    text = (site / f"source/reference/{page}.md").read_text(encoding="utf-8")
    assert {name for name in NAMES[page] if name not in text} == set()


@pytest.mark.timeout(1000)
def test_fields_say_nothing_rather_than_their_number(site: Path) -> None:
    page = (site / "html/reference/api.html").read_text(encoding="utf-8")
    assert 'id="livefw.Plan.steps"' in page
    assert "Alias for field number" not in page


@pytest.mark.timeout(1000)
def test_every_page_is_in_the_navigation(site: Path) -> None:
    index = (site / "html/index.html").read_text(encoding="utf-8")
    files = {path.relative_to(site / "html") for path in (site / "html").rglob("*.html")}
    pages = {path.as_posix() for path in files if path.parts[0] != "_downloads"}  # of them a page shows the link
    assert len(pages) > 30
    linked = set(re.findall(r'href="([^"#]+\.html)', index))
    assert pages - linked - {"index.html", "genindex.html", "search.html"} == set()


@pytest.mark.timeout(1000)
def test_the_views_of_the_page_in_cockpit_are_shown(site: Path) -> None:
    if not list((site / "source/pictures").glob("cockpit-*.png")):
        pytest.skip("something that takes the pictures is missing: scripts/setup.sh packages")
    page = (site / "html/how-to/cockpit.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img alt="([^"]{40,})" src="\.\./_images/(cockpit-\w+\.png)"', page)
    assert len(shown) == 8
    for _, file in shown:
        assert (site / "html/_images" / file).read_bytes().startswith(b"\x89PNG")
    assert "picture:" not in page


@pytest.mark.timeout(1000)
def test_the_site_needs_no_network(site: Path) -> None:
    for path in (site / "html").rglob("*.html"):
        assert [each for each in Loaded(path.read_text(encoding="utf-8")).addresses if "//" in each] == []
    for path in (site / "html").rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", path.read_text(encoding="utf-8")), path


@pytest.mark.timeout(1000)
def test_no_page_names_where_it_was_built(site: Path) -> None:
    pages = [*(site / "source").rglob("*.md"), *(site / "html").rglob("*.html")]
    assert [path for path in pages if str(CHECKOUT) in path.read_text(encoding="utf-8")] == []


@pytest.mark.timeout(1000)
def test_the_search_knows_the_reference(site: Path) -> None:
    index = (site / "html/searchindex.js").read_text(encoding="utf-8")
    assert "reference/commands" in index
    assert "rendezv" in index
