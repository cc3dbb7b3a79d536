# SPDX-License-Identifier: Apache-2.0
"""Sphinx's settings for the site; `build.py` has put its sources together."""

from typing import Any

import livefw

project = "livefw"
author = "the livefw authors"
release = livefw.__version__
copyright = "the livefw authors; Apache-2.0"  # noqa: A001 - Sphinx's own name

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns: list[str] = []
myst_heading_anchors = 4
myst_links_external_new_tab = False

default_role = "literal"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
nitpicky = True
# Types of the standard library and of modules that are not documented; the site knows no other site.
nitpick_ignore_regex = [(r"py:.*", r".*")]

html_theme = "furo"
html_title = f"livefw {release}"
html_static_path = ["_static"]
html_css_files = ["livefw.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"footer_icons": [], "navigation_with_keys": True}
templates_path: list[str] = []
highlight_language = "text"  # a block that names no language
pygments_style = "default"
pygments_dark_style = "github-dark"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _without_aliases)


def _without_aliases(_app: Any, _kind: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Python's own docstring of a field of a named tuple says nothing."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()
