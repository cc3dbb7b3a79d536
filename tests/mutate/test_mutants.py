# SPDX-License-Identifier: Apache-2.0
"""Which faults are made of a source, that each is a program, and what is kept of those that were judged."""

import ast
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from . import ledger as known
from . import selection
from .ledger import Equivalent, Ledger, explained
from .mutants import Enums, Source, enumerations
from .place import Clean, Verdict

ENUMS: Enums = {"Colour": ("RED", "GREEN")}


def _lines(text: str) -> set[tuple[str, str]]:
    """What each mutant of a text makes of its lines."""
    source = Source("example.py", text.encode(), ENUMS)
    found = set()
    for mutant in source.mutants:
        assert source.is_python(mutant), mutant
        gone, come = mutant.difference(source.text)
        found.add((" ".join(gone), " ".join(come)))
    return found


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("x = a == b", {"x = (a != b)"}),
        ("x = a < b <= c", {"x = (a <= b <= c)", "x = (a < b < c)"}),
        ("x = a and b", {"x = (a or b)", "x = (a)", "x = (b)"}),
        ("x = a and b and c", {"x = (a or b or c)", "x = (b and c)", "x = (a and c)", "x = (a and b)"}),
        ("x = not a", {"x = (a)"}),
        ("x = a + b", {"x = (a - b)"}),
        ("x = -a", {"x = (a)"}),
        ("x += a", {"x -= a", "pass"}),
        ("x = True", {"x = False"}),
        ("x = 7", {"x = 8"}),
        ("x = 0.5", {"x = 1.5"}),
        ("x = b'ab'", {"x = b'abX'"}),
        ("x = 'auth-error'", {"x = 'auth-errorX'"}),
        ("x = 'a text for people'", set()),
        ("x = f'{a + 1} of {b}'", set()),
        ("x: int | None = a", set()),
        ("x = int | None", set()),
        ("x = TypeVar('Word')", set()),
        ("x = {'a text': 1}", {"x = {'a text': 2}", "x = {}"}),
        ("x = [a, b]", {"x = [ b]", "x = [a]"}),
        ("x, y = a == b, c", {"x, y = (a != b), c"}),
        ("x = (a, b,)", {"x = ( b,)", "x = (a, )"}),
        ("x = [a for a in b if a]", {"x = [a for a in b if True]"}),
        ("x = f(a, key=b, strict=True)", {"x = f(a,  strict=True)"}),
        ("x = f(key=b)", {"x = f()"}),
        ("x = Colour.RED", {"x = Colour.GREEN"}),
        ("x = other.Colour.GREEN", {"x = other.Colour.RED"}),
        ("x = Shape.RED", set()),
        ("x.y = a", {"pass"}),
        ("f(a)", {"pass"}),
        ("raise E", {"pass"}),
        ("del x", {"pass"}),
        ("assert x == 1", set()),
        ("import x", set()),
        ("'a docstring'", set()),
        ("x = a if b else c", {"x = a if (not b) else c"}),
        ("@f(1)\ndef x(): ...", set()),
        ("def x(y: 'Word' = a): ...", set()),
    ],
)
def test_faults_of_a_line(line: str, becomes: set[str]) -> None:
    assert {come for _, come in _lines(line)} == becomes


@pytest.mark.parametrize(
    ("block", "was", "now"),
    [
        ("if f():\n    x = a", "if f():", "if (not f()):"),
        ("while f():\n    break", "    break", "    continue"),
        ("for x in y:\n    continue", "    continue", "    break"),
        ("try:\n    x = a\nexcept OSError:\n    x = b", "except OSError:", "except ():"),
        ("def f():\n    return a", "    return a", "    return None"),
        ("match x:\n    case y if f(y):\n        x = y", "    case y if f(y):", "    case y if (not f(y)):"),
        ("x = (\n    a,  # why\n    b,\n)", "    b,", "    "),
    ],
)
def test_faults_of_a_block(block: str, was: str, now: str) -> None:
    assert (was, now) in _lines(block)


def test_places_are_right_behind_letters_of_several_bytes() -> None:
    assert _lines("x = 'drei Größen', a == 1") >= {("x = 'drei Größen', a == 1", "x = 'drei Größen', (a != 1)")}


