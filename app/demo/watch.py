"""How the sagas of a run stand, from the tail of the log; through every death of the server."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from app.demo.client import Json, PatientClient
from app.demo.journals import PREFIX, Journal

PAGE: Final = 1000
POLL_SECONDS: Final = 0.02


@dataclass
class Watch:
    """The journals of the sagas `saga_ids`, as far as the log after position `after` has been read.

    `on_change` is told of each journal that has grown.
    """

    client: PatientClient
    saga_ids: frozenset[str]
    after: int = 0
    on_change: Callable[[Journal], None] = lambda _journal: None
    journals: dict[str, Journal] = field(default_factory=dict)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def ended(self) -> list[Journal]:
        return [journal for journal in self.journals.values() if journal.ended]

    @property
    def in_flight(self) -> list[Journal]:
        return [journal for journal in self.journals.values() if journal.in_flight]

    def settled(self, saga_ids: Iterable[str]) -> bool:
        """Whether all of these have ended, or wait for a person."""
        journals = (self.journals.get(saga_id) for saga_id in saga_ids)
        return all(journal and (journal.ended or journal.status == "stuck") for journal in journals)

    async def follow(self) -> None:
        """Read on until cancelled. Raises what PatientClient raises when the server stays away."""
        while True:
            events = (await self.client.get("/events", after=self.after, limit=PAGE))["events"]
            if events:
                await self._take(events)
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so; asked again whenever something has been read."""
        async with self._moved:
            await self._moved.wait_for(condition)

    async def _take(self, events: list[Json]) -> None:
        for event in events:
            saga_id = event["stream"].removeprefix(PREFIX)
            if event["stream"].startswith(PREFIX) and saga_id in self.saga_ids:
                journal = self.journals.setdefault(saga_id, Journal(saga_id))
                journal.take(event)
                self.on_change(journal)
        self.after = events[-1]["position"]
        async with self._moved:
            self._moved.notify_all()
