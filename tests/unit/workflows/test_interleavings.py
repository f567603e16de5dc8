"""Two executions of one run, interleaved at the store's operations: as if there had been one."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore import Appended, RecordedEvent
from tests.unit.workflows.toys import (
    Order,
    Refuse,
    Remote,
    SagaFunction,
    do,
    histories,
    refusing,
    send,
    service_of,
    without_attempts,
)
from workflows.saga import Retry, Saga
from workflows.saga.errors import RunGivenUp
from workflows.saga.testing import HookedStore, MemoryService, VirtualTimeLoop

OPERATIONS_MAX = 10
PERSISTENT = Retry(attempts=9, first_wait_seconds=0.1)
Histories = dict[str, list[tuple[str, dict[str, Any]]]]
EXECUTION: ContextVar[str] = ContextVar("execution", default="")


class SteppedStore(HookedStore):
    """An operation of an execution waits until it is let through."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.free = True
        self.waiting: dict[str, list[asyncio.Future[None]]] = {"A": [], "B": []}

    async def step(self) -> None:
        if not self.free and (execution := EXECUTION.get()):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting[execution].append(turn)
            await turn

    def let_through(self, execution: str) -> None:
        if self.waiting[execution]:
            self.waiting[execution].pop(0).set_result(None)

    def let_all_through(self) -> None:
        self.free = True
        for execution in self.waiting:
            while self.waiting[execution]:
                self.let_through(execution)

    async def append(self, *args: Any, **more: Any) -> Appended:
        await self.step()
        return await super().append(*args, **more)

    async def read_stream(self, *args: Any, **more: Any) -> AsyncIterator[RecordedEvent]:
        await self.step()
        async for event in super().read_stream(*args, **more):
            yield event


async def steps_and_a_call(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga, PERSISTENT)
    await do(saga, "b")


async def side_by_side(saga: Saga, _order: Order) -> None:
    await saga.gather(do(saga, "a"), do(saga, "b"), do(saga, "c"))
    await do(saga, "d")


async def undisturbed(function: SagaFunction, refuse: Refuse) -> Histories:
    service = service_of(function, refuse=refuse)
    await service.run_saga("saga", Order())
    return await comparable(service)


async def comparable(service: MemoryService) -> Histories:
    streams = await histories(service)
    return streams | {"saga-s1": without_attempts(streams["saga-s1"])}


async def interleave(service: MemoryService, schedule: str) -> list[BaseException | None]:
    """Run A and B side by side, one operation a letter; then what is left. Gives what each raised."""
    store = service.store
    assert isinstance(store, SteppedStore)

    async def execution(name: str) -> None:
        EXECUTION.set(name)
        await service.execute("s1")

    store.free = False
    tasks = [asyncio.create_task(execution(name)) for name in "AB"]
    for name in schedule:
        await asyncio.sleep(0.05)  # virtual: all that can go on without the store has done so
        store.let_through(name)
    await asyncio.sleep(0.05)
    store.let_all_through()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def check(function: SagaFunction, refuse: Refuse, schedule: str) -> None:
    expected = await undisturbed(function, refuse)
    remote = Remote()
    service = service_of(function, remote, refuse=refuse, store=SteppedStore)
    await service.engine.start("saga", Order(), saga_id="s1")

    raised = await interleave(service, schedule)

    assert all(error is None or isinstance(error, RunGivenUp) for error in raised)
    assert None in raised, "somebody must go on"
    await service.settle()
    assert await comparable(service) == expected
    assert all(request.endswith(" s1/2") for request in remote.requests)


SAGAS = [
    pytest.param(steps_and_a_call, refusing(), id="forward"),
    pytest.param(steps_and_a_call, refusing("b"), id="compensating"),
    pytest.param(side_by_side, refusing(), id="gather"),
    pytest.param(side_by_side, refusing("d"), id="gather-compensating"),
]


@pytest.mark.parametrize("pause", range(OPERATIONS_MAX))
@pytest.mark.parametrize(("function", "refuse"), SAGAS)
async def test_one_is_paused_and_the_other_runs_for_a_while(
    function: SagaFunction, refuse: Refuse, pause: int
) -> None:
    for rival in range(OPERATIONS_MAX):
        await check(function, refuse, "A" * pause + "B" * rival + "A" * OPERATIONS_MAX)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "refuse"), SAGAS)
def test_any_order_of_their_operations(function: SagaFunction, refuse: Refuse) -> None:
    @settings(max_examples=60, database=None)
    @given(st.text("AB", max_size=2 * OPERATIONS_MAX))
    def holds(schedule: str) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(check(function, refuse, schedule))

    holds()
