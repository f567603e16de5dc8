"""The id of a child is made from its parent's and the step, and what is recorded of it fits later code."""

from pydantic import BaseModel

from tests.unit.workflows.family import SIGNALS, WHO, begun, redeploy, status, why_stuck
from tests.unit.workflows.toys import Message, Order, do
from workflows.saga import Saga, SagaDefinition
from workflows.saga.children import child_id
from workflows.saga.definition import SAGA_ID


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, saga.id)
    return saga.id


PART = SagaDefinition("part", part, Order)


async def test_the_id_names_parent_and_step() -> None:
    async def in_branch(saga: Saga) -> str:
        await do(saga, "a")
        child: str = await saga.start(PART, Order())
        return child

    async def whole(saga: Saga, _order: Order) -> list[str]:
        return await saga.gather(saga.start(PART, Order()), saga.branch(in_branch))

    outcome = await (await begun(whole, PART)).outcome()

    assert outcome.result == ["s1.1", "s1.2.2"]


async def test_a_child_before_the_step_that_its_parent_goes_back_to_keeps_its_id() -> None:
    async def whole(saga: Saga, _order: Order) -> None:
        await saga.start(PART, Order())
        await do(saga, "a")
        await saga.start(PART, Order())

    service = await begun(whole, PART)
    await service.engine.compensate("s1", to_step="1", **WHO)
    await service.settle()

    await service.engine.resume("s1", **WHO)
    await service.settle()

    assert await status(service) == "completed", await why_stuck(service)
    outcome = await service.outcome()
    assert [step.saga_id for step in outcome.steps] == ["s1.1", None, "s1.3:2"]
    assert [await status(service, saga) for saga in ("s1.1", "s1.3", "s1.3:2")] == [
        *("completed", "compensated", "completed")
    ]


async def test_the_children_of_a_saga_that_begins_anew_are_not_taken_for_those_of_its_children() -> None:
    async def middle(saga: Saga, _order: Order) -> None:
        await do(saga, "middle")
        await saga.start(PART, Order())

    inner = SagaDefinition("middle", middle, Order)

    async def whole(saga: Saga, order: Order) -> None:
        await saga.start(inner, Order())
        saga.pivot()
        if order.name == "order":
            saga.continue_as(Order(name="again"))

    service = await begun(whole, inner, PART)

    assert await status(service) == "completed", await why_stuck(service)
    assert [await status(service, saga) for saga in ("s1.1", "s1.1.2", "s1.1:2", "s1.1:2.2")] == [
        "completed"
    ] * 4


async def test_a_long_id_is_replaced_by_its_digest() -> None:
    parent = "p" * 120

    first, second = child_id(parent, "1", 1), child_id(parent, "1", 2)

    assert SAGA_ID.fullmatch(first)
    assert SAGA_ID.fullmatch(second)
    assert first != second


async def test_a_new_field_of_the_childs_input_with_a_default_is_no_change() -> None:
    class Before(BaseModel):
        name: str = "part"

    class After(Before):
        quantity: int = 1

    async def waits(saga: Saga, _input: Before) -> None:
        await saga.receive("go", Message)

    def defined_for(kind: type[BaseModel]) -> SagaDefinition:
        return SagaDefinition("part", waits, kind, signals=SIGNALS)

    async def before(saga: Saga, _order: Order) -> None:
        await saga.start(defined_for(Before), Before())

    async def after(saga: Saga, _order: Order) -> None:
        await saga.start(defined_for(After), After())

    service = await begun(before, defined_for(Before))
    redeploy(service, after, defined_for(After))
    await service.engine.signal("s1.1", "go", {}, actor="ana")
    await service.settle()

    assert await status(service) == "completed", await why_stuck(service)
