# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: a file for node_exporter's textfile collector, and a port on loopback if wanted."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from livefw import libraries, reading
from livefw.daemon.answers.figures import Figures
from livefw.daemon.answers.questions import Failure, Question
from livefw.daemon.core import Core
from livefw.daemon.jobs.events import Event
from livefw.daemon.metrics.scrape import Port
from livefw.errors import NotInstalled

EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Metrics:
    """Collects once a minute and after each activation."""

    def __init__(self, core: Core, path: str, port: int) -> None:
        self._core = core
        self._path = path
        self._port = port
        self._figures: Figures | None = None
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._since: dict[str, float] = {}
        self._registry: Any = None
        self._http: Port | None = None
        core.listeners.append(self._on_event)

    def start(self) -> None:
        """Begin, if any metrics are wanted and the library for them is there."""
        if not self._path and not self._port:
            return
        try:
            library = libraries.load("prometheus_client")
        except NotInstalled as error:
            _log.warning("no metrics: %s (%s)", error.message, error.hint)
            return
        self._registry = library.CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        if self._port:
            try:
                self._http = Port(self._core.loop, self._port, lambda: _exposition(library, self._registry))
            except OSError as error:
                _log.warning("no metrics on port %d: %s", self._port, error.strerror)
        self._tick()

    def close(self) -> None:
        """End the port."""
        if self._http is not None:
            self._http.close()

    def collect(self) -> Iterator[Any]:
        """The metric families, for prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # an extra

        figures = self._figures
        if figures is None:
            return
        now = self._core.loop.now()
        components = GaugeMetricFamily("livefw_components", "Components that can be activated live", labels=["state"])
        components.add_metric(["pending"], len(figures.pending))
        components.add_metric(["idle"], len(figures.idle))
        yield components
        age = GaugeMetricFamily(
            "livefw_pending_seconds", "Since when the daemon has seen an image pending", labels=["component"]
        )
        for key in figures.pending:
            age.add_metric([key], now - self._since.get(key, now))
        yield age
        total = CounterMetricFamily(
            "livefw_activations",
            "Activations in the history, by outcome; activated-unconfirmed is the mechanism's word alone",
            labels=["component", "outcome"],
        )
        for labels, count in sorted(self._outcomes.items()):
            total.add_metric(list(labels), count)
        yield total
        yield _per_component(
            GaugeMetricFamily(
                "livefw_stall_seconds", "Longest stop of a CPU in the last measured activation", labels=["component"]
            ),
            figures.stall_s,
        )
        yield _per_component(
            GaugeMetricFamily(
                "livefw_last_success_timestamp_seconds", "When it was last activated, Unix time", labels=["component"]
            ),
            figures.success_s,
        )

    def _tick(self) -> None:
        self._refresh()
        self._core.loop.later(EVERY_S, self._tick)

    def _on_event(self, event: Event) -> None:
        if event["event"] == "end" and self._registry is not None:
            self._refresh()

    def _refresh(self) -> None:
        known = self._figures.last if self._figures else 0
        self._core.ask_in_background(Question("figures", (str(known),)), self._collected)

    def _collected(self, reply: bytes | Failure | Exception) -> None:
        if not isinstance(reply, bytes):
            _log.warning("metrics: %s", reply.text if isinstance(reply, Failure) else reply)
            return
        result = Figures.decode(reply)
        now = self._core.loop.now()
        self._since = {key: self._since.get(key, now) for key in result.pending}
        if not self._add(result):
            return
        if self._path:
            from prometheus_client import write_to_textfile  # an extra

            try:
                with suppress(FileNotFoundError):  # it is replaced, and a device must not be
                    reading.require_regular(os.stat(self._path), self._path)
                write_to_textfile(self._path, self._registry)
                os.chmod(self._path, 0o644)  # node_exporter runs as another user
            except OSError as error:
                _log.warning("metrics: %s: %s", self._path, error.strerror)

    def _add(self, new: Figures) -> bool:
        """Whether they are the next ones: two that were asked for at the same time tell the same rows."""
        before = self._figures
        if new.after == 0:
            self._outcomes.clear()
        elif before is None or before.last != new.after:
            return False
        else:
            new = new.following(before)
        self._outcomes.update({(component, outcome): count for component, outcome, count in new.outcomes})
        self._figures = new
        return True


def _exposition(library: Any, registry: Any) -> tuple[bytes, str]:
    return library.generate_latest(registry), library.CONTENT_TYPE_LATEST


def _per_component(family: Any, values: dict[str, float]) -> Any:
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
