# SPDX-License-Identifier: Apache-2.0
"""The pages of the reference that are made from tables of the code; none of them is kept in the tree."""

import argparse
import ast
import importlib
import inspect
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import sample
import schemas
from cells import cell, code, table

import livefw
from livefw.cli.verbs import VERBS
from livefw.daemon import interfaces, service
from livefw.errors import KINDS, MEANINGS, LivefwError
from livefw.firmware import profile
from livefw.kernel.lfa import versions
from livefw.machine import catalog
from livefw.machine.bmc import faults as bmc
from livefw.machine.bmc.vendors import table as bmc_vendors
from livefw.machine.config import load, platforms
from livefw.machine.drives import platform as nvme
from livefw.render.metrics import METRICS

_LICENCE = re.compile(r"\s*SPDX-License-Identifier")


class Page(NamedTuple):
    """A page: its file below ``reference/``, its title and a line for the index, and what makes its text."""

    file: str
    title: str
    summary: str
    make: Callable[[], Iterable[str]]

    def text(self) -> str:
        """All of it, in Markdown."""
        return "\n".join([f"# {self.title}", "", *self.make(), ""])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Commands.


def commands() -> Iterator[str]:
    """Every command with its options, from the parsers themselves."""
    yield "Options of every command are in [Exit codes and JSON](exit-codes.md#options-of-every-command).\n"
    for name, verb in VERBS.items():
        parser = _parser(f"livefw {name}", verb.summary)
        verb.load().configure(parser)
        yield from _command(parser, level=2)
    yield from _command(service.parser(), level=2)


def _parser(name: str, summary: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=name, description=_capital(summary) + ".", add_help=False, allow_abbrev=False)