def test_enumerations_are_found_by_their_base() -> None:
    tree = ast.parse(
        "class A(StrEnum):\n    X = 'x'\n    'Why.'\n    Y = 'y'\nclass B(Flag):\n    Z = 1\nclass C:\n    W = 1"
    )
    assert enumerations([tree]) == {"A": ("X", "Y"), "B": ("Z",)}


def test_an_explained_mutant_is_found_by_its_lines() -> None:
    source = Source("a.py", b"x = (\n    a\n    and b\n)\n", ENUMS)
    entries = [
        Equivalent("a.py", "a and b", "(a or b)", "why"),
        Equivalent("a.py", "a and c", "(a or c)", "gone"),
        Equivalent("other.py", "a and b", "(a or b)", "elsewhere"),
    ]
    found, stale = explained(source, entries)
    assert [(mutant.what, entry.why) for mutant, entry in found.items()] == [("and/or", "why")]
    assert stale == entries[1:2]


def test_every_explained_mutant_is_still_one() -> None:
    sources = {path: package for package, path in selection.sources(list(selection.PACKAGES))}
    entries = known.equivalents()
    assert {entry.file for entry in entries} <= set(sources)
    enums = enumerations(ast.parse(path.read_bytes()) for path in (selection.CHECKOUT / "src").rglob("*.py"))
    for path in {entry.file for entry in entries}:
        source = Source(path, (selection.CHECKOUT / path).read_bytes(), enums)
        assert explained(source, entries)[1] == []


def test_every_source_has_tests() -> None:
    for package, path in selection.sources(list(selection.PACKAGES)):
        near, wide = (list(chain(*batches)) for batches in selection.batches(path))
        assert near, (package, path)
        assert len(near) + len(wide) == len({*near, *wide})
        assert [file for file in near + wide if not (selection.CHECKOUT / file).exists()] == []


def test_what_was_killed_stays_and_what_survived_is_tried_with_other_tests(tmp_path: Path) -> None:
    one, other = ["tests/mutate/test_mutants.py"], ["tests/conftest.py"]
    ledger = Ledger(tmp_path)
    ledger.judged("a", "near", one, Verdict("test", 1.0))
    ledger.judged("b", "near", one, Verdict("", 1.0))
    found = {one[0]: Clean(2.0, [f"{one[0]}::test_x"])}
    ledger.measured(found)
    with (tmp_path / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"mutant": "c", "sta')
    again = Ledger(tmp_path)
    assert again.verdict("a", "near", other) == Verdict("test", 1.0)
    assert again.verdict("b", "near", one) == Verdict("", 1.0)
    assert again.verdict("b", "near", other) is None
    assert again.verdict("b", "wide", one) is None
    assert again.clean(one + other) == found


def test_the_same_seed_draws_the_same_mutants() -> None:
    def drawn(*options: str) -> str:
        command = [sys.executable, "-m", "tests.mutate", "--list", "archive", "--mutants=5", *options]
        return subprocess.run(command, cwd=selection.CHECKOUT, capture_output=True, text=True, check=True).stdout

    first = drawn()
    assert first.count("src/livefw/archive/") == 5
    assert drawn() == first
    assert drawn("--seed=2") != first


def test_a_fault_is_noticed_in_a_copy_and_never_judged_twice(tmp_path: Path) -> None:
    """The checkout stays as it is, and what was found is there for the next run."""
    source = selection.CHECKOUT / "src/livefw/archive/cab.py"
    before = source.stat()
    command = [sys.executable, "-m", "tests.mutate", "archive", "--mutants=2", "--only=*/cab.py", "--stage=near"]

    def run() -> tuple[str, str]:
        done = subprocess.run(
            [*command, f"--place={tmp_path}"], cwd=selection.CHECKOUT, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout, done.stderr

    figures, judged = run()
    assert judged.count("src/livefw/archive/cab.py:") == 2
    assert "tests/archive/test_" in judged
    copy = tmp_path / "0/checkout/src/livefw/archive/cab.py"
    assert copy.read_bytes() == source.read_bytes()
    assert source.stat() == before
    assert run() == (figures, "")
