"""A rebuild whose servers are killed goes on from its checkpoint in another server, and is whole."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg
import pytest

from app.readmodels.sagas import SagaProjection
from domain.aggregates import CATALOG
from eventstore import Batch, NewEvent, RecordedEvent
from tests.acceptance.server import Json, until
from tests.conftest import Database
from tests.integration.eventstore.stores import open_store
from tests.recovery.launcher import Server, serving
from workflows.saga import journal
from workflows.saga.codec import EventCodec

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SAGAS = 4_000
WHY = {"reason": "a test"}


def slow_batches() -> None:
    """A rebuild takes some seconds, so that it can be killed in the middle."""
    apply = SagaProjection.apply

    async def slow(
        projection: SagaProjection, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]
    ) -> None:
        await apply(projection, connection, events)
        await asyncio.sleep(0.5)

    SagaProjection.apply = slow  # type: ignore[method-assign]


async def _record(database: Database) -> None:
    """Sagas that have ended: nobody runs them."""
    entries = [journal.SagaRequested(name="toy", saga_version=1, input={}), journal.SagaCompleted()]
    codec = EventCodec(CATALOG)
    async with open_store(database.url) as store:

        async def one(number: int) -> None:
            events: list[NewEvent] = [codec.encode(entry, {}) for entry in entries]
            await store.append([Batch(f"saga-s{number}", 0, events)])

        for first in range(0, SAGAS, 500):
            await asyncio.gather(*(one(number) for number in range(first, first + 500)))


def view(server: Server) -> Json:
    answer: Json = httpx.get(f"{server.url}/projections/sagas", timeout=20).raise_for_status().json()
    return answer


def staging_position(server: Server) -> int:
    return int(view(server)["staging"]["lag"]["position"])


def decide(server: Server, action: str) -> Json:
    url = f"{server.url}/projections/sagas/{action}"
    answer: Json = httpx.post(url, json=WHY, timeout=60).raise_for_status().json()
    return answer


def test_it_goes_on_from_its_checkpoint(database: Database) -> None:
    asyncio.run(_record(database))
    with serving(database) as server:
        until(lambda: view(server)["live"]["lag"]["events"] == 0)
    with serving(database, slow_batches) as first:
        decide(first, "rebuild")
        until(lambda: staging_position(first) > 0)
        assert view(first)["staging"]["lag"]["events"] > 0
        first.kill()
    with serving(database, slow_batches) as second:
        at = staging_position(second)
        assert at > 0
        until(lambda: staging_position(second) > at)
        second.kill()
    with serving(database) as third:
        until(lambda: view(third)["staging"]["lag"]["events"] == 0)
        url = f"{third.url}/projections/sagas/diff"
        found = httpx.get(url, params={"full": True}, timeout=60).raise_for_status().json()
        assert found["same"], found
        assert found["tables"][0]["rows_other"] == SAGAS
        assert decide(third, "promote")["staging"] is None
