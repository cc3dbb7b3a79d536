# SPDX-License-Identifier: Apache-2.0
"""A JSON Schema (draft 2020-12) of a Python type, with nothing left open that the type closes."""

import ast
import inspect
import sys
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
    described(definitions, records)
    return {"$schema": DIALECT, "title": title, "description": description, **made, "$defs": definitions}


def described(definitions: dict[str, dict[str, Any]], records: Iterable[type]) -> None:
    """Close every object, and let docstrings of fields, inherited ones too, be descriptions."""
    for each in definitions.values():
        if "description" in each:  # a docstring as it is, whose indentation depends on the version of Python
            each["description"] = " ".join(each["description"].split())
        if each.get("type") == "object" and "properties" in each:
            each["additionalProperties"] = False
    for record in records:
        properties = definitions[record.__name__]["properties"]
        for field, text in field_texts(record).items():
            properties[field] |= {"description": text}


def field_texts(record: type) -> dict[str, str]:
    """Docstrings of the fields of a class and its bases, each on one line, as the source has them."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    found: dict[str, str] = {}
    if not isinstance(definition, ast.ClassDef):
        return found
    for base in definition.bases:  # a TypedDict does not know its own before Python 3.12
        inherited = vars(sys.modules[record.__module__]).get(base.id) if isinstance(base, ast.Name) else None
        if inspect.isclass(inherited):
            found |= field_texts(inherited)
    for before, node in pairwise(definition.body):
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
