# SPDX-License-Identifier: Apache-2.0
"""The options of every verb that lists something."""

from __future__ import annotations

from livefw.errors import UsageError
from livefw.render.listing import OUTPUTS, PLAIN, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from livefw.render.listing import Listing

MACHINE_READABLE = ("json", "jsonl")
"""Outputs in which an error is a document too."""


def configure(parser: argparse.ArgumentParser, listing: Listing) -> None:
    """How a listing is to be shown."""
    group = parser.add_argument_group("form of the list")
    names = ", ".join(each.name for each in listing.columns)
    forms = "table, wide (all columns, nothing shortened), name (one a line), json (as --json), jsonl (one a line), csv"
    add = group.add_argument
    add("-o", "--output", choices=OUTPUTS, default="table", metavar="FORM", help=forms)
    add("--columns", metavar="NAME,...", default="", help=f"these columns only: {names}")
    add("--sort", metavar="[-]NAME", default="", help="sort by this column; with a dash the largest first")
    add("--no-headings", action="store_true", help="no line of headings")


def joined(words: list[str]) -> list[str]:
    """The words with ``--sort -NAME`` as one, which argparse would take for two options."""
    found: list[str] = []
    for word in words:
        if found and found[-1] == "--sort" and word[:1] == "-" and word[1:2].isalpha():
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def view(arguments: argparse.Namespace) -> View:
    """The view that the options ask for; the plain one for a verb without these options. `UsageError`."""
    if not hasattr(arguments, "columns"):
        return PLAIN
    output = arguments.output
    if arguments.json and output not in ("table", "json"):
        raise UsageError(f"--json or -o {output}; not both")
    columns = tuple(name for name in arguments.columns.split(",") if name.strip())
    if columns and (arguments.json or output not in ("table", "wide", "csv")):
        raise UsageError("--columns is for tables and CSV; JSON and names have no columns")
    return View(output=output, columns=columns, sort=arguments.sort, headings=not arguments.no_headings)


def output_of(words: Sequence[str]) -> str:
    """What a command line asks for, before it is parsed; for errors, which are answers too."""
    if "--json" in words:
        return "json"
    forms = {f"{option}{form}": form for option in ("-o", "-o=", "--output=") for form in MACHINE_READABLE}
    for before, word in zip(["", *words], words, strict=False):
        if before in ("-o", "--output") and word in MACHINE_READABLE:
            return word
        if word in forms:
            return forms[word]
    return "table"
