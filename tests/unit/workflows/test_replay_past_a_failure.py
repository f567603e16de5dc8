"""What follows a failure that the function gets over is replayed in its order too."""

from contextlib import suppress
from datetime import timedelta

import pytest

from domain import Rejected
from tests.unit.workflows.family import begun, go, status, why_stuck
from tests.unit.workflows.toys import Message, Order, SlowStore, do, refusing
from workflows.saga import Saga

SEEN: list[list[str]] = []
"""What each execution of the function saw, one after the other."""


async def slow(saga: Saga, seen: list[str]) -> None:
    await saga.receive("go", Message)
    seen.append("slow")


async def quick(saga: Saga, seen: list[str]) -> None:
    await do(saga, "quick")
    seen.append("quick")


async def closed_at_first(saga: Saga) -> None:
    await do(saga, "closed")


async def waits_at_first(saga: Saga) -> None:
    await saga.sleep(timedelta(days=1))


@pytest.mark.parametrize("beside", [closed_at_first, waits_at_first])
async def test_after_a_step_that_was_closed_or_left_waiting(beside: object) -> None:
    SEEN.clear()

    async def function(saga: Saga, _order: Order) -> None:
        seen: list[str] = []
        SEEN.append(seen)
        with suppress(Rejected):
            await saga.gather(do(saga, "refused"), saga.branch(beside))  # type: ignore[arg-type]
        await saga.gather(saga.branch(slow, seen), saga.branch(quick, seen))
        await saga.receive("stop", Message)

    service = await begun(function, refuse=refusing("refused"), store=SlowStore)
    await go(service)
    await service.settle()
    await go(service, signal="stop")
    await service.settle()

    assert await status(service) == "completed", await why_stuck(service)
    assert SEEN[1:] == [["quick", "slow"]] * 2
