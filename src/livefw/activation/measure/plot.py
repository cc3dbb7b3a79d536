# SPDX-License-Identifier: Apache-2.0
"""A measurement as an SVG picture: CPUs down, time across, a bar for each gap."""

from html import escape

from livefw.activation.measure.meter import CpuRow, Measurement

_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 46, 34
_WIDTH = 720
_MAX_HEIGHT = 900
_TICKS = 6


def svg(measurement: Measurement, *, title: str) -> str:
    """The whole document. Adjacent gaps stay separate bars; each is at least half a pixel wide."""
    rows = measurement.rows
    height = max(2.0, min(18.0, _MAX_HEIGHT / max(len(rows), 1)))
    begin = min((start for row in rows for start, _ in row.gaps), default=0) / 1e9
    begin, end = min(begin, 0.0), max(measurement.seconds, 1e-6)
    scale = _WIDTH / (end - begin)
    total = _TOP + height * len(rows) + _BOTTOM
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{total:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',  # for a reader whose page is dark
        f'<text x="{_LEFT}" y="16" font-size="13">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="32" fill="#555">{escape(_caption(measurement))}</text>',
    ]
    for index, row in enumerate(rows):
        parts += _bars(row, y=_TOP + index * height, height=height, begin=begin, scale=scale, labelled=height >= 9)
    parts += _axis(begin, end, y=_TOP + height * len(rows), scale=scale)
    return "\n".join([*parts, "</svg>", ""])


def duration(ns: int) -> str:
    """A duration in a suitable unit."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns} ns"


def _caption(measurement: Measurement) -> str:
    by = (
        "the model's own figures" if measurement.source == "model" else f"{measurement.cpus} CPUs, {measurement.source}"
    )
    text = f"longest {duration(measurement.longest_ns)}"
    if measurement.baseline_ns is not None:
        text += f", just before {duration(measurement.baseline_ns)}"
    return f"{text}; {by}" + (f"; {measurement.note}" if measurement.note else "")


def _bars(row: CpuRow, *, y: float, height: float, begin: float, scale: float, labelled: bool) -> list[str]:
    bar = height * 0.8
    parts = [f'<rect x="{_LEFT}" y="{y:.1f}" width="{_WIDTH}" height="{bar:.1f}" fill="#eee"/>']
    if labelled:
        parts.append(f'<text x="{_LEFT - 6}" y="{y + bar * 0.8:.1f}" text-anchor="end">{escape(row.cpus)}</text>')
    for start, end in row.gaps:
        x, width = _LEFT + (start / 1e9 - begin) * scale, max((end - start) / 1e9 * scale, 0.5)
        tip = f"CPU {escape(row.cpus)}: {duration(end - start)}"
        place = f'x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{bar:.1f}"'
        parts.append(f'<rect {place} fill="#c33"><title>{tip}</title></rect>')
    return parts


def _axis(begin: float, end: float, *, y: float, scale: float) -> list[str]:
    zero = _LEFT - begin * scale
    parts = [f'<line x1="{zero:.1f}" y1="{_TOP}" x2="{zero:.1f}" y2="{y + 6:.1f}" stroke="#333"/>']
    for tick in range(_TICKS + 1):
        moment = begin + (end - begin) * tick / _TICKS
        x = _LEFT + (moment - begin) * scale
        shown = round(moment * 1000, 6) + 0.0  # to a nanosecond, so that 0 has neither a fraction nor a sign
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{shown:.4g} ms</text>')
    return parts
