"""Which saga another one is expected to follow."""

from app.console.saga.expected import goes_before
from tests.unit.console.courses import state
from tests.unit.workflows.family import begun
from tests.unit.workflows.toys import Message, Order, do
from workflows.saga import Saga
from workflows.saga.state import SagaState


async def taken(*tallies: str) -> SagaState:
    async def each(saga: Saga, _order: Order) -> None:
        for tally in tallies:
            await do(saga, tally)
        await saga.receive("go", Message)

    return await state(await begun(each))


async def test_the_one_that_has_taken_the_same_steps_and_more_goes_before() -> None:
    short, long = await taken("a"), await taken("a", "b")

    assert goes_before(long, long)
    assert [step.name for step in long.in_order()][:2] != [step.name for step in short.in_order()]
    assert not goes_before(short, long)
    assert not goes_before(long, short)
    del short.steps["2"]
    assert goes_before(long, short)
