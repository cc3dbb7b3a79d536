# SPDX-License-Identifier: Apache-2.0
"""The tables of livefw.toml that bear the name of a mechanism, for their providers."""

from __future__ import annotations

from livefw.errors import TransportError, UsageError
from livefw.reading import Untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from livefw.files.protocol import Files

FILE = "livefw.toml"


def mentions(files: Files, mechanism: str) -> bool:
    """Whether the settings say anything of it; a parser for them takes longer than `list` does. `UsageError`."""
    return mechanism.encode() in _text(files, mechanism)


def table(files: Files, mechanism: str) -> Any:
    """What is in its table; an empty one where there is none. `UsageError` with what is wrong, `TransportError`."""
    data = _text(files, mechanism)
    if mechanism.encode() not in data:
        return {}
    return parse(data, mechanism=mechanism).get(mechanism, {})


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
