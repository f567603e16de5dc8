"""What counts as progress of a saga, and when it has a result."""

from tests.unit.workflows.family import WHO, begun, go
from tests.unit.workflows.toys import CODEC, Do, Message, Order, do
from workflows.saga import NOTHING, Saga
from workflows.saga.state import read_state
from workflows.saga.testing import MemoryService


async def outcomes(service: MemoryService) -> int:
    state = await read_state(service.store, CODEC, "s1")
    assert state is not None
    return state.outcomes


async def test_a_saga_that_has_begun_anew_has_come_forward() -> None:
    """Crashes of one round must not be added to those of the next."""

    async def polls(saga: Saga, order: Order) -> None:
        await saga.receive("go", Message)
        await saga.execute(Do(tally=order.name), compensate=NOTHING)
        saga.continue_as(order)

    service = await begun(polls)
    first = await outcomes(service)

    await go(service)
    await service.settle()

    assert await outcomes(service) > first


async def test_an_undone_saga_has_no_result() -> None:
    async def function(saga: Saga, _order: Order) -> str:
        await do(saga, "a")
        return "done"

    service = await begun(function)
    assert (await service.engine.view("s1")).result == "done"

    await service.engine.compensate("s1", **WHO)
    await service.settle()

    assert (await service.engine.view("s1")).result is None
