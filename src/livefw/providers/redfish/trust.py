# SPDX-License-Identifier: Apache-2.0
"""What a BMC's answer is worth: what is known of BMCs whose word was no proof."""

from typing import NamedTuple

from livefw.providers.redfish.tasks import TaskOutcome


class Word(NamedTuple):
    """Why an answer proves nothing, and where that was seen."""

    text: str
    source: str


BARE = Word(
    "a reply without a task proves nothing: some services give it to any action and do nothing",
    "DMTF Redfish-Mockup-Server: 204 to every action",
)
TASK = Word(
    "a completed task proves nothing: on some BMCs the task is Completed while the old version keeps running",
    "fwupd#6879; ironcore-dev/metal-operator#453 (Completed, and Critical)",
)
QUEUE = Word(
    "a completed task proves nothing, and StartUpdate empties the queue whatever the result",
    "as for a task; DSP2062: the task leaves the queue when it is started",
)


def word(outcome: TaskOutcome, *, queued: bool) -> Word:
    """What the answer to a request is worth that ended so; ``queued`` if it was made of a queue."""
    return BARE if outcome.bare else QUEUE if queued else TASK
