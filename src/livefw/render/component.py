# SPDX-License-Identifier: Apache-2.0
"""Components in words."""

from __future__ import annotations

from livefw.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw.providers.component import Component, Version


def version(value: Version | None) -> str:
    """A version for a person; with a question mark where the report is not sure."""
    return "-" if value is None else printable(value.text) + ("" if value.reliable else "?")


def state(item: Component) -> str:
    """What can be done with it, in a word or two."""
    codes = [reason.code for reason in item.reasons]
    if not codes:
        return "ready"
    return "up to date" if codes == ["not-pending"] else ", ".join(code for code in codes if code != "not-pending")
