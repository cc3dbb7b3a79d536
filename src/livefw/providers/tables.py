# SPDX-License-Identifier: Apache-2.0
"""The tables of livefw.toml that bear the name of a mechanism, for their providers."""

from __future__ import annotations

from livefw.errors import TransportError, UsageError
from livefw.reading import Untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, TypeVar

    from livefw.files.protocol import Files

    T = TypeVar("T")

FILE = "livefw.toml"


class TableError(UsageError):
    """Something is wrong in the table of a mechanism: ``path`` is that of the key, ``text`` what is wrong."""

    def __init__(
        self, text: str, *, path: str, mechanism: str, hint: str = "", file: str = FILE, line: int = 0
    ) -> None:
        at = f" (at line {line})" if line else ""
        super().__init__(f"{file}: {path}: {text}{at}", hint=hint, mechanism=mechanism, phase="settings")
        self.text = text
        self.path = path
        self.file = file
        self.line = line


def unknown_key(path: str, name: str, known: Collection[str], *, mechanism: str, hint: str = "") -> TableError:
    """The error for a key that does not exist in the table at a path."""
    from livefw import suggest  # only for errors

    near = suggest.closest(name, known)
    text = f"unknown key; did you mean {near}?" if near else f"unknown key; the keys are {', '.join(known)}"
    return TableError(text, path=f"{path}.{name}", mechanism=mechanism, hint=hint)


def read(files: Files, mechanism: str, decode: Callable[[Any], T]) -> T:
    """What ``decode`` makes of the table of a mechanism; a `TableError` that it raises gets the file and the line.

    Other errors are those of `table`.
    """
    data = _text(files, mechanism)
    if mechanism.encode() not in data:
        return decode({})
    found = parse(data, file=files.settings_file, mechanism=mechanism).get(mechanism, {})
    try:
        return decode(found)
    except TableError as error:
        from livefw import toml_lines  # only for errors

        line = toml_lines.line_of(error.path, toml_lines.lines(data))
        raise TableError(
            error.text,
            path=error.path,
            mechanism=mechanism,
            hint=error.hint or "",
            file=files.settings_file,
            line=line,
        ) from None


def mentions(files: Files, mechanism: str) -> bool:
    """Whether the settings say anything of it; a parser for them takes longer than `list` does. `UsageError`."""
    return mechanism.encode() in _text(files, mechanism)


def table(files: Files, mechanism: str) -> Any:
    """What is in its table; an empty one where there is none. `UsageError` with what is wrong, `TransportError`."""
    data = _text(files, mechanism)
    if mechanism.encode() not in data:
        return {}
    return parse(data, file=files.settings_file, mechanism=mechanism).get(mechanism, {})


def parse(data: bytes, *, file: str = FILE, mechanism: str | None = None) -> dict[str, Any]:
    """A document in TOML; `UsageError`. One that nests without end is no document, either."""
    from livefw import toml  # only where there is something to read

    try:
        return toml.loads(data)
    except ValueError as error:
        hint = "livefw policy --keys lists every key"
        raise UsageError(f"{file}: {error}", hint=hint, mechanism=mechanism, phase="settings") from error


def _text(files: Files, mechanism: str) -> bytes:
    """Nothing where there is no file; whether we should have the right to is for the engine's own reading to say."""
    try:
        return files.settings()
    except Untrusted as error:
        raise UsageError(str(error), hint=error.hint, mechanism=mechanism, phase="settings") from error
    except (FileNotFoundError, PermissionError):
        return b""
    except OSError as error:
        text = f"{error.filename or FILE} cannot be read: {error.strerror}"
        raise TransportError(text, mechanism=mechanism, phase="settings", errno=error.errno) from error
