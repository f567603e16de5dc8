"""Forgetting a person: the end of the key, and the event that says so, in one transaction.

Whatever was encrypted with the key reads `forgotten` from then on, wherever it is kept. The log stays as it
is.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from app.privacy.keys import DestroyedKey, destroy
from eventstore import StoreUnavailable
from eventstore.connections import Pool
from eventstore.decisions import Author, append_within
from eventstore.events import NewEvent

CATEGORY: Final = "subject"
"""Of the streams with what was decided about a person: `subject-VINET`. Durable."""
SUBJECT_FORGOTTEN: Final = "SubjectForgotten"
"""Durable. Its data: subject, keys (key_id, created_at), actor, reason."""


class Forgotten(BaseModel):
    """What was destroyed: nothing if there was no key. `event_id` is of the event that tells of it."""

    subject: str = Field(examples=["VINET"])
    destroyed: list[DestroyedKey]
    event_id: UUID | None


async def forget(pool: Pool, subject: str, by: Author) -> Forgotten:
    """Destroy the key of a person; a second time does nothing.

    Of two at once the second waits for the first and finds nothing left: there is one event for one key.
    """
    async with pool.connection() as connection, connection.transaction():
        destroyed = await destroy(connection, subject)
        if not destroyed:
            return Forgotten(subject=subject, destroyed=[], event_id=None)
        event = NewEvent(SUBJECT_FORGOTTEN, _told(subject, destroyed, by), _metadata(by))
        if not await append_within(connection, f"{CATEGORY}-{subject}", event):
            raise StoreUnavailable(f"somebody else has just decided about {subject}")
    return Forgotten(subject=subject, destroyed=destroyed, event_id=event.event_id)


def _told(subject: str, destroyed: list[DestroyedKey], by: Author) -> Mapping[str, Any]:
    keys = [key.model_dump(mode="json") for key in destroyed]
    return {"subject": subject, "keys": keys, "actor": by.actor, "reason": by.reason}


def _metadata(by: Author) -> Mapping[str, str]:
    given = {"actor": by.actor, "correlation_id": by.correlation_id}
    return {name: value for name, value in given.items() if value is not None}
