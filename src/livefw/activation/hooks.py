# SPDX-License-Identifier: Apache-2.0
"""Checks that an administrator adds: executables in ``checks.d``.

Each gets one JSON document on standard input and answers with its exit code: 0 nothing speaks against it, 1 it must
not be (first line of output: why, second: what to do), 2 a warning (likewise). Anything else, too much output or too
much time counts as a check that is broken, and a broken check stops the activation: it may have been about to say no.
"""

import json
import os
import re
import select
import signal
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from livefw.activation import trust
from livefw.activation.checks import HOOK_PREFIX, Problem, Weight
from livefw.text import decode

DIRECTORY = "checks.d"
SECONDS = 10.0
"""Time of one check. An activation waits for it, and so does whoever waits for the activation."""
OUTPUT_LIMIT = 16 * 1024
"""Bytes of output; two lines are used, and a check that prints without end must not fill our memory."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
"""Names that are run, as run-parts(8) has it: no backups of an editor, no leftovers of a package."""


class _Answer(NamedTuple):
    code: int | None
    """None: killed because it took too long or said too much."""
    output: bytes


class Hook(NamedTuple):
    """One check: its name and file, and why that must not be run."""

    name: str
    path: str
    objection: str


def examine(hooks: Iterable[Hook], document: dict[str, Any], *, seconds: float = SECONDS) -> list[Problem]:
    """Run these checks on one component."""
    problems = []
    for name, path, objection in hooks:
        found = _broken(name, objection) if objection else _judge(name, _run(path, document, seconds), seconds)
        if found:
            problems.append(found)
    return problems


def find(directory: str) -> tuple[Hook, ...]:
    """The checks in a directory, in the order of their names; a missing one holds none."""
    return tuple(_hooks(directory))


def _hooks(directory: str) -> Iterator[Hook]:
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    except OSError as error:
        yield Hook(DIRECTORY, directory, f"{directory} cannot be read: {error.strerror}")
        return
    unsafe = trust.unsafe(os.stat(directory), directory)
    for name in names:
        path = os.path.join(directory, name)
        if not _NAME.match(name):
            continue
        try:
            found = os.lstat(path)
        except OSError as error:
            yield Hook(name, path, error.strerror or str(error))
            continue
        if stat.S_ISREG(found.st_mode) and not found.st_mode & 0o111:
            continue  # switched off, as run-parts(8) has it
        if not stat.S_ISREG(found.st_mode):
            yield Hook(name, path, "it is not a plain file")
            continue
        yield Hook(name, path, unsafe or trust.unsafe(found, path))


def _run(path: str, document: dict[str, Any], seconds: float) -> _Answer:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            [path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return _Answer(127, f"it cannot be run: {error.strerror}".encode())
    with process:
        try:
            return _talk(process, json.dumps(document).encode(), time.monotonic() + seconds)
        finally:
            # Its descendants as well: one of them may hold the pipe open, and none has anything left to say.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _talk(process: "subprocess.Popen[bytes]", question: bytes, deadline: float) -> _Answer:
    """Write and read at the same time, neither without bound."""
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
        return b""  # it does not want to know


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
        return Problem(HOOK_PREFIX + name, Weight.ERROR, text or "it says no, and not why", hint)
    if answer.code == 2:
        return Problem(HOOK_PREFIX + name, Weight.WARNING, text or "it warns, and does not say of what", hint)
    if answer.code is None:
        too_much = len(answer.output) > OUTPUT_LIMIT
        return _broken(
            name, f"it printed more than {OUTPUT_LIMIT} bytes" if too_much else f"no answer in {seconds:g} s"
        )
    how = f"signal {-answer.code}" if answer.code < 0 else f"exit code {answer.code}"
    return _broken(name, f"{how}{': ' if text else ''}{text}")


def _broken(name: str, why: str) -> Problem:
    return Problem(HOOK_PREFIX + name, Weight.ERROR, f"the check is broken: {why}", "mend it, or ignore it by name")
