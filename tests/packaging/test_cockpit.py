# SPDX-License-Identifier: Apache-2.0
"""The page for Cockpit: what it is built of, and its Debian package."""

import gzip
import json
import re
import sys
from pathlib import Path

import pytest

from .conftest import CHECKOUT, PACKAGING, once, run

PAGE = CHECKOUT / "cockpit"
MOST_BYTES = 80 * 1024
"""Of everything that is installed, each file compressed."""


@pytest.fixture(scope="session")
def page(cockpit_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked."""
    return (
        once(tmp_path_factory, "cockpit-root", lambda folder: run("dpkg-deb", "-R", cockpit_package, folder / "root"))
        / "root"
    )


def sources() -> dict[str, str]:
    return {str(path.relative_to(PAGE)): path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("src/**/*.js"))}


def test_words_are_those_of_the_tables(tmp_path: Path) -> None:
    made = tmp_path / "words.json"
    run(sys.executable, "-B", PACKAGING / "cockpit_words.py", made)
    assert made.read_text(encoding="utf-8") == (PAGE / "src/words.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("table", "words"), [("OUTCOMES", "outcomes"), ("STATES", "states"), ("ENDS", "exit_codes")])
def test_every_end_and_every_state_has_an_icon_and_a_word(table: str, words: str) -> None:
    text = (PAGE / "src/label.js").read_text(encoding="utf-8")
    found = re.search(rf"const {table} = {{\n(.*?)\n}};", text, re.DOTALL)
    assert found is not None
    rows = re.findall(r'^ {4}"?([\w-]+)"?: \["\w+", "\w+", "[\w ]+"\],$', found[1], re.MULTILINE)
    known = json.loads((PAGE / "src/words.json").read_text(encoding="utf-8"))[words]
    assert set(rows) | ({"0"} if table == "ENDS" else set()) == set(known)


def test_german_has_every_text() -> None:
    """Literals beside the function that translates, the words of the labels, and those of livefw's tables."""
    text = "\n".join(sources().values())
    label = sources()["src/label.js"]
    wanted = {json.loads(each) for each in re.findall(r'\b(?:_|say)\(("[^"]*")', text)}
    wanted |= set(re.findall(r'\["\w+", "\w+", "([A-Z][\w ]+)"\]', label))
    words = json.loads((PAGE / "src/words.json").read_text(encoding="utf-8"))
    wanted |= {text for outcome in words["outcomes"].values() for text in outcome.values()}
    wanted |= {*words["stops"].values(), *words["restarts"].values(), *words["exit_codes"].values()}
    wanted |= {check["about"] for check in words["checks"].values()} | set(words["settings"].values())
    po = (PAGE / "po/de.po").read_text(encoding="utf-8")
    pairs = re.findall(r'^msgid ("[^\n]+")\nmsgstr ("[^\n]+")$', po, re.MULTILINE)
    translated = {json.loads(english): json.loads(german) for english, german in pairs if german != '""'}
    assert wanted - translated.keys() == set()
    for english, german in translated.items():
        for kept in (r"\$\d", r"`[^`]*`"):
            assert sorted(re.findall(kept, english)) == sorted(re.findall(kept, german)), english


def test_no_text_becomes_markup() -> None:
    for name, text in sources().items():
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", text
        )
        assert found == [], name


def test_page_asks_nobody_but_the_daemon() -> None:
    """No program is run and no address is fetched: what it knows comes over D-Bus."""
    for name, text in sources().items():
        assert re.findall(r"cockpit\.(?:spawn|script|http)|\bfetch\(|XMLHttpRequest|WebSocket", text) == [], name
        assert [each for each in re.findall(r"https?://[^\"'\s]+", text) if "w3.org" not in each] == [], name


def test_lock_file_names_no_registry() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    assert [name for name, each in packages.items() if "resolved" in each or not each.get("integrity")] == []
    asked = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert asked == {name: packages[f"node_modules/{name}"]["version"] for name in asked}


def test_package_is_the_page(page: Path) -> None:
    folder = page / "usr/share/cockpit/livefw"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    languages = {f"po.{path.stem}.js" for path in PAGE.glob("po/*.po")}
    assert set(files) == {"index.html", "index.js", "index.css", "manifest.json"} | languages
    assert sum(len(gzip.compress(data)) for data in files.values()) <= MOST_BYTES
    manifest = json.loads(files["manifest.json"])
    assert manifest["conditions"] == [{"path-exists": "/usr/bin/livefw"}]
    assert manifest["config"] == {"address": "unix:path=/run/livefw/fwupd.sock"}
    # What Cockpit's content security policy refuses: scripts and styles inside the page, and what is elsewhere.
    html = files["index.html"].decode()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:", html) == []
    addresses = set(re.findall(r"url\(([^)]*)\)", files["index.css"].decode()))
    assert {address.strip("\"'").rpartition("/")[0] for address in addresses} == {"../../static/fonts"}


def test_package_says_what_it_needs(page: Path) -> None:
    control = (page / "DEBIAN/control").read_text(encoding="utf-8")
    assert "Architecture: all\n" in control
    # Both Debian 12 and 13 have these, of any version.
    assert "\nDepends: cockpit-bridge | cockpit, livefw\n" in control
    version = re.search(r"^Version: (.+)$", control, re.MULTILINE)
    first = (PACKAGING / "debian/changelog").read_text(encoding="utf-8").partition("\n")[0]
    assert version is not None
    assert f"({version[1]})" in first
    assert {path.name for path in (page / "usr/share/doc/cockpit-livefw").iterdir()} == {"changelog.gz", "copyright"}
    assert (page / "usr/share/metainfo/org.livefw.cockpit.metainfo.xml").is_file()
