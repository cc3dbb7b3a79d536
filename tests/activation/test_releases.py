# SPDX-License-Identifier: Apache-2.0
"""Versions compared, and images sorted into what to go forward to, what to go back to, and what is barred."""

from typing import Any

import pytest

from livefw.activation.checks.facts import Facts
from livefw.activation.checks.table import examine_staging
from livefw.activation.images import releases
from livefw.activation.images.directory import LocalImage
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.guids import instance, made_guid
from livefw.activation.inventory.versions import are_alien, compare, of_image
from livefw.activation.policy.document import parse
from livefw.archive.metainfo import ImageRequirement, Metainfo
from livefw.errors import NothingToDo, UsageError
from livefw.providers.base import Component, Cost, Offer, Reason, Version, dotted
from livefw.providers.fake import FakeFiles

FACTS = Facts(FakeFiles())
COMPARED = [
    ("1.9.0", (1, 9, 0), "1.10.0", (1, 10, 0), -1),
    ("2", (2,), "1.9", (1, 9), None),  # fwupd's format pair makes 0.2 of it
    ("65536", (65536,), "1.2.0", (1, 2, 0), None),
    ("65536", (65536,), "4", (4,), 1),
    ("1.9", (1, 9), "1.9.0", (1, 9, 0), 0),
    ("1.5.08", (1, 5, 8), "1.5.8", (1, 5, 8), 0),
    ("r7", (), "r8", (), None),
    ("r7", (), "r7", (), 0),
    ("1.9", (1, 9), "r8", (), None),
]


@pytest.mark.parametrize(("one", "first", "other", "second", "expected"), COMPARED)
def test_compared(one: str, first: tuple[int, ...], other: str, second: tuple[int, ...], expected: int | None) -> None:
    assert compare(Version(one, first), Version(other, second)) == expected
    assert compare(Version(other, second), Version(one, first)) == (expected if expected is None else -expected)
    assert compare(None, Version(one, first)) is None


@pytest.mark.parametrize(
    ("running", "text", "order"),
    [
        (Version("1.2.0", (1, 2, 0)), "1.9", (1, 9)),
        (None, "1.9", (1, 9)),
        (Version("0x2b", (43,)), "44", ()),
        (Version("r7"), "r8", ()),
        (Version("r7"), "8", (8,)),
        (Version("1.2"), "1.3", ()),
        (Version("1.2.0", (1, 2, 0)), "1.9-rc1", ()),
        (Version("1.2.0", (1, 2, 0)), "1." + "9" * 40, ()),
        # 0.1.0 by the format that most of the LVFS's vendors use (lvfs-website-archived #548, LVFS #823).
        (Version("1.2.0", (1, 2, 0)), "65536", ()),
        (Version("1.2.0", (1, 2, 0)), "0x00010000", ()),
        (Version("0x15302529", (0x15302529,)), "15302529", ()),
        (Version("15302529", (15302529,)), "0x15302529", ()),
        (Version("7", (7,)), "1.0", ()),
    ],
)
def test_an_image_counts_as_its_component_does(running: Version | None, text: str, order: tuple[int, ...]) -> None:
    component = Component("x", "y", "z", running, False, None, Cost(None, None))
    assert of_image(text, component).order == order


