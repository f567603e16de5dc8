"""A saga that begins anew ten thousand times reads as little in its last round as in its first."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eventstore import RecordedEvent
from tests.unit.workflows.toys import TALLIES, Do, Order
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.shapes import ENTRIES_BETWEEN
from workflows.saga.testing import HookedStore, MemoryService

ENTRIES_A_ROUND = 10


class CountingStore(HookedStore):
    """Counts the entries of journals that are read."""

    read = 0

    async def read_stream(self, stream: str, **options: Any) -> AsyncIterator[RecordedEvent]:
        async for event in super().read_stream(stream, **options):
            self.read += stream.startswith("saga-")
            yield event


def counting_down(rounds: int) -> SagaDefinition:
    async def count_down(saga: Saga, order: Order) -> None:
        left = int(order.name)
        await saga.execute(Do(tally="a"), compensate=NOTHING)
        if left > 1:
            saga.pivot()
            saga.continue_as(Order(name=str(left - 1)))

    return SagaDefinition("saga", count_down, Order)


async def read_by_round(rounds: int) -> tuple[MemoryService, list[int]]:
    """How many entries each run of a saga of so many rounds has read."""
    service = MemoryService(TALLIES, [counting_down(rounds)], store=CountingStore)
    store = service.store
    assert isinstance(store, CountingStore)
    await service.engine.start("saga", Order(name=str(rounds)), saga_id="s1")
    counts = []
    store.read = 0
    while await service.run_next():
        counts.append(store.read)
        store.read = 0
    return service, counts


async def check(rounds: int) -> None:
    service, counts = await read_by_round(rounds)
    assert isinstance(service.store, CountingStore)

    assert len(counts) == rounds
    assert max(counts) <= ENTRIES_A_ROUND
    assert (await service.engine.view("s1")).status == "completed"
    service.store.read = 0
    await service.engine.view("s1")
    assert service.store.read <= ENTRIES_A_ROUND


async def test_each_round_reads_what_the_one_before_it_wrote() -> None:
    await check(300)


@pytest.mark.slow
async def test_so_does_the_last_of_ten_thousand() -> None:
    await check(10_000)


async def test_a_journal_of_one_round_is_kept_every_so_many_entries() -> None:
    async def long(saga: Saga, _order: Order) -> None:
        for number in range(5 * ENTRIES_BETWEEN):
            await saga.execute(Do(tally="a", note=str(number)), compensate=NOTHING)

    service = MemoryService(TALLIES, [SagaDefinition("saga", long, Order)], store=CountingStore)
    store = service.store
    assert isinstance(store, CountingStore)
    await service.run_saga("saga", Order())
    await service.engine.view("s1")
    store.read = 0

    saga = await service.engine.view("s1")

    assert (saga.status, len(saga.steps)) == ("completed", 5 * ENTRIES_BETWEEN)
    assert store.read == 1
