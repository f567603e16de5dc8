"""A read model of one's own: the snippets of docs/query-read-models.md."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg

from app.readmodels.decoding import changes_by_key
from domain.order import OrderPlaced
from eventstore import RecordedEvent
from workflows.saga.codec import EventCodec


class CountryProjection:
    """How many orders go to each country."""

    name = "countries"
    version = 1
    tables = ("countries",)

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        orders: Counter[str] = Counter()
        for changes in changes_by_key(self._codec, events, "order").values():
            for change in changes:
                placed = [event for event in change.events if isinstance(event, OrderPlaced)]
                orders.update(event.ship_to.country for event in placed)
        async with connection.cursor() as cursor:
            await cursor.executemany(
                """
                insert into countries values (%s, %s)
                on conflict (country) do update set orders = countries.orders + excluded.orders
                """,
                list(orders.items()),
            )
