# SPDX-License-Identifier: Apache-2.0
"""Intel's compatibility table: both revisions, strict reading, bounds, and errors that name their place."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livefw.abi.tdx import TdxVersion
from livefw.firmware import tdx_repository
from livefw.providers.tdx.mapping import MAX_BYTES, MappingError, parse

from . import published


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_newer_revision() -> None:
    mapping = parse(as_bytes(tdx_repository.table()))
    release = mapping.releases[TdxVersion(1, 5, 13)]
    assert release.min_running == TdxVersion(1, 5, 1)
    assert release.min_seamldr == (TdxVersion(1, 5, 0), TdxVersion(2, 0, 0))
    assert release.features == 0x226F1F0FBF
    assert release.strict_from == frozenset({TdxVersion(1, 5, 6), TdxVersion(1, 5, 8)})
    assert mapping.unknown == ()


def test_older_revision_has_no_strict_list() -> None:
    mapping = parse(as_bytes(tdx_repository.table(strict=False)))
    assert {release.strict_from for release in mapping.releases.values()} == {None}


@pytest.mark.parametrize(("older", "count"), [(True, published.OLDER), (False, published.NEWER)], ids=["old", "new"])
def test_published_revisions(older: bool, count: int) -> None:
    mapping = parse(as_bytes(published.table(older=older)))
    assert mapping.unknown == ()
    assert len(mapping.releases) == count
    for row in published.RELEASES:
        if row.older_features or not older:
            release = mapping.releases[TdxVersion.parse(row.version)]
            assert release.min_running == TdxVersion.parse(row.min_running)
            assert release.min_seamldr == tuple(map(TdxVersion.parse, row.min_seamldr.split()))
            assert release.features == int(row.older_features if older else row.features, 16)
            assert release.strict_from == (None if older else frozenset(map(TdxVersion.parse, row.strict_from.split())))


def test_the_modelled_releases_are_published_ones() -> None:
    theirs = parse(as_bytes(published.table(older=False))).releases
    ours = parse(as_bytes(tdx_repository.table())).releases
    assert len(ours) == len(tdx_repository.RELEASES)
    assert {version: theirs[version] for version in ours} == ours


def test_the_modelled_releases_name_themselves_as_the_published_ones_do() -> None:
    """Security versions of those that are known; of the others that they do not fall from one release to the next."""
    known = {module.version: module.svn for module in published.MODULES}
    ours = {release.version: tuple(release.svn) for release in tdx_repository.RELEASES}
    assert {version: ours[version] for version in known if version in ours} == {
        version: svn for version, svn in known.items() if version in ours
    }
    for series in ("1.5.", "2.0."):
        numbers = [svn for version, svn in sorted(ours.items()) if version.startswith(series)]
        assert numbers == sorted(numbers)
        assert len({major for major, _ in numbers}) == 1


def test_unknown_keys_are_reported_because_they_may_hold_further_rules() -> None:
    table = tdx_repository.table()
    table["extra"] = 1
    table["tdx_module_releases"][0]["max_seamldr_versions"] = []
    assert parse(as_bytes(table)).unknown == ("extra", "max_seamldr_versions")


def first(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The table with its first release changed."""
    table = tdx_repository.table()
    change(table["tdx_module_releases"][0])
    return as_bytes(table)


FIRST = "tdx_module_releases[0]"
WRONG = {
    "nothing": (b"", ""),
    "no JSON": (b"{", ""),
    "no UTF-8": (b'{"a": "\xff"}', ""),
    "too large": (b" " * (MAX_BYTES + 1), ""),
    "too deep": (b"[" * 100_000, ""),
    "endless number": (b'{"Header": ' + b"9" * 10_000 + b"}", ""),
    "no object": (b"[]", ""),
    "key twice": (b'{"Header": {}, "Header": {}}', ""),
    "no header": (b"{}", "Header"),
    "no revision": (b'{"Header": {}}', "Header.Version"),
    "revision 2": (b'{"Header": {"Version": "2.0"}}', "Header.Version"),
    "no releases": (b'{"Header": {"Version": "1.0"}}', "tdx_module_releases"),
    "releases no list": (as_bytes({"Header": {"Version": "1.0"}, "tdx_module_releases": {}}), "tdx_module_releases"),
    "release no object": (as_bytes({"Header": {"Version": "1.0"}, "tdx_module_releases": [1]}), FIRST),
    "no version": (first(lambda r: r.pop("version")), f"{FIRST}.version"),
    "version a number": (first(lambda r: r.update(version=1.5)), f"{FIRST}.version"),
    "version of two": (first(lambda r: r.update(version="1.5")), f"{FIRST}.version"),
    "version long": (first(lambda r: r.update(version="1" * 100)), f"{FIRST}.version"),
    "version twice": (first(lambda r: r.update(version="1.5.5")), "tdx_module_releases[1].version"),
    "minimum": (
        first(lambda r: r.update(min_module_version_for_td_preserving=None)),
        f"{FIRST}.min_module_version_for_td_preserving",
    ),
    "loaders": (first(lambda r: r.update(min_seamldr_versions="1.5.00")), f"{FIRST}.min_seamldr_versions"),
    "a loader": (first(lambda r: r.update(min_seamldr_versions=["1.5.00", ""])), f"{FIRST}.min_seamldr_versions[1]"),
    "strict": (first(lambda r: r.update(strict_compat_versions=None)), f"{FIRST}.strict_compat_versions"),
    "features decimal": (first(lambda r: r.update(tdx_feature0="15")), f"{FIRST}.tdx_feature0"),
    "features no hex": (first(lambda r: r.update(tdx_feature0="0xG")), f"{FIRST}.tdx_feature0"),
    "features wide": (first(lambda r: r.update(tdx_feature0="0x" + "F" * 17)), f"{FIRST}.tdx_feature0"),
}


@pytest.mark.parametrize(("data", "where"), WRONG.values(), ids=WRONG)
def test_error_names_its_place(data: bytes, where: str) -> None:
    with pytest.raises(MappingError) as raised:
        parse(data)
    assert raised.value.where == where


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(tdx_repository.table()["tdx_module_releases"][0])), JSON)
def test_any_value_in_any_place_is_read_or_refused(key: str, value: Any) -> None:
    with contextlib.suppress(MappingError):
        found = parse(first(lambda release: release.update({key: value})))
        (wanted, *others), (release, *same) = (
            each.releases.values() for each in (parse(first(lambda release: release)), found)
        )
        assert same == others
        # What was taken is of the same types as what Intel has written, and a key that was not changed is as it was.
        assert [type(each) for each in release if each is not None] == [
            type(each) for each, new in zip(wanted, release, strict=True) if new is not None
        ]
        assert sum(one != other for one, other in zip(wanted, release, strict=True)) <= 1
