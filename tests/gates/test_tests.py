# SPDX-License-Identifier: Apache-2.0
"""Tests that pass without having looked at anything: the forms of it that can be seen in the sources."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

_OTHERS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def idle(source: str) -> Iterator[str]:
    """Tests whose only assertions stand below a condition, or that can return before they come to one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            holding = [each for each in node.body if _asserts(each)]
            if holding and not any(map(_holds, holding)):
                yield f"{node.name}: asserts only if"
            if _leaves(node.body):
                yield f"{node.name}: returns"


def _asserts(node: ast.stmt) -> bool:
    """Whether there is an assertion in it."""
    return any(isinstance(each, ast.Assert | ast.Raise) or _calls(each) for each in ast.walk(node))


def _calls(node: ast.AST) -> bool:
    """``pytest.raises`` and the like."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("raises", "fail")


def _holds(node: ast.stmt) -> bool:
    """Whether it asserts whatever a condition says. What loops is taken to turn at least once."""
    if isinstance(node, ast.If):
        failing = any(isinstance(each, ast.Expr) and _calls(each.value) for each in node.body)
        return failing or (any(map(_holds, node.body)) and any(map(_holds, node.orelse)))
    return _asserts(node)


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether it can return although nothing was asserted so far."""
    for each in body:
        if isinstance(each, ast.Return):
            return True
        blocks = [getattr(each, name, []) for name in ("body", "orelse", "finalbody")]
        if not isinstance(each, _OTHERS) and any(map(_leaves, blocks)):
            return True
        if _asserts(each):
            return False
    return False


def test_no_test_passes_for_want_of_what_it_needs(checkout: Path) -> None:
    """What is missing is a skip with its reason, which .ci/run refuses."""
    files = sorted((checkout / "tests").rglob("test_*.py"))
    assert len(files) > 100
    found = {str(path.relative_to(checkout)): [*idle(path.read_text(encoding="utf-8"))] for path in files}
    assert {name: tests for name, tests in found.items() if tests} == {}


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("if data is not None:\n  assert data", ["test_it: asserts only if"]),
        ("if data:\n  with pytest.raises(ValueError):\n   f()", ["test_it: asserts only if"]),
        ("if data:\n  assert data\n elif more:\n  assert more", ["test_it: asserts only if"]),
        ("if not data:\n  return\n assert data", ["test_it: returns"]),
        ("for each in data:\n  if each:\n   return\n assert data", ["test_it: returns"]),
        ("if data:\n  assert data\n else:\n  assert more", []),
        ("if data:\n  assert data\n  return\n assert more", []),
        ("if data:\n  f()\n assert data", []),
        ("if data:\n  pytest.fail(data)", []),
        ("def g():\n  return 1\n assert g()", []),
        ("for each in data:\n  assert each", []),
        ("f()", []),
    ],
)
def test_a_test_that_may_look_at_nothing_is_seen(body: str, seen: list[str]) -> None:
    assert [*idle(f"def test_it(data):\n {body}\n")] == seen


def test_a_table_without_rows_is_refused(checkout: Path) -> None:
    """pytest by itself would make a skip of it."""
    settings = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["pytest"]["ini_options"]["empty_parameter_set_mark"] == "fail_at_collect"
