# SPDX-License-Identifier: Apache-2.0
"""The two ways to a linked component, in words: in band, and by a management controller."""

from collections.abc import Mapping
from typing import Any

from livefw.activation.inventory.agreement import agrees
from livefw.providers.base import Component
from livefw.render.component import version
from livefw.text import printable

_AGREES = {True: "agrees with this machine", False: "does not agree with this machine", None: "cannot be compared"}


def linked(there: Mapping[str, Any]) -> str:
    """What the management controller shows, and whether that agrees, from a document."""
    key = printable(there["key"])
    if not there["asked"]:
        return f"{key}; it was not asked"
    if there["trouble"]:
        return f"{key}; {printable(there['trouble']['text'])}"
    marks = {name: "?" if name in there["unreliable"] else "" for name in ("current_version", "pending_version")}
    shown = {name: f"{printable(there[name] or '-')}{mark}" for name, mark in marks.items()}
    waits = {True: f", {shown['pending_version']} is pending", False: "", None: ""}[there["pending"]]
    return f"{key} shows {shown['current_version']}{waits}: {_AGREES[there['agrees']]}"


def way(item: Component) -> str:
    """The ways of staging and of activation, in a sentence; empty for a component that is not linked."""
    return f"staged by {printable(item.linked.key)}, activated in band" if item.linked else ""


def seen_after(item: Component) -> str:
    """What the management controller shows after a request; empty for a component that is not linked."""
    there = item.linked
    if there is None:
        return ""
    who = f"BMC {printable(there.host)}"
    if there.trouble or not there.asked:
        return f"{who} does not confirm it: {printable(there.trouble.text if there.trouble else 'it was not asked')}"
    shown = f"{who} shows {version(there.current_version)}"
    waits = f", {version(there.pending_version)} is pending" if there.pending else ""
    return f"{shown}{waits}: {_AGREES[agrees(item)]}"
