# SPDX-License-Identifier: Apache-2.0
"""Runs a page and compares what comes of it with what it shows."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .page import Action, Example, File, PageError, Script, Step, actions
from .session import Done, Session
from .shown import matches, merged

OTHERS = {"busctl": "systemd", "fwupdmgr": "fwupd", "gdbus": "libglib2.0-bin", "openssl": "openssl"}
"""Programs that a page may need, and the package of Debian that has each."""


class Difference(NamedTuple):
    """Lines ``start`` to ``end`` of a page, from 0, are not what was written."""

    command: str
    shown: list[str]
    actual: list[str]
    start: int
    end: int
    indent: str

    def __str__(self) -> str:
        shown, actual = ("".join(f"    {line}\n" for line in lines) for lines in (self.shown, self.actual))
        return f"line {self.start}: {self.command}\n  the page shows\n{shown}  but it is\n{actual}"


def differences(text: str, name: str, *, patience_s: float = 30.0) -> Iterator[Difference]:
    """Run a page from its beginning to its end. PageError, SessionError for one that cannot be.

    ``patience_s`` is how long to wait for the output of what is started in the background.
    """
    todo = list(actions(text))
    with Session() as session:
        for action in todo:
            yield from _act(session, action, name, patience_s)


def _act(session: Session, action: Action, name: str, patience_s: float) -> Iterator[Difference]:
    match action:
        case File():
            session.write(action.path, action.text)
        case Script():
            # Empty lines in front, so that a traceback names the line of the page.
            done = session.python("\n" * action.start + action.source, name, prompt=False)
            if done.exit_code:
                raise PageError("\n".join(done.output))
        case Example():
            done = session.python(action.source, name, prompt=True)
            yield from _compare(action, action.source.strip(), action.output, done.output)
        case Step():
            done = _run(session, action, patience_s)
            yield from _compare(action, action.command, _written(Done(action.output, action.exit_code)), _written(done))


def _compare(action: Step | Example, command: str, shown: list[str], actual: list[str]) -> Iterator[Difference]:
    if not matches(shown, actual):
        yield Difference(command, shown, actual, action.start, action.end, action.indent)


def _run(session: Session, step: Step, patience_s: float) -> Done:
    if not step.background:
        return session.run(step.command)

    def ready(lines: list[str]) -> bool:
        """What is started in the background is ready when it has written what is shown of it, at least a line."""
        return bool(lines) and matches(step.output, lines)

    done = session.start(step.command, ready, patience_s)
    if not done.output:
        raise PageError(f"{step.command}\nhas written nothing within {patience_s:.0f} s: nobody knows when it is ready")
    return done


def _written(done: Done) -> list[str]:
    return [*done.output, f"(exit code {done.exit_code})"] if done.exit_code else done.output


def updated(text: str, name: str) -> str:
    """The page with the output that its commands write; what matches stays as it is."""
    lines = text.split("\n")
    for each in reversed(list(differences(text, name, patience_s=5.0))):
        new = merged(each.shown, each.actual)
        lines[each.start : each.end] = [f"{each.indent}{line}".rstrip() for line in new]
    return "\n".join(lines)


def mounts(text: str) -> bool:
    """Whether a page mounts a machine."""
    return any("machine run" in each.command and each.background for each in _steps(text))


def programs(text: str) -> set[str]:
    """Programs of other packages that a page runs."""
    return {name for each in _steps(text) for name in OTHERS if re.search(rf"\b{name}\b", each.command)}


def _steps(text: str) -> Iterator[Step]:
    return (each for each in actions(text) if isinstance(each, Step))
