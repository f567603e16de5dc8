"""Figures of all processes together, read from the database: the same wherever they are asked for.

What is read serves every scraper for `KNOWN_SECONDS`, and for `REST_FACTOR` times as long as the reading
took: however many ask, and however many sagas wait, reading takes a twentieth of one connection's time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.executors.listing import read_executors
from eventstore.connections import Pool
from eventstore.diagnosis import OpenAppend, open_appends
from eventstore.standings import FollowerView, slots_of

KNOWN_SECONDS: Final = 5.0
REST_FACTOR: Final = 20.0
READ_SECONDS_MAX: Final = 5.0

# Those that ended are left out: they only become more, and each process counts its own (saga_ended_total).
OPEN_SAGAS: Final = """
    select name, status, count(*) as sagas from readmodels.sagas
     where status in ('queued', 'running', 'waiting', 'compensating', 'stuck') group by name, status
"""
_STUCK: Final = """
    select name, coalesce(summary->'stuck'->>'reason', 'unknown'), count(*) from readmodels.sagas
     where status = 'stuck' group by 1, 2
"""
_QUEUES: Final = """
    select queue_name, lower(status), count(*) from dbos.workflow_status
     where status in ('ENQUEUED', 'DELAYED', 'PENDING') and queue_name is not null group by 1, 2
"""

log = structlog.get_logger(__name__)


class _Families(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


@dataclass
class ClusterFigures:
    """Reads them, one reader at a time. `standings` tells where the followers of the log stand."""

    pool: Pool
    standings: Callable[[], Awaitable[list[FollowerView]]]
    _text: bytes = b""
    _until: float = 0.0
    _open_since: dict[tuple[int, int], float] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def text(self) -> bytes:
        """In Prometheus's format. Without a database `saga_cluster_read` is 0, and there is nothing else."""
        async with self._lock:
            began = monotonic()
            if began >= self._until:
                try:
                    async with asyncio.timeout(READ_SECONDS_MAX):
                        families = [*await self._read(), _gauge(_READ, [], [((), 1)])]
                except Exception as error:
                    log.warning("figures of the cluster are not known", error=type(error).__name__)
                    families = [_gauge(_READ, [], [((), 0)])]
                registry = CollectorRegistry()
                registry.register(_Families(families))
                self._text = generate_latest(registry)
                took = monotonic() - began
                self._until = began + took + max(KNOWN_SECONDS, REST_FACTOR * took)
            return self._text

    async def _read(self) -> list[GaugeMetricFamily]:
        async with self.pool.connection() as connection:
            sagas = await (await connection.execute(OPEN_SAGAS)).fetchall()
            stuck = await (await connection.execute(_STUCK)).fetchall()
            queues = await (await connection.execute(_QUEUES)).fetchall()
        held = self._held_seconds(await open_appends(self.pool))
        executors = Counter((each.kind, each.state) for each in await read_executors(self.pool))
        return [
            _counts("saga_sagas", "Sagas that have not ended.", ["saga", "status"], sagas),
            _counts("saga_stuck", "Sagas that wait for a person.", ["saga", "reason"], stuck),
            _counts("saga_queue_runs", "Runs in the queues of DBOS.", ["queue", "state"], queues),
            _gauge(
                ("saga_executors", "Processes that run sagas; buried ones of the last day."),
                ["kind", "state"],
                executors.items(),
            ),
            _gauge(_HELD, [], [((), held)]),
            *_followers(await self.standings()),
        ]

    def _held_seconds(self, appends: list[OpenAppend]) -> float:
        """Since when the oldest of them is open. That of a role whose activity ours may not see is as old as
        we have known it."""
        now = monotonic()
        self._open_since = {
            (each.pid, each.position): self._open_since.get((each.pid, each.position), now)
            for each in appends
        }
        told = [each.open_for.total_seconds() for each in appends if each.open_for]
        return max([0.0, *told, *(now - since for since in self._open_since.values())])


_READ: Final = ("saga_cluster_read", "Whether the database could be asked.")
_HELD: Final = (
    "saga_position_held_seconds",
    "Age of the oldest transaction that has appended and not ended; 0 for none.",
)
_EVENTS: Final = ("saga_follower_lag_events", "Events that a follower of the log has not taken in.")
_SECONDS: Final = ("saga_follower_lag_seconds", "Age of the first event that it has not taken in.")
_PARKED: Final = ("saga_follower_parked", "Whether it stands still until a person does something.")


def _followers(views: list[FollowerView]) -> list[GaugeMetricFamily]:
    found = [((view.name, str(slot)), tables) for view in views for slot, tables in slots_of(view)]
    labels = ["follower", "slot"]
    return [
        _gauge(_EVENTS, labels, [(key, tables.lag.events) for key, tables in found]),
        _gauge(_SECONDS, labels, [(key, tables.lag.seconds) for key, tables in found]),
        _gauge(_PARKED, labels, [(key, int(tables.parked is not None)) for key, tables in found]),
    ]


def _counts(name: str, meaning: str, labels: list[str], rows: Iterable[Any]) -> GaugeMetricFamily:
    return _gauge((name, meaning), labels, [((one, two), count) for one, two, count in rows])


def _gauge(
    what: tuple[str, str], labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(*what, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
