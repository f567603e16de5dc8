"""A compensation that fails makes the saga stuck; the rest of the plan waits, a new request tries again."""

from collections.abc import Callable
from datetime import timedelta

from domain import Command, Rejected
from tests.unit.workflows.toys import (
    AWAY,
    Order,
    Remote,
    Undo,
    counts,
    do,
    failing,
    send,
    service_of,
)
from workflows.saga import CallFailed, Saga, SagaView
from workflows.saga.testing import MemoryService


async def refused_at_the_end(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga)
    await do(saga, "b")
    raise Rejected("not today")


def undoing(tally: str) -> Callable[[Command], bool]:
    return lambda command: isinstance(command, Undo) and command.tally == tally


def compensations(saga: SagaView) -> list[tuple[str, str | None]]:
    undone = [step.compensation for step in saga.steps if step.compensation]
    return [(compensation.status, compensation.error) for compensation in undone]


async def request(service: MemoryService) -> None:
    await service.engine.compensate("s1", actor="ana", reason="again")
    await service.settle()


async def test_a_refused_compensation_is_stuck_and_the_rest_of_the_plan_is_pending() -> None:
    remote = Remote()
    service = service_of(refused_at_the_end, remote, refuse=undoing("b"))

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.status == "stuck"
    assert saga.stuck is not None
    assert (saga.stuck.reason, saga.stuck.step) == ("compensation-failed", "3")
    assert compensations(saga) == [("pending", None), ("pending", None), ("failed", "Undo is refused")]
    assert saga.steps[2].compensation is not None
    assert saga.steps[2].compensation.attempts == 1
    assert saga.error is not None
    assert saga.error.detail == "not today"
    assert remote.requests == ["send s1/2"]


async def test_a_new_request_goes_on_with_the_plan() -> None:
    remote = Remote()
    service = service_of(refused_at_the_end, remote, refuse=undoing("b"))
    await service.run_saga("saga", Order())
    service.refuse = lambda _: False

    await request(service)

    outcome = await service.outcome()
    assert outcome.saga.status == "compensated"
    assert compensations(outcome.saga) == [
        ("compensated", None),
        ("compensated", None),
        ("compensated", "Undo is refused"),
    ]
    assert outcome.entries.count("StepCompensated") == 3
    assert await counts(service) == {"a": 0, "b": 0}
    assert outcome.saga.error is not None
    assert outcome.saga.error.detail == "not today"


async def test_what_was_compensated_before_is_not_compensated_again() -> None:
    service = service_of(refused_at_the_end, refuse=undoing("a"))
    await service.run_saga("saga", Order())
    await request(service)
    service.refuse = lambda _: False

    await request(service)

    outcome = await service.outcome()
    assert outcome.saga.status == "compensated"
    assert outcome.entries.count("StepCompensated") == 3
    assert outcome.entries.count("CompensationFailed") == 2
    assert await counts(service) == {"a": 0, "b": 0}


async def test_a_compensating_call_that_fails_is_sent_again_until_its_retries_are_used_up() -> None:
    remote = Remote()
    remote.before_unsend = failing(AWAY)
    service = service_of(refused_at_the_end, remote)

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.status == "stuck"
    assert remote.requests == ["send s1/2", *["unsend s1/2"] * 10]
    assert compensations(saga)[1] == ("failed", "Transient: nobody answers")
    assert await counts(service) == {"a": 1, "b": 0}


async def test_a_new_request_has_its_own_retries() -> None:
    remote = Remote()
    remote.before_unsend = failing(*[AWAY] * 12, None)
    service = service_of(refused_at_the_end, remote)
    await service.run_saga("saga", Order())

    await request(service)

    assert (await service.outcome()).saga.status == "compensated"
    assert remote.requests == ["send s1/2", *["unsend s1/2"] * 13]


async def test_a_compensating_call_waits_outside_the_process() -> None:
    remote = Remote()
    remote.before_unsend = failing(*[AWAY] * 6, None)
    service = service_of(refused_at_the_end, remote)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert "Parked" in outcome.entries
    assert service.now() > outcome.saga.requested_at + timedelta(seconds=5)


async def test_a_bug_in_a_compensating_call_is_stuck_with_its_traceback() -> None:
    remote = Remote()
    remote.before_unsend = failing(KeyError("in the undo"), None)
    service = service_of(refused_at_the_end, remote)

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert saga.stuck.reason == "bug"
    assert "in unsend" in (saga.stuck.traceback or "")
    await request(service)
    assert (await service.outcome()).saga.status == "compensated"


async def test_undoing_before_completion_that_fails_is_stuck_too() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)
    remote.before_unsend = failing(Rejected("no way back"))

    async def gets_over_it(saga: Saga, _order: Order) -> None:
        try:
            await send(saga)
        except CallFailed:
            await do(saga, "a")

    service = service_of(gets_over_it, remote)
    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert saga.stuck.reason == "compensation-failed"
    assert await counts(service) == {"a": 1}
