"""Following the log: what projections and subscriptions share.

    advance()      one bounded batch, again while there was one
    wait           until somebody commits, or a moment: a notice of that may be lost
    advance() ...

A follower that cannot go on stays where it is, says why in `trouble`, and tries again.
"""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

import psycopg
import structlog

from eventstore.connections import TRANSIENT
from eventstore.errors import FollowerOutdated, FollowerParked, StoreUnavailable

BATCH_EVENTS: Final = 500
IDLE_SECONDS: Final = 0.25
TROUBLE_SECONDS: Final = 1.0

PASSING: Final = (StoreUnavailable, TimeoutError, *TRANSIENT)
"""Errors that pass by themselves: no fault of an event, and no line in the log."""
LIMITS_STATE: Final = "54"
"""Class of the SQLSTATE "program limit exceeded": a row too large for an index is so every time."""
STANDING: Final = (FollowerParked, FollowerOutdated)
"""It stands still until a person does something; what led to it is in the log."""

log = structlog.get_logger(__name__)


class Follower(Protocol):
    """Reads the log from its checkpoint on. Setting `committed` makes it look at once.

    `standby` says that another process was at it when it last looked. It then looks from time to time only:
    else every process would read every event, and all but one for nothing.
    """

    committed: asyncio.Event
    trouble: str | None
    standby: bool

    @property
    def name(self) -> str: ...

    async def advance(self) -> bool:
        """Take in one batch. False when there is nothing new, or another process is at it."""
        ...


def passes(error: Exception) -> bool:
    """Whether an error passes by itself."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return isinstance(error, PASSING) and not (state or "").startswith(LIMITS_STATE)


async def follow(follower: Follower, *, rest_seconds: float = 0.0) -> None:
    """Keep `follower` up with the log until cancelled; between two looks it rests for `rest_seconds`.

    On a busy store there is always something new: without a rest it would be looked for all the time.
    """
    while True:
        follower.committed.clear()
        try:
            more = await follower.advance()
        except Exception as error:
            _note(follower, error)
            # No commit wakes it: on a busy store a poison event would keep the process busy as well.
            await asyncio.sleep(TROUBLE_SECONDS)
            continue
        follower.trouble = None
        await asyncio.sleep(IDLE_SECONDS if follower.standby else rest_seconds)
        if not more and not follower.standby:
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await follower.committed.wait()


def _note(follower: Follower, error: Exception) -> None:
    known = passes(error) or isinstance(error, STANDING)
    trouble = str(error) if known and str(error) else f"{type(error).__name__}: {error}"
    if not known and trouble != follower.trouble:  # said once, however often it is tried
        log.exception("follower of the log cannot go on", follower=follower.name)
    follower.trouble = trouble
