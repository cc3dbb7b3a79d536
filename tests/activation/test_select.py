# SPDX-License-Identifier: Apache-2.0
"""Which component a person means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.guid import Guid
from livefw.activation.inventory import discovery
from livefw.activation.inventory.discovery import Candidate
from livefw.activation.inventory.select import select, select_all
from livefw.activation.inventory.short_ids import is_guid, short_ids
from livefw.errors import (
    AmbiguousComponent,
    LivefwError,
    NoSuchComponent,
    NothingHere,
    NotInstalled,
    UsageError,
)
from livefw.providers.base import Component, Cost, Reason
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
        ("rmm", RMM),  # a word of its name
        ("tf_rmm", RMM),
        ("bl31", BL31),
    ],
)
def test_a_component_answers_to(word: str, guid: str) -> None:
    assert found(word) == guid


@pytest.mark.parametrize("word", ["rm", "f", "6c0762a6-12f2-4b56-92cb-ba8f633606d9x", "tdx:x", "*"])
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
        ("rm", "did you mean TF-RMM? livefw list shows what is available"),
        ("WI", "did you mean twin? livefw list shows what is available"),  # two have this name
        ("tf-rnm", "did you mean TF-RMM? livefw list shows what is available"),
        ("6c0762a7-12", "did you mean 6c0762a6-12f2-4b56-92cb-ba8f633606d9? livefw list shows what is available"),
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


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["tf-*"], [BL31, RMM]),
        (["TF-?MM"], [RMM]),
        (["lfa:6c*"], [RMM, NEIGHBOUR]),
        (["*d447-*", "twin*"], [BL31, UNKNOWN, NEIGHBOUR]),  # the first as UEFI tools spell it
        (["[6a]*"], [BL31, RMM, NEIGHBOUR]),
        (["tf-rmm", "tf-*"], [RMM, BL31]),
        (["odd [1"], [UNKNOWN]),
    ],
)
def test_a_pattern_selects_all_that_it_matches(words: list[str], ids: list[str]) -> None:
    bench = FakeLfa()
    for guid, name in ((RMM, "TF-RMM"), (BL31, "TF-A BL31 runtime"), (NEIGHBOUR, "twin"), (UNKNOWN, "twin")):
        bench.add(guid, name="odd [1" if words == ["odd [1"] and guid == UNKNOWN else name)
    candidates = discovery.take_inventory([bench.provider]).candidates
    assert [each.component.id for each in select_all(words, candidates)] == ids


@pytest.mark.parametrize(
    ("word", "error", "text"),
    [
        ("redfish:*", NoSuchComponent, "there is no component 'redfish:*' here"),
        ("[x", UsageError, "closed brackets"),
        ("twin", AmbiguousComponent, "matches 2"),
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(word: str, error: type[LivefwError], text: str) -> None:
    bench = FakeLfa()
    for guid, name in ((NEIGHBOUR, "twin"), (UNKNOWN, "twin")):
        bench.add(guid, name=name)
    with pytest.raises(error, match=text.replace("*", r"\*")):
        select_all([word], discovery.take_inventory([bench.provider]).candidates)


_ID = st.one_of(
    st.sampled_from([RMM, BL31, NEIGHBOUR, UNKNOWN, RMM[:-1] + "0", "a662076c-0000-4000-8000-000000000000"]),
    st.sampled_from(["module", "6c0762a6", "rack1/pmfw-a", "0/code", "lfa:6c07"]),
    # The addresses of an iDRAC's inventory (dell/iDRAC-Redfish-Scripting), and near ones.
    st.builds(
        "rack{}/{}-{}-{}__{}".format,
        st.sampled_from(["1", "2", "1/SoftwareInventory"]),
        st.sampled_from(["Installed", "Previous", "installation"]),
        st.sampled_from(["159", "1590", "25227", ""]),
        st.sampled_from(["2.19.1", "2.20.0", ""]),
        st.sampled_from(["BIOS.Setup.1-1", "BIOS.Setup.1-12", "iDRAC.Embedded.1-1", ""]),
    ),
)


class _Provider:
    """One whose ids have the spellings that those of LFA have."""

    def aliases(self, ident: str) -> list[str]:
        return [Guid.parse(ident).efi] if is_guid(ident) else []


@given(
    st.lists(
        st.tuples(st.sampled_from(["lfa", "tdx"]), _ID, st.sampled_from(["", "6C0762A6", "module", RMM, "TF-RMM"])),
        unique_by=lambda each: each[:2],
        max_size=8,
    )
)
def test_a_short_id_selects_its_component_alone(made: list[tuple[str, str, str]]) -> None:
    provider: Any = _Provider()
    candidates = [
        Candidate(
            provider,
            discovery.with_aliases(provider, Component(mechanism, ident, name, None, None, None, Cost(None, None))),
        )
        for mechanism, ident, name in made
    ]
    short = short_ids([each.component for each in candidates])
    assert len(set(short.values())) == len(candidates)
    for each in candidates:
        assert select(short[each.component.key], candidates) == each


def test_a_long_id_is_as_many_words_as_select_it() -> None:
    idents = ["r/Installed-159-2.19.1__BIOS.Setup.1-1", "r/Installed-25227-7.10.30__iDRAC.Embedded.1-1", "r/pmfw-a"]
    found = [Component("redfish", ident, "", None, None, None, Cost(None, None)) for ident in idents]
    assert list(short_ids(found).values()) == ["r/Installed-159", "r/Installed-25227", "r/pmfw-a"]
    assert list(short_ids(found[:1]).values()) == ["r/Installed"]


def test_short_ids_are_as_short_as_they_can_be() -> None:
    bench = FakeLfa()
    for guid in (RMM, NEIGHBOUR, UNKNOWN):
        bench.add(guid)
    found = discovery.take_inventory([bench.provider]).candidates
    assert [each.component.short for each in found] == [UNKNOWN[:8], RMM, NEIGHBOUR]
