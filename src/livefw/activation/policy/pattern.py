# SPDX-License-Identifier: Apache-2.0
"""Patterns that name components in the settings: those of a shell, without regard to case.

They match a key, an id or any other spelling of one that its mechanism knows, or a name.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from livefw.providers.base import Component

_SET = re.compile(r"\[!?+.[^]]*]")
"""A set as `fnmatch` reads it: its first character may be a bracket that does not close it."""


def read(value: Any) -> str:
    """A pattern from the settings; ValueError for what can only be a mistake, and would match nothing or anything."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("has to be a pattern", value)
    if not value.isprintable():
        raise ValueError("has to be a pattern that can be seen (? is any character)", value)
    if "[" in _SET.sub("", value):  # `fnmatch` takes it for itself, which nobody has meant
        raise ValueError("has to be a pattern whose brackets are closed ([[] is a bracket)", value)
    return value


def matches(pattern: str, component: Component) -> bool:
    """Whether a pattern of the settings means this component."""
    wanted = pattern.lower()
    texts = (*component.spellings, component.name)
    return any(fnmatchcase(text.lower(), wanted) for text in texts if text)


def any_matches(patterns: Iterable[str], component: Component) -> bool:
    """Whether one of several patterns means this component."""
    return any(matches(pattern, component) for pattern in patterns)
