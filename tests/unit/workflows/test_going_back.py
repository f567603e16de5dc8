"""A saga that is undone back to a step, and what follows."""

import pytest

from tests.unit.workflows.toys import Order, SagaFunction, counts, do, refusing, service_of
from workflows.saga import Saga
from workflows.saga.errors import CannotCompensate
from workflows.saga.testing import MemoryService


async def pivot_at_the_end(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")
    saga.pivot()
    await saga.gather()


async def step_past_the_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    saga.pivot()
    await do(saga, "b")


async def undone_to(function: SagaFunction, step: str, *, force: bool = False) -> MemoryService:
    service = service_of(function)
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", actor="ana", reason="back", to_step=step, force=force)
    await service.settle()
    return service


async def resume(service: MemoryService) -> None:
    await service.engine.resume("s1", actor="ana", reason="on")
    await service.settle()


async def test_a_saga_cannot_go_on_from_a_step_that_is_undone() -> None:
    service = await undone_to(pivot_at_the_end, "1", force=True)

    with pytest.raises(CannotCompensate, match="step 2"):
        await service.engine.compensate("s1", actor="ana", reason="no, here", to_step="2")

    await resume(service)
    assert (await service.outcome()).saga.status == "completed"
    assert await counts(service) == {"a": 1, "b": 1}


async def test_a_saga_that_went_back_before_its_pivot_can_be_undone_by_a_refusal() -> None:
    service = await undone_to(pivot_at_the_end, "1", force=True)
    service.refuse = refusing("b")

    await resume(service)

    assert (await service.outcome()).saga.status == "compensated"
    assert await counts(service) == {"a": 0, "b": 0}


async def test_what_stayed_when_the_saga_went_back_is_listed_also_when_it_has_completed() -> None:
    service = await undone_to(step_past_the_pivot, "1", force=True)

    await resume(service)

    saga = (await service.outcome()).saga
    assert (saga.status, [left.step for left in saga.left]) == ("completed", ["2"])


async def test_what_stayed_when_the_saga_went_back_is_listed_at_its_end() -> None:
    service = await undone_to(step_past_the_pivot, "1", force=True)
    await resume(service)

    await service.engine.compensate("s1", actor="ana", reason="away with it", force=True)
    await service.settle()

    saga = (await service.outcome()).saga
    assert saga.status == "abandoned"
    assert [left.step for left in saga.left] == ["2", "2"]
    assert await counts(service) == {"a": 0, "b": 2}
