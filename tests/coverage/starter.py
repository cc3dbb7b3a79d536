# SPDX-License-Identifier: Apache-2.0
"""Start coverage.py in a Python of the environment that `make coverage` makes; its .pth imports this copy.

Nothing is asked of the environment of the process, which may have been cleared, and nothing is left there. A program
that is started without the module `site` (``-S``) reads no .pth: whoever starts one of ours has this file put before
it, ``python -I -S livefw_covering.py PROGRAM ARGUMENT...``.
"""

import os
import sys
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = os.path.join(HERE, "coverage.ini")
VARIABLE = "COVERAGE_PROCESS_START"
BARE = ["-I", "-S"]


def begin() -> None:
    """Measure this process from here on."""
    environment, place = dict(os.environ), os.open(".", os.O_PATH | os.O_CLOEXEC)
    os.environ[VARIABLE] = SETTINGS
    os.chdir("/")  # the current directory may have been removed, and coverage.py asks for it
    try:
        import coverage  # only now: a bare program has just been told where it is

        coverage.process_startup()
    finally:
        os.fchdir(place)
        os.close(place)
        os.environ.pop(VARIABLE)
        os.environ.update(environment)


def lead(event: str, about: tuple[Any, ...]) -> None:
    """Put this file before a bare program of ours that is about to be started.

    `subprocess` tells of the list that it is about to start, which is a copy of the caller's.
    """
    if event == "subprocess.Popen" and (command := about[1])[1:3] == BARE and "/livefw/" in command[3]:
        command.insert(3, __file__)


if __name__ == "__main__":
    import runpy

    libraries = os.path.join(HERE, "libraries")
    sys.path.insert(0, os.path.realpath(libraries))
    begin()
    del sys.path[0], sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    begin()
    sys.addaudithook(lead)
