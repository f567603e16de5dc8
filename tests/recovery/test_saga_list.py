"""The list of sagas: whenever its process is killed, in the end it says what the journals say."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import TypeAdapter

from app.readmodels.sagas import NAME
from domain.aggregates import CATALOG
from eventstore import NO_STREAM, Batch, RecordedEvent
from eventstore.connections import store_pool
from eventstore.projections import ProjectionRunner
from eventstore.tasks import end
from tests.acceptance.server import until
from tests.conftest import Database
from tests.integration.eventstore.stores import happened, open_store
from tests.integration.eventstore.stores import until as eventually
from tests.recovery.faults import DieInProjection, ShortCalls, When
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, open_shop, order, place
from workflows.saga.codec import EventCodec
from workflows.saga.summary import SagaSummary, summarise

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 10
EVENTS = 300


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 4])
def test_it_equals_the_journals_after_a_crash_in_the_middle_of_a_transaction(
    database: Database, number: int, when: When
) -> None:
    """Before the rows are written, or after; the checkpoint is moved, and nothing is committed."""
    orders = [order(f"order-{one}") for one in range(ORDERS)]
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        open_shop(http)
        until(lambda: has_caught_up(database))
        server.stop()
    with (
        serving(database, DieInProjection(number, when), ShortCalls()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        with suppress(httpx.TransportError):
            for asked in orders:
                place(http, asked)
        assert server.exit_code() == -9
        assert not has_caught_up(database)

    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        sagas = [place(http, asked) for asked in orders]
        await_end(http, *sagas)
        until(lambda: has_caught_up(database))
        listed = http.get("/sagas").json()["sagas"]

    expected = journals_of(database)
    assert sorted(expected) == sorted(sagas)
    assert rows_of(database) == {saga_id: row_of(summary) for saga_id, summary in expected.items()}
    assert [(row["saga_id"], row["status"]) for row in listed] == [
        (saga_id, "completed") for saga_id in reversed(expected)
    ]


def has_caught_up(database: Database) -> bool:
    behind = """
        select max(position) > (select coalesce(max(position), 0) from eventstore.checkpoints
                                 where subscription = %(name)s)
          from eventstore.events
    """
    return not Look(database).value(behind, name=NAME)


def journals_of(database: Database) -> dict[str, SagaSummary]:
    """What the journals say, in the order in which the sagas were started."""
    summaries: dict[str, SagaSummary] = {}
    for row in Look(database).rows(
        "select * from eventstore.events where stream like 'saga-%%' order by position"
    ):
        event = RecordedEvent(**row)
        saga_id = event.stream.removeprefix("saga-")
        summaries[saga_id] = summarise(CODEC, event, summaries.get(saga_id))
    return summaries


def rows_of(database: Database) -> dict[str, dict[str, Any]]:
    rows = Look(database).rows("select saga_id, status, named_run, updated_at, summary from readmodels.sagas")
    return {row.pop("saga_id"): row for row in rows}


def row_of(summary: SagaSummary) -> dict[str, Any]:
    return {
        "status": summary.status,
        "named_run": summary.named_run,
        "updated_at": summary.updated_at,
        "summary": TypeAdapter(SagaSummary).dump_python(summary, mode="json"),
    }


class Seen:
    """A read model that tells when an event is applied twice."""

    name = "seen"
    version = 1
    tables = ("seen",)

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        async with connection.cursor() as cursor:
            await cursor.executemany("insert into seen values (%s)", [(event.position,) for event in events])


async def test_two_runners_apply_every_event_once(database: Database) -> None:
    with psycopg.connect(database.admin_url) as admin:
        admin.execute("create table readmodels.seen (position bigint)")
        admin.execute("grant all on readmodels.seen to public")
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(database.url))
        runners = [
            ProjectionRunner(await stack.enter_async_context(store_pool(database.url, 2)), store, Seen())
            for _ in range(2)
        ]
        tasks = [asyncio.create_task(runner.run()) for runner in runners]
        for number in range(EVENTS):
            await store.append([Batch(f"thing-{number}", NO_STREAM, [happened()])])
            for runner in runners:
                runner.committed.set()

        async def caught_up() -> bool:
            return await runners[0].position() == await store.safe_position()

        await eventually(caught_up)
        await asyncio.gather(*map(end, tasks))

        assert [runner.trouble for runner in runners] == [None, None]
    counts = Look(database).rows(
        "select count(*) as n, count(distinct position) as positions from readmodels.seen"
    )
    assert counts == [{"n": EVENTS, "positions": EVENTS}]
