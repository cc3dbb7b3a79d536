# SPDX-License-Identifier: Apache-2.0
"""The schemas that are shipped: made from the types, valid, closed, and with a word about each property."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import livefw.schema
from livefw.schema.shipped import SCHEMAS, load, text

FOLDER = Path(livefw.schema.__file__).parent


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_file_is_what_the_types_say(name: str) -> None:
    """``python -m tests.schema`` writes it anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == text(name)
    assert {path.name for path in FOLDER.glob("*.json")} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load(name))


def _objects(schema: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield path, schema
        for key, each in schema.items():
            yield from _objects(each, f"{path}.{key}")
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _objects(each, f"{path}[{number}]")


OPEN = "$.$defs.HistoryRowDocument.anyOf"
"""Rows of another livefw, and damaged ones, may have any fields."""


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_object_is_open_and_every_property_is_described(name: str) -> None:
    found = list(_objects(load(name)))
    assert len(found) > 4
    opened = [path for path, each in found if each.get("additionalProperties") is not False]
    assert [path for path in opened if not path.startswith(OPEN)] == []
    silent = [
        f"{path}.{key}" for path, each in found for key, value in each["properties"].items() if not _described(value)
    ]
    assert silent == []


def _described(schema: dict[str, Any]) -> bool:
    return bool(schema.get("description"))
