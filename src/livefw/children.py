# SPDX-License-Identifier: Apache-2.0
"""Our child processes: that the kernel tells us how each of them ended."""

import signal


def are_waited_for() -> None:
    """Take back that ends of children are ignored (SIGCHLD, signal(7)), before the first child is started.

    A process hands that on to what it starts, also through sudo. The kernel then forgets how a child ended, and Python
    takes such an end for a success: a check that said no would count as one that has nothing against it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
