# SPDX-License-Identifier: Apache-2.0
"""One meaning has one spelling: the options of all commands are compared with each other."""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import pytest

from livefw.daemon import service

from . import commands

DIFFERENT = {
    "--agent": "of a model, and of a firmware that is asked",
    "--all": "components, keys, parts of an answer",
    "--bmc": "behind which components are, and of a model",
    "--certificate": "of an image that is signed already, and of the key that signs a capsule",
    "--chain": "its default",
    "--columns": "the columns of each table",
    "--component": "for which an archive is, and of which a report is made",
    "--cpus": "of a model, and of an agent",
    "--entry-flags": "its default",
    "--force": "a file that is no report, and files of any kind",
    "--hash": "an algorithm, and whether to hash at all",
    "--image": "of a package, and of an archive",
    "--images": "archives that can be staged, and a directory laid out like Intel's",
    "--keys": "of the settings, and of a chain of trust",
    "--limit": "its default",
    "--list": "faults, machines, executables",
    "--machine": "the name that a new one gets, and one that runs",
    "--name": "of an archive, and of images without a public one",
    "--output": "a file, and a form",
    "--pending": "components, and rows of the history",
    "--plat-toc-flags": "its default",
    "--platform": "of a machine, and of the demonstration",
    "--qemu": "a kernel, and a flash",
    "--state": "of the history, and of a bank",
    "--store": "to boot from, and to verify with",
    "--trust": "of a store, and of a verification",
    "--vendor": "of a modelled BMC, and data of one",
    "--version": "of the images in a package, and of an image",
}
"""Options whose help differs, and why."""


def _options() -> Iterator[tuple[str, str, argparse.Action]]:
    for parser in commands.every():
        for action in parser._actions:
            for name in action.option_strings:
                if name.startswith("--") and action.help != argparse.SUPPRESS:
                    yield name, parser.prog, action


def _value(action: argparse.Action) -> str:
    """How the value of an option is shown; empty for a switch."""
    if action.nargs == 0:
        return ""
    if action.metavar is None and action.choices is not None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


BY_NAME: dict[str, list[tuple[str, argparse.Action]]] = defaultdict(list)
for _name, _prog, _action in _options():
    BY_NAME[_name].append((_prog, _action))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_an_option_has_one_value_and_one_help(name: str) -> None:
    if name in DIFFERENT:
        assert len({action.help for _, action in BY_NAME[name]}) > 1, f"{name} is the same everywhere"
        return
    values = {_value(action) for _, action in BY_NAME[name]}
    helps = {action.help for _, action in BY_NAME[name]}
    assert (len(values), len(helps)) == (1, 1), {prog: (_value(a), a.help) for prog, a in BY_NAME[name]}


def test_a_switch_has_no_opposite() -> None:
    """No --no-X beside an --X."""
    assert [name for name in BY_NAME if name.startswith("--no-") and f"--{name[5:]}" in BY_NAME] == []


def test_the_daemon_spells_its_options_in_the_same_way() -> None:
    """Where both have an option, it takes the same, but for what cannot be measured by a daemon's default."""
    shared = [
        (name, _value(action), {_value(each) for _, each in BY_NAME[name]})
        for action in service.parser()._actions
        for name in action.option_strings
        if name in BY_NAME and name not in ("--help", "--version", "--measure")
    ]
    assert {name for name, _, _ in shared} >= {"--root", "--state", "--settings", "--images"}
    assert [name for name, ours, theirs in shared if ours not in theirs] == []
    assert [action for action in service.parser()._actions if "--no-measure" in action.option_strings] == []


def test_a_short_option_has_one_meaning() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for parser in commands.every():
        for action in parser._actions:
            for name in action.option_strings:
                if not name.startswith("--"):
                    meanings[name].add(action.option_strings[-1])
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
