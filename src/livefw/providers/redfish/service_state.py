# SPDX-License-Identifier: Apache-2.0
"""Follows an update that has no task, by what the UpdateService itself says of it."""

from collections.abc import Generator

from livefw.clock import Clock
from livefw.providers.base import Observer, Phase, Progress
from livefw.providers.component import Reason
from livefw.providers.redfish import tasks
from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import AWAY_S, ExchangeError, messages
from livefw.providers.redfish.registry import REGISTRY
from livefw.providers.redfish.tasks import TaskEnd, TaskOutcome
from livefw.providers.redfish.vendors.vendor import ServiceState, at, text_at
from livefw.text import whole

_PAUSE_S = 2.0
_MOST_IDLE_S = 60.0
"""How long it may be idle before an update counts as never begun: some fetch the image first."""
_MOST_STATE = 80
_FAILED = Reason("task-failed", "the update ended as {state}", "see livefw show COMPONENT and the BMC's log")


def follow(
    client: RedfishClient, uri: str, table: ServiceState, *, clock: Clock, observer: Observer, patience: float
) -> Generator[float, None, TaskOutcome]:
    """To the end of the update that was accepted just now. Yields seconds to pass until the next look."""
    start = heard = clock.now()
    begun = False
    while clock.now() - start <= patience:
        yield _PAUSE_S
        try:
            body = client.resource(uri)
        except ExchangeError:
            if clock.now() - heard > AWAY_S:
                return TaskOutcome(TaskEnd.LOST, tasks.SILENT, goes_on=True)
            continue
        heard = clock.now()
        state, percent = whole(text_at(body, table.state)[:_MOST_STATE]), at(body, table.percent)
        if state in table.done or state in table.failed:
            return _ended(at(body, table.result), state, failed=state in table.failed)
        if state in table.idle:
            if begun:  # it was not, and has come to rest without a word
                return TaskOutcome(TaskEnd.DONE)
            if clock.now() - start > _MOST_IDLE_S:
                return TaskOutcome(TaskEnd.LOST, tasks.UNFOLLOWED, goes_on=True)
            continue
        begun = True
        shown = percent if isinstance(percent, int) and not isinstance(percent, bool) and 0 <= percent <= 100 else None
        observer(Progress(Phase.RUNNING, state, shown))
    return TaskOutcome(TaskEnd.LOST, tasks.SLOW, goes_on=True)


def _ended(result: object, state: str, *, failed: bool) -> TaskOutcome:
    said = messages([result])
    key = said[-1].key if said else ""
    row, lines = REGISTRY.get(key), tuple(each.line for each in said)
    if row and row.failure == tasks.RESET.code:
        return TaskOutcome(TaskEnd.WAITS, tasks.RESET, key, lines)
    if not failed:
        return TaskOutcome(TaskEnd.DONE, log=lines)
    text = (row.text if row else "") or (said[-1].text if said else "")
    plain = _FAILED.fill(state=state)
    why = plain._replace(code=(row.failure if row else "") or plain.code, text=text or plain.text)
    return TaskOutcome(TaskEnd.FAILED, why, key or None, lines)
