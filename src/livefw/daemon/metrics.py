# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: a file for node_exporter's textfile collector, and a port on loopback if wanted."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from livefw import libraries
from livefw.activation import inventory
from livefw.activation.engine import Host
from livefw.activation.journal import Journal, Kind
from livefw.activation.measure import Measurement
from livefw.activation.outcome import Outcome
from livefw.daemon.core import Core
from livefw.daemon.jobs import Event
from livefw.daemon.scrape import Port
from livefw.errors import LivefwError, NotInstalled

EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Figures(NamedTuple):
    """What is measured. ``pending`` and ``idle`` are keys of components; outcomes are of the whole history."""

    pending: tuple[str, ...]
    idle: tuple[str, ...]
    outcomes: dict[tuple[str, str], int]
    stall_s: dict[str, float]
    success_s: dict[str, float]


class Metrics:
    """Collects once a minute and after each activation."""

    def __init__(self, core: Core, path: str, port: int) -> None:
        self._core = core
        self._path = path
        self._port = port
        self._figures: Figures | None = None
        self._since: dict[str, float] = {}
        self._registry: Any = None
        self._http: Port | None = None
        core.listeners.append(self._hear)

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
            "livefw_activations", "Activations in the history, by outcome", labels=["component", "outcome"]
        )
        for labels, count in sorted(figures.outcomes.items()):
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

    def _hear(self, event: Event) -> None:
        if event["event"] == "end" and self._registry is not None:
            self._refresh()

    def _refresh(self) -> None:
        self._core.on_machine(figures, self._collected)

    def _collected(self, result: Figures | Exception) -> None:
        if isinstance(result, Exception):
            _log.warning("metrics: %s", result)
            return
        now = self._core.loop.now()
        self._since = {key: self._since.get(key, now) for key in result.pending}
        self._figures = result
        if self._path:
            from prometheus_client import write_to_textfile  # an extra

            try:
                write_to_textfile(self._path, self._registry)
                os.chmod(self._path, 0o644)  # node_exporter runs as another user
            except OSError as error:
                _log.warning("metrics: %s: %s", self._path, error.strerror)


def _exposition(library: Any, registry: Any) -> tuple[bytes, str]:
    return library.generate_latest(registry), library.CONTENT_TYPE_LATEST


def figures(host: Host) -> Figures:
    """Look and count. Errors as for `inventory.take` and `Journal`."""
    found = [candidate.component for candidate in inventory.take(host.providers).candidates]
    outcomes: Counter[tuple[str, str]] = Counter()
    stall: dict[str, float] = {}
    success: dict[str, float] = {}
    journal = Journal.open_to_read(host.places.state)
    if journal is not None:
        with closing(journal):
            for entry in journal.entries():
                outcome = entry.body.get("outcome")
                if entry.kind not in (Kind.OUTCOME, Kind.REFUSAL) or outcome not in tuple(Outcome):
                    continue
                outcomes[entry.component, outcome] += 1
                if outcome == Outcome.ACTIVATED:
                    success[entry.component] = entry.time_ns / 1e9
                if (cost := _cost(entry.body)) is not None:
                    stall[entry.component] = cost
    return Figures(
        tuple(each.key for each in found if each.pending),
        tuple(each.key for each in found if not each.pending),
        dict(outcomes),
        stall,
        success,
    )


def _cost(body: dict[str, Any]) -> float | None:
    try:
        return Measurement.from_document(body["cost"]).longest_ns / 1e9 if body.get("cost") else None
    except (KeyError, ValueError, TypeError, LivefwError):
        return None


def _per_component(family: Any, values: dict[str, float]) -> Any:
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
