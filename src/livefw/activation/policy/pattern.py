# SPDX-License-Identifier: Apache-2.0
"""Patterns of the settings that select components: shell patterns, regardless of case.

They match a key, an id, another spelling of the id that the mechanism knows, or a name.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from livefw.providers.base import Component

_SET = re.compile(r"\[!?+.[^]]*]")
"""A set as `fnmatch` reads it: a bracket as its first character does not close it."""


def read(value: Any) -> str:
    """Check a pattern. ValueError if it can only be a mistake: it would match nothing, or anything."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("has to be a pattern", value)
    if not value.isprintable():
        raise ValueError("must be a printable pattern (? is any character)", value)
    if "[" in _SET.sub("", value):  # `fnmatch` would match it literally, which is never intended
        raise ValueError("must be a pattern with closed brackets ([[] is a bracket)", value)
    return value


def matches(pattern: str, component: Component) -> bool:
    """Whether a pattern matches the component."""
    wanted = pattern.lower()
    texts = (*component.spellings, component.name)
    return any(fnmatchcase(text.lower(), wanted) for text in texts if text)


def matches_text(pattern: str, text: str) -> bool:
    """Whether a pattern matches a text, such as a version."""
    return fnmatchcase(text.lower(), pattern.lower())


def any_matches(patterns: Iterable[str], component: Component) -> bool:
    """Whether one of several patterns matches the component."""
    return any(matches(pattern, component) for pattern in patterns)
