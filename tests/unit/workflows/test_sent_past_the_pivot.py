"""Past the pivot a call is sent until it succeeds, also when the function itself refuses beside it."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from domain import Rejected
from tests.unit.workflows.family import WHO, begun, redeploy, serving, start, status, why_stuck
from tests.unit.workflows.toys import (
    AWAY,
    SEND,
    SLOWLY,
    Do,
    Message,
    Order,
    Remote,
    SagaFunction,
    counts,
    failing,
)
from workflows.saga import Retry, Saga
from workflows.saga.testing import killed_at


def beside_a_call(branch: Callable[[Saga], Awaitable[None]], *, caught: bool) -> SagaFunction:
    """A call past the pivot beside a branch."""

    async def function(saga: Saga, _order: Order) -> None:
        saga.pivot()
        await saga.execute(Do(tally="a"))
        with contextlib.suppress(*([Rejected] if caught else [])):
            await saga.gather(saga.call(SEND, Message(), retry=SLOWLY), saga.branch(branch))
        await saga.execute(Do(tally="b"))

    return function


QUICKLY = Retry(attempts=5, first_wait_seconds=0.4)


async def says_no(saga: Saga) -> None:
    await saga.execute(Do(tally="n"))
    raise Rejected("the branch says no", code="own")


async def test_a_call_beside_a_refusal_of_the_functions_own_is_sent_until_it_succeeds() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, AWAY, None)

    service = await begun(beside_a_call(says_no, caught=True), calls=remote.calls())

    outcome = await service.outcome()
    assert (outcome.status, [step.status for step in outcome.steps]) == ("completed", ["succeeded"] * 4)
    assert remote.requests == ["send s1/2"] * 3
    assert await counts(service) == {"a": 1, "n": 1, "b": 1}


async def test_one_that_is_in_doubt_is_as_well() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = serving(beside_a_call(says_no, caught=True), calls=remote.calls())
    service.store.before_append = killed_at(4)  # announced, and not recorded what came of it
    await start(service)
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.status, [step.status for step in outcome.steps]) == ("completed", ["succeeded"] * 4)


async def test_it_is_also_if_others_were_closed_beside_it() -> None:
    async def says_no_soon(saga: Saga) -> None:
        await saga.sleep(timedelta(milliseconds=300))
        raise Rejected("the branch says no")

    async def too_late(saga: Saga) -> None:
        await saga.sleep(timedelta(milliseconds=500))
        await saga.execute(Do(tally="late"))

    async def function(saga: Saga, _order: Order) -> None:
        saga.pivot()
        call = saga.call(SEND, Message(), retry=QUICKLY)
        with contextlib.suppress(Rejected):
            await saga.gather(call, saga.branch(says_no_soon), saga.branch(too_late))

    remote = Remote()
    remote.before_send = failing(*[AWAY] * 4, None)
    service = await begun(function, calls=remote.calls())

    outcome = await service.outcome()
    assert outcome.status == "completed"
    assert [step.step for step in outcome.steps] == ["1", "2.1", "3.1"]
    assert remote.requests == ["send s1/1"] * 5


async def test_if_nobody_catches_it_the_saga_is_stuck_when_the_call_is_done_and_other_code_goes_on() -> None:
    async def says_yes(saga: Saga) -> None:
        await saga.execute(Do(tally="n"))

    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = await begun(beside_a_call(says_no, caught=False), calls=remote.calls())
    assert await why_stuck(service) == "rejected-after-pivot: the branch says no"
    assert remote.requests == ["send s1/2"] * 2

    redeploy(service, beside_a_call(says_yes, caught=False))
    await service.engine.resume("s1", **WHO)
    await service.settle()

    assert await status(service) == "completed"
    assert remote.requests == ["send s1/2"] * 2


async def test_a_bug_beside_it_does_not_wait_for_it() -> None:
    async def breaks(saga: Saga) -> None:
        await saga.execute(Do(tally="n"))
        raise ZeroDivisionError

    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = await begun(beside_a_call(breaks, caught=False), calls=remote.calls())

    assert (await why_stuck(service)).startswith("bug: ")
    assert remote.requests == ["send s1/2"]
