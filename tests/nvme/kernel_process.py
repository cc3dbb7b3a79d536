# SPDX-License-Identifier: Apache-2.0
"""The installed livefw inside the virtual machine, forked from one process that has loaded it: an emulated CPU takes
seconds to load it for each command. And engines that are killed."""

import importlib
import json
import os
import pkgutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn

from ..daemon.systemd_guest import until
from .ends import WatchedFiles, watched

_PARTS = ("activation", "cli", "files", "providers", "render")
_PATIENCE_S = "60"
"""For a child of a killed engine, which holds the lock until the drive has answered."""


@cache
def _load() -> None:
    import livefw

    for part in _PARTS:
        for module in pkgutil.walk_packages([f"{livefw.__path__[0]}/{part}"], f"livefw.{part}."):
            with suppress(ImportError):  # of a library that is not here
                importlib.import_module(module.name)


def _fork(work: Callable[[], object]) -> int:
    """Do it in a child; the status that `os.waitpid` tells."""
    _load()
    sys.stdout.flush()  # or the child says it once more
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(*words: str) -> tuple[int, Any]:
    """``livefw --json WORD...``: its exit code, and its document."""
    with tempfile.TemporaryFile() as out:

        def work() -> NoReturn:
            os.dup2(out.fileno(), 1)
            from livefw.cli.main import command as run

            sys.argv = ["livefw", "--json", *words]
            run()

        code = _fork(work)
        out.seek(0)
        return code, json.loads(out.read())


def activate(key: str, *words: str) -> tuple[int, Any]:
    """``livefw activate`` without the checks about the machine around the drive, which would hide what it does."""
    from livefw.activation.fake import IGNORABLE

    ignored = [word for check in IGNORABLE for word in ("--ignore", check)]
    return command("activate", key, "--yes", "--wait-busy", _PATIENCE_S, *ignored, *words)


def recorded(word: str) -> dict[str, Any]:
    """The newest that the history has of a component, or an activation by its id; empty for nothing."""
    code, told = command("history", word, "--limit", "1")
    assert code in (0, 3), told
    return dict(told["history"][0]) if told.get("history") else {}


def killed(at: str, key: str, image: str = "") -> None:
    """An engine that activates a component, or stages an image for it, and is killed at a moment (`ends`)."""

    def reached(now: str) -> None:
        if now == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        from livefw.activation.engine import ActivationRequest, Engine
        from livefw.activation.fake import IGNORABLE
        from livefw.activation.images.target import StagingRequest
        from livefw.assemble import Where, host
        from livefw.files.host import HostFiles
        from livefw.providers.base import ImagePackage

        engine = Engine(watched(host(Where(), files=WatchedFiles(HostFiles(), reached)), reached))
        if image:
            with open(image, "rb") as file:
                package = ImagePackage(os.path.basename(image), file.read())
            list(engine.stage(StagingRequest(package, key, ignore=IGNORABLE)))
        else:
            list(engine.activate(ActivationRequest((key,), ignore=IGNORABLE)))

    assert _fork(work) == -signal.SIGKILL, at


def until_unlocked() -> None:
    """Wait for what a killed engine had begun: its child holds the lock until the drive has answered."""
    from livefw.activation.lock import machine_lock
    from livefw.activation.paths import paths_for

    lock = paths_for("/").lock
    until(lambda: machine_lock.holder(lock, "/") is None, "an end of what a killed engine had begun")
