# SPDX-License-Identifier: Apache-2.0
"""The text format of Prometheus, version 0.0.4.

It has four kinds of lines and two rules for escaping, and `livefw metrics` has to work where nothing but livefw is
installed: so it is written here, and not by prometheus_client. Tests read it with that library and with promtool.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from livefw.text import printable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LONGEST = 200
"""Characters of a label's value: firmware chooses names and versions."""


class MetricType(StrEnum):
    """What a metric is, in Prometheus's words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Sample(NamedTuple):
    """One value; ``suffix`` is that of a part of a histogram."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class MetricFamily(NamedTuple):
    """All samples of one metric. ``source`` says where its values come from, for the documents."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    source: str = ""


def text(families: Iterable[tuple[MetricFamily, Iterable[Sample]]]) -> str:
    """The families that have samples."""
    return "".join(line for family, samples in families for line in _family(family, list(samples)))


def label_value(value: str) -> str:
    """A value as it is exported: printable, and bounded."""
    shown = printable(value)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."


def _family(family: MetricFamily, samples: list[Sample]) -> Iterator[str]:
    if samples:
        yield f"# HELP {family.name} {family.help}\n"
        yield f"# TYPE {family.name} {family.type}\n"
    for sample in samples:
        pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
        yield f"{family.name}{sample.suffix}{f'{{{pairs}}}' if pairs else ''} {_number(sample.value)}\n"


def _escaped(value: str) -> str:
    return label_value(value).replace("\\", "\\\\").replace('"', '\\"')  # a printable text has no line break


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1 << 53 else repr(float(value))
