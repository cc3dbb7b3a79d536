# SPDX-License-Identifier: Apache-2.0
"""Where the public names of `livefw` are defined."""

_MODULES = {
    "livefw.activation.checks.table": (
        "Problem",
        "Weight",
    ),
    "livefw.activation.engine": ("Plan",),
    "livefw.activation.events": (
        "Attempt",
        "Begun",
        "Chosen",
        "Event",
        "Finished",
        "Point",
        "Progressed",
        "Reached",
        "SettingsApplied",
        "SettledIntent",
        "StillRunning",
        "WaitingForLock",
    ),
    "livefw.activation.history.rows": (
        "Activation",
        "Head",
        "HistoryPage",
        "HistoryRow",
        "RowKind",
    ),
    "livefw.activation.history.writer": ("RowStatus",),
    "livefw.activation.host": ("OnFailure",),
    "livefw.activation.inventory.unmatched_patterns": ("UnmatchedPattern",),
    "livefw.activation.measure.device": ("DeviceStop",),
    "livefw.activation.measure.meter": (
        "CpuRow",
        "Measurement",
    ),
    "livefw.activation.outcome": (
        "Outcome",
        "Result",
    ),
    "livefw.activation.plan": (
        "PastAttempts",
        "PlanStep",
        "SettingChange",
        "UsualDuration",
    ),
    "livefw.activation.lock.machine_lock": (
        "LockedFor",
        "LockHolder",
    ),
    "livefw.activation.setting_changes": ("UnmetSetting",),
    "livefw.activation.status": ("ComponentStatus",),
    "livefw.activation.status_code": ("StatusCode",),
    "livefw.activation.watch.watcher": (
        "WatchEvent",
        "WatchEventKind",
    ),
    "livefw.api": (
        "ConnectedHost",
        "connect",
    ),
    "livefw.providers.base": (
        "Claim",
        "Course",
        "ImagePackage",
        "Measured",
        "Phase",
        "Reply",
        "Trust",
        "Witness",
    ),
    "livefw.providers.component": (
        "AttestedValue",
        "Reading",
        "Component",
        "Cost",
        "Flag",
        "LinkedWay",
        "Reason",
        "Rendezvous",
        "RestartScope",
        "Source",
        "Version",
    ),
    "livefw.providers.image_file": ("ImageFile",),
}
"""Public names by module."""


def find(name: str) -> object:
    """The object of a public name. AttributeError if there is none."""
    from importlib import import_module

    if name == "errors":
        return import_module("livefw.errors")
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'livefw' has no attribute {name!r}")
