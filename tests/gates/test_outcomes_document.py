# SPDX-License-Identifier: Apache-2.0
"""`livefw explain` and docs/reference/outcomes.md know every word that the sources can answer with."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from livefw.activation.outcome import Outcome
from livefw.activation.verdict import table as verdict
from livefw.activation.verdict.evidence import Evidence
from livefw.cli.explain import codes, outcomes
from livefw.errors import MEANINGS, ExitCode
from livefw.providers.registry import MECHANISMS

CHECKOUT = Path(__file__).parents[2]
SOURCES = CHECKOUT / "src/livefw"
DOCUMENT = (CHECKOUT / "docs/reference/outcomes.md").read_text(encoding="utf-8")
ROOMS = ("activation", "providers", "cli", "daemon")

CODE_AT = {
    "Reason": 0,
    "Finding": 1,
    "Problem": 0,
    "MessageRow": 1,
    "VerdictRow": 1,
    "_row": 1,
    "Check": 0,
    "SelectionRule": 0,
    "ImageRule": 0,
}
"""Which argument of each of these is the code."""
UNNAMED = {
    # a reason that was made elsewhere is passed on
    "activation/aftermath.py: lasting",
    "activation/plan.py: examine",
    "activation/step_status.py: of",
    "activation/step_status.py: _held",
    "activation/checks/table.py: examine",
    "activation/checks/table.py: examine_staging",
    "activation/images/releases.py: _local",
    "activation/execution/attempt.py: stopped_by",
    "activation/verdict/table.py: ",
    "activation/verdict/table.py: _row",
    "activation/verdict/judgement.py: judge",
    "providers/lfa/diagnose.py: _confirms",
    "providers/lfa/diagnose.py: diagnose",
    "providers/lfa/diagnose.py: _guessed",
    "providers/nvme/provider.py: diagnose",
    "providers/redfish/codes.py: ",
    "providers/tdx/codes.py: ",
    "providers/tdx/select.py: judge",
    "providers/tdx/select.py: objections",
    # the kind of an error
    "activation/examination.py: _noted",
    # the checks of an administrator: `hook:NAME`
    "activation/checks/hooks.py: examine",
    "activation/checks/hooks.py: _judge",
    "activation/checks/hooks.py: _broken",
    # constants that stand for a code
    "activation/diagnosis/packages.py: ",
    "cli/explain/codes.py: ",
    "cli/explain/codes.py: exit_code",
    "activation/watch/remote.py: ",
    "providers/redfish/components.py: ",
    "providers/redfish/provider.py: ",
}
"""Where a code is no text but a name or a field."""
ROWS = frozenset({"activation/verdict/table.py", "providers/redfish/tasks.py"})
"""Files whose rows hold codes; those of others hold none, or a reason of their own."""


class Found(NamedTuple):
    """A place that makes a reason: the code, None if it is not a text that stands there."""

    place: str
    code: str | None


def made(path: str, source: str) -> Iterator[Found]:
    """Every place of a file that makes one."""
    yield from _made(ast.parse(source), path, "")


def _made(node: ast.AST, path: str, function: str) -> Iterator[Found]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.Call) and (code := _code(child, path)) is not None:
            yield Found(f"{path}: {function}", str(code.value) if isinstance(code, ast.Constant) else None)
        yield from _made(child, path, inside)


def _code(call: ast.Call, path: str) -> ast.expr | None:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    at = CODE_AT.get(name)
    if at is None or len(call.args) <= at or (name in ("MessageRow", "VerdictRow", "_row") and path not in ROWS):
        return None
    # A reason that is spread out has its code from where it was made.
    return None if any(isinstance(each, ast.Starred) for each in call.args[: at + 1]) else call.args[at]


def everything() -> Iterator[Found]:
    for path in sorted(each for room in ROOMS for each in (SOURCES / room).rglob("*.py")):
        yield from made(path.relative_to(SOURCES).as_posix(), path.read_text(encoding="utf-8"))


def unknown(found: list[Found]) -> list[Found]:
    """Places whose code cannot be explained, or is not to be seen there and not expected."""
    known = {each.word for each in codes.every()} | {""}
    return [
        each for each in found if (each.code is None and each.place not in UNNAMED) or each.code not in known | {None}
    ]


def test_every_code_in_the_sources_can_be_explained() -> None:
    found = list(everything())
    assert len(found) > 200
    assert unknown(found) == []
    assert UNNAMED - {each.place for each in found if each.code is None} == set()


@pytest.mark.parametrize(
    ("path", "source", "seen"),
    [
        ("providers/new.py", 'def f():\n    return Reason("never-heard-of", "text")', "never-heard-of"),
        ("providers/new.py", 'X = Finding(Severity.INFO, "never-heard-of", "text")', "never-heard-of"),
        ("activation/verdict/table.py", 'X = [_row(_UNKNOWN, "never-heard-of", "text")]', "never-heard-of"),
        (
            "providers/new.py",
            'class C:\n    def f(self):\n        yield base.Reason("never-heard-of", f"{self}")',
            "never-heard-of",
        ),
        ("providers/new.py", 'def f(code):\n    return Reason(code, "text")', None),
    ],
)
def test_a_code_that_nobody_explains_is_seen(path: str, source: str, seen: str | None) -> None:
    assert [each.code for each in unknown(list(made(path, source)))] == [seen]


@pytest.mark.parametrize("source", ['Reason("busy", "text")', "Finding(Severity.INFO, *why)", "Other('x')"])
def test_a_code_that_is_explained_passes(source: str) -> None:
    assert unknown(list(made("providers/new.py", source))) == []


def test_the_page_is_what_the_tables_say() -> None:
    assert outcomes.page(DOCUMENT) == DOCUMENT, "python -m livefw.cli.explain.outcomes docs/reference/outcomes.md"


@pytest.mark.parametrize("link", ["README.md", "docs/explanation/engine.md"])
def test_the_page_can_be_found(link: str) -> None:
    assert "outcomes.md)" in (CHECKOUT / link).read_text(encoding="utf-8")


def test_the_page_of_exit_codes_has_them_all() -> None:
    page = (CHECKOUT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    assert set(MEANINGS) == set(ExitCode)
    assert [line for code, text in MEANINGS.items() if (line := f"| {int(code)} | {text} |") not in page] == []


def test_every_mechanism_and_every_outcome_is_told() -> None:
    sources = {each.source for each in codes.every()}
    assert set(MECHANISMS) <= sources
    assert set(codes.OUTCOMES) == set(Outcome)


@pytest.mark.parametrize("row", verdict.TABLE, ids=lambda row: row.code)
def test_a_row_says_what_to_do_and_what_it_needs(row: verdict.VerdictRow) -> None:
    assert row.outcome is Outcome.ACTIVATED or row.advice
    assert codes.needs(row)
    assert all(getattr(row, piece) <= set(codes.PIECES[piece]) for piece in Evidence._fields)


def test_no_word_is_told_without_a_sentence() -> None:
    """A text that is one field and nothing else would say nothing."""
    assert [each for each in codes.every() if len(each.text.split()) < 2 and each.word not in "01"] == []