@pytest.mark.parametrize(
    ("running", "text", "declared", "step"),
    [
        ("1.2.0", "1.9.0", "triplet", 1),
        ("1.2.0", "1.9.0", " Triplet ", 1),
        ("1.2.0", "1.9.0", "plain", 1),  # it declares nothing
        ("1.2.0", "1.9.0", "dell-bios", 1),
        ("1.2.3.4", "1.2.3.5", "intel-me", 1),
        ("7", "8", "number", 1),
        ("1.2.0", "65536", "triplet", -1),
        ("1.2.0", "0x00010000", "triplet", -1),
        ("1.2.0", "16908288", "triplet", 0),
        ("1.2.0", "17367040", "triplet", 1),
        ("65536", "0.0.9", "triplet", -1),
        ("65536", "0.1.1", "triplet", 1),
        ("0x2b", "0x2c", "hex", 1),
        ("7", "8", "triplet", 1),
        ("7", "8", "bcd", 1),
        ("0x01000002", "0x02000001", "dell-bios", -1),
        ("0x01020300", "0x010203ff", "dell-bios-msb", 0),
        ("1.2.0", "1.9", "pair", None),
        ("1.2.3.4", "256.772", "pair", None),  # 1.0.3.4
        ("1.2.0", "1.9.0.0", "quad", None),
        ("1.2.0", "1.9.0", "quad", None),
        ("1.2.0", "1.9.0", "number", None),
        ("1.2.0", "1.9.0", "hex", None),
        ("1.2.0", "1.9.0", "tripple", None),
        ("1.2.0", "1.9", "triplet", None),
        ("0x15302529", "15302530", "hex", None),
    ],
)
def test_a_format_that_is_declared_holds_on_both_sides(running: str, text: str, declared: str, step: int) -> None:
    """LVFS::VersionFormat, as fwupd applies it. What cannot be compared is never newer, and kept out."""
    order = dotted(running) or (int(running, 16),)
    component = Component("x", "y", "z", Version(running, order), False, None, Cost(None, None))
    version = of_image(text, component, declared)
    assert compare(version, component.current_version) == step
    assert are_alien(version, Version(running, order)) == (step is None)
    against = [each.check for each in examine_staging(component, version, parse(b"")) if each.stops]
    assert against == ([] if step in (0, 1) else ["downgrade"])


def test_the_format_of_a_component_without_a_version_sorts_its_images() -> None:
    component = Component("x", "y", "z", None, False, None, Cost(None, None))
    assert of_image("65536", component, "triplet") == Version("65536", (0, 1, 0))


def test_what_has_no_order_anywhere_is_not_alien() -> None:
    assert not are_alien(Version("r7"), Version("r8"))
    assert not are_alien(Version("r7"), Version("r7"))
    assert are_alien(Version("r7"), Version("8", (8,)))


def test_what_cannot_be_compared_is_offered_as_nothing() -> None:
    component, all_ = found("65536", "0x00010000", "1.3", current="1.2")
    assert [(each.version.text, each.step) for each in all_] == [("1.3", 1), ("65536", None), ("0x00010000", None)]
    assert texts(releases.upgrades(component, all_)) == ["1.3"]
    assert texts(releases.downgrades(component, all_)) == []


class Mechanism:
    """As much of a provider as the table looks at."""

    name = "mech"

    def aliases(self, ident: str) -> tuple[str, ...]:
        return ()

    def __getattr__(self, name: str) -> Any:
        if name in ("stage", "images", "linked_hosts"):
            raise AttributeError(name)
        return lambda *_: None


class Taking(Mechanism):
    def stage(self, *_: Any) -> None: ...


class Holding(Mechanism):
    def images(self, ident: str) -> tuple[Offer, ...]:
        new, old = Version("2.0", (2, 0)), Version("1.0", (1, 0))
        return Offer(old, "/fw/old", (Reason("downgrade", "older"),)), Offer(new, "/fw/new")


def local(version: str, guid: str = "") -> LocalImage:
    guid = guid or made_guid(instance("mech", "a"))
    return LocalImage(f"/images/{version}.cab", 1, "", Metainfo("org.x", "X", (guid,), version))


def found(
    *versions: str, pending: str | None = None, settings: str = "", provider: Any = None, current: str = "1.2"
) -> tuple[Component, releases.Releases]:
    order = tuple(map(int, current.split(".")))
    waiting = Version(pending, tuple(map(int, pending.split(".")))) if pending else None
    component = Component("mech", "a", "A", Version(current, order), bool(pending), waiting, Cost(None, None))
    images = [local(version) for version in versions] + [local("9.9", "00000000-0000-0000-0000-00000000000a")]
    candidates = [Candidate(provider or Taking(), component)]
    table = releases.table(candidates, images, parse(settings.encode()), FACTS, others=candidates)
    return component, table.get("mech:a", ())


def texts(some: releases.Releases) -> list[str]:
    return [each.version.text for each in some]


