# SPDX-License-Identifier: Apache-2.0
"""Builds the site of the documents in build/docs/html; needs the extra ``docs`` and no network.

The pages are copied, those of `reference` are added, and Sphinx does the rest, for which every warning is an error.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import reference
import sample
import schemas
import views

HERE = Path(__file__).parent
DOCUMENTS = HERE.parent
CHECKOUT = DOCUMENTS.parent
OTHERS = {"CHANGELOG.md": "Changes", "CONTRIBUTING.md": "Contributing", "SECURITY.md": "Security"}
"""Pages at the top of the checkout that belong to the site."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_LINK = re.compile(r"(\]\()(?!https?:|#)([^)\s#]+)")
_TITLE = re.compile(r'^( *`{3,})([\w+-]+) title="([^"]+)"$', re.MULTILINE)
_NO_RUN = re.compile(r'^( *`{3,}[\w+-]+) no-run="[^"]+"$', re.MULTILINE)


def main() -> int:
    """Put the sources together and build; the exit code of Sphinx."""
    parser = argparse.ArgumentParser(description="Build the site of the documents.")
    parser.add_argument("directory", nargs="?", type=Path, default=CHECKOUT / "build/docs", help="for sources and site")
    directory = parser.parse_args().directory
    sources = directory / "source"
    if sources.exists():
        shutil.rmtree(sources)
    gather(sources)
    options = ["-q", "-W", "--keep-going", "-n", "-b", "html", "-c", HERE, "-d", directory / "doctrees"]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *options, sources, directory / "html"], check=False
    ).returncode


def gather(sources: Path) -> None:
    """All pages of the site, in one directory."""
    shutil.copytree(DOCUMENTS, sources, ignore=shutil.ignore_patterns(HERE.name))
    for name in OTHERS:
        (sources / "project").mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, sources / "project" / name)
    for page in reference.PAGES:
        (sources / "reference" / page.file).write_text(page.text(), encoding="utf-8")
    sample.write(sources / "reference")
    (sources / "schema").mkdir()
    for path in schemas.FILES:
        shutil.copy(path, sources / "schema" / path.name)
    try:
        views.write(sources / "pictures")
    except views.Missing as missing:
        sys.stderr.write(f"without the pictures of the page for Cockpit: {missing}\n")
    for path in sorted(sources.rglob("*.md")):
        path.write_text(
            _prepared(path.read_text(encoding="utf-8"), sources, path.relative_to(sources)), encoding="utf-8"
        )
    index = sources / "index.md"
    index.write_text(_with_navigation(index.read_text(encoding="utf-8")), encoding="utf-8")


def _prepared(text: str, sources: Path, page: Path) -> str:
    """A page as Sphinx takes it: links into the site, titles of blocks as captions, pictures that are made."""

    def moved(match: re.Match[str]) -> str:
        target = os.path.normpath(DOCUMENTS / _origin(page).parent / match[2])
        if os.path.dirname(target) == str(CHECKOUT) and os.path.basename(target) in OTHERS:
            target = str(DOCUMENTS / "project" / os.path.basename(target))
        elif not target.startswith(f"{DOCUMENTS}/"):
            return match[0]
        return match[1] + os.path.relpath(target, DOCUMENTS / page.parent)

    text = _LINK.sub(moved, text)
    text = _TITLE.sub(r"\1{code-block} \2\n:caption: \3", text)
    pictures = os.path.relpath("pictures", page.parent)
    return views.shown(_NO_RUN.sub(r"\1", text), pictures, sources / "pictures")


def _origin(page: Path) -> Path:
    """Where a page of the site is, seen from the documents."""
    return Path("..", page.name) if page.parent.name == "project" else page


def _with_navigation(index: str) -> str:
    """The index with what is made added to it, and the same once more as the navigation beside each page."""
    made = "\n".join(f"- [{page.title}](reference/{page.file}): {page.summary}" for page in reference.PAGES)
    index = index.replace("\n## Explanation", f"\nMade from the code's own tables:\n\n{made}\n\n## Explanation", 1)
    others = "\n".join(f"- [{title}](project/{name})" for name, title in OTHERS.items())
    return "\n".join([f"{index}\n{others}\n", *_navigation(index, others)])


def _navigation(index: str, others: str) -> Iterator[str]:
    _, *parts = _HEADING.split(index)
    for caption, text in zip(parts[::2], parts[1::2], strict=True):
        links = re.findall(r"^- \[([^]]+)\]\(([^)]+)\.md\)", text, re.MULTILINE)
        if caption == "For developers of livefw":
            links += re.findall(r"^- \[([^]]+)\]\(([^)]+)\.md\)", others, re.MULTILINE)
        if links:
            entries = "\n".join(f"{title} <{target}>" for title, target in links)
            yield f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


if __name__ == "__main__":
    sys.exit(main())
