"""A saga that has got over a failed call begins anew: the call is undone before, however long that takes."""

from tests.unit.workflows.toys import AWAY, ONCE, Order, Remote, failing, send, service_of
from workflows.saga import CallFailed, Saga


async def begins_anew(saga: Saga, order: Order) -> None:
    if order.name == "again":
        return
    try:
        await send(saga, ONCE)
    except CallFailed:
        saga.pivot()
        saga.continue_as(Order(name="again"))


async def test_it_parks_until_the_call_is_undone() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)
    remote.before_unsend = failing(*[AWAY] * 6, None)

    outcome = await service_of(begins_anew, remote).run_saga("saga", Order())

    assert outcome.entries.index("Parked") < outcome.entries.index("StepCompensated")
    assert outcome.entries.index("StepCompensated") < outcome.entries.index("Continued")
    assert outcome.saga.status == "completed"