def test_newest_first_and_only_ones_own() -> None:
    component, all_ = found("1.1", "1.10", "1.9", "1.2")
    assert texts(all_) == ["1.10", "1.9", "1.2", "1.1"]
    assert [each.step for each in all_] == [1, 1, 0, -1]
    assert texts(releases.upgrades(component, all_)) == ["1.10", "1.9"]
    assert texts(releases.downgrades(component, all_)) == ["1.1"]


def test_while_an_image_waits_only_what_is_newer_is_offered() -> None:
    component, all_ = found("1.1", "1.10", "1.9", "1.2", pending="1.9")
    assert [each.version.text for each in all_ if each.pending] == ["1.9"]
    assert texts(releases.upgrades(component, all_)) == ["1.10"]
    assert texts(releases.downgrades(component, all_)) == []
    component = component._replace(pending_version=None)
    assert texts(releases.upgrades(component, all_)) == []


@pytest.mark.parametrize(
    ("settings", "code"), [('deny = ["mech:*"]', "policy"), ('[component."mech:*"]\npin = "1.9"', "pinned")]
)
def test_the_policy_bars(settings: str, code: str) -> None:
    component, all_ = found("1.9", "1.10", settings=settings)
    barred = {each.version.text: [reason.code for reason in each.against] for each in all_}
    assert barred["1.10"] == [code]
    assert texts(releases.upgrades(component, all_)) == (["1.9"] if code == "pinned" else [])


def test_what_an_image_requires_bars_it() -> None:
    component, _ = found()
    image = local("1.9")
    image = image._replace(about=image.about._replace(requirements=(ImageRequirement("firmware", "", "ge", "1.3"),)))
    candidates = [Candidate(Taking(), component)]
    known = releases.table(candidates, [image], parse(b""), FACTS, others=candidates)["mech:a"]
    assert [reason.code for reason in known[0].against] == ["requirements"]
    assert releases.upgrades(component, known) == ()


def test_an_image_is_picked_by_its_version_in_either_notation() -> None:
    component, _ = found(current="1.2.0")
    image = local("17367040")._replace(path="/images/new.cab")
    image = image._replace(about=image.about._replace(version_format="triplet"))
    known = releases.table([Candidate(Taking(), component)], [image], parse(b""), FACTS, others=())["mech:a"]
    assert texts(releases.upgrades(component, known)) == ["1.9.0"]
    for wanted in ("17367040", "1.9.0", "1.9", None):
        assert releases.pick(component, known, wanted).path == "/images/new.cab"


def test_where_nothing_is_staged_by_us_archives_are_shown_and_barred() -> None:
    component, all_ = found("1.9", provider=Mechanism())
    assert [reason.code for reason in all_[0].against] == ["not-stageable"]
    assert releases.upgrades(component, all_) == ()


def test_what_a_mechanism_holds_is_shown_with_its_reasons() -> None:
    component, all_ = found(provider=Holding())
    assert [(each.version.text, each.path, [r.code for r in each.against]) for each in all_] == [
        ("2.0", "/fw/new", []),
        ("1.0", "/fw/old", ["downgrade"]),
    ]
    assert releases.upgrades(component, all_) == ()


@pytest.mark.parametrize(
    ("wanted", "path"), [(None, "/images/1.10.cab"), ("1.9.0", "/images/1.9.cab"), ("1.1", "/images/1.1.cab")]
)
def test_picked(wanted: str | None, path: str) -> None:
    assert releases.pick(*found("1.1", "1.10", "1.9"), wanted).path == path


@pytest.mark.parametrize(
    ("versions", "pending", "wanted", "kind", "why"),
    [
        ((), None, None, NothingToDo, "no newer image"),
        (("1.1",), None, None, NothingToDo, "no newer image"),
        (("1.9",), "1.9", None, NothingToDo, "already pending"),
        (("1.9",), None, "1.8", UsageError, "no such file, nor an image of that version"),
    ],
)
def test_nothing_to_pick(
    versions: tuple[str, ...], pending: str | None, wanted: str | None, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=why):
        releases.pick(*found(*versions, pending=pending), wanted)
