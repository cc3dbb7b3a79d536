# SPDX-License-Identifier: Apache-2.0
"""A modelled machine, mounted by a process of its own, as a user would start it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Mounted(NamedTuple):
    """A machine that is up: where its tree is, and which process serves it."""

    root: str
    process: int


@contextmanager
def machine(platform: str, *options: str) -> Iterator[Mounted]:
    """``livefw machine run`` on a shipped platform; unmounted and ended on the way out."""
    with tempfile.TemporaryDirectory(prefix="livefw-bench-") as folder:
        root = os.path.join(folder, "root")
        os.mkdir(root)
        command = [sys.executable, "-m", "livefw", "machine", "run", "--platform", platform, "--mount", root]
        environment = os.environ | {"XDG_RUNTIME_DIR": folder}
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment) as server:
            try:
                if server.stdout is None or not server.stdout.readline():
                    raise RuntimeError(f"the machine {platform} did not start; what it said is above")
                yield Mounted(root, server.pid)
            finally:
                server.terminate()
                server.communicate()
