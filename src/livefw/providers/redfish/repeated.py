# SPDX-License-Identifier: Apache-2.0
"""Reads of one look, asked again where a BMC says that it has no time now.

RFC 9110, 10.2.3 and 15.6.4; RFC 6585, 4: 503 and 429 come with the seconds after which the same may be asked again.
"""

from collections.abc import Sequence
from typing import Any

from livefw.providers.redfish.client import RedfishClient
from livefw.providers.redfish.exchange import NOT_NOW, ExchangeError, Response, require_resource, retry_after

MOST_S = 10.0
"""Seconds that one look waits in all: there are others to look at, and a note names what is missing."""
MOST_REPEATS = 3
_PAUSE_S = 1.0
"""Before a repetition, if the BMC does not say how long."""


class RepeatedReads:
    """Reads of one look."""

    def __init__(self, client: RedfishClient) -> None:
        self._client = client
        self._left = MOST_S

    def get(self, path: str) -> Response:
        """As `RedfishClient.get`."""
        (answer,) = self.get_each([path])
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    def get_each(self, paths: Sequence[str]) -> list[Response | ExchangeError]:
        """As `RedfishClient.get_each`."""
        answers = self._client.get_each(paths)
        for _ in range(MOST_REPEATS):
            busy = {index: seconds for index, each in enumerate(answers) if (seconds := _wait(each)) <= self._left}
            if not busy:
                break
            pause = max(busy.values())
            self._left -= pause
            self._client.pause(pause)
            again = self._client.get_each([paths[index] for index in busy])
            for index, answer in zip(busy, again, strict=True):
                answers[index] = answer
        return answers

    def resource(self, path: str) -> dict[str, Any]:
        """As `RedfishClient.resource`."""
        return require_resource(path, self.get(path))


def _wait(answer: Response | ExchangeError) -> float:
    """Seconds until it may be asked again; infinite if that is no use."""
    if isinstance(answer, ExchangeError) or answer.status not in NOT_NOW:
        return float("inf")
    wish = retry_after(answer.headers)
    return _PAUSE_S if wish is None else max(wish, _PAUSE_S)
