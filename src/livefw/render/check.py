# SPDX-License-Identifier: Apache-2.0
"""What a check does that is not met, in the same words everywhere."""

from typing import NamedTuple

from livefw.activation.checks.table import Weight


class Effect(NamedTuple):
    """In a plan, in a table, and in a sentence with the check's ``{name}``."""

    verb: str
    text: str
    advice: str


EFFECTS = {
    Weight.WARNING: Effect("warns", "warns", "It warns, and does not block the activation."),
    Weight.ERROR: Effect(
        "blocks",
        "blocks, can be overridden",
        "It blocks the activation; --ignore {name} overrides it, and the history has that.",
    ),
    Weight.FATAL: Effect("blocks", "blocks", "It blocks the activation, and cannot be overridden."),
}
