# SPDX-License-Identifier: Apache-2.0
"""The pictures of the documents are those of the code and of the pages, and can be read."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain
from types import ModuleType
from xml.etree import ElementTree

import pytest

from livefw.activation.events import Point

from .page import CHECKOUT, PAGES

PICTURES = CHECKOUT / "docs/pictures"
_MADE = re.compile(r"^<!-- picture: (\S+) -->$", re.MULTILINE)
_EMBEDDED = re.compile(r"!\[([^]]*)\]\(([^)]+\.svg)\)")


@pytest.fixture(scope="module")
def pictures() -> Iterator[ModuleType]:
    """docs/_site/pictures.py."""
    with _loaded("pictures") as module:
        yield module


@contextmanager
def _loaded(name: str) -> Iterator[ModuleType]:
    """A module of docs/_site, which is no package."""
    spec = spec_from_file_location(name, CHECKOUT / f"docs/_site/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]


def test_pictures_are_what_the_code_and_the_pages_say(pictures: ModuleType) -> None:
    assert len(pictures.MADE) > 2
    stale = [name for name, make in pictures.MADE.items() if make() != (PICTURES / name).read_text(encoding="utf-8")]
    assert stale == [], ".venv/bin/python docs/_site/pictures.py"


def test_every_package_is_drawn(pictures: ModuleType) -> None:
    drawn = {cell.package for cell in chain.from_iterable([*pictures.ABOVE, *pictures.BELOW])}
    assert drawn == {path.parent.name for path in (CHECKOUT / "src/livefw").glob("*/__init__.py")}


def test_every_step_is_drawn_in_its_order(pictures: ModuleType) -> None:
    assert [point for stage in pictures.STAGES for point in stage.points] == list(Point)


def test_every_picture_is_shown_with_a_text_for_those_who_do_not_see_it() -> None:
    shown = [(page, *found) for page in PAGES for found in _EMBEDDED.findall(page.read_text(encoding="utf-8"))]
    assert [(page.name, link) for page, text, link in shown if len(text) < 20] == []
    assert {(page.parent / link).resolve() for page, _, link in shown} == set(PICTURES.glob("*.svg"))


@pytest.mark.parametrize("name", sorted(path.name for path in PICTURES.glob("*.svg")))
def test_a_picture_has_a_ground_of_its_own(name: str) -> None:
    root = ElementTree.fromstring((PICTURES / name).read_text(encoding="utf-8"))
    first = next(each for each in root if each.tag.endswith("}rect"))
    assert first.get("class") == "ground" or first.get("fill") == "#fff"


def test_every_view_of_the_page_in_cockpit_has_a_picture_on_a_page() -> None:
    """That they are taken is tested with the site, which has them in no tree."""
    source = (CHECKOUT / "cockpit/src/index.js").read_text(encoding="utf-8")
    found = re.search(r'^const VIEWS = \{ "": overview, ([\w, ]+) \};$', source, re.MULTILINE)
    assert found is not None
    shown = [file for page in PAGES for file in _MADE.findall(page.read_text(encoding="utf-8"))]
    with _loaded("views") as views:
        assert {view.view for view in views.VIEWS} == {"", *found[1].split(", ")}
        assert sorted(shown) == sorted(view.file for view in views.VIEWS)
        assert [view.file for view in views.VIEWS if len(view.text) < 40] == []
        assert {view.width for view in views.VIEWS} == {390, 1280}
