# SPDX-License-Identifier: Apache-2.0
"""A `typing.NamedTuple` without importing `typing`.

``livefw list`` is run by scripts and monitors many times a minute. Importing `typing` costs about as much as all of
livefw's own modules on that path together, so they take their tuples from here. A module says::

    from __future__ import annotations

    TYPE_CHECKING = False
    if TYPE_CHECKING:
        from typing import NamedTuple
    else:
        from livefw.light_tuple import NamedTuple

and a type checker sees nothing unusual. The future import is required: it puts annotations where they can be read.
"""

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Meta(type):
    def __new__(cls, name: str, bases: tuple[type, ...], namespace: "dict[str, Any]") -> type:
        if not bases:
            return super().__new__(cls, name, bases, namespace)
        fields = tuple(namespace["__annotations__"])
        defaults = [namespace.pop(field) for field in fields if field in namespace]
        base = namedtuple(name, fields, defaults=defaults)  # type: ignore[misc]  # noqa: PYI024 - typed by what it replaces
        return type(name, (base,), {"__slots__": ()} | namespace)


class NamedTuple(metaclass=_Meta):
    """Base of a class whose annotated names are the fields of a tuple, with defaults last as in `typing`."""
