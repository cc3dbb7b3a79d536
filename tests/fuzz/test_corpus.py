# SPDX-License-Identifier: Apache-2.0
"""What fuzzing has found, played again without the fuzzer: each reader keeps its promises for every input."""

import logging
from collections.abc import Iterator

import pytest

from . import corpus
from .corpus import Kept
from .target import Target, play
from .targets import TARGETS

MOST, LONGEST, ALTOGETHER = 48, 16_384, 300_000
"""Inputs of a target, bytes of one, and bytes of all files."""


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """The product tells of each input that it refuses."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda each: each.name)
def test_every_input_is_read_or_refused_as_documented(target: Target) -> None:
    seeds = [Kept(data, "a seed") for data in target.seeds()]
    assert seeds
    for data, why in [*seeds, *corpus.read(target.name)]:
        try:
            assert play(target, data) == play(target, data), "not the same twice"
        except Exception as error:
            error.add_note(f"target {target.name}, input {data!r} ({why or 'reaches what others do not'})")
            raise


def test_what_is_kept_is_small_and_of_a_target() -> None:
    files = sorted(corpus.FOLDER.iterdir())
    assert {path.stem for path in files} <= set(TARGETS)
    assert sum(path.stat().st_size for path in files) <= ALTOGETHER
    for path in files:
        kept = corpus.read(path.stem)
        assert len(kept) <= MOST, path
        assert len({each.data for each in kept}) == len(kept), path
        assert max(len(each.data) for each in kept) <= LONGEST, path


def test_it_is_kept_as_it_was(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    kept = [Kept(b"\0\xff" * 3, "a number without end"), Kept(b""), Kept(bytes(1000))]
    corpus.write("x", kept)
    assert corpus.read("x") == kept
    corpus.write("x", [])
    assert corpus.read("x") == []


def _breaks(_: bytes) -> object:
    raise KeyError("x")


def _refuses(_: bytes) -> object:
    raise ValueError("x" * 3000)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (Target("t", _breaks, lambda: (b"",), (ValueError,)), KeyError),
        (Target("t", _refuses, lambda: (b"",), (ValueError,)), AssertionError),
        (Target("t", lambda _: "x" * 10_000, lambda: (b"",)), AssertionError),
    ],
    ids=["another error", "an error without end", "a result without end"],
)
def test_what_breaks_a_promise_is_a_finding(target: Target, error: type[Exception]) -> None:
    with pytest.raises(error):
        play(target, b"data")
