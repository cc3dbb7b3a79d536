# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: a file for node_exporter's textfile collector, and a port on loopback if wanted.

They are those of `livefw metrics`. The file is removed when the daemon ends: figures that nobody renews are not left
behind. It is for a daemon that stays; where it ends when idle, `livefw-metrics.timer` writes them.
"""

import logging
import os
from contextlib import suppress

from livefw import reading
from livefw.daemon.answers.questions import Failure, Question
from livefw.daemon.core import Core
from livefw.daemon.jobs.events import Event
from livefw.daemon.metrics.scrape import Port
from livefw.render.exposition import CONTENT_TYPE

EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Metrics:
    """Collects once a minute and after each activation."""

    def __init__(self, core: Core, path: str, port: int) -> None:
        self._core = core
        self._path = path
        self._port = port
        self._text = b""
        self._written = False
        self._http: Port | None = None
        core.listeners.append(self._on_event)

    def start(self) -> None:
        """Begin, if any metrics are wanted."""
        if not self._is_wanted:
            return
        if self._port:
            try:
                self._http = Port(self._core.loop, self._port, lambda: (self._text, CONTENT_TYPE))
            except OSError as error:
                _log.warning("no metrics on port %d: %s", self._port, error.strerror)
        self._tick()

    def close(self) -> None:
        """End the port, and remove the file."""
        if self._http is not None:
            self._http.close()
        if self._written:
            with suppress(OSError):
                os.unlink(self._path)

    @property
    def _is_wanted(self) -> bool:
        return bool(self._path or self._port)

    def _tick(self) -> None:
        self._refresh()
        self._core.loop.later(EVERY_S, self._tick)

    def _on_event(self, event: Event) -> None:
        if event["event"] == "end" and self._is_wanted:
            self._refresh()

    def _refresh(self) -> None:
        self._core.ask_in_background(Question("metrics"), self._collected)

    def _collected(self, reply: bytes | Failure | Exception) -> None:
        if not isinstance(reply, bytes):
            _log.warning("metrics: %s", reply.text if isinstance(reply, Failure) else reply)
            return
        self._text = reply
        if self._path:
            try:
                reading.replace(self._path, [reply], 0o644, masked=False)  # node_exporter runs as another user
                self._written = True
            except OSError as error:
                _log.warning("metrics: %s: %s", self._path, error.strerror)
