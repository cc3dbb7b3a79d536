# SPDX-License-Identifier: Apache-2.0
"""JSON as livefw writes it, without the library where that is not needed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = "livefw/1"


def to_json(value: Any, indent: str = "") -> str:
    """JSON in ASCII without a raw control character, so that it may be looked at on a terminal.

    Written as `json.dumps` does it with an indent of 2. Importing `json` takes as long as half of `list`: it is asked
    only for what it knows better, such as how to escape.
    """
    inner = f"{indent}  "
    if isinstance(value, dict):
        rows = [f"{inner}{to_json(str(key))}: {to_json(each, inner)}" for key, each in value.items()]
        return "\n".join(["{", ",\n".join(rows), indent + "}"]) if rows else "{}"
    if isinstance(value, list | tuple):
        rows = [inner + to_json(each, inner) for each in value]
        return "\n".join(["[", ",\n".join(rows), indent + "]"]) if rows else "[]"
    if isinstance(value, str) and value.isascii() and value.isprintable() and not {*value} & {'"', "\\"}:
        return f'"{value}"'
    if value is None or isinstance(value, bool):
        return {None: "null", False: "false", True: "true"}[value]
    from json import dumps  # rarely needed

    # DEL is the one control character that JSON does not escape.
    return dumps(value).replace("\x7f", "\\u007f")
