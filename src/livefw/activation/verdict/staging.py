# SPDX-License-Identifier: Apache-2.0
"""The outcome of a staging whose engine died, from the component as it is now.

The caller holds the lock, so no write of an engine is under way: its child would hold the lock too. Activations are
judged by `livefw.activation.verdict.table`, whether or not their engine died.
"""

from typing import Any

from livefw.activation.inventory.versions import reliable_text
from livefw.activation.outcome import Outcome
from livefw.providers.base import Component, Reason

_VERSION_WAITS = (
    Outcome.STAGED,
    Reason("version-waits", "the version of the image is pending and was not before"),
)
_WAITS = Outcome.STAGED, Reason("waits", "an image is pending and none was before")
_NO_EVIDENCE = (
    Outcome.UNKNOWN,
    Reason(
        "no-evidence",
        "the component does not show whether the image was staged",
        "see livefw show COMPONENT and the mechanism's log",
    ),
)


def judge_staging(body: dict[str, Any], after: Component | None) -> tuple[Outcome, Reason]:
    """The outcome of a staging, from the body of its intent and the component as it is now.

    A component that is not pending proves nothing: a management controller may still be at work on the image.
    """
    announced, before = body.get("version"), body.get("pending_version")
    waiting = reliable_text(after.pending_version if after else None)
    if after and after.pending and announced is not None and announced == waiting != before:
        return _VERSION_WAITS
    if after and after.pending and body.get("pending") is False and (announced is None or waiting is None):
        return _WAITS
    return _NO_EVIDENCE
