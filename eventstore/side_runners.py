"""Keeps the tables that are not served up with the log: those that a rebuild fills, and the previous ones."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eventstore.connections import Pool
from eventstore.port import EventStore
from eventstore.projections import Projection, ProjectionRunner, Slot
from eventstore.tasks import end

LOOK_SECONDS: Final = 0.5
_SIDES: Final = "select subscription from eventstore.checkpoints where subscription like '%@%'"


@dataclass
class SideRunners:
    """Runs a follower for each rebuild and each previous read model that there is; in every process.

    They are told of no commits: a rebuild that has caught up may be a quarter of a second behind.
    """

    pool: Pool
    store: EventStore
    projections: Mapping[str, Projection]
    runners: dict[str, ProjectionRunner] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def followers(self) -> list[ProjectionRunner]:
        return list(self.runners.values())

    async def look(self) -> None:
        """Start followers of tables that are new, and end those of tables that are gone."""
        async with self.pool.connection() as connection:
            rows = await (await connection.execute(_SIDES)).fetchall()
        there = {str(name) for (name,) in rows}
        for name in there - self._tasks.keys():
            projection, _, slot = name.partition("@")
            known = self.projections.get(projection)
            if known is not None:
                runner = ProjectionRunner(self.pool, self.store, known, slot=Slot(slot))
                self.runners[name] = runner
                self._tasks[name] = asyncio.create_task(runner.run(), name=f"follow {name}")
        for name in self._tasks.keys() - there:
            del self.runners[name]
            await end(self._tasks.pop(name))

    async def close(self) -> None:
        """End them all."""
        self.runners.clear()
        while self._tasks:
            await end(self._tasks.popitem()[1])
