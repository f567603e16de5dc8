"""Branches: several steps as one beside others, numbered below it, failing and replayed together."""

from contextlib import suppress

import pytest

from domain import Rejected
from tests.unit.workflows.family import begun, go, serving, start, status, why_stuck
from tests.unit.workflows.toys import Message, Order, SlowStore, counts, do, refusing
from workflows.saga import Saga
from workflows.saga.testing import HookedStore


async def two(saga: Saga, name: str) -> str:
    await do(saga, f"{name}-1")
    await do(saga, f"{name}-2")
    return name


async def beside(saga: Saga, _order: Order) -> list[str]:
    await do(saga, "first")
    x, y, _ = await saga.gather(saga.branch(two, "x"), saga.branch(two, name="y"), do(saga, "z"))
    return [x, y]


async def test_their_steps_are_numbered_below_the_branch() -> None:
    outcome = await (await begun(beside)).outcome()

    assert [step.step for step in outcome.steps] == ["1", "2.1", "2.2", "3.1", "3.2", "4"]
    assert outcome.result == ["x", "y"]


async def test_branches_in_branches_are_numbered_below_those() -> None:
    async def inner(saga: Saga) -> None:
        await do(saga, "inner")
        await saga.gather(saga.branch(two, "x"), saga.branch(two, "y"))

    async def outer(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(inner), do(saga, "z"))

    outcome = await (await begun(outer)).outcome()

    assert [step.step for step in outcome.steps] == ["1.1", "1.2.1", "1.2.2", "1.3.1", "1.3.2", "2"]


async def test_a_branch_alone_gives_its_result() -> None:
    async def alone(saga: Saga, _order: Order) -> str:
        return await saga.branch(two, "x")

    outcome = await (await begun(alone)).outcome()

    assert outcome.saga.result == "x"


@pytest.mark.parametrize("store", [HookedStore, SlowStore])
async def test_a_failure_in_one_starts_no_further_step_in_the_others(store: type[HookedStore]) -> None:
    service = await begun(beside, refuse=refusing("x-1"), store=store)

    assert await status(service) == "compensated"
    outcome = await service.outcome()
    at = outcome.entries.index("StepRejected")
    assert outcome.entries[at + 1] == "CompensationStarted"
    assert set((await counts(service)).values()) == {0}


async def test_a_failure_beside_a_gather_in_a_branch_closes_it() -> None:
    async def inner(saga: Saga) -> None:
        await do(saga, "x")
        await saga.gather(do(saga, "p"), do(saga, "q"))

    async def outer(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(inner), do(saga, "z"))

    service = await begun(outer, refuse=refusing("z"), store=SlowStore)

    assert await status(service) == "compensated"
    assert await counts(service) == {"x": 0}


@pytest.mark.parametrize("store", [HookedStore, SlowStore])
async def test_a_failure_that_a_branch_gets_over_closes_nothing(store: type[HookedStore]) -> None:
    async def careful(saga: Saga) -> None:
        with suppress(Rejected):
            await do(saga, "x")
        await do(saga, "instead")

    async def outer(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(careful), saga.branch(two, "y"))

    service = await begun(outer, refuse=refusing("x"), store=store)

    assert await status(service) == "completed"
    assert await counts(service) == {"instead": 1, "y-1": 1, "y-2": 1}


async def test_a_gather_in_a_branch_that_fails_and_is_caught_closes_nothing_outside() -> None:
    async def careful(saga: Saga) -> None:
        with suppress(Rejected):
            await saga.gather(do(saga, "x"), saga.branch(two, "w"))
        await do(saga, "instead")

    async def outer(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(careful), saga.branch(two, "y"))

    service = await begun(outer, refuse=refusing("x"), store=SlowStore)

    assert await status(service) == "completed"
    assert {"instead", "y-1", "y-2"} <= set(await counts(service))


async def test_a_wait_in_one_branch_keeps_no_other_from_its_end() -> None:
    async def listens(saga: Saga) -> None:
        await saga.receive("go", Message)
        await do(saga, "heard")

    async def outer(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(listens), saga.branch(two, "y"))

    service = await begun(outer)
    assert await counts(service) == {"y-1": 1, "y-2": 1}

    await go(service)
    await service.settle()

    assert await status(service) == "completed"


async def test_a_failure_beside_a_wait_does_not_wait_for_it() -> None:
    async def listens(saga: Saga) -> None:
        await saga.receive("go", Message)

    async def outer(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(listens), saga.branch(two, "y"))

    service = await begun(outer, refuse=refusing("y-2"))

    assert await status(service) == "compensated"
    assert "Parked" not in (await service.outcome()).entries


async def test_the_outer_saga_cannot_act_for_a_branch() -> None:
    async def outer(saga: Saga, _order: Order) -> None:
        async def cheats(_own: Saga) -> None:
            await do(saga, "x")

        await saga.gather(saga.branch(cheats), do(saga, "y"))

    service = await begun(outer)

    assert "through its own saga" in await why_stuck(service)


@pytest.mark.parametrize("alone", [True, False])
async def test_a_pivot_in_a_branch_is_refused(alone: bool) -> None:
    async def points_of_no_return(saga: Saga) -> None:
        await do(saga, "x")
        saga.pivot()

    async def outer(saga: Saga, _order: Order) -> None:
        branch = saga.branch(points_of_no_return)
        if alone:
            await branch
        else:
            await saga.gather(branch, do(saga, "y"))

    service = serving(outer)
    await start(service)
    await service.settle()

    assert "every step asked for before must have ended" in await why_stuck(service)
    assert not any(step.status == "compensated" for step in (await service.outcome()).steps)
