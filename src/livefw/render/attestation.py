# SPDX-License-Identifier: Apache-2.0
"""What relying parties see of firmware before and after an activation, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from livefw.text import printable

_UNKNOWN = "is not known"


def lines(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A label and a text each, of a component's document; none where its images do not tell."""
    if found := item.get("attestation"):
        yield printable(found["field"]), f"now    {printable(found['current'] or _UNKNOWN)}"
        if item["pending"]:
            yield "", f"after  {printable(found['pending'] or _UNKNOWN)}"


def recorded(value: Any) -> str:
    """The same of a field of the history, which may hold anything, in a line."""
    if not isinstance(value, dict):
        return ""
    before, after = (value.get(name) or _UNKNOWN for name in ("current", "pending"))
    return f"{value.get('field')}: before {before}, after {after}"
