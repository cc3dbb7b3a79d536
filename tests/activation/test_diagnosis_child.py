# SPDX-License-Identifier: Apache-2.0
"""The process in which a diagnosis looks: none is left, neither one that replied nor one that was silent."""

import os
import signal
from collections.abc import Callable

import pytest

from livefw.activation.diagnosis import bounded
from livefw.activation.diagnosis.lines import DiagnosisBlock

from ..conftest import below

NAMES = ("driver", "settings")


def replying(name: str) -> DiagnosisBlock:
    return DiagnosisBlock(name, ())


def silent(name: str) -> DiagnosisBlock:
    signal.pause()
    return DiagnosisBlock(name, ())


@pytest.mark.parametrize(("look", "seconds", "replies"), [(replying, 60.0, True), (silent, 0.0, False)])
def test_no_child_is_left(look: Callable[[str], DiagnosisBlock], seconds: float, replies: bool) -> None:
    before = set(below(os.getpid()))
    found = bounded.examine(
        NAMES, look, seconds=lambda _: seconds, silent=lambda name, _: DiagnosisBlock(name, (), mechanism=True)
    )
    assert list(found) == [DiagnosisBlock(name, (), mechanism=not replies) for name in NAMES]
    assert set(below(os.getpid())) == before
