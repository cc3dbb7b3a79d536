# SPDX-License-Identifier: Apache-2.0
"""Which executables of a directory are run: those that only root and the calling user can change or replace."""

import os
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from livefw import reading

_MOST_FILES = 256
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
"""Names that are run, as in run-parts(8): no editor backups, no leftovers of packages."""


class Hook(NamedTuple):
    """A hook: its name, its path, why it must not be run, or why it is ``skipped`` (which is only reported)."""

    name: str
    path: str
    objection: str = ""
    skipped: str = ""


def find(settings: str, directory: str) -> tuple[Hook, ...]:
    """The hooks in a directory of a settings directory, sorted by name; none if there is no such directory."""
    return tuple(_hooks(directory, os.path.join(settings, directory))) if settings else ()


def _hooks(name: str, directory: str) -> Iterator[Hook]:
    try:
        found = reading.trusted(directory, directory=True)
    except FileNotFoundError:
        return
    except reading.Untrusted as error:
        yield Hook(name, directory, str(error))
        return
    except OSError as error:
        yield Hook(name, directory, f"{directory} cannot be read: {error.strerror}")
        return
    try:
        names = sorted(os.listdir(found.descriptor))
        if len(names) > _MOST_FILES:
            yield Hook(name, directory, f"{directory} has more than {_MOST_FILES} files")
            return
        for each in names:
            if not each.startswith("."):
                # It is run by name later: only root and this user can replace it until then.
                yield _hook(found.descriptor, each, os.path.join(found.path, each))
    finally:
        os.close(found.descriptor)


def _hook(directory: int, name: str, path: str) -> Hook:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        return Hook(name, path, error.strerror or str(error))
    if not _NAME.match(name):
        return Hook(name, path, skipped=f"{path} is not run: its name may contain only letters, digits, - and _")
    if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o111:
        return Hook(name, path, skipped=f"{path} is not executable and is not run")
    if not stat.S_ISREG(status.st_mode):
        return Hook(name, path, "it is not a plain file")
    against = reading.objection(status, path)
    return Hook(name, path, str(against) if against else "")
