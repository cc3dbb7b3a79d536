# SPDX-License-Identifier: Apache-2.0
"""JSON output held against its schema, by the one document that it can be, so that an error says what is wrong."""

from functools import cache
from typing import Any

import jsonschema

from livefw.schema.output import DOCUMENTS, FILE
from livefw.schema.shipped import load

_MOST = 64
"""Items of a list that are looked at: from its begin and from its end. A trace may have tens of thousands."""


@cache
def _schema() -> dict[str, Any]:
    return load(FILE)


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _schema()["$defs"]})


def candidates(document: dict[str, Any]) -> list[str]:
    """Names of the documents that have these fields."""
    found = []
    for each in DOCUMENTS:
        shape = _schema()["$defs"][each.__name__]
        if set(shape["required"]) <= set(document) <= set(shape["properties"]):
            found.append(each.__name__)
    return found


def errors(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document; nothing if it is one of those that are written down."""
    names, short = candidates(document), _shortened(document)
    if not names:
        return [f"no document has the fields {', '.join(sorted(document))}"]
    found: list[str] = []
    for name in names:
        wrong = [f"{name}: {_deepest(error)}" for error in _validator(name).iter_errors(short)]
        if not wrong:
            return []
        found += wrong
    return found


def _deepest(error: jsonschema.ValidationError) -> str:
    while error.context:
        error = max(error.context, key=lambda each: len(each.absolute_path))
    return f"{error.json_path}: {error.message[:300]}"


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        ends = value if len(value) <= 2 * _MOST else [*value[:_MOST], *value[-_MOST:]]
        return [_shortened(each) for each in ends]
    return value
