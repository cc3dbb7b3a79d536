# SPDX-License-Identifier: Apache-2.0
"""All mutants of one source file: the same text with one small fault each.

In functions and in the tables at the top of modules and classes alike. Left out is what no test of behaviour can
notice: texts with blanks, docstrings, annotations, decorators, assertions, and the arguments in `_SILENT`; and what
stands in an f-string, of which Python 3.11 does not tell the place.
"""

import ast
import copy
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

_SILENT = {"strict", "encoding"}
"""Keyword arguments that change nothing where the rest of the program is right, and the locale is of UTF-8."""
_WORD = re.compile(r"[\w./:@%-]{2,}")
"""A string that programs read: a code, a name, a key. Any other is a text for people."""
_MAKES_TYPES = {"TypeVar", "NewType", "cast", "ParamSpec"}

Enums = Mapping[str, tuple[str, ...]]
"""Members by the name of their enumeration."""


class Mutant(NamedTuple):
    """One fault: ``text`` in place of the bytes from ``start`` to ``end``."""

    path: str
    line: int
    what: str
    start: int
    end: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """The whole file with the fault."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def difference(self, source: bytes) -> tuple[list[str], list[str]]:
        """The lines that go, and those that come."""
        before, after = (text.decode().splitlines() for text in (source, self.applied(source)))
        changed = list(difflib.unified_diff(before, after, n=0, lineterm=""))[3:]
        return [row[1:] for row in changed if row[0] == "-"], [row[1:] for row in changed if row[0] == "+"]


class _Change(NamedTuple):
    what: str
    node: Any
    text: str
    listed: bool = False
    """Whether it takes an element from a list, its comma too."""


_SWAPPED: Mapping[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}


def _with(node: Any, **fields: Any) -> str:
    """The source of a node with other fields, in parentheses."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return f"({ast.unparse(other)})"


def _without(items: list[Any], index: int) -> list[Any]:
    return items[:index] + items[index + 1 :]


def _of_compare(node: ast.Compare, _: Enums) -> Iterator[_Change]:
    for index, operator in enumerate(node.ops):
        swapped = [*node.ops[:index], _SWAPPED[type(operator)](), *node.ops[index + 1 :]]
        yield _Change("comparison", node, _with(node, ops=swapped))


def _of_boolean(node: ast.BoolOp, _: Enums) -> Iterator[_Change]:
    yield _Change("and/or", node, _with(node, op=_SWAPPED[type(node.op)]()))
    for index in range(len(node.values)):
        rest = _without(node.values, index)
        yield _Change("operand dropped", node, _with(node, values=rest) if rest[1:] else f"({ast.unparse(rest[0])})")


def _of_unary(node: ast.UnaryOp, _: Enums) -> Iterator[_Change]:
    if not isinstance(node.op, ast.UAdd):
        yield _Change("operator dropped", node, f"({ast.unparse(node.operand)})")


def _of_arithmetic(node: ast.BinOp, _: Enums) -> Iterator[_Change]:
    yield _Change("operator", node, _with(node, op=_SWAPPED[type(node.op)]()))


def _of_augmented(node: ast.AugAssign, _: Enums) -> Iterator[_Change]:
    yield _Change("operator", node, _with(node, op=_SWAPPED[type(node.op)]())[1:-1])
    yield _Change("statement dropped", node, "pass")


def _of_constant(node: ast.Constant, _: Enums) -> Iterator[_Change]:
    match node.value:
        case bool(value):
            yield _Change("constant", node, str(not value))
        case int(value) | float(value):
            yield _Change("constant", node, str(value + 1))
        case bytes(value) if value:
            yield _Change("constant", node, repr(value + b"X"))
        case str(value) if _WORD.fullmatch(value):
            yield _Change("word", node, repr(value + "X"))


def _negated(node: ast.If | ast.While | ast.IfExp | ast.match_case, test: ast.expr | None) -> Iterator[_Change]:
    # A comparison, `and`, `or` and `not` have mutants of their own.
    if test is not None and not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
        yield _Change("condition", test, f"(not {ast.unparse(test)})")


def _of_condition(node: ast.If | ast.While | ast.IfExp, _: Enums) -> Iterator[_Change]:
    yield from _negated(node, node.test)


def _of_case(node: ast.match_case, _: Enums) -> Iterator[_Change]:
    yield from _negated(node, node.guard)


def _of_comprehension(node: ast.comprehension, _: Enums) -> Iterator[_Change]:
    for test in node.ifs:
        yield _Change("filter dropped", test, "True")


def _of_return(node: ast.Return, _: Enums) -> Iterator[_Change]:
    if node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value in (None, True, False)
    ):
        yield _Change("return", node, "return None")


def _of_call(node: ast.Call, _: Enums) -> Iterator[_Change]:
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in _SILENT:
            yield _Change("argument dropped", keyword, "", listed=True)


def _of_sequence(node: ast.List | ast.Tuple | ast.Set, _: Enums) -> Iterator[_Change]:
    if isinstance(node.ctx if hasattr(node, "ctx") else ast.Load(), ast.Load) and len(node.elts) > 1:
        for element in node.elts:
            yield _Change("row dropped", element, "", listed=True)


class _Pair(NamedTuple):
    """A key and its value as one piece of source."""

    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


