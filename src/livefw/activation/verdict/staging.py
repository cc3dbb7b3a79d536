# SPDX-License-Identifier: Apache-2.0
"""What became of a staging whose engine died in the middle: found by looking at the machine, never by guessing.

Whoever asks holds the lock, so no write of ours is under way any more: the child that made it would hold it too.
Activations are judged by `livefw.activation.verdict`, whatever became of their engine.
"""

from typing import Any

from livefw.activation.outcome import Outcome
from livefw.activation.verdict.evidence import reliable_text
from livefw.providers.base import Component, Reason

_VERSION_WAITS = (
    Outcome.STAGED,
    Reason("version-waits", "the version of the image is pending, and was not before"),
)
_WAITS = Outcome.STAGED, Reason("waits", "an image is pending, and none was before")
_NO_EVIDENCE = (
    Outcome.UNKNOWN,
    Reason(
        "no-evidence",
        "what the component shows does not tell whether the image was staged",
        "livefw show, and the mechanism's own log",
    ),
)


def judge_staging(body: dict[str, Any], after: Component | None) -> tuple[Outcome, Reason]:
    """The outcome of a staging, whose intent has this body, from the component as it is now.

    That nothing is pending proves nothing: a management controller may still be at work on what it was sent.
    """
    announced, before = body.get("version"), body.get("pending_version")
    waiting = reliable_text(after.pending_version if after else None)
    if after and after.pending and announced is not None and announced == waiting != before:
        return _VERSION_WAITS
    if after and after.pending and body.get("pending") is False and (announced is None or waiting is None):
        return _WAITS
    return _NO_EVIDENCE
