"""Histories of many aggregates as a log, and a projection that takes them in."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from domain import Command, Event, Rejected, State
from domain.aggregates import CATALOG
from eventstore import RecordedEvent
from eventstore.projections import LIVE_SCHEMA, Projection, work_in
from workflows.saga.codec import EventCodec

CODEC = EventCodec(CATALOG)
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Log:
    """Events in the order of their positions, which have gaps, and the aggregates after them."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self.states: dict[str, State] = {}
        self._versions: dict[str, int] = {}

    def send(self, command: Command, **metadata: Any) -> None:
        """Decide a command on what happened so far; a refusal changes nothing."""
        decider = CATALOG.decider_of(command)
        stream = decider.stream(decider.key(command))
        state = self.states.get(stream, decider.initial)
        try:
            events: list[Event] = decider.decide(state, command)
        except Rejected:
            return
        for event in events:
            state = decider.evolve(state, event)
            self._record(stream, event, metadata)
        if events:
            self.states[stream] = state

    def of(self, category: str) -> dict[str, Any]:
        """The aggregates of a category by their keys."""
        found = {stream.partition("-"): state for stream, state in self.states.items()}
        return {key: state for (of, _, key), state in found.items() if of == category}

    def _record(self, stream: str, event: Event, metadata: dict[str, Any]) -> None:
        position = self.events[-1].position + 2 if self.events else 1
        version = self._versions[stream] = self._versions.get(stream, 0) + 1
        self.events.append(
            RecordedEvent(
                position=position,
                commit_position=position,
                stream=stream,
                version=version,
                event_id=UUID(int=position),
                type=type(event).__name__,
                schema_version=event.schema_version,
                data=event.model_dump(mode="json"),
                metadata={"correlation_id": f"c-{position}", "actor": "ana", **metadata},
                recorded_at=BEGAN + timedelta(seconds=position),
            )
        )


def log_of(commands: Iterable[Command]) -> Log:
    log = Log()
    for command in commands:
        log.send(command)
    return log


async def take_in(
    connection: AsyncConnection[Any], projection: Projection, batches: Iterable[Sequence[RecordedEvent]]
) -> None:
    """Each batch in a transaction of its own, as the runner does it."""
    for batch in batches:
        async with connection.transaction():
            await work_in(connection, LIVE_SCHEMA)
            await projection.apply(connection, batch)


async def table(connection: AsyncConnection[Any], query: str) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(query.encode())
    return await cursor.fetchall()


async def emptied(connection: psycopg.AsyncConnection[Any], projection: Projection) -> None:
    for name in projection.tables:
        await connection.execute(f"delete from {LIVE_SCHEMA}.{name}".encode())
