# SPDX-License-Identifier: Apache-2.0
"""Each bound of what lies on this machine at its very limit: as much is taken, and one more is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw import reading
from livefw.activation.checks import hooks
from livefw.activation.checks.facts import cpu_list
from livefw.activation.history.rows import Head, bounded, history_row
from livefw.activation.history.seal import Seal
from livefw.activation.images.directory import ImageDirectory
from livefw.activation.policy import document as policy
from livefw.errors import LivefwError

Folder = Path


def told(flaw: str) -> None:
    if flaw:
        raise ValueError(flaw)


def bytes_of_a_file(folder: Folder, count: int) -> object:
    (folder / "x").write_bytes(b"x" * count)
    return reading.read(str(folder / "x"), 100)


def links(folder: Folder, count: int) -> object:
    """A chain of links to a file."""
    (folder / "0").write_bytes(b"x")
    for number in range(count):
        (folder / str(number + 1)).symlink_to(str(number))
    return reading.read_trusted(str(folder / str(count)), 10)


def cpus(_: Folder, number: int) -> object:
    found = cpu_list(f"0,{number}")
    told("" if found else "no list")
    return found


def bytes_of_settings(folder: Folder, count: int) -> object:
    (folder / policy.FILE).write_bytes(b"strict = true\n".ljust(count, b"#"))
    return policy.load(str(folder)).strict


def characters_of_a_key(_: Folder, count: int) -> object:
    return Seal.parse(b"k" * count, file="x")


def characters_short_of_a_key(_: Folder, count: int) -> object:
    return Seal.parse(b"k" * (32 - count), file="x")


def keys(_: Folder, count: int) -> object:
    return Seal.parse(b"\n".join(b"%032d" % number for number in range(count)), file="x")


def output_of_a_check(folder: Folder, count: int) -> object:
    (folder / "checks.d").mkdir(mode=0o755, exist_ok=True)
    check = folder / "checks.d/a"
    check.write_text(f"#!/bin/sh\nhead -c {count} /dev/zero | tr '\\0' x\nexit 1\n")
    check.chmod(0o755)
    (problem,) = hooks.examine(hooks.find(str(folder)), {}, seconds=20.0)
    told(problem.text if "more than" in problem.text else "")
    return problem.text


def checks_of_an_administrator(folder: Folder, count: int) -> object:
    (folder / "checks.d").mkdir(mode=0o755, exist_ok=True)
    for number in range(count):
        (folder / f"checks.d/a{number}").touch(mode=0o755)
    found = hooks.find(str(folder))
    told(found[0].objection if len(found) == 1 else "")
    return len(found) == count


def archives(folder: Folder, count: int) -> object:
    for number in range(count):
        (folder / f"{number}.cab").touch()
    said: list[str] = []
    ImageDirectory(said.append).images(str(folder))
    told(next((each for each in said if "more than" in each), ""))
    return len(said) == count  # each of them is empty, and told


def characters_of_a_text(_: Folder, count: int) -> object:
    written = json.loads(bounded({"reason": "x" * count}))
    told(str(written.get("cut", "")))
    return written["reason"] == "x" * count


def bytes_of_a_row(_: Folder, count: int) -> object:
    """Texts of a length that none is cut for."""
    frame = len(json.dumps({"log": ["x" * 1000] * 65 + [""]}, separators=(",", ":")))
    written = bounded({"log": ["x" * 1000] * 65 + ["x" * (count - frame)]})
    told(str(json.loads(written).get("cut", "")))
    return len(written) == count


def row(body: str) -> object:
    found = history_row((1, "refusal", "a", "lfa:x", 1, body, "0" * 64))
    told(found.flaw)
    return found


def depth_of_facts(_: Folder, count: int) -> object:
    return row('{"size": ' + "[" * count + "1" + "]" * count + "}")


def numbers_of_facts(_: Folder, number: int) -> object:
    return row(f'{{"size": {number}}}')


def numbers_below(_: Folder, number: int) -> object:
    return row(f'{{"size": {-number}}}')


def digits_of_a_sequence(_: Folder, count: int) -> object:
    return Head.parse("1" * count + ":" + "0" * 64)


class Limit(NamedTuple):
    """How much is taken, and something of that size; one more is an error."""

    most: int
    make: Callable[[Folder, int], object]


LIMITS = {
    "bytes of a file": Limit(100, bytes_of_a_file),
    "links (MAXSYMLINKS)": Limit(40, links),
    "number of a CPU": Limit(65_535, cpus),
    "bytes of settings": Limit(1_048_576, bytes_of_settings),
    "characters of a key": Limit(1_024, characters_of_a_key),
    "characters that a key is short of": Limit(0, characters_short_of_a_key),
    "keys": Limit(64, keys),
    "output of a check": Limit(16_384, output_of_a_check),
    "checks of an administrator": Limit(256, checks_of_an_administrator),
    "archives": Limit(256, archives),
    "characters of a text": Limit(1_000, characters_of_a_text),
    "bytes of a row": Limit(65_536, bytes_of_a_row),
    "depth of facts": Limit(16, depth_of_facts),
    "numbers": Limit(2**63 - 1, numbers_of_facts),
    "numbers below 0": Limit(2**63, numbers_below),
    "digits of a sequence": Limit(19, digits_of_a_sequence),
}


@pytest.mark.parametrize("name", LIMITS)
def test_exactly_as_much_is_taken_and_one_more_is_not(tmp_path: Path, name: str) -> None:
    most, make = LIMITS[name]
    for folder in ("as-much", "more"):
        (tmp_path / folder).mkdir(mode=0o755)
    assert make(tmp_path / "as-much", most)
    with pytest.raises((OSError, ValueError, LivefwError)):
        make(tmp_path / "more", most + 1)
