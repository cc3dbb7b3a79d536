# SPDX-License-Identifier: Apache-2.0
"""How much memory a command needs: ``python -S -m bench.peak COMMAND``, a process that is small itself.

What a process had resident before it executed another program counts for its peak (getrusage(2)), so that none is
measured that was started by a large one.
"""

import os
import subprocess
import sys
from collections.abc import Mapping


def peak(command: list[str], environment: Mapping[str, str] = os.environ) -> int:
    """Kibibytes resident at most, of the command or of any process that it has waited for. It has to end with 0."""
    done = subprocess.run(
        [sys.executable, "-S", __file__, *command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return int(done.stdout)


def main(command: list[str]) -> int:
    """Run it without its output, print the figure, and end as it did."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    process = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1)])
    _, status, used = os.wait4(process, 0)
    print(used.ru_maxrss)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
