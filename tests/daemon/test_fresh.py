# SPDX-License-Identifier: Apache-2.0
"""A view of the machine serves whoever asks within a moment, and nobody later."""

import threading
from pathlib import Path
from queue import Queue
from typing import Any, cast

import pytest

from livefw.daemon.core import Core
from livefw.daemon.jobs.runner import Setting
from livefw.daemon.snapshot import View
from livefw.dbus.loop import Loop
from livefw.providers.fake import FakeClock


@pytest.mark.parametrize(("later", "looks"), [(0.0, 1), (0.05, 1), (0.15, 2), (1_000.0, 2)])
def test_a_view_is_kept_for_a_tenth_of_a_second(planted: Path, later: float, looks: int) -> None:
    clock = FakeClock()
    loop = Loop(clock.now)
    core = Core(loop, Setting(str(planted), None, None, measure=False), cast("Any", None))
    seen: list[View] = []
    core.viewed.append(seen.append)
    told: Queue[View | Exception] = Queue()
    running = threading.Thread(target=loop.run)
    running.start()
    try:
        for seconds in (0.0, later):
            clock.sleep(seconds)
            loop.soon(lambda: core.looked(told.put))
            assert isinstance(told.get(timeout=30), View)
    finally:
        loop.stop()
        running.join()
        core.close()
        loop.close()
    assert len(seen) == looks
