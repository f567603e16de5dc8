"""Subscriptions: a handler that gets the events of the log one by one, in order of position, at least once.

    lead                       one process at a time, by a lock that ends with its transaction
    read from the checkpoint   up to the safe position
    handle each event          acts elsewhere: what it did is not undone by a crash
    move the checkpoint        from the value that was read; then the lock is free

A process that dies between the last two leaves the old checkpoint, and its events are handled again. The same
happens when the server ends the transaction of a leader that hangs (`idle_in_transaction_session_timeout`):
the next one begins where the checkpoint is. A handler must tolerate both.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from eventstore.connections import Pool
from eventstore.errors import PoisonEvent
from eventstore.events import RecordedEvent
from eventstore.following import BATCH_EVENTS, PASSING, Checkpoint, follow
from eventstore.port import EventStore

HANDLER_SECONDS_MAX: Final = 5.0
"""What takes longer is tried again. The server lets the transaction of a leader idle for twice as long."""
BATCH_SECONDS_MAX: Final = 2.0
"""After so long the checkpoint is moved, and the rest of the batch is read again."""
REST_SECONDS: Final = 0.05
"""Between two looks at a busy log: most events are not for this handler."""

Handler = Callable[[RecordedEvent], Awaitable[None]]


@dataclass
class Subscription:
    """Hands the log to `handler`; safe to run in every process.

    An event that the handler raises for is not skipped. If the error passes by itself the event is tried
    again until it does. Otherwise it is poison: the subscription stays before it, and `trouble` says so,
    until a handler that understands it is deployed; nothing else waits.

    A connection of `pool` is held while a batch is handled. Handlers must not need another one of it.

    A new subscription begins at the end of the log: it handles what is appended after `begin`. With
    `from_start` it begins with the first event of the log.
    """

    pool: Pool
    store: EventStore
    name: str
    handler: Handler
    from_start: bool = False
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str | None = None

    async def begin(self) -> None:
        """Record where a new subscription begins; one that has a checkpoint goes on from that."""
        position = 0 if self.from_start else await self.store.safe_position()
        async with self.pool.connection() as connection:
            await Checkpoint(self.name).begin(connection, position)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        await follow(self, rest_seconds=REST_SECONDS)

    async def advance(self) -> bool:
        """Handle one batch. False when there is nothing new, or another process is at it.

        Raises what the handler raised, after the events before that one are done with, or PoisonEvent.
        """
        checkpoint = Checkpoint(self.name)
        async with self.pool.connection() as connection, connection.transaction():
            if not await checkpoint.lead(connection):
                return False
            position = await checkpoint.position(connection)
            if position is None:
                raise LookupError(f"subscription {self.name} has not begun")
            events = [event async for event in self.store.read_all(position, limit=BATCH_EVENTS)]
            reached, failure = await self._handle(events, position)
            moved = reached != position and await checkpoint.move(connection, position, reached)
        if failure is not None:
            raise failure
        return moved

    async def _handle(self, events: Sequence[RecordedEvent], position: int) -> tuple[int, Exception | None]:
        """The position that the handler has come to from `position`, and why it did not go on."""
        clock = asyncio.get_running_loop().time
        until = clock() + BATCH_SECONDS_MAX
        for event in events:
            try:
                async with asyncio.timeout(HANDLER_SECONDS_MAX):
                    await self.handler(event)
            except PASSING as away:
                return position, away
            except Exception as error:
                poison = PoisonEvent(event.type, event.position, error)
                poison.__cause__ = error
                return position, poison
            position = event.position
            if clock() > until:
                break
        return position, None
