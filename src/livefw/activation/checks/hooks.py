# SPDX-License-Identifier: Apache-2.0
"""Checks that an administrator adds: executables in ``checks.d``.

Each reads one JSON document from standard input and returns an exit code: 0 passes, 1 blocks (first line of output: the
reason, second line: the hint), 2 warns (the same lines). Any other code, too much output or a timeout means that the
check is broken. A broken check blocks, because it might have blocked.
"""

import json
from collections.abc import Iterable
from typing import Any

from livefw import programs
from livefw.activation.checks.table import HOOK_PREFIX, Problem, Weight
from livefw.activation.hooks import directory
from livefw.activation.hooks.directory import Hook
from livefw.programs import ProgramAnswer
from livefw.text import decode

DIRECTORY = "checks.d"
SECONDS = 10.0
"""Timeout of one check. The activation and its caller wait for it."""


def examine(hooks: Iterable[Hook], document: dict[str, Any], *, seconds: float = SECONDS) -> list[Problem]:
    """Run these checks for one component. Never raises: a broken check is a problem."""
    problems = []
    for name, path, objection, skipped in hooks:
        if skipped:
            found: Problem | None = Problem(HOOK_PREFIX + name, Weight.WARNING, skipped)
        elif objection:
            found = _broken(name, objection)
        else:
            found = _judge(name, programs.run([path], question=json.dumps(document).encode(), seconds=seconds), seconds)
        if found:
            problems.append(found)
    return problems


def find(settings: str) -> tuple[Hook, ...]:
    """The checks in a settings directory, sorted by name; none if it has no checks.d."""
    return directory.find(settings, DIRECTORY)


def _judge(name: str, answer: ProgramAnswer, seconds: float) -> Problem | None:
    lines = [line.strip() for line in decode(answer.output).splitlines() if line.strip()]
    text, hint = ([*lines, "", ""])[:2]
    if answer.code == 0:
        return None
    if answer.code == 1:
        return Problem(HOOK_PREFIX + name, Weight.ERROR, text or "it failed without a reason", hint)
    if answer.code == 2:
        return Problem(HOOK_PREFIX + name, Weight.WARNING, text or "it warned without a reason", hint)
    why = answer.broken(seconds=seconds)
    return _broken(name, why if answer.code is None or not text else f"{why}: {text}")


def _broken(name: str, why: str) -> Problem:
    return Problem(HOOK_PREFIX + name, Weight.ERROR, f"the check is broken: {why}", "fix it or remove it")