def _of_dictionary(node: ast.Dict, _: Enums) -> Iterator[_Change]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None and value.end_lineno is not None and value.end_col_offset is not None:
            pair = _Pair(key.lineno, key.col_offset, value.end_lineno, value.end_col_offset)
            yield _Change("row dropped", pair, "", listed=True)


def _of_attribute(node: ast.Attribute, enums: Enums) -> Iterator[_Change]:
    kind = node.value
    name = kind.id if isinstance(kind, ast.Name) else kind.attr if isinstance(kind, ast.Attribute) else ""
    members = enums.get(name, ())
    if node.attr in members and len(members) > 1:
        other = members[(members.index(node.attr) + 1) % len(members)]
        yield _Change("member", node, f"{ast.unparse(kind)}.{other}")


def _of_expression(node: ast.Expr, _: Enums) -> Iterator[_Change]:
    if isinstance(node.value, ast.Call | ast.Await | ast.Yield | ast.YieldFrom):
        yield _Change("statement dropped", node, "pass")


def _of_assignment(node: ast.Assign, _: Enums) -> Iterator[_Change]:
    # Without an assignment to a name the next line that uses it fails: every test would notice.
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield _Change("statement dropped", node, "pass")


def _of_statement(node: ast.stmt, _: Enums) -> Iterator[_Change]:
    yield _Change("statement dropped", node, "pass")


def _of_handler(node: ast.ExceptHandler, _: Enums) -> Iterator[_Change]:
    if node.type is not None:
        yield _Change("exception", node.type, "()")


def _of_jump(node: ast.Break | ast.Continue, _: Enums) -> Iterator[_Change]:
    yield _Change("jump", node, "continue" if isinstance(node, ast.Break) else "break")


_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Enums], Iterable[_Change]]] = {
    ast.Compare: _of_compare,
    ast.BoolOp: _of_boolean,
    ast.UnaryOp: _of_unary,
    ast.BinOp: _of_arithmetic,
    ast.AugAssign: _of_augmented,
    ast.Constant: _of_constant,
    ast.If: _of_condition,
    ast.While: _of_condition,
    ast.IfExp: _of_condition,
    ast.match_case: _of_case,
    ast.comprehension: _of_comprehension,
    ast.Return: _of_return,
    ast.Call: _of_call,
    ast.List: _of_sequence,
    ast.Tuple: _of_sequence,
    ast.Set: _of_sequence,
    ast.Dict: _of_dictionary,
    ast.Attribute: _of_attribute,
    ast.Expr: _of_expression,
    ast.Assign: _of_assignment,
    ast.Raise: _of_statement,
    ast.Delete: _of_statement,
    ast.ExceptHandler: _of_handler,
    ast.Break: _of_jump,
    ast.Continue: _of_jump,
}


def _is_for_types(node: ast.AST) -> bool:
    """Whether only a type checker or a reader sees it."""
    match node:
        case ast.JoinedStr() | ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.keyword(arg=name):
            return name in _SILENT
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _MAKES_TYPES
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):  # a union
            return any(isinstance(side, ast.Constant) and side.value is None for side in (left, right))
    return False


def _children(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=values)):
            yield from values  # with one of them less it could not be taken apart: every test would notice
            return
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "bases"}:
            continue
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, ast.AST))


def _changes(node: ast.AST, enums: Enums) -> Iterator[_Change]:
    if _is_for_types(node):
        return
    operators = _OPERATORS.get(type(node))
    if operators is not None:
        yield from operators(node, enums)
    for child in _children(node):
        yield from _changes(child, enums)


class Source:
    """One file and its mutants."""

    def __init__(self, path: str, text: bytes, enums: Enums) -> None:
        self.path, self.text, self._enums = path, text, enums
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    @cached_property
    def mutants(self) -> list[Mutant]:
        """In the order of the file; some may not be Python, see `is_python`."""
        made = (self._mutant(change) for change in _changes(ast.parse(self.text), self._enums))
        return sorted({mutant.applied(self.text): mutant for mutant in made}.values(), key=lambda mutant: mutant.start)

    def is_python(self, mutant: Mutant) -> bool:
        """Whether the mutant can be compiled and is not the same program."""
        try:
            compile(mutant.applied(self.text), self.path, "exec", dont_inherit=True)
        except SyntaxError:
            return False
        return True

    def _mutant(self, change: _Change) -> Mutant:
        node = change.node
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        if change.listed:
            after = re.compile(rb"\s*(#[^\n]*\n\s*)*,").match(self.text, end)
            before = re.compile(rb",\s*(#[^\n]*\n\s*)*\Z").search(self.text[:start])
            if after:
                end = after.end()
            elif before:
                start = before.start()
        return Mutant(self.path, node.lineno, change.what, start, end, change.text)


def enumerations(trees: Iterable[ast.Module]) -> dict[str, tuple[str, ...]]:
    """Every enumeration of the modules, by its name."""
    found = {}
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        if any(re.search(r"\b(Str|Int)?(Enum|Flag)$", ast.unparse(base)) for base in node.bases):
            targets = [statement.targets[0] for statement in node.body if isinstance(statement, ast.Assign)]
            found[node.name] = tuple(target.id for target in targets if isinstance(target, ast.Name))
    return found
