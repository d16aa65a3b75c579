"""Prometheus metrics of the server, at /metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from headrace.store import Store
    from headrace.tracking.overview import Overview

__all__ = ["FOLDER", "MEDIA_TYPE", "Metrics"]

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which the workers of one server share their counts."""
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts and times of one process's requests; with several workers, each answers for all."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "headrace_http_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "headrace_http_request_seconds",
            "Time from a request's headers to the last byte of its answer.",
            ("route", "method"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._rows_read = Counter("headrace_online_rows_read", "Rows of online features.", ("view",), registry=self._registry)
        self._rows_pushed = Counter("headrace_rows_pushed", "Rows pushed.", ("source",), registry=self._registry)
        self._predictions = Counter("headrace_predictions", "Rows predicted.", ("model", "role"), registry=self._registry)
        self._models: dict[tuple[str, str], Any] = {}
        self._points = Counter("headrace_points_logged", "Points of metrics taken in.", registry=self._registry)
        self._taken_in: Callable[[], int] = lambda: 0
        self._counted = 0
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._views: dict[str, Any] = {}
        self._features: _Features | None = None

    def served(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        found = self._children.get((route, method, status))
        if found is None:
            found = self._requests.labels(route, method, status), self._seconds.labels(route, method)
            self._children[route, method, status] = found
        found[0].inc()
        found[1].observe(seconds)
        taken = self._taken_in()
        if taken > self._counted:
            self._points.inc(taken - self._counted)
            self._counted = taken

    def read(self, view: str, rows: int) -> None:
        """Count rows of online features."""
        found = self._views.get(view)
        if found is None:
            found = self._views[view] = self._rows_read.labels(view)
        found.inc(rows)

    def pushed(self, source: str, rows: int) -> None:
        """Count pushed rows."""
        self._rows_pushed.labels(source).inc(rows)

    def predicted(self, model: str, role: str, rows: int) -> None:
        """Count predictions."""
        found = self._models.get((model, role))
        if found is None:
            found = self._models[model, role] = self._predictions.labels(model, role)
        found.inc(rows)

    def watch(self, store: Store) -> None:
        """Show the freshness and quality of a store's features as well, its runs, and the points that it takes in. What another
        server takes in, that one counts."""
        overview = None
        with suppress(HeadraceError):  # a store whose runs are kept elsewhere
            overview = store.overview
            if not store.is_remote:
                self._taken_in = overview.taken_in
                self._counted = self._taken_in()
        self._features = _Features(store, overview)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        body = generate_latest(registry)
        if self._features is not None:
            features = CollectorRegistry()
            features.register(self._features)
            body += generate_latest(features)
        return body


class _Features:
    """Reads freshness and quality when it is asked."""

    def __init__(self, store: Store, overview: Overview | None) -> None:
        self._store = store
        self._overview = overview

    def collect(self) -> Iterable[Any]:
        from headrace.features.gauges import gauges  # and with it Arrow: a server answers before it has that

        up = GaugeMetricFamily("headrace_stores_up", "Whether catalog, lake and online store answer.")
        try:
            found = list(gauges(self._store.freshness(), self._store.quality()))
            statuses = {} if self._overview is None else self._overview.statuses()
        except HeadraceError:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        families: dict[str, Any] = {}
        for item in found:
            if item.name not in families:
                kind = CounterMetricFamily if item.kind == "counter" else GaugeMetricFamily
                families[item.name] = kind(item.name, item.help, labels=list(item.labels))
            families[item.name].add_metric(list(item.labels.values()), item.value)
        runs = GaugeMetricFamily("headrace_runs", "Active runs.", labels=["status"])
        for status, number in statuses.items():
            runs.add_metric([status], number)
        return [up, runs, *families.values()]