def _command(parser: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    yield f"{'#' * level} {parser.prog}\n"
    yield _capital((parser.description or "").rstrip(".")) + ".\n"
    below = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not below:
        yield f"```text\n{_usage(parser)}\n```\n"
    own = [each for each in parser._actions if each not in below and each.help != argparse.SUPPRESS]
    own = [each for each in own if "--help" not in each.option_strings]
    if own:
        yield from table(("Argument", "Meaning"), ((code(_spelling(each)), _meaning(each)) for each in own))
    for child in (child for each in below for child in each.choices.values()):
        yield from _command(child, level=level + 1)


def _usage(parser: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(parser.prog, width=80)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return formatter.format_help().strip()


def _spelling(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    choices = "" if action.choices is None or action.metavar else "{" + ",".join(map(str, action.choices)) + "}"
    value = str(action.metavar or choices or action.dest.upper())
    return f"{', '.join(action.option_strings)} {value}".strip()


def _meaning(action: argparse.Action) -> str:
    return cell((action.help or "-").replace("%%", "%"))


# Errors.


def errors() -> Iterator[str]:
    """Kinds of errors, their exit codes and names."""
    yield (
        "Every error has one kind. It decides the exit code of the command, the field `kind` of an error with `--json` "
        "and the last part of the name of an error on D-Bus.\n"
    )
    kinds = ((code(k.__name__), code(v.name), code(int(v.exit_code)), _first_line(k)) for k, v in KINDS.items())
    yield from table(("Class in `livefw.errors`", "Kind", "Exit code", "Meaning"), kinds)
    yield "## Fields of an error\n"
    yield from table(("Field", "Meaning"), ((code(name), cell(text)) for name, text in _arguments(LivefwError)))
    yield "## Exit codes\n"
    yield from table(("Exit code", "Meaning"), ((code(int(k)), cell(v)) for k, v in MEANINGS.items()))


def _first_line(thing: object) -> str:
    return cell((inspect.getdoc(thing) or "").split("\n\n", maxsplit=1)[0])


def _arguments(kind: type) -> list[tuple[str, str]]:
    """The arguments that a docstring in Google's style describes."""
    text = inspect.getdoc(kind.__init__) or ""  # type: ignore[misc]  # the class is ours
    return re.findall(r"^    (\w+): (.*)$", text, re.MULTILINE)


# D-Bus.


def dbus() -> Iterator[str]:
    """Interfaces, from the descriptions by which calls are checked."""
    yield "Calls are checked against these descriptions first. [The daemon](daemon.md) explains them.\n"
    for path in sorted(Path(str(interfaces.__path__[0])).glob("*.xml")):
        builder = ET.TreeBuilder(insert_comments=True)
        root = ET.fromstring(path.read_text(encoding="utf-8"), ET.XMLParser(target=builder))  # noqa: S314 - our own
        for interface in root.iter("interface"):
            yield f"## {interface.get('name')}\n"
            yield from _members(interface)


def _members(interface: ET.Element) -> Iterator[str]:
    found: dict[str, list[tuple[str, ...]]] = {"method": [], "signal": [], "property": []}
    comment = ""
    for each in interface:
        if each.tag in found:
            found[each.tag].append((code(each.get("name")), *_signature(each), cell(comment) or "-"))
            comment = ""
        else:  # a comment is about what follows it
            comment = "" if _LICENCE.match(each.text or "") else " ".join((each.text or "").split())
    if found["method"]:
        yield "### Methods\n"
        yield from table(("Method", "Takes", "Returns", "Meaning"), found["method"])
    if found["signal"]:
        yield "### Signals\n"
        yield from table(("Signal", "Carries", "Meaning"), found["signal"])
    if found["property"]:
        yield "### Properties\n"
        yield from table(("Property", "Type", "Access", "Meaning"), found["property"])


def _signature(member: ET.Element) -> tuple[str, ...]:
    if member.tag == "property":
        return code(member.get("type")), cell(member.get("access"))
    directions = ("in", "out") if member.tag == "method" else (None,)
    return tuple(
        ", ".join(
            f"`{each.get('type')}` {cell(each.get('name'))}"
            for each in member.iter("arg")
            if each.get("direction") == wanted
        )
        or "-"
        for wanted in directions
    )


# Metrics.


def metrics() -> Iterator[str]:
    """Metric families, from the table that they are made by."""
    yield "For Prometheus, by `livefw metrics`, `livefwd --metrics FILE` and `livefwd --metrics-port PORT`.\n"
    yield from table(("Metric", "Type", "Labels", "Meaning", "From"), _families())


def _families() -> Iterator[tuple[str, ...]]:
    for each in METRICS:
        family = each.family
        yield (
            code(family.name),
            family.type,
            ", ".join(map(code, family.labels)),
            cell(family.help),
            cell(family.source),
        )


# The model.


def faults() -> Iterator[str]:
    """What can be made to go wrong."""
    yield "`livefw machine fault NAME [COMPONENT]` on a running machine, or `[[faults]]` in its description.\n"
    yield from table(
        ("Fault", "Where", "Component", "Options", "What happens"),
        (
            (
                code(name),
                cell(each.where),
                cell(each.target),
                ", ".join(code(f"--{o}") for o in each.options),
                cell(each.text),
            )
            for name, each in catalog.ALL_FAULTS.items()
        ),
    )
    yield "## Modelled BMCs\n\n`livefw machine bmc --fault NAME`.\n"
    yield from table(("Fault", "What happens"), ((code(name), cell(text)) for name, text in bmc.FAULTS.items()))
    yield "`livefw machine bmc --vendor NAME`; each can have every fault.\n"
    yield from table(
        ("Vendor", "Product", "Updates wait by", "Pushes", "Sources"),
        (
            (
                code(name),
                cell(each.identity.product),
                code(each.pattern),
                ", ".join(code(push) for push in (each.multipart, each.octets, each.form) if push),
                cell("; ".join(each.sources)),
            )
            for name, each in bmc_vendors.SHAPES.items()
        ),
    )


def agents() -> Iterator[str]:
    """Profiles of the agent."""
    yield "`livefw machine run --agent NAME`. [The modelled agent](../explanation/agent.md) has more.\n"
    yield from _compared(profile, profile.Profile, profile.PROFILES)


def drivers() -> Iterator[str]:
    """Versions of the driver."""
    yield "`livefw machine run --driver NAME`, known bugs included.\n"
    yield from _compared(versions, versions.DriverVersion, versions.VERSIONS)
    yield "## Attributes\n"
    every = list(dict.fromkeys(name for each in versions.VERSIONS.values() for name in each.attributes))
    marks = (
        (code(name), *("yes" if name in each.attributes else "-" for each in versions.VERSIONS.values()))
        for name in every
    )
    yield from table(("File", *map(code, versions.VERSIONS)), marks)


def _compared(module: ModuleType, kind: type, table_of: Any) -> Iterator[str]:
    """Each plain field as a row and each version as a column, and what the fields mean."""
    meanings = _field_docstrings(module, kind)
    names = [each.name for each in fields(kind) if each.name != "name"]
    plain = [name for name in names if all(_plain(getattr(each, name)) for each in table_of.values())]
    body = ((code(name), *(_value(getattr(each, name)) for each in table_of.values())) for name in plain)
    yield from table(("Field", *map(code, table_of)), body)
    yield "## Fields\n"
    yield from table(("Field", "Meaning"), ((code(name), cell(meanings[name])) for name in plain if name in meanings))


def _field_docstrings(module: ModuleType, kind: type) -> dict[str, str]:
    """The text below each field of a class."""
    tree = next(
        n for n in ast.parse(inspect.getsource(module)).body if isinstance(n, ast.ClassDef) and n.name == kind.__name__
    )
    return {
        field.target.id: str(text.value.value)
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _plain(value: object) -> bool:
    return isinstance(value, bool | int | str | StrEnum) or (isinstance(value, frozenset) and all(map(_plain, value)))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return ", ".join(sorted(_value(each) for each in value)) or "-"
    return code(getattr(value, "name", value)) if not isinstance(value, str) else cell(value) or "-"


def machines() -> Iterator[str]:
    """The shipped platforms."""
    yield "`livefw machine run --platform NAME`. [A machine of your own](../how-to/own-machine.md) is a file in TOML.\n"
    rows = [(name, load(name).description) for name in platforms()] + [(nvme.PLATFORM, nvme.DESCRIPTION)]
    yield from table(("Platform", "What it is"), ((code(name), cell(description)) for name, description in rows))


# Python.


def api() -> Iterator[str]:
    """What programs in Python may use, from the docstrings."""
    yield "These names are stable. All others may change.\n"
    for module in ("livefw", "livefw.testing", "livefw.errors"):
        public = getattr(importlib.import_module(module), "__all__", _errors() if module == "livefw.errors" else [])
        yield f"## {module}\n"
        things = {name: getattr(importlib.import_module(module), name) for name in public}
        # What a program calls first, then what it gets from that.
        for name, thing in sorted(things.items(), key=lambda item: not inspect.isroutine(item[1])):
            if not inspect.ismodule(thing):  # has a section of its own
                yield f"```{{eval-rst}}\n{_documented(f'{module}.{name}', thing)}\n```\n"


def _documented(name: str, thing: object) -> str:
    """The directive that documents a public name."""
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return f".. autoexception:: {name}"
    if inspect.isclass(thing):
        return f".. autoclass:: {name}\n   :members:"
    if inspect.isroutine(thing):
        return f".. autofunction:: {name}"
    # The docstring of a value is that of its type.
    keys = ", ".join(f"``{each}``" for each in thing) if isinstance(thing, Mapping) else f"``{thing!r}``"
    return f".. py:data:: {name}\n\n   {keys}"


def _errors() -> list[str]:
    return [LivefwError.__name__, *(each.__name__ for each in KINDS)]


def sample_report() -> Iterator[str]:
    """Where the sample is."""
    yield f"[A report in HTML]({sample.FILE}) about two activations on a modelled machine: the first image has no valid"
    yield "signature. [Prove what was done](../how-to/prove-what-was-done.md) explains how to write one.\n"


def _schema(path: Path) -> Page:
    title = f"{schemas.load(path)['title']} (JSON Schema)"
    file = f"{path.name.removesuffix('.schema.json')}-schema.md"
    return Page(file, title, "every key, from its JSON Schema", partial(schemas.describe, path))


PAGES = (
    Page("commands.md", "Commands", "every command with its options", commands),
    Page("errors.md", "Errors", "kinds, fields and exit codes", errors),
    Page("dbus.md", "D-Bus interfaces", "methods, signals and properties", dbus),
    Page("metrics.md", "Metrics", "what livefw exports for Prometheus", metrics),
    Page("machines.md", "Modelled machines", "the platforms that come with livefw", machines),
    *map(_schema, schemas.FILES),
    Page("agents.md", "Agent profiles", "what releases of TF-A do differently", agents),
    Page("drivers.md", "Driver versions", "what versions of the LFA driver do differently", drivers),
    Page("faults.md", "Faults", "what can be made to go wrong in a model", faults),
    Page("sample-report.md", "A sample report", "what `livefw report` writes", sample_report),
    Page("api.md", "Python API", f"what programs may import from livefw {livefw.__version__}", api),
)
"""Every page that is made, in the order of the index."""
