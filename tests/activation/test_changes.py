# SPDX-License-Identifier: Apache-2.0
"""What is told of a machine that has changed between two looks: each change once, with what it says."""

from typing import Any

import pytest

from livefw.activation.inventory.discovery import Candidate, Inventory
from livefw.activation.watch.watcher import WatchEventKind, compare
from livefw.providers.base import Component, Cost, Reason, Version
from livefw.providers.lfa.fake import FakeLfa

PROVIDER: Any = FakeLfa().provider
OLD, NEW, NEWER = Version("1.0"), Version("1.1"), Version("1.2")


def component(
    ident: str = "a", runs: Version | None = OLD, pends: bool | None = False, waits: Version | None = None
) -> Component:
    return Component("x", ident, ident, runs, pends, waits, Cost(None, None))


def found(*components: Component, absent: tuple[Reason, ...] = ()) -> Inventory:
    return Inventory(tuple(Candidate(PROVIDER, each) for each in components), absent)


PENDING = component(pends=True, waits=NEW)
CHANGES: dict[str, tuple[Inventory | None, Inventory, list[tuple[WatchEventKind, str, str]]]] = {
    "a first look": (
        None,
        found(component(), component("b", pends=True)),
        [
            (WatchEventKind.PRESENT, "x:a", "no image is pending"),
            (WatchEventKind.PRESENT, "x:b", "an image is pending"),
        ],
    ),
    "a first look at nothing": (
        None,
        found(absent=(Reason("a", "no driver"), Reason("b", "no device"))),
        [(WatchEventKind.ABSENT, "", "no driver; no device")],
    ),
    "nothing twice": (found(), found(), []),
    "nothing new": (found(PENDING), found(PENDING), []),
    "the last has gone": (
        found(component()),
        found(),
        [
            (WatchEventKind.ABSENT, "", "there is no component left"),
            (WatchEventKind.VANISHED, "x:a", "it no longer exists"),
        ],
    ),
    "one has gone and one has come": (
        found(component()),
        found(component("b", pends=True)),
        [
            (WatchEventKind.VANISHED, "x:a", "it no longer exists"),
            (WatchEventKind.APPEARED, "x:b", "an image is pending"),
        ],
    ),
    "another version": (
        found(component()),
        found(component(runs=NEW)),
        [(WatchEventKind.VERSION, "x:a", "version 1.0 -> 1.1")],
    ),
    "a first version": (
        found(component(runs=None)),
        found(component()),
        [(WatchEventKind.VERSION, "x:a", "version ? -> 1.0")],
    ),
    "no version any more": (
        found(component()),
        found(component(runs=None)),
        [(WatchEventKind.VERSION, "x:a", "version 1.0 -> ?")],
    ),
    "an image": (found(component()), found(PENDING), [(WatchEventKind.PENDING, "x:a", "an image is pending (1.1)")]),
    "an image without a version": (
        found(component()),
        found(component(pends=True)),
        [(WatchEventKind.PENDING, "x:a", "an image is pending")],
    ),
    "another image": (
        found(PENDING),
        found(component(pends=True, waits=NEWER)),
        [(WatchEventKind.PENDING, "x:a", "an image is pending (1.2)")],
    ),
    "no image any more": (
        found(PENDING),
        found(component()),
        [(WatchEventKind.NOT_PENDING, "x:a", "no image is pending")],
    ),
    "an announcement without an image": (found(component()), found(component(waits=NEW)), []),
    "nobody can tell any more": (found(PENDING), found(component(pends=None)), []),
    "activated": (
        found(PENDING),
        found(component(runs=NEW)),
        [
            (WatchEventKind.VERSION, "x:a", "version 1.0 -> 1.1"),
            (WatchEventKind.NOT_PENDING, "x:a", "no image is pending"),
        ],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_told(name: str) -> None:
    before, after, told = CHANGES[name]
    events = list(compare(before, after))
    assert [(event.what, event.component, event.text) for event in events] == told
    now = {
        each.component.key: each.component
        for inventory in (before, after)
        if inventory
        for each in inventory.candidates
    }
    seen = [(event.component, event.seen) for event in events if event.component]
    assert seen == [(key, now[key]) for key, _ in seen]
