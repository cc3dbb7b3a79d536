# SPDX-License-Identifier: Apache-2.0
"""A strict reader of settings files: one table says what a file may contain, and everything else is derived from it.

An unknown key is an error: a misspelt ``deny`` must not allow.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from livefw.errors import UsageError

KEYS_HINT = "livefw policy --keys lists every key"


class SettingsError(UsageError):
    """A settings file is wrong; ``file``, ``path`` and ``line`` say where (line 0: unknown), ``text`` what is wrong."""

    def __init__(self, text: str, *, file: str, path: str, hint: str = KEYS_HINT, line: int = 0) -> None:
        where = f"{file}: {path}: " if path else f"{file}: "
        super().__init__(where + text + (f" (at line {line})" if line else ""), hint=hint, phase="settings")
        self.text = text
        self.file = file
        self.path = path
        self.line = line

    def at(self, line: int) -> "SettingsError":
        """The same error with its line."""
        return SettingsError(self.text, file=self.file, path=self.path, hint=self.hint or "", line=line)


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

    def give_up(error: SettingsError) -> None:
        raise error

    return _Decoder(file, give_up).section(section, document, path)


def decode_leniently(section: SettingsSection, document: Any, *, file: str) -> tuple[Any, tuple[SettingsError, ...]]:
    """What can be read of a parsed document, and every mistake in it.

    The default stands for a key that is wrong; an element of a list or a named table that is wrong is left out. None if
    nothing could be made of it.
    """
    found: list[SettingsError] = []
    made = _Decoder(file, found.append).section(section, document, "")
    return None if made is _LEFT_OUT else made, tuple(found)


_LEFT_OUT = object()
"""What stands for a value of which nothing could be made."""


class _Decoder:
    """Reads a document. Each mistake is reported; if that does not raise, reading continues without the value."""

    def __init__(self, file: str, report: Callable[[SettingsError], None]) -> None:
        self._file = file
        self._report = report

    def section(self, section: SettingsSection, document: Any, path: str) -> Any:
        """The value of a table, or of several."""
        single = section._replace(many="")
        if section.many == "[]":
            if not isinstance(document, list):
                self._wrong("has to be a list of tables", path)
                return ()
            made = [self.section(single, each, f"{path}[{number}]") for number, each in enumerate(document)]
            return tuple(each for each in made if each is not _LEFT_OUT)
        if not isinstance(document, dict):
            self._wrong("must be a table", path)
            return {} if section.many else self._single(single, {}, path)
        return self._named(section, document, path) if section.many else self._single(single, document, path)

    def _named(self, section: SettingsSection, document: dict[str, Any], path: str) -> dict[Any, Any]:
        single = section._replace(many="")
        pairs = [
            (self._value(section.name, name, path, _LEFT_OUT), self.section(single, each, f"{path}.{name}"))
            for name, each in document.items()
        ]
        return {name: made for name, made in pairs if name is not _LEFT_OUT and made is not _LEFT_OUT}

    def _single(self, section: SettingsSection, document: dict[str, Any], path: str) -> Any:
        for name in document:
            if name not in section.keys:
                self._unknown(name, section, path)
        values = {}
        for name, node in section.keys.items():
            where = join(path, name)
            if isinstance(node, SettingsSection):
                values[name] = self.section(node, document.get(name, [] if node.many == "[]" else {}), where)
            elif name in document:
                values[name] = self._value(node.read, document[name], where, node.default)
            else:
                values[name] = node.default
                if node.default is REQUIRED:
                    self._wrong("is missing", where)
        if any(value is REQUIRED or value is _LEFT_OUT for value in values.values()):
            return _LEFT_OUT
        return self._made(section, values, path)

    def _made(self, section: SettingsSection, values: Mapping[str, Any], path: str) -> Any:
        try:
            return section.make(**{name.replace("-", "_"): value for name, value in values.items()})
        except ContradictionError as error:
            self._wrong(str(error), join(path, error.key), error)
        except ValueError as error:
            self._wrong(str(error), path, error)
        return _LEFT_OUT

    def _value(self, read: Callable[[Any], Any], value: Any, path: str, instead: Any) -> Any:
        try:
            return read(value)
        except ValueError as error:
            message, *part = error.args
            self._wrong(f"{message}, not {(part[0] if part else value)!r}", path, error)
            return instead

    def _unknown(self, name: str, section: SettingsSection, path: str) -> None:
        from livefw import suggest  # only for errors

        if near := suggest.closest(name, section.keys):
            self._wrong(f"unknown key; did you mean {near}?", join(path, name))
        else:
            self._wrong(f"unknown key; the keys are {', '.join(section.keys)}", join(path, name))

    def _wrong(self, text: str, path: str, cause: Exception | None = None) -> None:
        error = SettingsError(text, file=self._file, path=path)
        error.__cause__ = cause
        self._report(error)


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()
"""The default of a key that must be given."""


def rows(section: SettingsSection, path: str = "") -> Iterator[SettingsRow]:
    """All keys of a table, for help and documents."""
    for name, node in section.keys.items():
        where = join(path, name)
        if isinstance(node, SettingsSection):
            yield from rows(node, in_rows(where, node))
        else:
            yield SettingsRow(where, node.kind, "" if node.default is None else _shown(node.default), node.help)


def in_rows(path: str, section: SettingsSection) -> str:
    """The path of a table as the paths of its keys in `rows` begin: one for all tables of that kind."""
    return path + {"": "", "[]": "[]"}.get(section.many, f".{section.many}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, frozenset):
        return "all"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return str(value)


def join(path: str, name: str) -> str:
    """The path of a key in a table."""
    return f"{path}.{name}" if path else name
