# SPDX-License-Identifier: Apache-2.0
"""The table ``[notify]`` of livefw.toml: which events are sent to the executables in notify.d, and how often."""

from enum import StrEnum
from typing import Any, NamedTuple

from livefw.activation.policy import pattern
from livefw.activation.policy.pattern import any_matches
from livefw.activation.policy.reader import SettingsKey, SettingsSection
from livefw.providers.base import Component


class NotifyEvent(StrEnum):
    """The events that are sent."""

    PENDING = "pending"
    """An image is pending; once for each image."""
    HELD = "held"
    """The policy wants an activation, and a check blocks it."""
    ACTIVATED = "activated"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNCONFIRMED = "unconfirmed"
    """A success was reported and nothing confirms it; the settings accept that."""
    SILENT = "silent"
    """A management controller does not respond any more."""
    ANSWERING = "answering"
    """A management controller responds again."""
    UNFINISHED = "unfinished"
    """An activation has no outcome, and no program is at work on it."""
    SETTLED = "settled"
    """The outcome of an unfinished activation was found out; sent as that outcome, with ``settled`` true."""
    TEST = "test"
    """Sent by ``livefw notify --test`` only."""


SELECTABLE = tuple(each for each in NotifyEvent if each is not NotifyEvent.TEST)
"""The events that the settings can name."""


class HookSelection(NamedTuple):
    """What one executable gets."""

    events: frozenset[NotifyEvent]
    components: tuple[str, ...]


class NotifyPolicy(NamedTuple):
    """What is sent: ``rate`` events of one kind about one component in an hour, each tried ``retries`` times more.

    ``hook`` is the selection of executables by name, within the general one.
    """

    events: frozenset[NotifyEvent]
    components: tuple[str, ...]
    rate: int
    retries: int
    hook: dict[str, HookSelection]

    def wants(self, hook: str, kinds: frozenset[NotifyEvent], component: Component | None) -> bool:
        """Whether an executable gets an event that is of these kinds. One without a component goes by its kind."""
        chosen = [HookSelection(self.events, self.components), *filter(None, [self.hook.get(hook)])]
        return all(
            kinds & each.events and (component is None or any_matches(each.components, component)) for each in chosen
        )


def _events(value: Any) -> frozenset[NotifyEvent]:
    if not isinstance(value, list):
        raise ValueError("must be a list of events")
    known = SELECTABLE
    if wrong := [each for each in value if each not in known]:
        raise ValueError(f"must be a list of {', '.join(known)}", wrong[0])
    return frozenset(map(NotifyEvent, value))


def _patterns(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("has to be a list of patterns")
    return tuple(pattern.read(each) for each in value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise ValueError("must be an integer from 0 to 1000")
    return value


_ALL = frozenset(SELECTABLE)
_SELECTION = {
    "events": SettingsKey("events", _events, _ALL, f"events that are sent: {', '.join(SELECTABLE)}"),
    "components": SettingsKey("patterns", _patterns, ("*",), "components whose events are sent"),
}
SECTION = SettingsSection(
    {
        **_SELECTION,
        "rate": SettingsKey("count or 0", _count, 4, "events of one kind about one component in an hour at most"),
        "retries": SettingsKey("count or 0", _count, 5, "how often a delivery that failed is tried again"),
        "hook": SettingsSection(
            {
                name: key._replace(help=f"of these, what the executable NAME in notify.d gets: its {name}")
                for name, key in _SELECTION.items()
            },
            HookSelection,
            "NAME",
        ),
    },
    NotifyPolicy,
)
"""Everything that the table may contain."""

DEFAULT = NotifyPolicy(_ALL, ("*",), rate=4, retries=5, hook={})
"""Everything to every executable: what is not selected by mistake is not missed."""
