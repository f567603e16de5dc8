"""An id that is given to a child by hand: it is the child's, and a child of a later round gets a suffix."""

import pytest

from tests.unit.workflows.family import SIGNALS, WHO, begun, go, serving, start, status, why_stuck
from tests.unit.workflows.toys import Message, Order, do
from workflows.saga import Saga, SagaDefinition
from workflows.saga.definition import SAGA_ID
from workflows.saga.testing import killed_at


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, saga.id)
    return saga.id


PART = SagaDefinition("part", part, Order)


async def whole(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    child: str = await saga.start(PART, Order(), id="x")
    return child


async def test_after_the_saga_went_back_it_has_the_round_as_its_suffix() -> None:
    service = await begun(whole, PART)
    for _ in range(2):
        await service.engine.compensate("s1", to_step="1", **WHO)
        await service.settle()
        await service.engine.resume("s1", **WHO)
        await service.settle()

    assert (await service.outcome()).result == "x:3"
    assert [await status(service, child) for child in ("x", "x:2", "x:3")] == [
        *("compensated", "compensated", "completed")
    ]


async def anew(saga: Saga, order: Order) -> str:
    child: str = await saga.start(PART, Order(), id="x", detached=True)
    saga.pivot()
    if order.name == "order":
        saga.continue_as(Order(name="again"))
    return child


async def test_after_the_saga_began_anew_it_has_one_too() -> None:
    service = await begun(anew, PART)

    assert (await service.outcome()).result == "x:2"
    assert await status(service, "x:2") == "completed"


@pytest.mark.parametrize("append", range(2, 12))
@pytest.mark.parametrize("hook", ["before_append", "after_append"])
async def test_it_is_the_same_one_wherever_the_process_dies(append: int, hook: str) -> None:
    async def twice(saga: Saga, order: Order) -> str:
        child: str = await saga.start(PART, Order(), id="x")
        saga.pivot()
        if order.name == "order":
            saga.continue_as(Order(name="again"))
        return child

    service = serving(twice, PART)
    await start(service)
    setattr(service.store, hook, killed_at(append))
    await service.settle()

    assert (await service.outcome()).result == "x:2", await why_stuck(service)
    sagas = {event.stream async for event in service.store.read_all(category="saga")}
    assert sagas == {"saga-s1", "saga-x", "saga-x:2"}


async def test_so_it_has_when_each_round_was_begun_by_a_signal() -> None:
    async def each_time(saga: Saga, order: Order) -> str:
        await saga.receive("go", Message)
        child: str = await saga.start(PART, Order(), id="x")
        saga.pivot()
        if order.name == "order":
            saga.continue_as(Order(name="again"))
        return child

    service = await begun(each_time, PART)
    for number in ("1", "2"):
        await go(service, id=number)
        await service.settle()

    assert (await service.outcome()).result == "x:2"


async def test_one_that_no_child_had_is_used_as_it_is_in_every_round() -> None:
    async def by_name(saga: Saga, order: Order) -> str:
        child: str = await saga.start(PART, Order(), id=f"x-{order.name}")
        saga.pivot()
        if order.name == "order":
            saga.continue_as(Order(name="again"))
        return child

    assert (await (await begun(by_name, PART)).outcome()).result == "x-again"


async def test_one_that_another_saga_has_refuses_the_step_in_every_round() -> None:
    async def late(saga: Saga, order: Order) -> None:
        if order.name == "order":
            saga.continue_as(Order(name="again"))
        await saga.start(PART, Order(), id="x")

    service = serving(late, PART)
    await service.engine.start("part", Order(), saga_id="x")
    await start(service)
    await service.settle()

    error = (await service.engine.view("s1")).error
    assert error is not None
    assert (error.code, error.detail) == ("saga-conflict", "the saga id x is taken")


async def test_two_children_of_one_round_cannot_share_it() -> None:
    async def both(saga: Saga, _order: Order) -> None:
        await saga.start(PART, Order(), id="x")
        await saga.start(PART, Order(), id="x")

    error = (await (await begun(both, PART)).outcome()).error

    assert error is not None
    assert (error.code, error.step) == ("saga-conflict", "2")


async def test_a_long_one_with_a_suffix_is_replaced_by_its_digest() -> None:
    long = "x" * 120

    async def twice(saga: Saga, order: Order) -> str:
        child: str = await saga.start(PART, Order(), id=long)
        saga.pivot()
        if order.name == "order":
            saga.continue_as(Order(name="again"))
        return child

    result = (await (await begun(twice, PART)).outcome()).result

    assert SAGA_ID.fullmatch(result)
    assert result.endswith(":2")


async def test_a_retry_past_the_pivot_starts_another_one() -> None:
    async def waits(saga: Saga, _order: Order) -> str:
        await saga.receive("go", Message)
        return saga.id

    child = SagaDefinition("part", waits, Order, signals=SIGNALS)

    async def past(saga: Saga, _order: Order) -> str:
        saga.pivot()
        result: str = await saga.start(child, Order(), id="x")
        return result

    service = await begun(past, child)
    await service.engine.compensate("x", **WHO)
    await service.settle()

    await service.engine.retry("s1", **WHO)
    await service.settle()

    assert await status(service, "x:2") == "waiting"
