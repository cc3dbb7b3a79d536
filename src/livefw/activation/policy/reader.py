# SPDX-License-Identifier: Apache-2.0
"""A strict reader of settings files: one table says what a file may contain, and everything else is derived from it.

An unknown key is an error: a misspelt ``deny`` must not allow.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from livefw.errors import UsageError


class SettingsError(UsageError):
    """A settings file is wrong; ``file`` and ``path`` say where."""

    def __init__(self, message: str, *, file: str, path: str, hint: str = "livefw policy lists every key") -> None:
        where = f"{file}: {path}: " if path else f"{file}: "
        super().__init__(where + message, hint=hint, phase="settings")
        self.file = file
        self.path = path


class SettingsKey(NamedTuple):
    """One key: the kind of its value, the function that checks and reads it, its default, and its description.

    ``read`` raises ValueError with what the value has to be, and with the wrong part if only a part of it is wrong.
    """

    kind: str
    read: Callable[[Any], Any]
    default: Any
    help: str


class SettingsSection(NamedTuple):
    """A table of keys. ``many`` is empty for one table, ``[]`` for a list of tables, ``NAME`` for tables by name.

    ``make`` builds the result from the values, ``name`` reads a name; both raise ValueError or `ContradictionError`.
    """

    keys: Mapping[str, "SettingsKey | SettingsSection"]
    make: Callable[..., Any]
    many: str = ""
    name: Callable[[Any], str] = str


class ContradictionError(ValueError):
    """Values that contradict each other; ``key`` is the one to change."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class SettingsRow(NamedTuple):
    """A key, as the documents show it."""

    path: str
    kind: str
    default: str
    help: str


def decode(section: SettingsSection, document: Any, *, file: str, path: str = "") -> Any:
    """Read a parsed document by a table. `SettingsError` if it is wrong."""
    if section.many == "[]":
        if not isinstance(document, list):
            raise SettingsError("has to be a list of tables", file=file, path=path)
        single = section._replace(many="")
        return tuple(decode(single, each, file=file, path=f"{path}[{i}]") for i, each in enumerate(document))
    if not isinstance(document, dict):
        raise SettingsError("must be a table", file=file, path=path)
    if section.many:
        single = section._replace(many="")
        return {
            _value(section.name, name, file=file, path=path): decode(single, each, file=file, path=f"{path}.{name}")
            for name, each in document.items()
        }
    for name in document:
        if name not in section.keys:
            known = ", ".join(section.keys)
            raise SettingsError(f"unknown key; the keys are {known}", file=file, path=_join(path, name))
    values = {}
    for name, node in section.keys.items():
        where = _join(path, name)
        if isinstance(node, SettingsSection):
            values[name] = decode(node, document.get(name, [] if node.many == "[]" else {}), file=file, path=where)
        elif name in document:
            values[name] = _value(node.read, document[name], file=file, path=where)
        elif node.default is REQUIRED:
            raise SettingsError("is missing", file=file, path=where)
        else:
            values[name] = node.default
    return _made(section, values, file=file, path=path)


def _made(section: SettingsSection, values: Mapping[str, Any], *, file: str, path: str) -> Any:
    try:
        return section.make(**{name.replace("-", "_"): value for name, value in values.items()})
    except ContradictionError as error:
        raise SettingsError(str(error), file=file, path=_join(path, error.key)) from error
    except ValueError as error:
        raise SettingsError(str(error), file=file, path=path) from error


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()
"""The default of a key that must be given."""


def rows(section: SettingsSection, path: str = "") -> Iterator[SettingsRow]:
    """All keys of a table, for help and documents."""
    for name, node in section.keys.items():
        where = _join(path, name)
        if isinstance(node, SettingsSection):
            yield from rows(node, where + {"": "", "[]": "[]"}.get(node.many, f".{node.many}"))
        else:
            yield SettingsRow(where, node.kind, "" if node.default is None else _shown(node.default), node.help)


def _value(read: Callable[[Any], Any], value: Any, *, file: str, path: str) -> Any:
    try:
        return read(value)
    except ValueError as error:
        message, *part = error.args
        raise SettingsError(f"{message}, not {(part[0] if part else value)!r}", file=file, path=path) from error


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, frozenset):
        return "all"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return str(value)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
