# SPDX-License-Identifier: Apache-2.0
"""Documents in TOML, from any source. Imported only where there is one: the parser takes longer than `list` does."""

import tomllib
from typing import Any

_LARGEST = 1 << 63
"""Numbers have 64 bits and a sign (TOML 1.0.0, "Integer"). Python would read any, of which some cannot be shown again:
beyond 4,300 digits it refuses to."""
_DEEPEST = 32
"""Tables and lists in each other; ours have six. `a.a.a...` is not even recursion for the parser, but is for code that
goes through the document, if only to show a value that is wrong."""
_TOO_DEEP = "it is nested too deeply"
_TOO_LARGE = "a number in it has more than 64 bits"


def loads(data: bytes) -> dict[str, Any]:
    """The document; ValueError, whose text says why, for what is none."""
    try:
        document = tomllib.loads(data.decode())
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise
    except ValueError:
        raise ValueError(_TOO_LARGE) from None
    left: list[tuple[Any, int]] = [(document, 0)]
    while left:
        value, depth = left.pop()
        if depth > _DEEPEST:
            raise ValueError(_TOO_DEEP)
        if isinstance(value, dict | list):
            left += ((each, depth + 1) for each in (value.values() if isinstance(value, dict) else value))
        elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            raise ValueError(_TOO_LARGE)
    return document
