# SPDX-License-Identifier: Apache-2.0
"""All blocks of a diagnosis, in their order. A new one is one module and one line here."""

from collections.abc import Callable, Iterable
from functools import partial

from livefw.activation.diagnosis import (
    activity,
    daemon,
    fwupd,
    history,
    machine,
    mechanism,
    metrics,
    packages,
    pending,
    policy,
)
from livefw.activation.diagnosis.lines import DiagnosisBlock, DiagnosisLine, LineState, line
from livefw.activation.diagnosis.scene import Scene
from livefw.providers.base import Reason
from livefw.providers.registry import MECHANISMS

Look = Callable[[Scene], Iterable[DiagnosisLine]]

BLOCKS: dict[str, Look] = {
    "machine": machine.look,
    **{name: partial(mechanism.look, name=name) for name in MECHANISMS},
    "packages": packages.look,
    "policy": policy.look,
    "history": history.look,
    "activity": activity.look,
    "pending": pending.look,
    "daemon": daemon.look,
    "metrics": metrics.look,
    "fwupd": fwupd.look,
}
"""What looks at each, by name."""
MODULES = (activity, daemon, fwupd, history, machine, mechanism, metrics, packages, pending, policy)
"""Whose reasons `livefw explain` knows, besides those of this module."""

_DEFECT = Reason("not-examined", "it cannot be examined; this is a defect of livefw: {error}")
_NO_REPLY = Reason("no-reply", "nothing replied within {seconds} s: a file or a server that it needs hangs")
SECONDS = 10.0
"""How long a block may take."""
_PATIENT = dict.fromkeys(("redfish", "policy", "pending"), 120.0)
"""Those that ask BMCs, which answer slowly."""


def seconds(name: str) -> float:
    """How long to wait for a block."""
    return _PATIENT.get(name, SECONDS)


def examine(scene: Scene, name: str) -> DiagnosisBlock:
    """One block. Never raises: a diagnosis that fails would help nobody."""
    lines: tuple[DiagnosisLine, ...]
    try:
        lines = tuple(BLOCKS[name](scene))
    except Exception as error:
        lines = (line(LineState.ERROR, _DEFECT.fill(error=f"{type(error).__name__}: {error}")),)
    return DiagnosisBlock(name, lines, name in MECHANISMS)


def silent(name: str, waited: float) -> DiagnosisBlock:
    """The block of what did not reply."""
    return DiagnosisBlock(name, (line(LineState.ERROR, _NO_REPLY.fill(seconds=f"{waited:g}")),), name in MECHANISMS)
