# SPDX-License-Identifier: Apache-2.0
"""What a settings file says, key by key with lines, and everything that is wrong with it.

Nothing here fails because the file is wrong: what can be read of it is read.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from livefw import toml_lines
from livefw.activation.policy.document import DEFAULT, FILE, KEYS, Policy, parse_toml, read_file
from livefw.activation.policy.reader import SettingsError, SettingsKey, SettingsSection, decode_leniently, in_rows, join
from livefw.activation.policy.window import Window
from livefw.errors import UsageError

_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
"""How `tomllib` tells where it stopped."""


class SettingsMistake(NamedTuple):
    """Something that is wrong with the settings; ``line`` is 0 where it is not known."""

    file: str
    path: str
    line: int
    text: str
    hint: str

    @classmethod
    def of(cls, error: UsageError) -> "SettingsMistake":
        """The mistake that an error tells."""
        hint = error.hint or ""
        if not isinstance(error, SettingsError):
            return cls("", "", 0, error.message, hint)
        line = _TOML_LINE.search(error.text)
        return cls(error.file, error.path, error.line or int(line[1] if line else 0), error.text, hint)


class SettingsValue(NamedTuple):
    """A key with its value as TOML, its line (0 for a default), and the patterns in it.

    ``key`` is its path in the reference of keys, where tables have neither numbers nor names.
    """

    path: str
    key: str
    value: str
    line: int = 0
    patterns: tuple[str, ...] = ()


class SettingsSurvey(NamedTuple):
    """A settings file. ``path`` is empty if there is no place for one.

    ``values`` are the keys that are set, ``defaults`` those that are not; ``tables`` are names and lines of tables that
    mechanisms read; ``windows`` those that can be read, by path. ``policy`` is what can be read as a whole.
    """

    path: str
    policy: Policy
    exists: bool = True
    values: tuple[SettingsValue, ...] = ()
    defaults: tuple[SettingsValue, ...] = ()
    tables: tuple[tuple[str, int], ...] = ()
    windows: tuple[tuple[str, Window], ...] = ()
    mistakes: tuple[SettingsMistake, ...] = ()


def survey(
    directory: str, *, mechanisms: Iterable[str] = (), unsound: Callable[[Policy, str], Iterable[SettingsError]]
) -> SettingsSurvey:
    """The settings in a directory. ``unsound`` finds mistakes in a policy that was read.

    Raises:
        PermissionDenied, TransportError: the file cannot be read.
    """
    path = os.path.join(directory, FILE) if directory else ""
    try:
        text = read_file(directory)
        document = {} if text is None else parse_toml(text, file=path)
    except SettingsError as error:
        return SettingsSurvey(path, DEFAULT, defaults=_defaults({}), mistakes=(SettingsMistake.of(error),))
    known = toml_lines.lines(text or b"")
    named = frozenset(mechanisms)
    ours = {name: value for name, value in document.items() if name not in named}
    policy, wrong = decode_leniently(KEYS, ours, file=path)
    errors = [*wrong, *unsound(policy or DEFAULT, path)]
    mistakes = sorted(
        (SettingsMistake.of(error.at(toml_lines.line_of(error.path, known))) for error in errors),
        key=lambda mistake: mistake.line,
    )
    return SettingsSurvey(
        path,
        policy or DEFAULT,
        text is not None,
        tuple(_values(KEYS, ours, known)),
        _defaults(ours),
        tuple((name, toml_lines.line_of(name, known)) for name in document if name in named),
        tuple(_windows(ours, path)),
        tuple(mistakes),
    )


def _values(
    section: SettingsSection,
    document: Any,
    known: Mapping[str, int],
    path: str = "",
    row: str = "",
    named: tuple[str, ...] = (),
) -> Iterator[SettingsValue]:
    """The keys that a document sets, in the order of the table; keys that do not exist are among the mistakes."""
    if not isinstance(document, dict):
        return
    for name, node in section.keys.items():
        where, key = join(path, name), join(row, name)
        if name not in document:
            continue
        value = document[name]
        if isinstance(node, SettingsKey):
            yield SettingsValue(
                where, key, as_toml(value), toml_lines.line_of(where, known), named or _patterns(node, value)
            )
            continue
        table = in_rows(key, node)
        if node.many == "[]":
            for number, each in enumerate(value if isinstance(value, list) else ()):
                yield from _values(node, each, known, f"{where}[{number}]", table)
        elif node.many:
            for title, each in value.items() if isinstance(value, dict) else ():
                names = (title,) if node.many == "PATTERN" else ()
                yield from _values(node, each, known, f"{where}.{title}", table, names)
        else:
            yield from _values(node, value, known, where, table)


def _defaults(
    document: Mapping[str, Any], section: SettingsSection = KEYS, path: str = ""
) -> tuple[SettingsValue, ...]:
    """The keys that a document does not set and that hold nevertheless."""
    found: list[SettingsValue] = []
    for name, node in section.keys.items():
        where, value = join(path, name), document.get(name)
        if isinstance(node, SettingsSection):
            if not node.many:
                found += _defaults(value if isinstance(value, dict) else {}, node, where)
        elif value is None:
            found.append(SettingsValue(where, where, "" if node.default is None else as_toml(node.default)))
    return tuple(found)


def _patterns(node: SettingsKey, value: Any) -> tuple[str, ...]:
    several = value if node.kind == "patterns" and isinstance(value, list) else [value]
    return tuple(each for each in several if isinstance(each, str)) if node.kind in _NAMING else ()


_NAMING = ("pattern", "patterns", "component")
"""Kinds of values that select components."""


def _windows(document: Mapping[str, Any], file: str) -> Iterator[tuple[str, Window]]:
    section = KEYS.keys["window"]
    tables = document.get("window")
    assert isinstance(section, SettingsSection)  # noqa: S101 - for the type checker
    for number, table in enumerate(tables if isinstance(tables, list) else ()):
        made, wrong = decode_leniently(section._replace(many=""), table, file=file)
        if isinstance(made, Window) and not wrong:
            yield f"window[{number}]", made


def as_toml(value: Any) -> str:
    """A value as it would be written in TOML."""
    if isinstance(value, frozenset):  # the default of a key that takes several words
        value = sorted(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, frozenset):
        return f"[{', '.join(sorted(map(as_toml, value)))}]"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {as_toml(each)}' for name, each in value.items())} }}" if value else "{}"
    return str(value)
