# SPDX-License-Identifier: Apache-2.0
"""How hosts are divided into waves, by the function that the module livefw_waves calls."""

import importlib.util
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import COLLECTION


def _load() -> ModuleType:
    """It is no part of a package here: only Ansible knows the collection as one."""
    specification = importlib.util.spec_from_file_location("_waves", COLLECTION / "plugins/module_utils/_waves.py")
    assert specification is not None
    assert specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    return found


WAVES = _load()


def named(count: int) -> list[str]:
    return [f"h{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes", "wanted"),
    [
        (20, None, [1, 5, 2, 5, 5, 2]),
        (1000, None, [1, 5, 100, 250, 250, 250, 144]),
        (3, None, [1, 2]),
        (1, None, [1]),
        (0, None, []),
        (4, [2], [2, 2]),
        (10, ["1", "1%"], [1] * 10),  # rounded down, but a wave has a host
        (10, ["50%"], [5, 5]),
    ],
)
def test_the_last_size_is_repeated(count: int, sizes: Sequence[Any] | None, wanted: list[int]) -> None:
    assert [len(wave) for wave in WAVES.waves_of(named(count), sizes=sizes)] == wanted


@pytest.mark.parametrize("size", ["0", "0%", "51%", "100%", "-1", "1.5", "all", "", True, "9" * 10])
def test_what_is_no_size(size: object) -> None:
    with pytest.raises(WAVES.WaveError, match="wave"):
        WAVES.waves_of(named(4), sizes=[1, size])
    with pytest.raises(WAVES.WaveError, match="no size"):
        WAVES.waves_of(named(4), sizes=[])


def test_never_two_of_one_domain() -> None:
    racks = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "c1": "c"}
    assert WAVES.waves_of(racks, sizes=[1, 3], domains=racks) == [["a1"], ["a2", "b1", "c1"], ["a3"]]
    both = {
        "a1": ["rack-a", "osd-1"],
        "a2": ["rack-a"],
        "b1": ["rack-b", "osd-1"],
        "b2": ["rack-b", ""],
        "c1": "rack-c",
    }
    assert WAVES.waves_of(both, sizes=[9], domains=both) == [["a1", "c1"], ["a2", "b1"], ["b2"]]


def test_a_canary_comes_first() -> None:
    assert WAVES.waves_of(named(4), sizes=[1, 2], first=["h2"]) == [["h2"], ["h0", "h1"], ["h3"]]


def test_a_host_without_a_domain_is_taken_for_forgotten() -> None:
    domains: dict[str, Any] = {"h0": "a", "h1": "b", "h2": None, "h3": []}
    with pytest.raises(WAVES.WaveError, match="not h2, h3"):
        WAVES.waves_of(named(4), domains=domains)
    found = WAVES.waves_of(named(4), sizes=[4], domains=domains, without_domain=True)
    assert found == [named(4)]


DOMAINS = st.lists(st.sampled_from("abcd"), max_size=2)
SIZES = st.lists(st.integers(1, 5) | st.sampled_from(["1%", "10%", "50%"]), min_size=1, max_size=3)


@given(domains=st.lists(DOMAINS, max_size=30), sizes=SIZES)
def test_every_host_once_and_within_the_bounds(domains: list[list[str]], sizes: list[Any]) -> None:
    hosts = named(len(domains))
    known = dict(zip(hosts, domains, strict=True))
    waves = WAVES.waves_of(hosts, sizes=sizes, domains=known, without_domain=True)
    assert sorted(host for wave in waves for host in wave) == sorted(hosts)
    for number, wave in enumerate(waves):
        most = WAVES.size_of(sizes[min(number, len(sizes) - 1)], len(hosts))
        assert 1 <= len(wave) <= most
        used = [name for host in wave for name in set(known[host])]
        assert len(used) == len(set(used))


def test_a_hundred_thousand_hosts_of_one_domain() -> None:
    """One in each wave; in quadratic time this would not end."""
    hosts = named(100_000)
    waves = WAVES.waves_of(hosts, domains=dict.fromkeys(hosts, "a"))
    assert len(waves) == len(hosts)
