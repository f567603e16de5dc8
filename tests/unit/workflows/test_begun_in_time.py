"""A start that says how long it is worth to begin: begun later it is refused, and nothing is done."""

from datetime import datetime, timedelta

from domain import Rejected
from tests.unit.workflows.toys import Order, do, service_of
from workflows.saga import Saga

WORTH = timedelta(minutes=5)


async def test_what_begins_too_late_ends_with_nothing_done_and_says_why() -> None:
    begin_by: list[datetime] = []

    async def begun_in_time(saga: Saga, _order: Order) -> None:
        if saga.now() > begin_by[0]:
            raise Rejected("not worth it any more", code="too-late")
        await do(saga, "a")

    service = service_of(begun_in_time)
    begin_by.append(service.now() + WORTH)
    in_time = await service.run_saga("saga", Order())
    begin_by[0] = service.now() - WORTH
    await service.engine.start("saga", Order(), saga_id="late")
    await service.settle()
    late = await service.outcome("late")

    assert in_time.status == "completed"
    assert (late.status, late.commands, late.steps) == ("compensated", [], [])
    assert late.error is not None
    assert late.error.code == "too-late"
