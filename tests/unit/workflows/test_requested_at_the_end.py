"""A request to compensate reaches a saga that has got over a failed call and is about to complete."""

from tests.unit.workflows.toys import (
    AWAY,
    ONCE,
    Message,
    Order,
    Remote,
    Undo,
    do,
    failing,
    request,
    send,
    service_of,
)
from workflows.saga import CallFailed, Saga


async def gets_over_a_call(saga: Saga, _order: Order) -> None:
    try:
        await send(saga, ONCE)
    except CallFailed:
        await do(saga, "a")
    saga.pivot()


async def test_it_interrupts_and_the_pivot_has_not_happened() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)
    service = service_of(gets_over_a_call, remote)

    async def interrupt(number: int) -> None:
        if number == 5:  # the compensation of the call is announced, with the pivot
            await request(service)

    service.store.before_append = interrupt
    outcome = await service.run_saga("saga", Order())

    assert "PivotReached" not in outcome.entries
    assert outcome.saga.status == "compensated"
    assert outcome.compensations == [Undo(tally="a"), Message()]
