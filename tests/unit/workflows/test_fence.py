"""Two executions of one run at once: nothing happens twice, and the loser never looks like an outcome."""

import asyncio

import pytest

from tests.unit.workflows.toys import Order, SagaFunction, counts, do, service_of
from workflows.saga import Saga, journal
from workflows.saga.errors import Superseded
from workflows.saga.testing import Hook


async def three_steps(saga: Saga, _order: Order) -> None:
    for tally in "abcde":
        await do(saga, tally)


async def four_side_by_side(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.gather(*(do(saga, tally) for tally in "bcde"))


def paused_at(number: int, reached: asyncio.Event, resumed: asyncio.Event) -> Hook:
    async def pause(current: int) -> None:
        if current == number:
            reached.set()
            await resumed.wait()

    return pause


@pytest.mark.parametrize("ahead", [1, 2])
@pytest.mark.parametrize("append", [3, 4])
@pytest.mark.parametrize("saga", [three_steps, four_side_by_side])
async def test_a_paused_execution_is_superseded_by_one_that_is_still_under_way(
    saga: SagaFunction, append: int, ahead: int
) -> None:
    service = service_of(saga)
    await service.engine.start("saga", Order(), saga_id="s1")
    reached, resumed = asyncio.Event(), asyncio.Event()
    service.store.before_append = paused_at(append, reached, resumed)
    first = asyncio.create_task(service.execute("s1"))
    await reached.wait()
    second_reached, second_resumed = asyncio.Event(), asyncio.Event()
    service.store.before_append = paused_at(append + 1 + ahead, second_reached, second_resumed)
    second = asyncio.create_task(service.execute("s1"))
    await second_reached.wait()

    resumed.set()
    await asyncio.wait([first])
    second_resumed.set()
    await second

    assert isinstance(first.exception(), Superseded)
    assert await counts(service) == dict.fromkeys("abcde", 1)
    assert (await service.outcome()).saga.status == "completed"


async def test_an_execution_whose_run_is_no_longer_the_named_one_ends_quietly() -> None:
    service = service_of(three_steps)
    await service.engine.start("saga", Order(), saga_id="s1")

    async def name_another(number: int) -> None:
        if number == 3:
            del service.store.before_append
            await service.engine.name_next_run("s1", 1, "no live run was found")

    service.store.before_append = name_another
    await service.execute("s1")

    assert await counts(service) == {"a": 1}
    assert [run.request["id"] for run in service.enqueued] == ["s1", "s1/2"]
    await service.settle()
    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert [entry.run for entry in outcome.journal if isinstance(entry, journal.RunStarted)] == [1, 2]


async def test_an_execution_that_finds_its_saga_ended_by_another_one_ends_quietly() -> None:
    service = service_of(three_steps)
    await service.engine.start("saga", Order(), saga_id="s1")
    reached, resumed = asyncio.Event(), asyncio.Event()
    service.store.before_append = paused_at(3, reached, resumed)
    paused = asyncio.create_task(service.execute("s1"))
    await reached.wait()
    await service.execute("s1")
    version = len(await service.stream("saga-s1"))

    resumed.set()
    await paused

    assert len(await service.stream("saga-s1")) == version


async def test_a_run_of_no_saga_at_all_ends_quietly() -> None:
    service = service_of(three_steps)

    await service.execute("nobody/7")

    assert service.store.appends == 0
