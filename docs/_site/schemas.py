# SPDX-License-Identifier: Apache-2.0
"""Pages from the JSON Schemas that come with livefw: a section for each object, a row for each key."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cells import cell, code, table

from livefw import schema

FILES = sorted(Path(schema.__path__[0]).glob("*.schema.json"))
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def load(path: Path) -> dict[str, Any]:
    """A schema."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def describe(path: Path) -> Iterator[str]:
    """All of a schema, in Markdown."""
    whole = load(path)
    yield f"{cell(whole.get('description', ''))}\n"
    yield f"Made from {{download}}`{path.name} <../schema/{path.name}>`, which editors and validators read.\n"
    definitions = whole.get("$defs", {})
    if "properties" in whole:
        yield from _keys(whole)
    for name, each in definitions.items():
        yield from _definition(name, each)


def _definition(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    if description := found.get("description"):
        yield f"{cell(description)}\n"
    if "properties" in found:
        yield from _keys(found)
    else:
        yield f"{_type(found)}\n"


def _keys(found: Mapping[str, Any]) -> Iterator[str]:
    required = found.get("required", [])
    yield from table(
        ("Key", "Value", "Default", "Meaning"),
        (
            (code(name), _type(each), _default(each, required=name in required), cell(each.get("description", "-")))
            for name, each in found["properties"].items()
        ),
    )


def _default(found: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    return code(json.dumps(found["default"])) if "default" in found else "-"


def _type(found: Mapping[str, Any] | bool) -> str:  # noqa: FBT001 - a schema may be true
    """What a value has to be, in words."""
    if isinstance(found, bool):
        return "any value" if found else "no value"
    if "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in found:
        return code(json.dumps(found["const"]))
    if "enum" in found:
        return ", ".join(code(each if isinstance(each, str) else json.dumps(each)) for each in found["enum"])
    for several in ("anyOf", "oneOf"):
        if several in found:
            return " or ".join(_type(each) for each in found[several])
    kind = found.get("type", "any value")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if text == "array" and "items" in found:
        text = f"array of {_type(found['items'])}"
    if text == "object" and isinstance(found.get("additionalProperties"), dict):
        text = f"object of {_type(found['additionalProperties'])}"
    limits = [words.format(found[name]) for name, words in _LIMITS.items() if name in found]
    return ", ".join([text, *limits])
