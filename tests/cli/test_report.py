# SPDX-License-Identifier: Apache-2.0
"""`livefw report`: a page that an auditor can keep, whatever firmware, kernels and users have put into a history."""

import json
import os
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench.records import fill, tamper
from markdown_it import MarkdownIt

from livefw.activation import report
from livefw.activation.history.archive import Cut
from livefw.activation.history.journal import Journal, RowKind
from livefw.activation.report import Selection
from livefw.assemble import Where, host
from livefw.render.report import html
from livefw.render.report.blocks import blocks
from livefw.text import printable

KEY = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
SECOND = 1_000_000_000
ACTOR = {"user": "root", "login": "alice", "face": "cli"}
STOP = {"cpus": "0-3", "longest_ns": 72_000_000, "baseline_ns": 1000, "gaps": [[0, 72_000_000]]}
COST = {"source": "osnoise", "seconds": 0.1, "rows": [STOP], "note": ""}
IGNORED = {"check": "window", "weight": "error", "text": "it is closed", "hint": "", "ignored": True}
BEGUN = {
    "name": "TF-RMM",
    "actor": ACTOR,
    "reason": "CVE-2026-0001",
    "current_version": "1.0",
    "pending_version": "1.1",
    "ignored": [IGNORED],
    "warned": ["guests"],
    "boot_id": "dcb91e03-a65f-4466-835a-eab3b61b37d3",
    "rendezvous": "required",
    "mark": "1",
}
ENDED = {
    "outcome": "failed",
    "code": "mechanism-failed",
    "text": "the firmware refused the image",
    "said": "failed",
    "witness": "failed",
    "firmware_code": "AUTH_ERROR",
    "errno": "EIO",
    "log": ["Arm LFA: TF-RMM: activation failed"],
    "current_version": "1.0",
    "pending": True,
    "seconds": 0.5,
    "cost": COST,
    "mishaps": [{"code": "not-announced", "text": "the system journal is gone"}],
}
EPOCH = "1800000000"


@contextmanager
def journal(root: Any) -> Iterator[Journal]:
    """The history of a tree, with a row each second."""
    moments = iter(range(1_700_000_000, 1_800_000_000))
    with closing(Journal.open(str(root.path.parent / "state"), wall_ns=lambda: next(moments) * SECOND)) as made:
        yield made


@pytest.fixture
def told(ready: Any) -> Any:
    """A machine whose history has a row of each kind."""
    ready.environment["SOURCE_DATE_EPOCH"] = EPOCH
    with journal(ready) as made:
        staging = made.begin(
            KEY, BEGUN | {"sha256": "ab" * 32, "file": "rmm.bin", "version": "1.1"}, kind=RowKind.STAGING
        )
        made.end(staging, KEY, {"outcome": "staged", "pending_version": "1.1"}, kind=RowKind.STAGED)
        made.end(made.begin(KEY, BEGUN), KEY, ENDED)
        made.note(RowKind.REFUSAL, KEY, {"name": "TF-RMM", "outcome": "refused", "code": "window", "actor": ACTOR})
        made.note(RowKind.CANCELLATION, KEY, {"name": "TF-RMM", "outcome": "cancelled", "code": "cancelled"})
        made.note(RowKind.SETTING, KEY, {"name": "TF-RMM", "setting": "auto_activate", "value": False, "trouble": ""})
        made.end(made.begin("redfish:rack1/bios", {"name": "BIOS"}), "redfish:rack1/bios", {"outcome": "unknown"})
        made.begin("lfa:open", {"name": "left open"})
    return ready


FACTS = (
    "TF-RMM", "CVE-2026-0001", "root (logged in as alice), by cli", "window: it is closed", "ignored", "guests",
    "AUTH_ERROR (-3)", "EIO", "Arm LFA: TF-RMM: activation failed", "the system journal is gone", "ab", "rmm.bin",
    "72 ms", "refused", "cancelled", "auto_activate", "rack1: BIOS", "unfinished", "unknown", "consistent",
    "history --verify --head 10:", "livefw 0.", "2027-01-15 08:00:00+00:00", "mechanism-failed",
    "staging of an image",
)  # fmt: skip


