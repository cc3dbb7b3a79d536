# SPDX-License-Identifier: Apache-2.0
"""The schema of a machine's description, held against the reader."""

import copy
import tomllib
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.machine.config import ConfigError, from_table, platforms
from livefw.schema.machine import FILE
from livefw.schema.shipped import load

VALIDATOR = jsonschema.Draft202012Validator(load(FILE))
RMM = {"guid": "6c0762a6-12f2-4b56-92cb-ba8f633606d9", "kind": "rmm"}


def shipped(platform: str) -> dict[str, Any]:
    text = resources.files("livefw.machine").joinpath("platforms", f"{platform}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def is_read(table: dict[str, Any]) -> bool:
    try:
        from_table(copy.deepcopy(table), source="m.toml")
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("platform", platforms())
def test_shipped_platforms_are_valid(platform: str) -> None:
    VALIDATOR.validate(shipped(platform))


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("$", {}),
    ("$.name", {"name": "../x"}),
    ("$.name", {"name": ""}),
    ("$.cpus", {"name": "m", "cpus": 0}),
    ("$.cpus", {"name": "m", "cpus": "four"}),
    ("$.cpus", {"name": "m", "cpus": True}),
    ("$", {"name": "m", "cpu": 4}),
    ("$.agent", {"name": "m", "agent": "tfa-1999"}),
    ("$.driver", {"name": "m", "driver": "v9"}),
    ("$.notification", {"name": "m", "notification": "pigeon"}),
    ("$.kernel", {"name": "m", "kernel": "seven"}),
    ("$.components[0].pending_version", {"name": "m", "components": [RMM | {"pending_version": "new"}]}),
    ("$.components[0].prime_ms", {"name": "m", "components": [RMM | {"prime_ms": -1}]}),
    ("$.components[0].kind", {"name": "m", "components": [RMM | {"kind": "toaster"}]}),
    ("$.components[0].guid", {"name": "m", "components": [RMM | {"guid": "zz"}]}),
    ("$.components[0].realms", {"name": "m", "components": [RMM | {"kind": "sp", "realms": ["allow"]}]}),
    ("$.components[0].one_bank", {"name": "m", "components": [RMM | {"kind": "sp", "one_bank": True}]}),
    (
        "$.components[0].after_activation.order[0]",
        {"name": "m", "components": [RMM | {"after_activation": {"order": ["x"]}}]},
    ),
    ("$.grid.count", {"name": "m", "grid": {"count": -1}}),
    ("$.grid.prime_ms", {"name": "m", "grid": {"prime_ms": -1}}),
    ("$.faults[0].name", {"name": "m", "faults": [{"name": "gremlin"}]}),
    ("$.tdx.cpu", {"name": "m", "tdx": {"cpu": "z80", "module": "1.5.06", "seamldr": "1.5.00"}}),
    ("$.tdx.tds", {"name": "m", "tdx": {"cpu": "spr", "module": "1.5.06", "seamldr": "1.5.00", "tds": 65}}),
]


@pytest.mark.parametrize(("path", "table"), WRONG)
def test_what_is_wrong_is_refused_by_both(path: str, table: dict[str, Any]) -> None:
    assert path in [error.json_path for error in VALIDATOR.iter_errors(table)]
    assert not is_read(table)


BEYOND: list[dict[str, Any]] = [
    {"name": "m", "components": [RMM | {"current_version": "4294967296.0"}]},
    {"name": "m", "tdx": {"cpu": "spr", "module": "9.9.99", "seamldr": "1.5.00"}},
    {"name": "m", "components": [RMM], "grid": {"count": 100_000}},
]


@pytest.mark.parametrize("table", BEYOND)
def test_the_reader_refuses_what_no_schema_can_say(table: dict[str, Any]) -> None:
    VALIDATOR.validate(table)
    assert not is_read(table)


_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.sampled_from([-1, 0, 1, 4096, 4097, 10_000, 10_001, 64, 65, 1.0, -0.5, 600_000.5])
    | st.floats()
    | st.datetimes()
    | st.text(max_size=40)
    | st.sampled_from(["v1", "bet1", "rmm", "acpi", "1.2", "7.2", "busy", "allow", "spr", RMM["guid"].upper(), "a\n"])
)
_ANYTHING = st.recursive(
    _VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def _changed(draw: st.DrawFn) -> dict[str, Any]:
    """A shipped description with a few values changed, removed, or added, at any depth."""
    table = shipped(draw(st.sampled_from(platforms())))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = table
        while True:
            inner = [key for key, value in (at.items() if isinstance(at, dict) else enumerate(at)) if _is_nest(value)]
            if not inner or draw(st.booleans()):
                break
            at = at[draw(st.sampled_from(inner))]
        keys = [*at] if isinstance(at, dict) else [*range(len(at))]
        if isinstance(at, dict) and draw(st.booleans()):
            known = list(VALIDATOR.schema["$defs"][draw(st.sampled_from(sorted(_RECORDS)))]["properties"])
            at[draw(st.sampled_from(known) | st.text(max_size=9))] = draw(_ANYTHING)
        elif keys:
            key = draw(st.sampled_from(keys))
            if draw(st.booleans()):
                del at[key]
            else:
                at[key] = draw(_ANYTHING)
    return table


_RECORDS = [name for name, each in VALIDATOR.schema["$defs"].items() if "properties" in each]


def _is_nest(value: object) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _has_null(value: object) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_has_null, inner))


@given(_changed())
def test_what_the_schema_refuses_the_reader_refuses(table: dict[str, Any]) -> None:
    """TOML has no null, and the schema knows it."""
    assert VALIDATOR.is_valid(table) or _has_null(table) or not is_read(table)
