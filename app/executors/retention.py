"""Retention: DBOS's rows of runs that have ended are deleted after a time; the journal has all that they say.

A row is kept, however old, as long as its run may be the one that the saga's journal names. The read model is
asked for that: it may be behind, but the number of the named run only grows, so what it says is over is over.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from app.readmodels.sagas import SagaList
from eventstore.connections import Pool
from workflows.saga.dbos_rows import EndedRun, Place, delete_rows, ended_rows
from workflows.saga.dbos_schedules import SCHEDULED
from workflows.saga.runs import run_number, saga_of

SCAN_SECONDS: Final = 600.0
CHUNK_ROWS: Final = 500
REST_SECONDS: Final = 0.05
"""Between two chunks, so that a long backlog leaves the database to others."""
LOCK: Final = 0x5A6A_0004

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was done with some rows: how many were deleted, which were left, and where the next ones begin."""

    deleted: int
    kept: Sequence[EndedRun]
    end: Place


@dataclass
class Retention:
    """Deletes the rows of runs that ended longer than `kept` ago. `deleted` counts them."""

    pool: Pool
    sagas: SagaList
    kept: timedelta
    deleted: int = 0

    async def scan(self) -> None:
        """Delete all that is due, oldest first and in chunks; one server does so at a time."""
        before = datetime.now(UTC) - self.kept
        place, deleted, left = Place(), 0, 0
        while chunk := await self._chunk(before, place):
            place = chunk.end
            deleted, left = deleted + chunk.deleted, left + len(chunk.kept)
            await asyncio.sleep(REST_SECONDS)
        if deleted:
            log.info("rows of ended runs deleted", rows=deleted, left=left)

    async def _chunk(self, before: datetime, place: Place) -> Chunk | None:
        """Delete what is due of the next rows. None when there are no more, or another server is at it.

        The lock is that of a transaction: however this ends, it is given back.
        """
        async with self.pool.connection() as connection, connection.transaction():
            cursor = await connection.execute("select pg_try_advisory_xact_lock(%s)", [LOCK])
            if await cursor.fetchone() != (True,):
                return None
            rows = await ended_rows(before, place, CHUNK_ROWS)
            if not rows:
                return None
            over = await self._over(rows)
            await delete_rows([row.run_id for row in rows if row.run_id in over])
        kept = [row for row in rows if row.run_id not in over]
        self.deleted += len(over)
        return Chunk(len(over), kept, place.behind(rows[-1], kept))

    async def _over(self, rows: Sequence[EndedRun]) -> set[str]:
        """The runs that no saga goes on with, and those that only started a scheduled saga."""
        numbers = {row.run_id: (saga_of(row.run_id), run_number(row.run_id)) for row in rows}
        last_over = await self.sagas.last_runs_over({saga_id for saga_id, _ in numbers.values()})
        return {
            row.run_id
            for row in rows
            if row.name == SCHEDULED or numbers[row.run_id][1] <= last_over.get(numbers[row.run_id][0], 0)
        }
