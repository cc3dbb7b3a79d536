# SPDX-License-Identifier: Apache-2.0
"""The public names of the kit: what is promised is there, typed, documented, and costs nothing until it is used."""

import ast
import inspect
import subprocess
import sys

import pytest

import livefw.testing as kit
from livefw.testing import names


def _declared() -> set[str]:
    """Names that a type checker sees."""
    module = ast.parse(inspect.getsource(kit))
    imports = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    return {alias.asname or alias.name for node in imports for alias in node.names} - {"find"}


def test_what_is_promised_is_there() -> None:
    promised = set(kit.__all__)
    assert promised == _declared()
    assert promised == {name for each in names._MODULES.values() for name in each}
    assert all(getattr(kit, name) is not None for name in promised)
    assert list(kit.__all__) == sorted(kit.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))


def test_what_a_type_checker_sees_is_what_is_imported() -> None:
    module = ast.parse(inspect.getsource(kit))
    seen = {
        (node.module, alias.name, alias.asname or alias.name)
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "livefw.testing.names")
        for alias in node.names
    }
    assert seen == {(at, found, name) for at, each in names._MODULES.items() for name, found in each.items()}


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nobody'"):
        kit.Nobody  # type: ignore[attr-defined]  # noqa: B018


def _public(thing: type) -> list[str]:
    return [name for name in vars(thing) if not name.startswith("_")]


@pytest.mark.parametrize("name", [name for name in kit.__all__ if not name.isupper()])
def test_every_public_thing_is_documented_and_typed(name: str) -> None:
    thing = getattr(kit, name)
    assert inspect.getdoc(thing)
    for member in _public(thing) if isinstance(thing, type) else ():
        value = inspect.getattr_static(thing, member)
        function = value.fget if isinstance(value, property) else value
        if inspect.isfunction(function):
            assert inspect.getdoc(function), f"{name}.{member}"
            assert "return" in function.__annotations__, f"{name}.{member}"


def test_the_plug_in_imports_nothing_until_it_is_used() -> None:
    probe = (
        "import sys, pytest; before = set(sys.modules); import livefw.testing.plugin; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"livefw", "livefw.testing", "livefw.testing.plugin"}
