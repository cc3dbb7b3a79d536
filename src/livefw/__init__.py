# SPDX-License-Identifier: Apache-2.0
"""Live firmware activation on Linux.

::

    import livefw

    with livefw.connect() as host:
        for event in host.activate("tf-rmm", reason="CVE-2026-1234"):
            print(event)

`__all__` is the public API; what it names stays as it is within a major version. Names are imported on first use, so
that ``import livefw`` costs nothing. `livefw.testing` is a package of its own, with machines to test against.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from livefw import errors
    from livefw.activation.checks.table import Problem, Weight
    from livefw.activation.engine import Plan
    from livefw.activation.events import (
        Attempt,
        Begun,
        Chosen,
        Event,
        Finished,
        Point,
        Progressed,
        Reached,
        SettingsApplied,
        SettledIntent,
        StillRunning,
        WaitingForLock,
    )
    from livefw.activation.history.rows import Activation, Head, HistoryPage, HistoryRow, RowKind
    from livefw.activation.history.writer import RowStatus
    from livefw.activation.host import OnFailure
    from livefw.activation.inventory.unmatched_patterns import UnmatchedPattern
    from livefw.activation.lock.machine_lock import LockedFor, LockHolder
    from livefw.activation.measure.device import DeviceStop
    from livefw.activation.measure.meter import CpuRow, Measurement
    from livefw.activation.outcome import Outcome, Result
    from livefw.activation.plan import PastAttempts, PlanStep, SettingChange, UsualDuration
    from livefw.activation.setting_changes import UnmetSetting
    from livefw.activation.status import ComponentStatus
    from livefw.activation.status_code import StatusCode
    from livefw.activation.watch.watcher import WatchEvent, WatchEventKind
    from livefw.api import ConnectedHost, connect
    from livefw.providers.base import Claim, Course, ImagePackage, Measured, Phase, Reply, Trust, Witness
    from livefw.providers.component import (
        AttestedValue,
        Component,
        Cost,
        Flag,
        LinkedWay,
        Reading,
        Reason,
        Rendezvous,
        RestartScope,
        Source,
        Version,
    )
    from livefw.providers.image_file import ImageFile

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Attempt",
    "AttestedValue",
    "Begun",
    "Chosen",
    "Claim",
    "Component",
    "ComponentStatus",
    "ConnectedHost",
    "Cost",
    "Course",
    "CpuRow",
    "DeviceStop",
    "Event",
    "Finished",
    "Flag",
    "Head",
    "HistoryPage",
    "HistoryRow",
    "ImageFile",
    "ImagePackage",
    "LinkedWay",
    "LockHolder",
    "LockedFor",
    "Measured",
    "Measurement",
    "OnFailure",
    "Outcome",
    "PastAttempts",
    "Phase",
    "Plan",
    "PlanStep",
    "Point",
    "Problem",
    "Progressed",
    "Reached",
    "Reading",
    "Reason",
    "Rendezvous",
    "Reply",
    "RestartScope",
    "Result",
    "RowKind",
    "RowStatus",
    "SettingChange",
    "SettingsApplied",
    "SettledIntent",
    "Source",
    "StatusCode",
    "StillRunning",
    "Trust",
    "UnmatchedPattern",
    "UnmetSetting",
    "UsualDuration",
    "Version",
    "WaitingForLock",
    "WatchEvent",
    "WatchEventKind",
    "Weight",
    "Witness",
    "__version__",
    "connect",
    "errors",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:  # the import of a submodule asks as well
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from livefw.public import find

        found = globals()[name] = find(name)
        return found
