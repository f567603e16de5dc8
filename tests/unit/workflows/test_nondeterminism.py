"""Code that no longer fits the journal: the saga is stuck, with what was recorded and what is asked now."""

import pytest

from domain import Rejected
from tests.unit.workflows.toys import (
    Do,
    Order,
    SagaFunction,
    Undo,
    counts,
    deploy,
    do,
    resume,
    send,
    service_of,
)
from workflows.saga import Saga


async def recorded(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")
    raise ZeroDivisionError


async def other_name(saga: Saga, _order: Order) -> None:
    await saga.execute(Undo(tally="a"), compensate=Do(tally="a"))


async def other_data(saga: Saga, _order: Order) -> None:
    await do(saga, "x")


async def other_kind(saga: Saga, _order: Order) -> None:
    await send(saga)


async def missing(saga: Saga, _order: Order) -> None:
    await do(saga, "a")


async def swallowing(saga: Saga, _order: Order) -> None:
    try:
        await do(saga, "x")
    except Exception:
        await do(saga, "y")


async def side_by_side(saga: Saga, _order: Order) -> None:
    await saga.gather(do(saga, "a"), do(saga, "x"))


@pytest.mark.parametrize(
    ("function", "step", "parts"),
    [
        (other_name, "1", ["Do {'tally': 'a'}", "Undo {'tally': 'a'}"]),
        (other_data, "1", ["Do {'tally': 'a'}", "Do {'tally': 'x'}"]),
        (other_kind, "1", ["Do {'tally': 'a'}", "send {}"]),
        (missing, "2", ["Do {'tally': 'b'}", "the end of the saga"]),
        (swallowing, "1", ["Do {'tally': 'a'}", "Do {'tally': 'x'}"]),
        (side_by_side, "2", ["Do {'tally': 'b'}", "Do {'tally': 'x'}"]),
    ],
)
async def test_code_that_does_not_fit_the_journal_is_stuck(
    function: SagaFunction, step: str, parts: list[str]
) -> None:
    service = service_of(recorded)
    await service.run_saga("saga", Order())

    deploy(service, function)
    await resume(service)

    saga = (await service.outcome()).saga
    assert saga.stuck is not None
    assert (saga.stuck.reason, saga.stuck.step) == ("nondeterminism", step)
    assert f"recorded as {parts[0]}, the code now asks for {parts[1]}" in saga.stuck.error
    assert await counts(service) == {"a": 1, "b": 1}


async def test_a_refusal_before_all_recorded_steps_were_asked_for_is_nondeterminism() -> None:
    service = service_of(recorded)
    await service.run_saga("saga", Order())

    async def gives_up(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        raise Rejected("not any more")

    deploy(service, gives_up)
    await resume(service)

    saga = (await service.outcome()).saga
    assert saga.stuck is not None
    assert saga.stuck.reason == "nondeterminism"


async def test_a_new_field_with_a_default_is_no_change() -> None:
    """`note` was added to Do: commands that do not use it are recorded as before."""
    service = service_of(recorded)
    outcome = await service.run_saga("saga", Order())

    assert [entry.command for entry in outcome.journal if hasattr(entry, "command")] == [
        {"tally": "a"},
        {"tally": "b"},
    ]


async def test_code_that_branches_on_the_version_fits_old_journals() -> None:
    service = service_of(recorded)
    await service.run_saga("saga", Order())

    async def branching(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        if saga.version >= 2:
            await do(saga, "new")
        await do(saga, "b")

    deploy(service, branching, version=2)
    await resume(service)

    assert (await service.outcome()).saga.status == "completed"
    assert await counts(service) == {"a": 1, "b": 1}
