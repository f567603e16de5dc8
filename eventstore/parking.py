"""Parking: a follower that cannot take in an event waits before it, durably, until a person decides.

    Patience       counts the attempts of this process; when they are used up, the follower is parked
    park()         state and reason in the row of its checkpoint, and an event that says so
    retry()        an operator lets it try again
    skip()         an operator lets it go on behind that event: what the event says is lost to it

A process that starts tries a parked follower once: it may have code that understands the event.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from eventstore.checkpoints import Checkpoint, Connection, Parked, Standing
from eventstore.connections import Pool
from eventstore.decisions import SYSTEM, Author, record
from eventstore.errors import FollowerConflict, FollowerParked, FollowerUnknown, PoisonEvent
from eventstore.events import RecordedEvent
from eventstore.port import EventStore

ATTEMPTS_MAX: Final = 3
"""Attempts of one process before it parks; a second apart."""

log = structlog.get_logger(__name__)


@dataclass
class Patience:
    """What a runner remembers of the event that it cannot take in."""

    pool: Pool
    store: EventStore
    _began: datetime | None = None
    _position: int = 0
    _attempts: int = 0

    async def may_try(self, standing: Standing) -> bool:
        """Whether to take in the next batch. Raises FollowerParked when it is a person's turn."""
        if self._began is None:
            self._began = await self.store.now()
        if standing.parked is None:
            return standing.state == "following"
        mine = self._position == standing.parked.position
        if mine or self._began <= standing.parked.since:
            raise FollowerParked(str(standing.parked))
        return True

    async def failed(self, standing: Standing, event: RecordedEvent, error: Exception) -> Exception:
        """Count an attempt, and park the follower after the last one; gives what to raise."""
        self._attempts = self._attempts + 1 if event.position == self._position else 1
        self._position = event.position
        poison = PoisonEvent(event.type, event.position, error)
        poison.__cause__ = error
        if standing.parked is None and self._attempts < ATTEMPTS_MAX:
            return poison
        earlier = standing.parked.attempts if standing.parked else 0
        since = standing.parked.since if standing.parked else await self.store.now()
        parked = Parked.before(event, error, earlier + self._attempts, since)
        self._attempts = 0
        async with self.pool.connection() as connection, connection.transaction():
            if not await park(connection, standing, parked):
                return poison
        log.error("follower of the log is parked", follower=standing.name, **_facts(parked))
        return FollowerParked(str(parked))

    def forget(self) -> None:
        """The follower has gone on."""
        self._attempts = self._position = 0


async def park(connection: Connection, standing: Standing, parked: Parked) -> bool:
    """Park a follower where it stands. False when it does not stand there any more."""
    if not await Checkpoint(standing.name).change(connection, standing, "parked", parked):
        return False
    await record(connection, standing.kind, standing.name, "Parked", _facts(parked), SYSTEM)
    return True


async def went_on(connection: Connection, standing: Standing) -> None:
    """Say that a follower which was parked has taken that event in; with the transaction that does so."""
    if standing.parked is not None:
        await record(connection, standing.kind, standing.name, "WentOn", _facts(standing.parked), SYSTEM)


async def retry(pool: Pool, name: str, by: Author) -> Standing:
    """Let a parked follower try again. Raises FollowerUnknown, FollowerConflict."""
    async with pool.connection() as connection, connection.transaction():
        standing, parked = await _parked(connection, name)
        await Checkpoint(name).change(connection, standing, "following")
        await record(connection, standing.kind, name, "Retried", _facts(parked), by)
    return standing


async def skip(pool: Pool, name: str, by: Author, position: int | None = None) -> Standing:
    """Let a parked follower go on behind the event, which must be at `position` if that is given.

    Raises FollowerUnknown, FollowerConflict.
    """
    async with pool.connection() as connection, connection.transaction():
        standing, parked = await _parked(connection, name)
        if position not in (None, parked.position):
            raise FollowerConflict(name, f"it is parked before position {parked.position}, not {position}")
        await Checkpoint(name).move(connection, standing, parked.position)
        await record(connection, standing.kind, name, "Skipped", _facts(parked), by)
    return standing


async def locked(connection: Connection, name: str) -> Standing:
    """The row of a follower, which nobody else changes until the transaction ends. Raises FollowerUnknown."""
    for _ in range(3):
        # A row that was waited for may have got another name; the next statement finds its successor.
        standing = await Checkpoint(name).standing(connection, lock=True)
        if standing is not None:
            return standing
    raise FollowerUnknown(name)


async def _parked(connection: Connection, name: str) -> tuple[Standing, Parked]:
    standing = await locked(connection, name)
    if standing.parked is None:
        raise FollowerConflict(name, f"it is not parked but {standing.state}")
    return standing, standing.parked


def _facts(parked: Parked) -> dict[str, Any]:
    return {
        "position": parked.position,
        "event_id": parked.event_id,
        "event_type": parked.type,
        "stream": parked.stream,
        "error": parked.reason,
        "attempts": parked.attempts,
    }
