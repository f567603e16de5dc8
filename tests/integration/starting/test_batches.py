"""Batches that race for an id: one of them happens, the other not at all."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel

from domain.aggregates import CATALOG
from eventstore.postgres import PostgresEventStore
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, everything, open_store, value
from workflows.saga import Limits, Registry, Saga, SagaDefinition, SagaEngine, Started
from workflows.saga.codec import EventCodec
from workflows.saga.errors import SagaConflict

CODEC = EventCodec(CATALOG)

pytestmark = pytest.mark.postgres

ROUNDS = 15
RUNS = "select count(*) from dbos.workflow_status where priority = 7 and queue_name = 'sagas.pay'"


class Pay(BaseModel):
    by: str


async def pay(_saga: Saga, _pay: Pay) -> None:
    """Never runs here."""


REGISTRY = Registry([SagaDefinition("pay", pay, Pay, limits=Limits(concurrency=1, priority=7))])


@pytest.fixture
async def stores(database: Database) -> AsyncIterator[list[PostgresEventStore]]:
    """Of two processes."""
    function = ("saga", "append_items")
    async with (
        open_store(database.url, function=function) as one,
        open_store(database.url, function=function) as other,
    ):
        yield [one, other]


async def start(
    store: PostgresEventStore, by: str, ids: list[str], shared: str
) -> list[Started] | SagaConflict:
    """The sagas `ids`, and one that others ask for too, each with another input."""
    sagas = [(saga_id, Pay(by=by)) for saga_id in (*ids, shared)]
    try:
        return await SagaEngine(store, REGISTRY, CODEC).start_many("pay", sagas)
    except SagaConflict as conflict:
        return conflict


async def test_of_two_batches_with_one_id_and_two_inputs_one_happens(
    stores: list[PostgresEventStore], database: Database
) -> None:
    for number in range(ROUNDS):
        shared = f"{number}-shared"
        ids = {by: [f"{number}-{by}-{index}" for index in range(8)] for by in "ab"}

        outcomes = await asyncio.gather(
            *(start(store, by, ids[by], shared) for store, by in zip(stores, "ab", strict=True))
        )

        [refused] = [each for each in outcomes if isinstance(each, SagaConflict)]
        assert f"'{shared}'" in str(refused)
        [started] = [each for each in outcomes if not isinstance(each, SagaConflict)]
        assert all(each.created for each in started)

    requested = [event.stream for event in await everything(stores[0].read_all())]
    assert len(requested) == len(set(requested)) == 9 * ROUNDS
    async with await connect(database.url) as looker:
        assert await value(looker, RUNS) == 9 * ROUNDS


async def test_batches_that_overlap_start_each_saga_once(
    stores: list[PostgresEventStore], database: Database
) -> None:
    """In opposite orders, which must not deadlock."""
    ids = [f"saga-{number}" for number in range(40)]
    both = await asyncio.gather(
        start(stores[0], "a", ids[:30], "last"), start(stores[1], "a", ids[:9:-1], "last")
    )

    assert not any(isinstance(each, SagaConflict) for each in both)
    created = [
        each.saga.saga_id
        for started in both
        if not isinstance(started, SagaConflict)
        for each in started
        if each.created
    ]
    assert sorted(created) == sorted([*ids, "last"])
    async with await connect(database.url) as looker:
        assert await value(looker, RUNS) == 41