@pytest.mark.parametrize("form", ["html", "md"])
def test_a_page_has_everything_that_happened_and_what_proves_it(told: Any, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"report.{form}"
    done = told.run("report", "-o", str(file))
    assert done.code == 0, done.err
    assert done.out == f"{file}: 7 from the history, up to row 10; verified\n"
    shown = _text_of(file.read_text(), form)
    assert [fact for fact in FACTS if fact not in shown] == []
    if form == "html":
        assert "the CPU ran no program" in shown


def _text_of(page: str, form: str) -> str:
    """What a reader of the page sees."""
    if form == "html":
        return "\n".join(ElementTree.fromstring(page).itertext())
    tokens = [token for each in _markdown().parse(page) for token in (each, *(each.children or ()))]
    return "\n".join(token.content for token in tokens if token.type in ("text", "fence", "text_special"))


def _markdown() -> MarkdownIt:
    # Escaped characters become texts of their own unless that rule is off.
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def test_as_json_it_is_the_same_with_what_programs_read(told: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert told.run("report", "-o", str(file)).code == 0
    found = json.loads(file.read_text())
    assert found == told.run("--json", "report").json
    head = found["report"]
    assert (head["left_out"], head["proof"]["verification"]["whole"], head["time"]) == (
        0,
        True,
        "2027-01-15T08:00:00+00:00",
    )
    assert head["counts"] == {
        "cancelled": 1, "failed": 1, "refused": 1, "setting": 1, "staged": 1, "unfinished": 1, "unknown": 1
    }  # fmt: skip
    assert [each["key"] for each in head["machine"]["components"]] == [KEY]
    (image,) = [each["image"] for each in found["activations"] if each["image"]]
    assert image["intent"]["sha256"] == "ab" * 32
    assert found["activations"] == [
        each | {"image": image if each["activation"] == _failed(told) else None} for each in _history(told)
    ]


def _history(root: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = root.run("--json", "history", "--rows").json["history"]
    return found


def _failed(root: Any) -> str:
    return next(
        str(each["activation"]) for each in _history(root) if (each["outcome"] or {}).get("outcome") == "failed"
    )


def test_the_command_in_the_report_verifies_it_again(told: Any, tmp_path: Path) -> None:
    words = told.run("--json", "report").json["report"]["proof"]["command"].split()
    assert words[0] == "livefw"
    done = told.run(*words[3:], cwd=tmp_path)
    assert (done.code, words[1:3]) == (0, ["--root", str(told.path)]), done.err
    tamper(tmp_path / "state", "UPDATE entry SET body = '{}' WHERE sequence = 4")
    assert told.run(*words[3:], cwd=tmp_path).code == 1


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_a_history_that_was_changed_is_reported_as_such(told: Any, tmp_path: Path, form: str) -> None:
    tamper(tmp_path / "state", "UPDATE entry SET body = replace(body, 'failed', 'activated') WHERE sequence = 4")
    done = told.run("report", "-o", str(tmp_path / f"a.{form}"))
    assert done.code == 1
    assert "NOT consistent" in done.err
    page = (tmp_path / f"a.{form}").read_text()
    assert '"whole": false' in page if form == "json" else "The history is NOT consistent" in page


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_the_same_history_makes_the_same_bytes(told: Any, form: str) -> None:
    first = told.run("report", "-o", "-", "--format", form)
    assert first.code == 0
    assert told.run("report", "-o", "-", "--format", form).out == first.out
    assert first.out.isascii() or form != "json"


SELECTED: tuple[tuple[tuple[str, ...], int], ...] = (
    ((), 7),
    (("tf-rmm",), 5),
    (("rack1: bios",), 0),
    (("redfish:rack1",), 1),
    (("--component", "redfish:rack1", "lfa:open"), 2),
    (("--since", "2023-11-14T22:13:26+00:00", "--until", "2023-11-14T22:13:27+00:00"), 2),
    (("--until", "2000-01-01"), 0),
    (("--limit", "2"), 2),
)


@pytest.mark.parametrize(
    ("words", "count"), SELECTED, ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_some_of_the_history_can_be_chosen(told: Any, words: tuple[str, ...], count: int) -> None:
    done = told.run("--json", "report", *words)
    if words == ("rack1: bios",):
        assert done.code == 3
        return
    found = done.json
    assert len(found["activations"]) == count
    assert found["report"]["left_out"] == (5 if "--limit" in words else 0)


def test_one_activation_is_chosen_by_its_id(told: Any) -> None:
    ident = _failed(told)
    page = told.run("report", ident[:6], "-o", "-", "--format", "md")
    assert page.code == 0
    assert page.out.count("\n### ") == 1
    assert f"### {ident[:8]}: " in page.out
    both = told.run("--json", "report", "tf-rmm", ident).json["activations"]
    assert len(both) == 5, "what two words select is there once"
    for word in ("ffff0000ffff", "nothing"):
        done = told.run("report", word, "-o", "-")
        assert (done.code, done.out) == (3, "")
        assert word in done.err


# What anybody may have written.

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;&amp;&#60;",
    "\"'><svg onload=alert(1)>", "</title></style></pre></svg>", "]]>", "<!-- x -->", "javascript:alert(1)",
    "[link](http://evil/)", "![x](http://evil/x.png)", "http://evil/ www.evil.example a@evil.example",
    "a | b | c", "`code` ```fence``` ``", "**bold** _em_ ~~gone~~", "# heading", "1. one", "- item", "> quote",
    "---", "===", "\\", "\\*", "a\nb\r\n# c", "\x1b[31mred\x07\x00", "\u202eevil\u202c\u2066", "\u2028\u2029",
    "\ud800 half", "\U000e0041", "漢字 e\u0301 \u200b", "$x$ {y} ^z^ @name #12 :+1:", "x" * 900,
    "'; DROP TABLE entry; --", "<a href=\"http://evil/\">", "[x]: http://evil/", "<http://evil/>", "\t tab",
    "&nbsp;", "+ plus", "::: note",
)  # fmt: skip
_ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "table", "caption", "thead",
    "tbody", "tr", "th", "td", "figure", "figcaption", "pre", "a", "svg", "rect", "path", "line", "text",
}  # fmt: skip
_ATTRIBUTES = {
    "lang", "xmlns", "charset", "name", "content", "http-equiv", "id", "class", "scope", "href", "role", "width",
    "height", "viewbox", "fill", "fill-opacity", "stroke", "x", "y", "x1", "y1", "x2", "y2", "d", "text-anchor",
    "font-size", "font-weight",
}  # fmt: skip


@pytest.fixture
def hostile(ready: Any) -> Any:
    ready.environment["SOURCE_DATE_EPOCH"] = EPOCH
    with journal(ready) as made:
        for text in HOSTILE:
            actor = {"user": text, "login": text, "face": text}
            problem = {"check": text, "weight": "error", "text": text, "hint": text, "ignored": True}
            begun: dict[str, Any] = {
                "name": text,
                "actor": actor,
                "reason": text,
                "current_version": text,
                "pending_version": text,
            }
            begun |= {"ignored": [problem], "warned": [text], "file": text, "sha256": text, "uri": text, "stated": text}
            ended: dict[str, Any] = {
                "outcome": text,
                "code": text,
                "text": text,
                "firmware_code": text,
                "errno": text,
                "log": [text, text],
            }
            ended |= {"said": text, "others": [{"code": text, "text": text}], "lasting": {"code": text, "text": text}}
            ended |= {"cost": COST | {"note": text, "source": text, "rows": [STOP | {"cpus": text}]}}
            key = f"lfa:{text}".encode("utf-8", "replace").decode()  # the column holds no half of a pair
            made.end(made.begin(key, begun), key, ended)
    return ready


class Markup(HTMLParser):
    """The elements and attributes of a page, as a browser's parser would find them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def test_no_text_becomes_markup_of_the_page(hostile: Any) -> None:
    page = hostile.run("report", "-o", "-", "--format", "html").out
    found = Markup()
    found.feed(page)
    found.close()
    assert found.elements <= _ELEMENTS, found.elements - _ELEMENTS
    assert found.attributes <= _ATTRIBUTES, found.attributes - _ATTRIBUTES
    assert found.comments == []
    assert {*found.links} == {f"#{each}" for each in found.ids}
    assert len({*found.ids}) == len(found.ids) == len(HOSTILE)
    seen = "".join(found.texts)
    kept = [text for text in HOSTILE if "\ud800" not in text]  # a half of a pair cannot be kept by a history
    assert [text for text in kept if printable(text) not in seen] == []
    assert "".join(page.split("\n")).isprintable()
    ElementTree.fromstring(page)


def test_no_text_becomes_markup_of_the_markdown(hostile: Any) -> None:
    page = hostile.run("report", "-o", "-", "--format", "md").out
    plain = {"heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td"}
    allowed = {f"{name}_{end}" for name in plain for end in ("open", "close")}
    allowed |= {"inline", "text", "text_special", "fence", "html_block"}
    tokens = [token for each in _markdown().parse(page) for token in (each, *(each.children or ()))]
    assert {token.type for token in tokens} <= allowed
    assert [token.content for token in tokens if token.type == "html_block"] == ["<!-- livefw report -->\n"]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in page.split("\n") if line.startswith("| row ")}
    assert columns == {3}
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"(?<!\\)(https?://|www\.|@)", outside), (
        "GitHub makes links and mentions of these by themselves"
    )
    cells = {"".join(child.content for child in each.children or ()) for each in tokens if each.type == "inline"}
    kept = [text for text in HOSTILE if "\ud800" not in text]
    assert [text for text in kept if printable(text).strip() not in cells] == []
    logs = {line for token in tokens if token.type == "fence" for line in token.content.split("\n")}
    assert [text for text in kept if printable(text) not in logs] == []


def test_the_page_is_valid_and_accessible(hostile: Any, tmp_path: Path) -> None:
    """By HTML Tidy, which knows none of our sources, and by what it cannot judge."""
    page = hostile.run("report", "-o", "-", "--format", "html").out
    root = ElementTree.fromstring(page)
    space = "{http://www.w3.org/1999/xhtml}"
    levels = [int(each.tag[-1]) for each in root.iter() if re.fullmatch(r"\{.*\}h[1-6]", each.tag)]
    assert (root.get("lang"), levels[0], levels.count(1)) == ("en", 1, 1)
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(each.get("scope") in ("row", "col") for each in root.iter(f"{space}th"))
    assert all(each[0].tag == f"{space}caption" for each in root.iter(f"{space}table"))
    pictures = [*root.iter("{http://www.w3.org/2000/svg}svg")]
    assert len(pictures) == len(HOSTILE)
    assert all(each[0].tag.endswith("title") and each.get("role") == "img" for each in pictures)
    tidy = shutil.which("tidy")
    if tidy is None:
        pytest.skip("tidy is missing")
    (tmp_path / "page.html").write_text(page)
    done = subprocess.run([tidy, "-e", "-q", str(tmp_path / "page.html")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_loads_nothing_and_prints(told: Any) -> None:
    page = told.run("report", "-o", "-", "--format", "html").out
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#x27;none&#x27;; style-src &#x27;unsafe-inline&#x27;; img-src data:")
    assert not re.search(r"url\(|@import|@font-face|<script|<link|<iframe|src=|://(?!www\.w3\.org/)", page)
    assert "@media print" in page
    assert "@page" in page
    assert "prefers-color-scheme: dark" in page


# The file.


def test_it_takes_the_place_of_a_report_and_of_nothing_else(told: Any, tmp_path: Path) -> None:
    file = tmp_path / "thesis.html"
    file.write_text("years of work")
    done = told.run("report", "-o", str(file))
    assert (done.code, file.read_text()) == (2, "years of work")
    assert "is there already, and is no report" in done.err
    assert told.run("report", "-o", str(file), "--force").code == 0
    before = file.stat().st_ino
    for form in ("md", "json", "html"):
        assert told.run("report", "-o", str(file), "--format", form).code == 0
    assert file.stat().st_ino != before, "it was replaced by another file, and not written into"
    assert file.stat().st_mode & 0o777 == 0o640 & ~_umask()
    assert {each.name for each in tmp_path.iterdir()} == {"root", "state", "run", "thesis.html"} & {
        each.name for each in tmp_path.iterdir()
    }


def _umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found


def _link(path: Path) -> None:
    (path.parent / "elsewhere").write_text("")
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, "a directory, not a regular file"),
        (os.mkfifo, "a pipe, not a regular file"),
        (_link, "a symbolic link"),
        (lambda path: path.parent.rmdir(), "No such file or directory"),
    ],
)
def test_what_no_report_can_be_written_to_is_named(
    told: Any, tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    (tmp_path / "out").mkdir()
    file = tmp_path / "out/report.html"
    make(file)
    done = told.run("report", "-o", str(file))
    assert (done.code, done.out) == (2, "")
    assert f"{file} cannot be written" in done.err
    assert words in done.err
    assert not [*tmp_path.glob("out/.*")]


def test_a_disk_that_is_full_leaves_what_was_there(told: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    assert told.run("report", "-o", str(file)).code == 0
    kept = file.read_bytes()
    limited = f"ulimit -f 1; exec {' '.join(told.command('report', '-o', str(file)))}"
    done = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {limited}"], capture_output=True, env=told.environment, check=False
    )
    assert done.returncode == 1, done.stderr
    assert file.read_bytes() == kept
    assert not [*tmp_path.glob(".report*")]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 2, "name the file of the report"),
        (("-o", "report"), 2, "does not say what kind of report"),
        (("-o", "report.pdf"), 2, "does not say what kind of report"),
        (("-o", "-", "--format", "pdf"), 2, "pdf"),
        (("-o", "-", "--limit", "0"), 2, "--limit"),
        (("-o", "-", "--since", "soon"), 2, "soon"),
        (("-o", "-", "--file", "/nowhere.db"), 2, "/nowhere.db: there is no such file"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_no_report_is_said(told: Any, words: tuple[str, ...], code: int, text: str) -> None:
    done = told.run("report", *words)
    assert (done.code, done.out) == (code, "")
    assert text in done.err


def test_without_a_history_there_is_nothing_to_report(ready: Any, tmp_path: Path) -> None:
    done = ready.run("report", "-o", str(tmp_path / "report.html"))
    assert (done.code, (tmp_path / "report.html").exists()) == (3, False)


def test_a_wrong_setting_or_a_lost_machine_does_not_keep_the_report_back(told: Any) -> None:
    settings = told.file("/etc/livefw/livefw.toml")
    settings.parent.mkdir(parents=True)
    settings.write_text("denny = []")
    done = told.run("--json", "report")
    assert done.code == 0, done.err
    assert done.json["report"]["proof"]["verification"]["whole"]


def test_an_archive_is_reported_without_the_machine(told: Any, tmp_path: Path) -> None:
    assert told.run("history", "--archive", str(tmp_path / "old.db"), "--keep", "1").code == 0
    found = told.run("--json", "report", "--file", str(tmp_path / "old.db")).json
    assert (found["report"]["machine"], found["report"]["file"]) == (None, str(tmp_path / "old.db"))
    assert "--file" in found["report"]["proof"]["command"]
    assert len(found["activations"]) > 3


def test_a_long_history_is_not_held_in_memory(tmp_path: Path) -> None:
    """Nor is what is written meanwhile in it."""
    (tmp_path / "root").mkdir()
    fill(tmp_path / "state", 4000)
    where = Where(str(tmp_path / "root"), str(tmp_path / "state"))
    with closing(Journal.open(where.state or "")) as made, host_of(where) as machine:
        tracemalloc.start()
        found = report.make(
            made, machine, Selection(limit=4000), time=machine.now(), version="1", verify=["livefw"], seal=lambda: None
        )
        made.note(RowKind.REFUSAL, KEY, {"outcome": "refused", "reason": "written later"})
        size = later = 0
        for piece in html.pieces(blocks(found, made), title="", version="1"):
            size += len(piece)
            later += "written later" in piece
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (found.counts.total(), later) == (4000, 0)
    assert size > 3 * most, (size, most)


@contextmanager
def host_of(where: Where) -> Iterator[Any]:
    yield host(where)


def test_an_archive_knows_no_later_outcome(ready: Any, tmp_path: Path) -> None:
    with journal(ready) as made:
        left_open = made.begin("lfa:open", {"name": "left open"})
        made.note(RowKind.REFUSAL, KEY, {"outcome": "refused"})
        made.note(RowKind.REFUSAL, KEY, {"outcome": "refused"})
        made.archive(Cut(1), file=str(tmp_path / "old.db"))
        made.end(left_open, "lfa:open", {"outcome": "failed"})
    page = ready.run("report", "--file", str(tmp_path / "old.db"), "-o", "-", "--format", "md").out
    assert "had no outcome when this file was written" in page
    assert f"### {left_open[:8]}: left open: failed" in ready.run("report", "-o", "-", "--format", "md").out
