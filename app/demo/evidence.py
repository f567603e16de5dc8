"""What a server says of everything that happened: the ground on which the checks stand."""

import asyncio
from dataclasses import dataclass
from typing import Final

from app.demo.client import Json, PatientClient
from app.demo.journals import PREFIX, Journal, journals_of

PAGE: Final = 1000
REQUESTS_AT_ONCE: Final = 8
BOOKINGS: Final = "/sandbox/carrier/bookings"


@dataclass(frozen=True)
class Evidence:
    """The whole log, the state of every stock item and account by key, and the carrier's own books."""

    events: list[Json]
    journals: dict[str, Journal]
    stocks: dict[str, Json]
    accounts: dict[str, Json]
    bookings: list[Json]

    @property
    def domain_events(self) -> list[Json]:
        """The events of the aggregates, in order."""
        return [event for event in self.events if not event["stream"].startswith(PREFIX)]


async def gather_evidence(client: PatientClient) -> Evidence:
    """Ask the server for all of it. Nothing should be going on meanwhile."""
    events = await _events(client)
    return Evidence(
        events=events,
        journals=journals_of(events),
        stocks=await _states(client, "stock", events),
        accounts=await _states(client, "account", events),
        bookings=await _bookings(client),
    )


async def _events(client: PatientClient) -> list[Json]:
    events: list[Json] = []
    after = 0
    while page := (await client.get("/events", after=after, limit=PAGE))["events"]:
        events += page
        after = page[-1]["position"]
    return events


async def _states(client: PatientClient, category: str, events: list[Json]) -> dict[str, Json]:
    """The aggregates of a category, as the server folds them."""
    prefix = f"{category}-"
    streams = {event["stream"] for event in events}
    keys = sorted(stream.removeprefix(prefix) for stream in streams if stream.startswith(prefix))
    free = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def state(key: str) -> Json:
        async with free:
            answer = await client.get(f"/aggregates/{category}/{key}")
        state: Json = answer["state"]
        return state

    return dict(zip(keys, await asyncio.gather(*map(state, keys)), strict=True))


async def _bookings(client: PatientClient) -> list[Json]:
    bookings: list[Json] = []
    after = ""
    while True:
        page = await client.get(BOOKINGS, after=after, limit=PAGE)
        bookings += page["bookings"]
        if page["next"] is None:
            return bookings
        after = page["next"]
