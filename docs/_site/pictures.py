# SPDX-License-Identifier: Apache-2.0
"""The pictures of the documents that are made from the code and from the pages: ``pictures.py`` writes them.

An SVG shown as an image knows whether its reader prefers dark, and not which theme the page around it has. So each has
a ground of its own, and can be read on any page.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from livefw.activation.events import Point
from livefw.testing import MountedMachine

DOCUMENTS = Path(__file__).parents[1]
CHECKOUT = DOCUMENTS.parent
PICTURES = DOCUMENTS / "pictures"
SOURCES = CHECKOUT / "src/livefw"

_STYLE = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328; }
.small { font-size: 11px; fill: #59636e; }
.name { font-weight: 600; }
.code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
.middle { text-anchor: middle; }
.ground { fill: #ffffff; }
.box { fill: #eef3f8; stroke: #7d98b3; }
.model { fill: #f3efe6; stroke: #b39b6d; }
.good { fill: #e6f4ea; stroke: #6fa37f; }
.risk { fill: #fdf0e1; stroke: #c9944a; }
.line { stroke: #7d8590; fill: none; }
.seam { stroke: #7d8590; stroke-dasharray: 5 4; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9aa4af; }
  .ground { fill: #14171b; }
  .box { fill: #1d2a38; stroke: #56738f; }
  .model { fill: #2e281b; stroke: #8f7a4e; }
  .good { fill: #18301f; stroke: #4f8a60; }
  .risk { fill: #38280f; stroke: #a8762f; }
}
"""


