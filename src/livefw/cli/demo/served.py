# SPDX-License-Identifier: Apache-2.0
"""A program that serves a socket which we have opened, as a service manager opens it (sd_listen_fds(3))."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from livefw import keeper

_AS_SERVICE = """exec 3<&0 </dev/null
while /bin/sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' sh "$@"; do :; done"""
"""The socket comes as standard input. LISTEN_PID is known only to the process itself. cockpit-ws ends with 0 after 90
seconds without a client, and is started again; after an error it is not."""


@contextmanager
def served(listener: socket.socket, command: Sequence[str], environment: Mapping[str, str], log: str) -> Iterator[None]:
    """Run it; at the end it is killed with all its descendants, also if we are killed.

    The socket is closed here: once the program has ended, for whatever reason, nobody can connect to it. ``log`` is the
    file to which its output is appended.
    """
    theirs, ours = os.pipe()  # when it is closed, the keeper ends everything
    kept = [sys.executable, "-I", "-S", keeper.__file__, str(theirs), "/bin/sh", "-c", _AS_SERVICE, "sh", *command]
    with open(log, "ab") as output, listener:
        process = subprocess.Popen(
            kept,
            stdin=listener.fileno(),
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            pass_fds=(theirs,),
        )
    os.close(theirs)
    try:
        yield
    finally:
        os.close(ours)
        process.wait()
