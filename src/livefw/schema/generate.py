# SPDX-License-Identifier: Apache-2.0
"""A JSON Schema (draft 2020-12) of a Python type, with nothing left open that the type closes."""

import ast
import inspect
import textwrap
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(root: Any, records: Iterable[type], *, title: str, description: str) -> dict[str, Any]:
    """The schema of ``root``. No object of it has a property that is not written down.

    ``records`` are the classes in it whose fields have docstrings; those become descriptions.
    """
    made = msgspec.json.schema(root)
    definitions: dict[str, dict[str, Any]] = made.pop("$defs", {})
    for each in definitions.values():
        if "properties" in each:
            each["additionalProperties"] = False
    for record in records:
        definition = definitions[record.__name__]
        for field, text in field_texts(record).items():
            definition["properties"][field] |= {"description": text}
    return {"$schema": DIALECT, "title": title, "description": description, **made, "$defs": definitions}


def field_texts(record: type) -> dict[str, str]:
    """Docstrings of the fields of a class, each on one line, as its source has them."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found = {}
    for before, node in pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(node, ast.Expr):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[before.target.id] = " ".join(value.value.split())
    return found


def without_null(schema: Any) -> Any:
    """The same for a language without null: what may be None may be left out."""
    if isinstance(schema, list):
        return [without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: without_null(each) for key, each in schema.items() if not (key == "default" and each is None)}
    choices = [each for each in made.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del made["anyOf"]
        made |= choices[0]
    return made
