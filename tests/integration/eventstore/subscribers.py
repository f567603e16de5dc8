"""Subscriptions on a test database, and handlers that can be told what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventstore import EventStore, RecordedEvent
from eventstore.connections import store_pool
from eventstore.subscriptions import Handler, Subscription
from tests.conftest import Database

NAME = "listener"


class Seen:
    """Remembers the events that it got."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []

    @property
    def streams(self) -> list[str]:
        return [event.stream for event in self.events]

    @property
    def positions(self) -> list[int]:
        return [event.position for event in self.events]

    async def __call__(self, event: RecordedEvent) -> None:
        self.events.append(event)


class Held(Seen):
    """Stands still at its first event until `released` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self, event: RecordedEvent) -> None:
        self.reached.set()
        await self.released.wait()
        await super().__call__(event)


class Refusing(Seen):
    """Raises `error` for the events of a stream, as long as there is one."""

    def __init__(self, stream: str, error: BaseException) -> None:
        super().__init__()
        self.stream = stream
        self.error: BaseException | None = error

    async def __call__(self, event: RecordedEvent) -> None:
        if event.stream == self.stream and self.error is not None:
            raise self.error
        await super().__call__(event)


@asynccontextmanager
async def subscribed(
    database: Database, store: EventStore, handler: Handler, *, name: str = NAME, from_start: bool = True
) -> AsyncIterator[Subscription]:
    """A subscription with a pool of its own, as in a process of its own; it has begun and does not run."""
    async with store_pool(database.url, 1) as pool:
        subscription = Subscription(pool, store, name, handler, from_start)
        await subscription.begin()
        yield subscription


@asynccontextmanager
async def running(*subscriptions: Subscription) -> AsyncIterator[None]:
    """Follow the log until the context ends."""
    tasks = [asyncio.create_task(subscription.run()) for subscription in subscriptions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
