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

from _collections import _tuplegetter  # type: ignore[import-not-found]  # what `collections.namedtuple` uses as well

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEW = tuple.__new__


def _make(cls: type, values: "Any") -> "Any":
    made: Any = _NEW(cls, values)
    if len(made) != len(cls._fields):  # type: ignore[attr-defined]
        raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(made)}")  # type: ignore[attr-defined]
    return made


def _replace(self: "Any", /, **changed: "Any") -> "Any":
    made = _NEW(type(self), map(changed.pop, self._fields, self))
    if changed:
        raise ValueError(f"{type(self).__name__} has no fields {list(changed)}")
    return made


def _asdict(self: "Any") -> "dict[str, Any]":
    return dict(zip(self._fields, self, strict=True))


def _repr(self: "Any") -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"


def _values(self: "Any") -> "tuple[Any, ...]":
    return tuple(self)


_SHARED = {
    "__slots__": (),
    "_make": classmethod(_make),
    "_replace": _replace,
    "_asdict": _asdict,
    "__repr__": _repr,
    "__getnewargs__": _values,
}
"""What every such class has: `collections.namedtuple` makes these anew for each, which takes twice as long."""


class _Meta(type):
    def __new__(cls, name: str, bases: tuple[type, ...], namespace: "dict[str, Any]") -> type:
        if not bases:
            return super().__new__(cls, name, bases, namespace)
        fields = tuple(namespace["__annotations__"])
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        words = ", ".join(fields)
        new = eval(f"lambda _cls, {words}: _new(_cls, ({words},))", {"_new": _NEW})  # noqa: S307 - names of fields
        new.__name__ = "__new__"
        new.__qualname__ = f"{name}.__new__"
        new.__defaults__ = tuple(defaults.values()) or None
        made = {field: _tuplegetter(number, None) for number, field in enumerate(fields)}
        known = {"_fields": fields, "__match_args__": fields, "_field_defaults": defaults, "__new__": new}
        return type(name, (tuple,), _SHARED | made | known | namespace)


class NamedTuple(metaclass=_Meta):
    """Base of a class whose annotated names are the fields of a tuple, with defaults last as in `typing`."""
