# SPDX-License-Identifier: Apache-2.0
"""The dashboard is one by Grafana's own types; it and the alert rules ask for metrics and labels that there are."""

import enum
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models import dashboard as grafana

from livefw.render.exposition import MetricType
from livefw.render.metrics import METRICS

from .conftest import CHECKOUT

DASHBOARD = CHECKOUT / "packaging/grafana/livefw.json"
RULES = CHECKOUT / "packaging/prometheus/livefw.rules.yml"
TARGET = {"instance", "job"}
"""Labels that Prometheus adds."""
UNUSED_IN_RULES = {
    "livefw_build_info",
    "livefw_component_info",
    "livefw_activations_total",
    "livefw_last_outcome_timestamp_seconds",
    "livefw_last_success_timestamp_seconds",
    "livefw_last_stall_seconds",
    "livefw_stall_seconds",
    "livefw_history_rows",
}
"""What nobody has to be woken for."""


@pytest.fixture(scope="module")
def kept() -> Any:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def typed(kept: Any) -> grafana.Dashboard:
    plugins.register_default_plugins()
    return grafana.Dashboard.from_json(kept)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; Grafana's classes name the types and do not check them."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is list:
        return isinstance(value, list) and all(fits(each, inner[0]) for each in value)
    if origin is typing.Literal:
        return value in inner
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return value in [each.value for each in hint]
    if isinstance(value, dict) and hasattr(hint, "from_json"):  # some of them are left as they are
        return not [*misfits(hint.from_json(value))]
    kind = int | float if hint is float else origin or hint
    return not isinstance(kind, type | types.UnionType) or isinstance(value, kind)


def misfits(value: Any, where: str = "$") -> Iterator[str]:
    """The fields that are not of their types, of an object and of those in it."""
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from misfits(each, f"{where}[{number}]")
    elif hasattr(value, "to_json"):
        for name, hint in typing.get_type_hints(type(value)).items():
            found = getattr(value, name)
            if not fits(found, hint):
                yield f"{where}.{name}: {found!r} is no {hint}"
            yield from misfits(found, f"{where}.{name}")


def missing(ours: Any, theirs: Any, where: str = "$") -> Iterator[str]:
    """What of our file Grafana's types do not know."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            if name not in theirs:
                yield f"{where}.{name}"
            else:
                yield from missing(value, theirs[name], f"{where}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from missing(one, other, f"{where}[{number}]")
    elif ours != theirs:
        yield f"{where}: {ours!r}, {theirs!r}"


def test_it_is_a_dashboard_by_grafanas_types(kept: Any, typed: grafana.Dashboard) -> None:
    written = json.loads(encoder.JSONEncoder(sort_keys=True).encode(typed))
    assert [*missing(kept, written)] == []
    assert [*misfits(typed)] == []


def test_panels_have_places_and_numbers_of_their_own(kept: Any) -> None:
    panels = kept["panels"]
    assert len({each["id"] for each in panels}) == len(panels) > 10
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        x, y, w, h = (panel["gridPos"][name] for name in "xywh")
        assert x + w <= 24
        cells = {(column, row) for column in range(x, x + w) for row in range(y, y + h)}
        assert not cells & taken
        taken |= cells
        assert panel["title"]
        assert panel["description"]


# Expressions.


def queried(kept: Any) -> list[str]:
    expressions = [target["expr"] for panel in kept["panels"] for target in panel["targets"]]
    return [*expressions, kept["templating"]["list"][1]["query"]["query"]]


def ruled() -> list[str]:
    return re.findall(r"^ +expr: (.*)$", RULES.read_text(encoding="utf-8"), re.MULTILINE)


FAMILIES = {
    metric.family.name + suffix: metric.family
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.family.type is MetricType.HISTOGRAM else ("",))
}


def unknown(expression: str) -> Iterator[str]:
    """Metrics and labels of an expression that are not exported."""
    for name, _, selector in re.findall(r"\b(livefw_\w+)(\{([^}]*)\})?", expression):
        if name not in FAMILIES:
            yield name
            continue
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) - TARGET
        yield from (f"{name}: {label}" for label in labels - set(FAMILIES[name].labels))
    known = {label for metric in METRICS for label in metric.family.labels} | TARGET
    for group in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression):
        yield from (label for label in re.split(r",\s*", group) if label not in known)


def used(expressions: list[str]) -> set[str]:
    names = {name for each in expressions for name in re.findall(r"\blivefw_\w+", each)}
    return {FAMILIES[name].name for name in names if name in FAMILIES}


def test_every_expression_is_about_metrics_that_there_are(kept: Any) -> None:
    expressions = [*queried(kept), *ruled()]
    assert len(expressions) > 30
    assert {each: [*unknown(each)] for each in expressions if [*unknown(each)]} == {}


def test_every_metric_is_shown(kept: Any) -> None:
    assert used(queried(kept)) == {metric.family.name for metric in METRICS}


def test_every_metric_has_an_alert_or_needs_none() -> None:
    assert used(ruled()) == {metric.family.name for metric in METRICS} - UNUSED_IN_RULES


@pytest.mark.parametrize(
    "expression",
    ["livefw_nothing == 1", 'livefw_bmc_up{host="x"} == 0', "sum by (nothing) (livefw_bmc_up)", "livefw_stall_seconds"],
)
def test_an_expression_that_is_about_something_else_is_noticed(expression: str) -> None:
    assert [*unknown(expression)]


def test_annotations_name_labels_that_the_alert_has() -> None:
    text = RULES.read_text(encoding="utf-8")
    for rule in text.split("- alert: ")[1:]:
        expression = rule.partition("expr: ")[2].partition("\n")[0]
        name = re.findall(r"livefw_\w+", expression)[0]
        labels = set(re.findall(r"\$labels\.(\w+)", rule))
        assert labels <= set(FAMILIES[name].labels) | TARGET, rule
        assert "instance" in labels, rule
