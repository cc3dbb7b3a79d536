# SPDX-License-Identifier: Apache-2.0
"""Where the product makes something of bytes: found in its sources, so that none is forgotten."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import livefw

SOURCES = Path(livefw.__file__).parent
_CALLS = frozenset(
    {
        *(
            "json.loads",
            "json.load",
            "loads",
            "tomllib.loads",
            "toml.loads",
            "tomllib.load",
            "msgspec.json.decode",
            "msgspec.convert",
        ),
        *("int.from_bytes", "bytes.fromhex", "base64.b64decode", "ET.XMLParser", "ET.fromstring", "ET.parse"),
        *("ZoneInfo.from_file", "load_der_public_key", "parsedate_to_datetime", "cabarchive.CabArchive"),
    }
)
"""What takes bytes, or a text, apart: as it is called in the sources."""
_METHODS = frozenset({"unpack", "unpack_from", "iter_unpack", "load_pem_public_key", "load_pem_x509_certificate"})
"""The same of any object: those of `struct` and `cryptography` are called by many names."""
_NAMED = re.compile(r"_?(parse|decode|read|feed|split|loads|recognise|patches)")
"""What a function is called that reads, if it takes bytes."""
_BYTES = frozenset({"bytes", "bytearray", "memoryview"})


class Reader(NamedTuple):
    """A function: its file below the product, and its qualified name."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


@cache
def readers() -> tuple[Reader, ...]:
    """All of them."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [Reader(path.relative_to(SOURCES).as_posix(), name) for name in _readers(tree)]
    return tuple(found)


def in_source(source: str) -> list[str]:
    """The names of those in a piece of source."""
    return list(_readers(ast.parse(source)))


def _readers(tree: ast.AST, within: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{within}{node.name}"
            if _reads(node):
                yield name
            yield from _readers(node, f"{name}.<locals>.")
        else:
            yield from _readers(node, f"{within}{node.name}." if isinstance(node, ast.ClassDef) else within)


def _reads(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    named = bool(_NAMED.match(function.name)) and any(_takes_bytes(each) for each in function.args.args)
    return named or any(_takes_apart(each) for each in _own(function))


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function and in no other one inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _own(node)


def _takes_bytes(argument: ast.arg) -> bool:
    return argument.annotation is not None and not _BYTES.isdisjoint(
        re.findall(r"\w+", ast.unparse(argument.annotation))
    )


def _takes_apart(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = _dotted(node.func)
    return name in _CALLS or name.rpartition(".")[2] in _METHODS


def _dotted(node: ast.expr) -> str:
    """As it is called; of what is no name, the last part."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
