# SPDX-License-Identifier: Apache-2.0
"""`livefw.__all__` is the whole of the public API: what a signature or a field names is in it, and nothing else is."""

import ast
import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import livefw
from livefw import public

ROOTS = ("connect", "Event", "ConnectedHost")
"""From these all others follow; ``errors`` and ``__version__`` beside them."""


def _parts(annotation: Any) -> Iterator[type]:
    """The classes of ours in an annotation."""
    if typing.get_origin(annotation) is not None:
        for each in typing.get_args(annotation):
            yield from _parts(each)
    elif isinstance(annotation, list | tuple):
        for each in annotation:
            yield from _parts(each)
    elif isinstance(annotation, type) and annotation.__module__.startswith("livefw"):
        yield annotation


def _hints(target: Any) -> list[Any]:
    """Its annotations, with names that its module imports for the type checker only."""
    names = {**vars(sys.modules[target.__module__]), "Callable": Callable, "datetime": datetime}
    names |= {name: getattr(livefw, name) for name in livefw.__all__}
    return list(typing.get_type_hints(target, names).values())


def _functions(found: type) -> Iterator[FunctionType]:
    for name, member in vars(found).items():
        plain = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and isinstance(plain, FunctionType):
            yield plain


def _reached() -> dict[type, str]:
    """Every class that a program meets, and where."""
    found: dict[type, str] = {}
    todo = [(each, name) for name in ROOTS for each in _parts(getattr(livefw, name))]
    todo += [(each, "connect") for hint in _hints(livefw.connect) for each in _parts(hint)]
    while todo:
        each, where = todo.pop()
        if each in found:
            continue
        found[each] = where
        hints = _hints(each) if hasattr(each, "_fields") else []
        hints += [hint for function in _functions(each) for hint in _hints(function)]
        todo += [(part, each.__name__) for hint in hints for part in _parts(hint)]
    return found


def test_what_a_signature_or_a_field_names_is_public_and_nothing_else_is() -> None:
    named = {each.__name__ for each in _reached()}
    assert named | {"connect", "Event", "errors", "__version__"} == set(livefw.__all__)
    assert [each for each in _reached() if getattr(livefw, each.__name__) is not each] == []


def test_what_a_program_gets_cannot_be_changed() -> None:
    # A file stays the caller's; it remembers no more than the sum of what it was.
    records = [each for each in _reached() if each not in (livefw.ConnectedHost, livefw.ImageFile)]
    assert [each for each in records if not issubclass(each, tuple | Enum)] == []


def test_every_public_name_says_what_it_is() -> None:
    assert [name for name in livefw.__all__ if not inspect.getdoc(getattr(livefw, name))] == []
    bare = [function.__qualname__ for function in _functions(livefw.ConnectedHost) if not inspect.getdoc(function)]
    assert bare == []


@pytest.mark.parametrize("name", ["activate", "stage", "cancel", "plan", "components", "history", "watch", "settle"])
def test_every_method_has_an_example(name: str) -> None:
    assert "Example:" in (inspect.getdoc(getattr(livefw.ConnectedHost, name)) or "")


def test_a_type_checker_is_told_the_same_as_the_interpreter() -> None:
    tree = ast.parse(Path(livefw.__file__).read_text(encoding="utf-8"))
    told = {
        (f"{node.module}", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("livefw.")
        for alias in node.names
        if alias.name != "find"
    }
    assert told == {(module, name) for module, names in public._MODULES.items() for name in names}
    assert sorted(livefw.__all__) == livefw.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = livefw.nothing  # type: ignore[attr-defined]


def test_to_import_it_loads_nothing() -> None:
    program = "import sys; before = set(sys.modules); import livefw; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout)) <= {"livefw", "__future__"}
