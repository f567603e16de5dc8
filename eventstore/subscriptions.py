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
from dataclasses import dataclass, field, replace
from typing import Final

from eventstore.checkpoints import Checkpoint, Connection, Standing
from eventstore.connections import Pool
from eventstore.events import RecordedEvent
from eventstore.following import BATCH_EVENTS, follow, passes
from eventstore.parking import Patience, went_on
from eventstore.port import EventStore

HANDLER_SECONDS_MAX: Final = 5.0
"""What takes longer is tried again. The server lets the transaction of a leader idle for twice as long."""
BATCH_SECONDS_MAX: Final = 2.0
"""After so long the checkpoint is moved, and the rest of the batch is read again."""
REST_SECONDS: Final = 0.05
"""Between two looks at a busy log: most events are not for this handler."""

Handler = Callable[[RecordedEvent], Awaitable[None]]


class _Refused(Exception):
    """The handler raised `error` for an event, and it is none that passes by itself."""

    def __init__(self, event: RecordedEvent, error: Exception) -> None:
        super().__init__(str(error))
        self.event = event
        self.error = error


@dataclass
class Subscription:
    """Hands the log to `handler`; safe to run in every process.

    An event that the handler raises for is not skipped. If the error passes by itself the event is tried
    again until it does. Otherwise it is poison: after some attempts the subscription is parked before it,
    and `trouble` says so, until a person decides or a handler that understands it is deployed; nothing else
    waits.

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
    standby: bool = False

    def __post_init__(self) -> None:
        self._patience = Patience(self.pool, self.store)

    async def begin(self) -> None:
        """Record where a new subscription begins; one that has a checkpoint goes on from that."""
        checkpoint = Checkpoint(self.name)
        async with self.pool.connection() as connection:
            # Asked first: an insert would wait for whoever is moving the checkpoint, also when it hangs.
            if await checkpoint.standing(connection) is not None:
                return
            position = 0 if self.from_start else await self.store.safe_position()
            await checkpoint.begin(connection, position, "subscription")

    async def run(self) -> None:
        """Follow the log until cancelled."""
        await follow(self, rest_seconds=REST_SECONDS)

    async def advance(self) -> bool:
        """Handle one batch. False when there is nothing new, or another process is at it.

        Raises what the handler raised, after the events before that one are done with, PoisonEvent or
        FollowerParked.
        """
        checkpoint = Checkpoint(self.name)
        async with self.pool.connection() as connection, connection.transaction():
            self.standby = not await checkpoint.lead(connection)
            if self.standby:
                await checkpoint.end_hung_leader(connection)
                return False
            standing = await checkpoint.standing(connection)
            if standing is None:
                raise LookupError(f"subscription {self.name} has not begun")
            if not await self._patience.may_try(standing):
                return False
            limit = BATCH_EVENTS if standing.parked is None else 1
            events = [event async for event in self.store.read_all(standing.position, limit=limit)]
            reached, failure = await self._handle(events, standing.position)
            moved = reached != standing.position and await self._move(connection, standing, reached)
        if isinstance(failure, _Refused):
            now = replace(standing, position=reached)
            raise await self._patience.failed(now, failure.event, failure.error) from failure.error
        if failure is not None:
            raise failure
        if moved:
            self._patience.forget()
        return moved

    async def _move(self, connection: Connection, standing: Standing, reached: int) -> bool:
        if not await Checkpoint(self.name).move(connection, standing, reached):
            return False
        await went_on(connection, standing)
        return True

    async def _handle(self, events: Sequence[RecordedEvent], position: int) -> tuple[int, Exception | None]:
        """The position that the handler has come to from `position`, and why it did not go on."""
        clock = asyncio.get_running_loop().time
        until = clock() + BATCH_SECONDS_MAX
        for event in events:
            try:
                async with asyncio.timeout(HANDLER_SECONDS_MAX):
                    await self.handler(event)
            except Exception as error:
                return position, error if passes(error) else _Refused(event, error)
            position = event.position
            if clock() > until:
                break
        return position, None
