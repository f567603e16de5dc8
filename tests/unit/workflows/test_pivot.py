"""The pivot: what follows is done, whatever it takes, and nothing is undone any more."""

import contextlib

import pytest

from domain import Rejected
from tests.unit.workflows.shop import ORDER, stocked_shop
from tests.unit.workflows.toys import (
    AWAY,
    Do,
    Order,
    Remote,
    counts,
    deploy,
    do,
    failing,
    refusing,
    resume,
    send,
    service_of,
)
from workflows.saga import Saga
from workflows.saga.errors import CannotCompensate
from workflows.saga.testing import killed_at


async def done_then_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    saga.pivot()
    await saga.execute(Do(tally="b"))
    await saga.execute(Do(tally="c"))


async def call_after_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    saga.pivot()
    await send(saga)


async def test_a_step_refused_after_the_pivot_makes_the_saga_stuck_and_undoes_nothing() -> None:
    service = service_of(done_then_pivot, refuse=refusing("c"))

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "stuck"
    assert outcome.saga.stuck is not None
    assert (outcome.saga.stuck.reason, outcome.saga.stuck.step) == ("rejected-after-pivot", "3")
    assert outcome.compensations == []
    assert await counts(service) == {"a": 1, "b": 1}


@pytest.mark.parametrize("refused", ["ShipStock", "DispatchShipment", "CompleteOrder"])
async def test_an_order_refused_after_its_pivot_keeps_what_was_done(refused: str) -> None:
    service = await stocked_shop(refuse=lambda command: type(command).__name__ == refused)

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.saga.status == "stuck"
    assert outcome.compensations == []


async def test_a_call_refused_after_the_pivot_makes_the_saga_stuck() -> None:
    remote = Remote()
    remote.before_send = failing(Rejected("no"))
    service = service_of(call_after_pivot, remote)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.stuck is not None
    assert outcome.saga.stuck.reason == "rejected-after-pivot"
    assert remote.requests == ["send s1/2"]


async def test_a_call_after_the_pivot_is_sent_until_it_succeeds() -> None:
    remote = Remote()
    remote.before_send = failing(*[AWAY] * 40, None)
    service = service_of(call_after_pivot, remote)  # its policy says: one attempt

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "completed"
    assert remote.requests == ["send s1/2"] * 41
    assert "Parked" in outcome.entries


async def test_the_pivot_is_recorded_with_the_next_append() -> None:
    service = service_of(done_then_pivot)

    await service.run_saga("saga", Order())

    events = await service.stream("saga-s1")
    at = [event.type for event in events].index("PivotReached")
    assert events[at + 1].type == "StepSucceeded"
    assert events[at].commit_position == events[at + 1].commit_position


async def test_the_pivot_of_a_crashed_run_is_recorded_once() -> None:
    service = service_of(done_then_pivot)
    service.store.before_append = killed_at(4)

    outcome = await service.run_saga("saga", Order())

    assert outcome.entries.count("PivotReached") == 1
    assert outcome.saga.status == "completed"


async def test_a_request_that_wins_before_the_pivot_is_recorded_still_compensates() -> None:
    service = service_of(done_then_pivot)

    async def request(number: int) -> None:
        if number == 3:  # the pivot is on its way with step 2
            del service.store.before_append
            await service.engine.compensate("s1", actor="ana", reason="changed her mind")

    service.store.before_append = request
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert "PivotReached" not in outcome.entries
    assert await counts(service) == {"a": 0}


async def test_a_request_after_the_pivot_is_refused() -> None:
    service = service_of(done_then_pivot, refuse=refusing("c"))
    await service.run_saga("saga", Order())

    with pytest.raises(CannotCompensate, match="pivot"):
        await service.engine.compensate("s1", actor="ana", reason="too late")


async def test_a_pivot_while_steps_are_open_is_refused() -> None:
    async def pivot_in_between(saga: Saga, _order: Order) -> None:
        first = do(saga, "a")
        saga.pivot()
        await first

    outcome = await service_of(pivot_in_between).run_saga("saga", Order())

    assert outcome.saga.stuck is not None
    assert "pivot() inside a gather" in outcome.saga.stuck.error
    assert outcome.commands == []


async def test_a_pivot_once_recorded_holds_whatever_the_code_says_later() -> None:
    async def broken(saga: Saga, order: Order) -> None:
        await done_then_pivot(saga, order)
        raise ZeroDivisionError

    async def pivots_later(saga: Saga, _order: Order) -> None:
        for tally in "abcd":
            await do(saga, tally)
        saga.pivot()

    service = service_of(broken, refuse=refusing("d"))
    await service.run_saga("saga", Order())
    deploy(service, pivots_later)
    await resume(service)

    outcome = await service.outcome()
    assert outcome.saga.stuck is not None
    assert outcome.saga.stuck.reason == "rejected-after-pivot"
    assert outcome.compensations == []


async def test_a_refusal_of_the_function_itself_after_the_pivot_makes_the_saga_stuck() -> None:
    async def changes_its_mind(saga: Saga, order: Order) -> None:
        await done_then_pivot(saga, order)
        raise Rejected("on second thoughts")

    service = service_of(changes_its_mind)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.stuck is not None
    assert (outcome.saga.stuck.reason, outcome.saga.stuck.error) == (
        "rejected-after-pivot",
        "on second thoughts",
    )
    assert await counts(service) == {"a": 1, "b": 1, "c": 1}


async def test_a_step_that_did_not_start_before_the_pivot_is_not_judged_on_replay() -> None:
    """It stood beside a refused one; the function got over that and passed its pivot."""

    async def gets_over_it(saga: Saga, _order: Order) -> None:
        with contextlib.suppress(Rejected):
            await saga.gather(do(saga, "a"), do(saga, "b"))
        saga.pivot()
        await do(saga, "c")
        await do(saga, "d")

    service = service_of(gets_over_it, refuse=refusing("a", "b"))
    service.store.before_append = killed_at(4)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "completed"
    assert await counts(service) == {"c": 1, "d": 1}
