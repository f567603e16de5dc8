"""Figures of this process, in a registry of its own: counters begin at 0 when the process starts.

Values of labels come from the code (sagas, steps, routes), never from a request: their number is bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.crowd import Crowd
from eventstore.connections import Pool

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ITEMS: Final = (1, 2, 4, 8, 16, 32, 64)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"


M = TypeVar("M", Counter, Histogram)


class Labelled(dict[tuple[str, ...], M], Generic[M]):
    """The series of a metric by the values of its labels. Each is looked up in the metric once: that takes
    a lock and makes strings, at every count of every append."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric: M = metric

    def __missing__(self, values: tuple[str, ...]) -> M:
        series: M = self._metric.labels(*values)
        self[values] = series
        return series


class Figures:
    """What this process has done since it started, and what it holds now."""

    def __init__(self, kind: str) -> None:
        # Of each counter a series more, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._saga_figures()
        self._store_figures()
        self.requests = self._counter(
            "saga_http_requests",
            "Requests that were answered, by the template of their route.",
            *("method", "route", "status"),
        )
        self.request_seconds = self._histogram(
            "saga_http_request_seconds", "From a request to the start of its answer.", "method", "route"
        )
        self.spans = self._counter(
            "saga_trace_spans", "Spans that a collector has taken, and those that were lost.", "outcome"
        )
        build = {"version": version("saga-orchestrator"), "python": python_version(), "kind": kind}
        self._gauge("saga_build_info", "What runs here; 1.", *build).labels(**build).set(1)

    def _saga_figures(self) -> None:
        self.step_seconds = self._histogram(
            "saga_step_seconds",
            "From the command of a step to its commit; of a call, from its announcement to its outcome.",
            *("saga", "step", "kind"),
        )
        self.steps = self._counter("saga_steps", "Outcomes of steps.", "saga", "step", "outcome")
        self.retries = self._counter(
            "saga_call_attempts_failed", "Attempts of calls that failed.", "saga", "step"
        )
        self.compensations = self._counter(
            "saga_compensations", "Outcomes of attempts to compensate a step.", "saga", "outcome"
        )
        self.compensating = self._counter("saga_compensating", "Sagas that began to compensate.", "saga")
        self.stuck = self._counter("saga_became_stuck", "Sagas that became stuck.", "saga", "reason")
        self.parked = self._counter("saga_parked", "Runs that ended in a wait.", "saga")
        self.ended = self._counter("saga_ended", "Sagas that ended.", "saga", "status")
        self.operations = self._counter(
            "saga_operations", "What was asked of sagas from outside their runs.", "saga", "action"
        )

    def _store_figures(self) -> None:
        self.batch_items = Histogram(
            "saga_append_batch_items",
            "Appends that went to the database in one call.",
            buckets=ITEMS,
            registry=self.registry,
        )
        self.conflicts = Counter(
            "saga_append_conflicts",
            "Appends that found their stream at another version.",
            registry=self.registry,
        )

    def batch(self, items: int, conflicts: int) -> None:
        """A batch of appends was answered."""
        self.batch_items.observe(items)
        self.conflicts.inc(conflicts)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is a template."""
        known = method if method in METHODS else OTHER
        self.requests[known, route, str(status)].inc()
        self.request_seconds[known, route].observe(seconds)

    def watch_runs(self, under_way: Mapping[str, int], slots: int) -> None:
        """Tell of the slots of this executor."""
        self._gauge("saga_runs_under_way", "Runs that this executor works on.").set_function(
            lambda: len(under_way)
        )
        self._gauge("saga_slots", "Runs that this executor takes from the queue at one time.").set(slots)

    def watch_pools(self, pools: Mapping[str, Pool]) -> None:
        """Tell of connections to the database."""
        self.registry.register(_Pools(pools))

    def watch_crowds(self, crowds: Mapping[str, Crowd]) -> None:
        """Tell of admission."""
        self.registry.register(_Crowds(crowds))

    def _counter(self, name: str, meaning: str, *labels: str) -> Labelled[Counter]:
        return Labelled(Counter(name, meaning, labels, registry=self.registry))

    def _histogram(self, name: str, meaning: str, *labels: str) -> Labelled[Histogram]:
        return Labelled(Histogram(name, meaning, labels, buckets=SECONDS, registry=self.registry))

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)


@dataclass(frozen=True, eq=False)
class _Pools(Collector):
    pools: Mapping[str, Pool]

    def collect(self) -> Iterator[Metric]:
        held = GaugeMetricFamily(
            "saga_pool_connections", "Connections of a pool to the database.", labels=["pool", "state"]
        )
        most = GaugeMetricFamily(
            "saga_pool_connections_max", "Connections that a pool has at most.", labels=["pool"]
        )
        waiting = GaugeMetricFamily(
            "saga_pool_requests_waiting", "Who waits for a connection of a pool.", labels=["pool"]
        )
        for name, pool in self.pools.items():
            stats = pool.get_stats()
            free = stats.get("pool_available", 0)
            held.add_metric([name, "free"], free)
            held.add_metric([name, "busy"], stats.get("pool_size", 0) - free)
            most.add_metric([name], pool.max_size)
            waiting.add_metric([name], stats.get("requests_waiting", 0))
        yield from (held, most, waiting)


@dataclass(frozen=True, eq=False)
class _Crowds(Collector):
    crowds: Mapping[str, Crowd]

    def collect(self) -> Iterator[Metric]:
        inside = GaugeMetricFamily(
            "saga_admitted", "Requests under way, of those whose number is bounded.", labels=["what"]
        )
        refused = CounterMetricFamily(
            "saga_refused", "Requests that were sent away because of such a bound.", labels=["what"]
        )
        for name, crowd in self.crowds.items():
            inside.add_metric([name], crowd.inside)
            refused.add_metric([name], crowd.refused)
        yield from (inside, refused)
