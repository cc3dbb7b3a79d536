# SPDX-License-Identifier: Apache-2.0
"""Which component a person means."""

import pytest

from livefw.activation.inventory import discovery
from livefw.activation.inventory.select import select
from livefw.errors import (
    AmbiguousComponent,
    LivefwError,
    NoSuchComponent,
    NothingHere,
    NotInstalled,
    UsageError,
)
from livefw.providers.base import Reason
from livefw.providers.lfa.fake import RMM, FakeLfa

BL31 = "47d4086d-4cfe-9846-9b95-2950cbbd5a00"
NEIGHBOUR = "6c0762a6-ffff-ffff-ffff-ffffffffffff"
UNKNOWN = "0509b633-5734-422f-a681-6096e932d93a"


def found(word: str) -> str:
    bench = FakeLfa()
    bench.add(RMM, name="TF-RMM")
    bench.add(BL31, name="TF-A BL31 runtime")
    bench.add(NEIGHBOUR, name="twin")
    bench.add(UNKNOWN, name="twin")
    return select(word, discovery.take_inventory([bench.provider]).candidates).component.id


@pytest.mark.parametrize(
    ("word", "guid"),
    [
        (RMM, RMM),
        (RMM.upper(), RMM),
        (f"lfa:{RMM}", RMM),
        (f"LFA:{RMM.upper()}", RMM),
        ("a662076c-f212-564b-92cb-ba8f633606d9", RMM),  # as UEFI tools spell it
        ("A662076C-F212-564B-92CB-BA8F633606D9", RMM),
        ("6d08d447", BL31),
        ("6c0762a6-1", RMM),
        ("47", BL31),
        ("lfa:47", BL31),
        ("tf-rmm", RMM),
        ("TF-A BL31 RUNTIME", BL31),
        ("  tf-rmm ", RMM),
    ],
)
def test_a_component_answers_to(word: str, guid: str) -> None:
    assert found(word) == guid


@pytest.mark.parametrize("word", ["rmm", "f", "6c0762a6-12f2-4b56-92cb-ba8f633606d9x", "tdx:x", "*"])
def test_nothing_answers_to(word: str) -> None:
    with pytest.raises(NoSuchComponent):
        found(word)


@pytest.mark.parametrize(
    ("word", "candidates"),
    [
        ("6c0762a6", {RMM, NEIGHBOUR}),
        ("lfa:", {RMM, BL31, NEIGHBOUR, UNKNOWN}),
        ("twin", {NEIGHBOUR, UNKNOWN}),
    ],
)
def test_several_answer_to(word: str, candidates: set[str]) -> None:
    with pytest.raises(AmbiguousComponent) as caught:
        found(word)
    assert set(caught.value.candidates) == {f"lfa:{guid}" for guid in candidates}


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("rmm", "TF-RMM? livefw list shows what is available"),
        ("WI", "twin? livefw list shows what is available"),  # two have this name
        ("f-", "TF-A BL31 runtime or TF-RMM? livefw list shows what is available"),
        ("unheard-of", "livefw list shows what is available"),
    ],
)
def test_what_is_called_nearly_so_is_told(word: str, hint: str) -> None:
    with pytest.raises(NoSuchComponent) as caught:
        found(word)
    assert caught.value.hint == hint


@pytest.mark.parametrize(("count", "end"), [(2, "9601"), (8, "9607"), (9, "9607, ...")])
def test_as_many_are_told_as_can_be_read(count: int, end: str) -> None:
    bench = FakeLfa()
    for number in range(count):
        bench.add(f"6c0762a6-12f2-4b56-92cb-ba8f6336{9600 + number}")
    with pytest.raises(AmbiguousComponent) as caught:
        select("6c", discovery.take_inventory([bench.provider]).candidates)
    assert len(caught.value.candidates) == count
    assert caught.value.hint.startswith("name one of them: lfa:6c0762a6-12f2-4b56-92cb-ba8f63369600, lfa:")
    assert caught.value.hint.endswith(end)
    assert f"matches {count} components" in str(caught.value)


MISSING = Reason("not-installed", "a package is missing", "pip install it")


@pytest.mark.parametrize(
    ("absent", "kind", "text", "hint"),
    [
        (
            (Reason("no-lfa", "no LFA", "a kernel with it"), Reason("no-tdx", "no TDX")),
            NothingHere,
            "no LFA; no TDX",
            "a kernel with it",
        ),
        (
            (Reason("no-lfa", "no LFA", "a kernel with it"), MISSING),
            NotInstalled,
            "a package is missing",
            "pip install it",
        ),
        ((), NothingHere, "nothing to activate here: ", ""),
    ],
)
def test_why_there_is_nothing(absent: tuple[Reason, ...], kind: type[LivefwError], text: str, hint: str) -> None:
    """What is not installed outranks what is not there: it can be mended."""
    with pytest.raises(kind) as caught:
        discovery.Inventory((), absent).require()
    assert type(caught.value) is kind
    assert (str(caught.value).endswith(text), caught.value.hint) == (True, hint)


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_word_means_nothing(word: str) -> None:
    with pytest.raises(UsageError):
        found(word)


def test_a_firmware_cannot_take_anothers_place_by_its_name() -> None:
    bench = FakeLfa()
    bench.add(RMM, name="TF-RMM")
    bench.add(UNKNOWN, name=RMM)
    bench.add(BL31, name="6c0762a6")
    candidates = discovery.take_inventory([bench.provider]).candidates
    assert select(RMM, candidates).component.id == RMM
    with pytest.raises(AmbiguousComponent):
        select("6c0762a6", candidates)
