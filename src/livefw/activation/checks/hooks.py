# SPDX-License-Identifier: Apache-2.0
"""Checks that an administrator adds: executables in ``checks.d``.

Each reads one JSON document from standard input and returns an exit code: 0 passes, 1 blocks (first line of output: the
reason, second line: the hint), 2 warns (the same lines). Any other code, too much output or a timeout means that the
check is broken. A broken check blocks, because it might have blocked.

Each runs under a `livefw.activation.checks.keeper`, which ends all of its descendants.
"""

import json
import os
import re
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from livefw import reading
from livefw.activation.checks import keeper
from livefw.activation.checks.table import HOOK_PREFIX, Problem, Weight
from livefw.text import decode

DIRECTORY = "checks.d"
SECONDS = 10.0
"""Timeout of one check. The activation and its caller wait for it."""
OUTPUT_LIMIT = 16 * 1024
"""Bytes of output at most. Two lines are used, and endless output must not fill the memory."""
_MOST_FILES = 256
_ENDING_S = keeper.SECONDS + 1.0
"""How long to wait for all descendants of a check to end. The keeper waits for those that the kernel cannot end yet."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
"""Names that are run, as in run-parts(8): no editor backups, no leftovers of packages."""


class _Answer(NamedTuple):
    code: int | None
    """None: killed because of its timeout or its output."""
    output: bytes


class Hook(NamedTuple):
    """A check: its name, its path, why it must not be run, or why it is ``skipped`` (which is only reported)."""

    name: str
    path: str
    objection: str = ""
    skipped: str = ""


def examine(hooks: Iterable[Hook], document: dict[str, Any], *, seconds: float = SECONDS) -> list[Problem]:
    """Run these checks for one component. Never raises: a broken check is a problem."""
    problems = []
    for name, path, objection, skipped in hooks:
        if skipped:
            found: Problem | None = Problem(HOOK_PREFIX + name, Weight.WARNING, skipped)
        else:
            found = _broken(name, objection) if objection else _judge(name, _run(path, document, seconds), seconds)
        if found:
            problems.append(found)
    return problems


def find(settings: str) -> tuple[Hook, ...]:
    """The checks in a settings directory, sorted by name; none if it has no checks.d."""
    return tuple(_hooks(os.path.join(settings, DIRECTORY))) if settings else ()


def _hooks(directory: str) -> Iterator[Hook]:
    try:
        found = reading.trusted(directory, directory=True)
    except FileNotFoundError:
        return
    except reading.Untrusted as error:
        yield Hook(DIRECTORY, directory, str(error))
        return
    except OSError as error:
        yield Hook(DIRECTORY, directory, f"{directory} cannot be read: {error.strerror}")
        return
    try:
        names = sorted(os.listdir(found.descriptor))
        if len(names) > _MOST_FILES:
            yield Hook(DIRECTORY, directory, f"{directory} has more than {_MOST_FILES} files")
            return
        for name in names:
            if not name.startswith("."):
                # It is run by name later: only root and this user can replace it until then.
                yield _hook(found.descriptor, name, os.path.join(found.path, name))
    finally:
        os.close(found.descriptor)


def _hook(directory: int, name: str, path: str) -> Hook:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        return Hook(name, path, error.strerror or str(error))
    if not _NAME.match(name):
        return Hook(
            name, path, skipped=f"{path} is not run: the name of a check may contain only letters, digits, - and _"
        )
    if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o111:
        return Hook(name, path, skipped=f"{path} is not executable and is not run")
    if not stat.S_ISREG(status.st_mode):
        return Hook(name, path, "it is not a plain file")
    against = reading.objection(status, path)
    return Hook(name, path, str(against) if against else "")


def _run(path: str, document: dict[str, Any], seconds: float) -> _Answer:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    theirs, ours = os.pipe()  # when it is closed, also by our death, the keeper ends the check
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(theirs), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
            pass_fds=(theirs,),
        )
    except OSError as error:
        os.close(ours)
        return _Answer(127, f"it cannot be run: {error.strerror}".encode())
    finally:
        os.close(theirs)
    try:
        return _talk(process, json.dumps(document).encode(), time.monotonic() + seconds)
    finally:
        os.close(ours)
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING_S)


def _talk(process: "subprocess.Popen[bytes]", question: bytes, deadline: float) -> _Answer:
    """Write and read at the same time, with bounds for both."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for the type checker
    ask, hear = process.stdin.fileno(), process.stdout.fileno()
    os.set_blocking(ask, False)
    os.set_blocking(hear, False)
    poll = select.poll()
    poll.register(ask, select.POLLOUT)
    poll.register(hear, select.POLLIN)
    output = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or len(output) > OUTPUT_LIMIT:
            return _Answer(None, bytes(output))
        for descriptor, _ in poll.poll(left * 1000):
            if descriptor == ask:
                question = _write_some(ask, question)
                if not question:
                    poll.unregister(ask)
                    process.stdin.close()
            else:
                piece = os.read(hear, OUTPUT_LIMIT)
                output += piece
                if not piece:
                    return _wait(process, deadline, bytes(output))


def _write_some(descriptor: int, data: bytes) -> bytes:
    try:
        return data[os.write(descriptor, data) :]
    except BrokenPipeError:
        return b""  # the check does not read its input


def _wait(process: "subprocess.Popen[bytes]", deadline: float, output: bytes) -> _Answer:
    try:
        return _Answer(process.wait(max(deadline - time.monotonic(), 0.0)), output)
    except subprocess.TimeoutExpired:
        return _Answer(None, output)


def _judge(name: str, answer: _Answer, seconds: float) -> Problem | None:
    lines = [line.strip() for line in decode(answer.output).splitlines() if line.strip()]
    text, hint = ([*lines, "", ""])[:2]
    if answer.code == 0:
        return None
    if answer.code == 1:
        return Problem(HOOK_PREFIX + name, Weight.ERROR, text or "it failed without a reason", hint)
    if answer.code == 2:
        return Problem(HOOK_PREFIX + name, Weight.WARNING, text or "it warned without a reason", hint)
    if answer.code is None:
        too_much = len(answer.output) > OUTPUT_LIMIT
        return _broken(
            name, f"it printed more than {OUTPUT_LIMIT} bytes" if too_much else f"no reply within {seconds:g} s"
        )
    how = f"signal {-answer.code}" if answer.code < 0 else f"exit code {answer.code}"
    return _broken(name, f"{how}{': ' if text else ''}{text}")


def _broken(name: str, why: str) -> Problem:
    return Problem(HOOK_PREFIX + name, Weight.ERROR, f"the check is broken: {why}", "fix it or remove it")