def _svg(width: int, height: int, description: str, body: Iterable[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}">',
        "<!-- SPDX-License-Identifier: Apache-2.0. Written by docs/_site/pictures.py. -->",
        f"<title>{escape(description)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
        *body,
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" class="{kind}"/>'


# The architecture.

_WIDTH = 820
_ROW = 58
_GAP = 10


class Cell(NamedTuple):
    """A package as it is drawn: its folder below src/livefw, what it does, and its share of the row."""

    package: str
    text: str
    share: int = 1
    kind: str = "box"


ABOVE = (
    (Cell("testing", "a test kit for programs of your own"),),
    (Cell("cli", "the command", 3), Cell("screen", "of watch", 2), Cell("daemon", "D-Bus, fwupd's clients", 3)),
    (Cell("render", "text and JSON", 4), Cell("schema", "JSON Schemas", 3), Cell("dbus", "server, client", 3)),
    (Cell("activation", "choose, check, run, compare, record: knows no mechanism"),),
    (Cell("providers", "one package for each mechanism, and one for links", 7), Cell("archive", "cab archives", 3)),
    (Cell("files", "the machine as files"),),
)
BELOW = (
    (Cell("machine", "CPUs, faults, trace", 3, "model"), Cell("conformance", "of agents", 2, "model")),
    (Cell("kernel", "LFA driver, sysfs", kind="model"), Cell("firmware", "LFA agent, images", kind="model")),
    (Cell("abi", "registers, calls, codes, GUIDs", kind="model"),),
)


def _parts(package: str) -> list[str]:
    """The packages inside a package, as they are on the disk."""
    return sorted(path.parent.name for path in (SOURCES / package).glob("*/__init__.py"))


def architecture() -> str:
    """The packages and the seam of files; imports go down."""
    body: list[str] = []
    y = 16
    for row in ABOVE:
        body += _row(row, 16, _WIDTH - 32, y)
        y += _ROW + _GAP
    y += 8
    body.append(f'<line x1="16" x2="{_WIDTH - 16}" y1="{y}" y2="{y}" class="seam"/>')
    body.append(_text(_WIDTH / 2, y + 18, "files: root “/” of a real machine, or any folder", "small middle"))
    y += 30
    left = 240
    body += [_box(16, y, left - 16 - _GAP, 3 * _ROW + 2 * _GAP), _text(28, y + 24, "a real kernel", "name")]
    body += [
        _text(28, y + 43, "/sys/firmware/lfa, devices,", "small"),
        _text(28, y + 58, "BMCs on the network", "small"),
    ]
    for row in BELOW:
        body += _row(row, left, _WIDTH - 16 - left, y)
        y += _ROW + _GAP
    description = (
        "The packages of livefw: the command and the daemon at the top, then what they show, the activation, the "
        "providers, and files. Below files is a real kernel, or the model: machine, kernel, firmware, abi."
    )
    return _svg(_WIDTH, y + 6, description, body)


def _row(row: tuple[Cell, ...], x: float, width: float, y: float) -> Iterator[str]:
    unit = (width - _GAP * (len(row) - 1)) / sum(each.share for each in row)
    for each in row:
        wide = unit * each.share
        yield _box(x, y, wide, _ROW, each.kind)
        yield _text(x + 12, y + 22, f"{each.package}/", "name code")
        yield _text(x + 12 + 8.2 * (len(each.package) + 2), y + 22, each.text)
        yield _text(x + 12, y + 43, "  ".join(_parts(each.package)), "small code")
        x += wide + _GAP


# The life of an activation.


class Stage(NamedTuple):
    """Steps that mean the same for whoever comes after an engine that died there."""

    points: tuple[Point, ...]
    title: str
    dies: tuple[str, ...]
    kind: str


STAGES = (
    Stage(
        (Point.LOCKED, Point.SETTLED, Point.CHECKED),
        "before the intent",
        ("nothing was asked,", "nothing to find out"),
        "good",
    ),
    Stage((Point.INTENDED,), "intent on disk", ("the outcome", "is cancelled"), "good"),
    Stage(
        (Point.ASKED, Point.ANSWERED, Point.JUDGED),
        "the firmware is at work or has answered",
        ("it finds out what happened, from the running version,", "the pending flag, the kernel log and the answer"),
        "risk",
    ),
    Stage((Point.RECORDED, Point.ANNOUNCED), "outcome on disk", ("the history", "is complete"), "good"),
)


def life() -> str:
    """The steps of an activation, and what the next engine finds where one died."""
    step, wide, x = 98, 88, 16.0
    body = [_text(16, 26, "The steps of an activation; below, what the next engine finds if one dies there", "name")]
    for stage in STAGES:
        left = x
        for point in stage.points:
            body += [_box(x, 66, wide, 38, stage.kind), _text(x + wide / 2, 90, point, "middle code")]
            if point is not STAGES[-1].points[-1]:
                body.append(f'<path class="line" d="M{x + wide + 1:g} 85h{step - wide - 3}m-4 -4l4 4l-4 4"/>')
            x += step
        right = x - step + wide
        body.append(_text((left + right) / 2, 52, stage.title, "small middle"))
        body.append(f'<path class="line" d="M{left:g} 114v6H{right:g}v-6"/>')
        body += [_text((left + right) / 2, 138 + 15 * i, line, "small middle") for i, line in enumerate(stage.dies)]
    description = (
        "An activation goes through the steps locked, settled, checked, intended, asked, answered, judged, recorded, "
        "announced. Before asked nothing can have happened; from there to judged the next engine finds out by evidence."
    )
    return _svg(round(x) + 6, 170, description, body)


# Terminals.

_COLUMNS = 108
_CODE = re.compile(r"\(exit code \d+\)$")
_CONSOLE = re.compile(r"^```console[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def terminal(page: str, command: str) -> str:
    """The block of a page that has a command, as a terminal shows it; that the page is true is tested elsewhere."""
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    block = next(each for each in _CONSOLE.findall(text) if command in each)
    lines = [
        line[at : at + _COLUMNS]
        for line in block.splitlines()
        if not _CODE.match(line)
        for at in range(0, max(1, len(line)), _COLUMNS)
    ]
    body = [_terminal_line(line, 34 + 18 * number) for number, line in enumerate(lines)]
    width = 32 + round(7.83 * max(80, *map(len, lines)))
    return _svg(width, 24 + 18 * len(lines) + 12, f"A session in a terminal, as in {page}.", body)


def _terminal_line(line: str, y: int) -> str:
    shown = escape(line)
    if line.startswith("$ "):
        shown = f'<tspan class="name">{shown}</tspan>'
    return f'<text x="16" y="{y}" class="code" xml:space="preserve">{shown}</text>'


MADE: dict[str, Callable[[], str]] = {
    "architecture.svg": architecture,
    "life.svg": life,
    "session.svg": lambda: terminal("README.md", "machine fault"),
}
"""Every picture that is made, by its file in docs/pictures."""


def record(path: Path) -> None:
    """Have livefw draw the stops of an activation on a modelled machine; this needs FUSE."""
    with MountedMachine("vera", cpus=16) as machine:
        machine.livefw("activate", "tf-rmm").check_returncode()
        machine.livefw("history", "--plot", str(path)).check_returncode()


def main() -> None:
    """Write all of them; with ``--record`` those too that differ each time."""
    for name, make in MADE.items():
        (PICTURES / name).write_text(make(), encoding="utf-8")
    if "--record" in sys.argv[1:]:
        record(PICTURES / "stalls.svg")


if __name__ == "__main__":
    main()
