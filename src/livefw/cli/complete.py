# SPDX-License-Identifier: Apache-2.0
"""Words for the completion of shells: ``livefw _complete KIND [WORD]...`` prints them, one a line.

The words of the command line so far tell which machine is meant. It says nothing about errors, takes no lock, writes
nothing, and ends after `patience_s`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import closing, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from livefw.activation.inventory.discovery import take_inventory
from livefw.errors import ExitCode
from livefw.providers.registry import open_files, providers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

COMMAND = "_complete"
_PATIENCE_S = 2.0
"""A person waits for no completion longer than this; a BMC may take it."""
PATIENCE_VARIABLE = "LIVEFW_COMPLETION_TIMEOUT"
"""For a slow machine or a BMC far away: other seconds than those."""
_LONGEST_S = 600.0
_MOST = 1000
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/+=@-]{0,127}")
"""Words that no shell takes for anything else: bash expands what it is given, and firmware chooses its names."""


def run(words: Sequence[str]) -> int:
    """Print the words of a kind; nothing for a kind that does not exist. Always `ExitCode.DONE`."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(int(ExitCode.DONE)))
    signal.setitimer(signal.ITIMER_REAL, patience_s())
    kind, *line = words or [""]
    if kind in KINDS:
        with suppress(Exception):  # whatever it is: there is nothing to complete, and nobody to report it to
            found = dict.fromkeys(word for word in KINDS[kind](line) if _SAFE.fullmatch(word))
            sys.stdout.write("".join(f"{word}\n" for word in list(found)[:_MOST]))
    signal.setitimer(signal.ITIMER_REAL, 0)
    return ExitCode.DONE


def patience_s() -> float:
    """For how many seconds words are looked for; what the variable says if that is a time at all."""
    with suppress(ValueError):
        if 0 < (told := float(os.environ.get(PATIENCE_VARIABLE, ""))) <= _LONGEST_S:
            return told
    return _PATIENCE_S


def _components(line: Sequence[str]) -> Iterator[str]:
    """Names of one word, and short ids."""
    yield from _named(line, pending=False)


def _named(line: Sequence[str], *, pending: bool) -> Iterator[str]:
    with closing(open_files(_value(line, "--root") or "/", settings=_value(line, "--settings"))) as files:
        for candidate in take_inventory(providers(files)).candidates:
            if candidate.component.pending or not pending:
                yield from (candidate.component.name.lower(), candidate.component.short)


def _pending(line: Sequence[str]) -> Iterator[str]:
    """As `_components`, of those alone that have an image to activate."""
    yield from _named(line, pending=True)


def _activations(line: Sequence[str]) -> Iterator[str]:
    """Components, and the newest activations of the history."""
    from livefw.activation.history.journal import Journal
    from livefw.activation.paths import paths_for

    state = paths_for(_value(line, "--root") or "/", state=_value(line, "--state")).state
    if journal := Journal.open_to_read(state):
        with closing(journal):
            for each in journal.page(_MOST // 10).activations:
                yield from (each.first_row.component, each.first_row.activation[:8])


def _machines(line: Sequence[str]) -> Iterable[str]:  # noqa: ARG001 - the shape of every kind
    """Modelled machines that run."""
    from livefw.machine import runtime

    return [each.name for each in runtime.running()]


def _parts(line: Sequence[str]) -> Iterator[str]:
    """What ``livefw machine`` calls the components of a running machine."""
    from livefw.machine import runtime
    from livefw.machine.control import ControlClient

    name = _value(line, "--machine")
    found = [each.name for each in runtime.running() if name in (None, each.name)]
    if len(found) == 1:
        with closing(ControlClient(runtime.socket_of(found[0]))) as client:
            for each in client.ask("show")["components"]:
                yield from (each["kind"], each["guid"].partition("-")[0])


def _bmcs(line: Sequence[str]) -> Iterator[str]:
    """Names of BMCs and groups in the settings; no list of hosts is read for it, and no program run."""
    from livefw.providers.redfish.settings import read_settings

    with closing(open_files(_value(line, "--root") or "/", settings=_value(line, "--settings"))) as files:
        found = read_settings(files)
        yield from (each.name for each in found.bmcs)
        yield from (each.name for each in found.groups)


KINDS: Mapping[str, Callable[[Sequence[str]], Iterable[str]]] = MappingProxyType(
    {
        "components": _components,
        "pending": _pending,
        "activations": _activations,
        "machines": _machines,
        "parts": _parts,
        "bmcs": _bmcs,
    }
)
"""What can be completed by looking at the machine."""


def _value(line: Sequence[str], option: str) -> str | None:
    """The value of an option on an unfinished command line."""
    for at, word in enumerate(line):
        if word == option and at + 1 < len(line):
            return os.path.expanduser(line[at + 1])
        if word.startswith(f"{option}="):
            return os.path.expanduser(word.partition("=")[2])
    return None
