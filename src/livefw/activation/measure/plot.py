# SPDX-License-Identifier: Apache-2.0
"""A measurement as an SVG picture: CPUs down, time across, a bar for each time in which a CPU ran no program.

No text is cut off by the edge, whatever it says: it is wrapped or shortened by a metric that is wider than the fonts in
use, and in full in a tooltip. The colours follow the reader's light or dark scheme, and none carries a meaning alone.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import takewhile
from typing import NamedTuple

from livefw.activation.measure.device import DeviceStop
from livefw.activation.measure.meter import OF_DEVICE, CpuRow, Measurement
from livefw.text import printable, width

STYLE = """
.plot { font-family: sans-serif; font-size: 11px; }
.plot .ground { fill: #fff; } .plot .track { fill: #eee; } .plot .stop { fill: #c33; }
.plot .grid { stroke: #ccc; } .plot .zero { stroke: #333; }
.plot text { fill: #222; } .plot .title { font-size: 13px; font-weight: bold; }
@media screen and (prefers-color-scheme: dark) {
  .plot .ground { fill: #16181d; } .plot .track { fill: #2b2f38; } .plot .stop { fill: #ff8a80; }
  .plot .grid { stroke: #444a55; } .plot .zero { stroke: #ddd; }
  .plot text { fill: #ddd; }
}
"""
"""For a page with several pictures; a picture that stands alone has it inside."""

_WIDTH = 810
_EDGE = 12
_LINE = 16
_MAX_ROWS_HEIGHT = 900
_LABEL_LIMIT = 170
"""Width of the labels of CPUs at most; a longer list is shortened."""
_MOST_INTERVALS = 7
_MOST_LINES = 3
"""Lines that one text above the picture takes at most; what it says of a failure may be long."""
_TITLE, _TEXT = 13, 11
_EM, _WIDE_EM = 0.8, 1.2
_WIDE = frozenset("MWmw@%&")
_FARTHEST_NS = 1 << 62
"""146 years: a time beyond it is not one that was measured, and could not be drawn."""


class _Unit(NamedTuple):
    name: str
    ns: int


_UNITS = (_Unit("s", 10**9), _Unit("ms", 10**6), _Unit("us", 1000), _Unit("ns", 1))


class _Axis(NamedTuple):
    """From ``begin`` to ``end`` in ns, which are multiples of ``step``; drawn from ``left`` to ``right``."""

    begin: int
    end: int
    step: int
    unit: _Unit
    left: float
    right: float

    def x(self, ns: int) -> float:
        return self.left + (ns - self.begin) * (self.right - self.left) / (self.end - self.begin)

    @property
    def ticks(self) -> range:
        return range(self.begin, self.end + 1, self.step)

    def label(self, ns: int) -> str:
        return f"{ns / self.unit.ns:.12g}"


def svg(measurement: Measurement, *, title: str, lines: Sequence[str] = (), alone: bool = True) -> str:
    """The whole picture. ``lines`` are shown below the title; not ``alone`` it needs the `STYLE` of its page.

    Adjacent gaps stay separate bars; each is at least a pixel wide.
    """
    shown = [printable(line) for line in (*lines, caption(measurement)) if line]
    room = _WIDTH - 2 * _EDGE
    heading = _wrapped(printable(title), room, _TITLE)
    below = [part for line in shown for part in _wrapped(line, room, _TEXT)]
    rows = (*measurement.rows, *_device_row(measurement))
    gutter = min(max((_extent(printable(row.cpus), _TEXT) for row in rows), default=0), _LABEL_LIMIT)
    axis = _axis(measurement, left=_EDGE + max(gutter, 40) + 6)
    top = _EDGE + (_TITLE + 5) * len(heading) + _LINE * (len(below) + 3)
    height = max(2.0, min(18.0, _MAX_ROWS_HEIGHT / max(len(rows), 1)))
    bottom = top + height * len(rows)
    total = round(bottom + 2 * _LINE + _EDGE + 6)
    text = ". ".join(filter(None, (printable(title), *shown)))
    size = f'width="{_WIDTH}" height="{total}" viewBox="0 0 {_WIDTH} {total}"'
    look = 'class="plot" role="img"' + (f' font-family="sans-serif" font-size="{_TEXT}"' if alone else "")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {look} {size}>',
        f"<title>{escape(text)}</title>",
        *([f"<style>{STYLE}</style>"] if alone else []),
        '<rect class="ground" width="100%" height="100%" fill="#fff"/>',
        *_texts(heading, x=_EDGE, y=_EDGE + _TITLE, size=_TITLE, apart=_TITLE + 5),
        *_texts(below, x=_EDGE, y=_EDGE + (_TITLE + 5) * len(heading) + _TEXT, size=_TEXT, apart=_LINE),
        *_legend(y=top - 2 * _LINE - 2),
        *_grid(axis, top=top, bottom=bottom),
    ]
    every = max(1, round(13 / height + 0.49))  # so many rows share a label where they are narrower than it
    for index, row in enumerate(rows):
        parts += _bars(row, axis, y=top + index * height, height=height, labelled=index % every == 0)
    return "\n".join([*parts, *_scale(axis, top=top, bottom=bottom), "</svg>", ""])


def duration(ns: int) -> str:
    """A duration in a suitable unit."""
    for unit in _UNITS[:-1]:
        if ns >= unit.ns:
            return f"{ns / unit.ns:.3g} {unit.name}" if ns < 1000 * unit.ns else f"{ns / unit.ns:.0f} {unit.name}"
    return f"{ns} ns"


def _device_row(measurement: Measurement) -> Iterator[CpuRow]:
    """The device in the shape of a CPU: a bar where its I/O stood still."""
    if device := measurement.device:
        yield CpuRow(device.device, device.longest_ns, device.baseline_ns, device.gaps)


def device_text(device: DeviceStop) -> str:
    """How long the I/O of a device stood still, and what that is compared with."""
    text = f"I/O to {device.device} stood still for {duration(device.longest_ns)}"
    text += f", {duration(device.baseline_ns)} just before"
    if device.declared_ns is not None:
        text += f"; it declares up to {duration(device.declared_ns)}"
    return text + (f"; {device.failed} reads failed" if device.failed else "")


def caption(measurement: Measurement) -> str:
    """The longest stop, what it is compared with, and by what it was measured."""
    if measurement.device:
        about = device_text(measurement.device)
        return about if measurement.source == OF_DEVICE else f"{caption(measurement._replace(device=None))}; {about}"
    by = (
        "the model's own figures" if measurement.source == "model" else f"{measurement.cpus} CPUs, {measurement.source}"
    )
    text = f"longest {duration(measurement.longest_ns)}"
    if measurement.baseline_ns is not None:
        text += f", just before {duration(measurement.baseline_ns)}"
    return f"{text}; {by}" + (f"; {measurement.note}" if measurement.note else "")


def _axis(measurement: Measurement, *, left: float) -> _Axis:
    """From the first gap, or the beginning, to the end, widened to round numbers."""
    every = (*measurement.rows, *_device_row(measurement))
    moments = [_bounded(each) for row in every for gap in row.gaps for each in gap]
    first, last = min(0, *moments, 0), max(_bounded(measurement.seconds * 1e9), *moments, 1000)
    step = next(
        step
        for power in range(20)
        for step in (10**power, 2 * 10**power, 5 * 10**power)
        if -(-last // step) - first // step <= _MOST_INTERVALS
    )
    begin, end = first // step * step, -(-last // step) * step
    unit = next(unit for unit in _UNITS if max(last, -first) >= unit.ns)
    widest = max(_extent(f"{ns / unit.ns:.12g}", _TEXT) for ns in (begin, begin + step, end - step, end))
    return _Axis(begin, end, step, unit, left, _WIDTH - _EDGE - widest / 2)


def _bounded(ns: float) -> int:
    return int(max(-_FARTHEST_NS, min(ns, _FARTHEST_NS)))


_LEGEND = (("stop", "#c33", "the CPU ran no program"), ("track", "#eee", "it was watched, and ran some"))


def _legend(*, y: float) -> Iterator[str]:
    """What a bar is, and what lies behind it."""
    x = float(_EDGE)
    for name, fill, text in _LEGEND:
        yield f'<path class="{name}" d="M{x:.1f} {y - 9:.1f} h18 v10 h-18 z" fill="{fill}"/>'
        yield f'<text x="{x + 24:.1f}" y="{y:.1f}">{text}</text>'
        x += 24 + _extent(text, _TEXT) + 16


def _grid(axis: _Axis, *, top: float, bottom: float) -> Iterator[str]:
    for ns in axis.ticks:
        x = axis.x(ns)
        yield f'<line class="grid" x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom + 4:.1f}" stroke="#ccc"/>'


def _bars(row: CpuRow, axis: _Axis, *, y: float, height: float, labelled: bool) -> Iterator[str]:
    bar, cpus = height * 0.8, printable(row.cpus)
    place = f'y="{y:.1f}" height="{bar:.1f}"'
    yield (
        f'<rect class="track" x="{axis.left:.1f}" {place} width="{axis.right - axis.left:.1f}" fill="#eee"'
        ' fill-opacity="0.6"/>'
    )
    if labelled:
        short = _shortened(cpus, _LABEL_LIMIT, _TEXT)
        tip = f"<title>{escape(cpus)}</title>" if short != cpus else ""
        x, base = axis.left - 6, y + min(bar, 10) * 0.9
        yield f'<text x="{x:.1f}" y="{base:.1f}" text-anchor="end">{tip}{escape(short)}</text>'
    for start, end in row.gaps:
        begin, stop = axis.x(_bounded(start)), axis.x(_bounded(end))
        tip = f"{'' if '/' in cpus else 'CPU '}{escape(cpus)}: {duration(_bounded(end) - _bounded(start))}"
        size = f'x="{begin:.2f}" {place} width="{max(stop - begin, 1):.2f}"'
        yield f'<rect class="stop" {size} fill="#c33"><title>{tip}</title></rect>'


def _scale(axis: _Axis, *, top: float, bottom: float) -> Iterator[str]:
    """The names of both directions, the beginning, and the time below."""
    zero = axis.x(0)
    yield f'<line class="zero" x1="{zero:.1f}" y1="{top - 4:.1f}" x2="{zero:.1f}" y2="{bottom + 4:.1f}" stroke="#333"/>'
    yield f'<text x="{axis.left - 6:.1f}" y="{top - 6:.1f}" text-anchor="end">CPUs</text>'
    middle = (axis.left + axis.right) / 2
    name = f"time since the activation began, in {axis.unit.name}"
    yield f'<text x="{middle:.1f}" y="{bottom + 2 * _LINE + 4:.1f}" text-anchor="middle">{name}</text>'
    for ns in axis.ticks:
        yield f'<text x="{axis.x(ns):.1f}" y="{bottom + _LINE:.1f}" text-anchor="middle">{axis.label(ns)}</text>'


def _texts(lines: Sequence[str], *, x: float, y: float, size: int, apart: int) -> Iterator[str]:
    name = 'class="title" font-weight="bold" ' if size == _TITLE else ""
    for number, line in enumerate(lines):
        yield f'<text {name}x="{x}" y="{y + number * apart}" font-size="{size}">{escape(line)}</text>'


# Fonts differ. Verdana is the widest of the usual ones: in bold 0.7 em on average, and 1.13 em for W.


def _extent(text: str, size: int) -> float:
    """No font draws it wider than so many pixels."""
    return size * sum(_WIDE_EM if c in _WIDE else _EM if c.isascii() else _WIDE_EM * max(width(c), 1) for c in text)


def _shortened(text: str, limit: float, size: int) -> str:
    """The text, or what of it fits, with an ellipsis."""
    if _extent(text, size) <= limit:
        return text
    lengths = range(len(text))
    return text[: len([*takewhile(lambda n: _extent(f"{text[: n + 1]}…", size) <= limit, lengths)])] + "…"


def _wrapped(text: str, limit: float, size: int) -> list[str]:
    """The text on lines that fit; what is too long for the last of them is left out."""
    lines: list[str] = []
    while text and len(lines) < _MOST_LINES - 1 and _extent(text, size) > limit:
        fits = _shortened(text, limit, size)[:-1]
        at = fits.rfind(" ")
        at = at if at > len(fits) // 2 else len(fits)
        lines.append(text[:at])
        text = text[at:].lstrip()
    return [*lines, _shortened(text, limit, size)] if text else lines
