# SPDX-License-Identifier: Apache-2.0
"""All providers there are. A new mechanism is one new module and one line here."""

import time

from livefw.providers.base import Clock, Provider
from livefw.providers.files import Files
from livefw.providers.lfa.provider import LfaProvider


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        time.sleep(seconds)


def providers(files: Files, clock: Clock | None = None) -> tuple[Provider, ...]:
    """Every mechanism, looking at one machine."""
    clock = clock or SystemClock()
    return (LfaProvider(files, clock),)
