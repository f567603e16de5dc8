"""What is decided about a follower of the log, as an event in a stream of its own: `projection-<name>`.

The event is appended by the transaction that does what was decided: neither is there without the other. Who
changes a follower holds its row meanwhile, so these appends come one after the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from psycopg.types.json import Jsonb

from eventstore.checkpoints import Connection, Kind
from eventstore.documents import document, item
from eventstore.errors import FollowerConflict
from eventstore.events import Batch, NewEvent

What = Literal[
    "Parked",
    "WentOn",
    "Retried",
    "Skipped",
    "RebuildStarted",
    "RebuildPaused",
    "RebuildResumed",
    "Promoted",
    "Returned",
    "Discarded",
]
"""Durable: the second half of the names of these events."""
CATEGORIES: Final[frozenset[Kind]] = frozenset({"projection", "subscription"})


@dataclass(frozen=True, slots=True)
class Author:
    """Who decides, and why; a server that decides by itself is `system`."""

    actor: str = "system"
    reason: str | None = None
    correlation_id: str | None = None


SYSTEM: Final = Author()


def stream_of(kind: Kind, name: str) -> str:
    """The stream of the decisions about a follower; those about all slots of a projection are in one."""
    return f"{kind}-{name.partition('@')[0]}"


async def record(
    connection: Connection, kind: Kind, name: str, what: What, data: Mapping[str, Any], by: Author
) -> None:
    """Append `ProjectionWhat` or `SubscriptionWhat` with the transaction of `connection`.

    The last thing of a transaction: from here to its end it holds the readers of the log back. Raises
    FollowerConflict when another transaction has just decided.
    """
    metadata = {"actor": by.actor, "correlation_id": by.correlation_id}
    event = NewEvent(
        f"{kind.capitalize()}{what}",
        {"follower": name, **data, "actor": by.actor, "reason": by.reason},
        {key: value for key, value in metadata.items() if value is not None},
    )
    if not await append_within(connection, stream_of(kind, name), event):
        raise FollowerConflict(name, "somebody else has just decided about it; look again")


async def append_within(connection: Connection, stream: str, event: NewEvent) -> bool:
    """Append an event with the transaction of `connection`, the last thing of it.

    False when another transaction has just appended to the stream: this one must not commit then.
    """
    cursor = await connection.execute(
        "select coalesce(max(version), 0) from eventstore.events where stream = %s", [stream]
    )
    row = await cursor.fetchone()
    batch = Batch(stream, row[0] if row else 0, [event])
    parameter = Jsonb(document([item([batch])]), dumps=orjson.dumps)
    cursor = await connection.execute("select eventstore.append_items(%s)", [parameter])
    answer = await cursor.fetchone()
    return answer is not None and answer[0][0]["status"] == "appended"
