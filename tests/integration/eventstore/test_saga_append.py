"""saga.append_items: the journal's entry and the run in DBOS that it names are one transaction."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from eventstore import AppendRefused, Batch, WrongExpectedVersion
from eventstore.postgres import PostgresEventStore
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, everything, happened, open_store, value

pytestmark = pytest.mark.postgres

COUNT = "select count(*) from dbos.workflow_status"


def run(run_id: str, **options: Any) -> dict[str, Any]:
    return {
        "workflow": "fulfil-order",
        "queue": "sagas",
        "id": run_id,
        "argument": run_id.split("/", maxsplit=1)[0],
        "version": "1",
        "application": "saga",
        "delay_ms": None,
        **options,
    }


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with open_store(database.url, function=("saga", "append_items")) as opened:
        yield opened


@pytest.fixture
async def looker(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await connect(database.url) as connection:
        yield connection


async def test_an_append_enqueues_the_run_that_it_names(
    store: PostgresEventStore, looker: AsyncConnection[Any]
) -> None:
    await store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a")]})

    cursor = await looker.execute(
        """select status, name, queue_name, application_version, application_name,
                  i.inputs::json ->> 'positionalArgs'
             from dbos.workflow_status as w join dbos.workflow_input as i using (workflow_uuid)
            where workflow_uuid = 'a'"""
    )
    assert await cursor.fetchall() == [("ENQUEUED", "fulfil-order", "sagas", "1", "saga", '["a"]')]


@pytest.mark.parametrize(("asked", "stored"), [({"priority": 7}, 7), ({}, 0)])
async def test_a_run_has_the_priority_that_it_is_given(
    store: PostgresEventStore, looker: AsyncConnection[Any], asked: dict[str, int], stored: int
) -> None:
    """Executors of a version before give none, which is what DBOS takes first."""
    await store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a", **asked)]})

    assert await value(looker, "select priority from dbos.workflow_status") == stored


async def test_a_delay_counts_from_the_clock_of_the_server(
    store: PostgresEventStore, looker: AsyncConnection[Any]
) -> None:
    before = await store.now()
    await store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a/2", delay_ms=60_000)]})
    after = await store.now()

    cursor = await looker.execute("select status, delay_until_epoch_ms from dbos.workflow_status")
    ((status, due),) = await cursor.fetchall()
    assert status == "DELAYED"
    assert before.timestamp() * 1000 + 59_999 <= due <= after.timestamp() * 1000 + 60_001


async def test_one_append_may_name_the_runs_of_several_sagas(
    store: PostgresEventStore, looker: AsyncConnection[Any]
) -> None:
    await store.append(
        [Batch(f"saga-{name}", 0, [happened()]) for name in "abc"],
        attachment={"runs": [run(name) for name in "abc"]},
    )

    assert await value(looker, COUNT) == 3


async def test_a_run_that_exists_is_refused_and_nothing_appended(
    store: PostgresEventStore, looker: AsyncConnection[Any]
) -> None:
    await store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a")]})
    updated = "select updated_at from dbos.workflow_status where workflow_uuid = 'a'"
    updated_at = await value(looker, updated)

    results = await asyncio.gather(
        store.append([Batch("saga-b", 0, [happened()])], attachment={"runs": [run("b"), run("a")]}),
        store.append([Batch("saga-c", 0, [happened()])], attachment={"runs": [run("c")]}),
        return_exceptions=True,
    )

    assert isinstance(results[0], AppendRefused)
    assert not isinstance(results[1], BaseException)
    assert await everything(store.read_stream("saga-b")) == []
    assert await value(looker, COUNT) == 2
    assert await value(looker, updated) == updated_at


async def test_a_duplicate_does_not_enqueue_twice(
    store: PostgresEventStore, looker: AsyncConnection[Any], database: Database
) -> None:
    batches = [Batch("saga-a", 0, [happened()])]
    first = await store.append(batches, attachment={"runs": [run("a")]})

    again = await store.append(batches, attachment={"runs": [run("a")]})
    async with await connect(database.owner_url) as owner:
        await owner.execute("delete from dbos.workflow_status")
    after_retention = await store.append(batches, attachment={"runs": [run("a")]})

    assert (again.duplicate, again.position) == (True, first.position)
    assert (after_retention.duplicate, after_retention.position) == (True, first.position)
    assert await value(looker, COUNT) == 0


async def test_a_lost_race_leaves_no_run(store: PostgresEventStore, looker: AsyncConnection[Any]) -> None:
    await store.append([Batch("saga-a", 0, [happened()])])

    results = await asyncio.gather(
        store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a")]}),
        store.append([Batch("saga-b", 0, [happened()])], attachment={"runs": [run("b")]}),
        return_exceptions=True,
    )

    assert isinstance(results[0], WrongExpectedVersion)
    assert [row[0] for row in await _rows(looker, "select workflow_uuid from dbos.workflow_status")] == ["b"]


async def test_a_lost_race_is_reported_before_a_run_that_exists(store: PostgresEventStore) -> None:
    """Starting a saga that exists must say at which version it is."""
    await store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a")]})

    with pytest.raises(WrongExpectedVersion):
        await store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a")]})


async def test_an_enqueue_that_fails_takes_its_append_with_it_and_no_other(
    store: PostgresEventStore, looker: AsyncConnection[Any]
) -> None:
    results = await asyncio.gather(
        store.append([Batch("saga-a", 0, [happened()])], attachment={"runs": [run("a", workflow="")]}),
        store.append([Batch("saga-b", 0, [happened()])], attachment={"runs": [run("b")]}),
        return_exceptions=True,
    )

    assert isinstance(results[0], psycopg.errors.RaiseException)
    assert [event.stream for event in await everything(store.read_all())] == ["saga-b"]
    assert await value(looker, COUNT) == 1


async def _rows(connection: AsyncConnection[Any], query: Any) -> list[Any]:
    return await (await connection.execute(query)).fetchall()
