# SPDX-License-Identifier: Apache-2.0
"""A shell script in a guest, or on a model's files, that asks for changes of its machine as it goes.

Only what is printed between BEGIN and END counts. A line HOST: asks for a ``livefw machine`` command, and a line of
input says that it is done.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(os.environ.get("LIVEFW_TEST_CACHE", Path.home() / ".cache/livefw"))
LIVEFW = [sys.executable, "-m", "livefw", "machine"]


def printed_by(process: "subprocess.Popen[str]", reply: int, environment: dict[str, str]) -> Iterator[str]:
    """What the script printed, while its wishes are granted."""
    assert process.stdout is not None
    lines = (line.rstrip("\r\n") for line in process.stdout)
    for line in lines:
        if line.startswith("RELEASE "):
            yield line
        if line == "BEGIN":
            break
    for line in lines:
        if line == "END":
            return
        if line.startswith("HOST:"):
            done = subprocess.run(
                [*LIVEFW, *line[5:].split()], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            os.write(reply, b"\n")
        elif line.strip():
            yield line
