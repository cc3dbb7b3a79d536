# SPDX-License-Identifier: Apache-2.0
"""What a BMC's answer is worth: what is known of BMCs whose word was no proof."""

from typing import NamedTuple

from livefw.providers.redfish.tasks import TaskOutcome


class Word(NamedTuple):
    """Why an answer proves nothing, and where that was seen."""

    text: str
    source: str


BARE = Word(
    "an answer without a task proves nothing: there are services that answer so to any action, and do nothing",
    "DMTF Redfish-Mockup-Server: 204 to every action",
)
TASK = Word(
    "the end of a task proves nothing: there are BMCs whose task is Completed while the old version runs on",
    "fwupd#6879; ironcore-dev/metal-operator#453 (Completed, and Critical)",
)
QUEUE = Word(
    "the end of a task proves nothing, and StartUpdate empties the queue whatever comes of it",
    "as for a task; DSP2062: the task leaves the queue when it is started",
)


def word(outcome: TaskOutcome, *, queued: bool) -> Word:
    """What the answer to a request is worth that ended so; ``queued`` if it was made of a queue."""
    return BARE if outcome.bare else QUEUE if queued else TASK
