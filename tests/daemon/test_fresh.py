# SPDX-License-Identifier: Apache-2.0
"""A snapshot of the machine answers for a tenth of a second, and no longer."""

import threading
from pathlib import Path
from queue import Queue
from typing import Any, cast

import pytest

from livefw.assemble import Where
from livefw.daemon.core import Core
from livefw.daemon.snapshot import Snapshot
from livefw.daemon.upload.incoming import Incoming
from livefw.dbus.loop import Loop
from livefw.providers.fake import FakeClock


@pytest.mark.parametrize(("later", "looks"), [(0.0, 1), (0.05, 1), (0.15, 2), (1_000.0, 2)])
def test_a_snapshot_is_kept_for_a_tenth_of_a_second(planted: Path, later: float, looks: int) -> None:
    clock = FakeClock()
    loop = Loop(clock.now)
    core = Core(loop, Where(str(planted)), cast("Any", None), Incoming(""), measure=False)
    seen: list[Snapshot] = []
    core.snapshots.subscribe(seen.append)
    told: Queue[Snapshot | Exception] = Queue()
    running = threading.Thread(target=loop.run)
    running.start()
    try:
        for seconds in (0.0, later):
            clock.sleep(seconds)
            loop.soon(lambda: core.snapshots.get(told.put))
            assert isinstance(told.get(timeout=30), Snapshot)
    finally:
        loop.stop()
        running.join()
        core.close()
        loop.close()
    assert len(seen) == looks
