"""Run numbers that DBOS knows and the journal does not, as after a restore of one of the two: they are
skipped."""

import pytest

from eventstore import Batch
from tests.unit.workflows.toys import (
    AWAY,
    CODEC,
    SLOWLY,
    Order,
    Remote,
    do,
    failing,
    request,
    send,
    service_of,
)
from workflows.saga import Saga, journal
from workflows.saga.runs import SHARED, run_request
from workflows.saga.testing import MemoryService

TAKEN = [(2,), (2, 3, 4)]


async def one_step(saga: Saga, _order: Order) -> None:
    await do(saga, "a")


async def patient_call(saga: Saga, _order: Order) -> None:
    await send(saga, SLOWLY)


async def take(service: MemoryService, runs: tuple[int, ...]) -> int:
    """DBOS has had these runs of a saga that is to come; the next number that is free."""
    for run in runs:
        entry = CODEC.encode(journal.RunNamed(run=run, reason="left over"), {})
        attachment = run_request(SHARED, "saga", "s1", run)
        await service.store.append([Batch(f"lost-{run}", 0, [entry])], attachment=attachment)
    await service.settle()
    return runs[-1] + 1


async def named(service: MemoryService) -> list[int]:
    """The runs that the journal has named since the request."""
    entries = (await service.outcome()).journal[1:]
    return [
        entry.run
        for entry in entries
        if isinstance(entry, journal.RunNamed | journal.Parked | journal.CompensationRequested) and entry.run
    ]


@pytest.mark.parametrize("taken", TAKEN)
async def test_a_saga_that_has_lost_its_run_gets_the_next_free_one(taken: tuple[int, ...]) -> None:
    service = service_of(one_step)
    free = await take(service, taken)
    await service.engine.start("saga", Order(), saga_id="s1")

    await service.engine.name_next_run("s1", 1, "no active run")
    await service.settle()

    assert await named(service) == [free]
    assert (await service.engine.view("s1")).status == "completed"


@pytest.mark.parametrize("taken", TAKEN)
async def test_a_request_to_undo_a_completed_saga_gets_the_next_free_one(taken: tuple[int, ...]) -> None:
    service = service_of(one_step)
    free = await take(service, taken)
    await service.run_saga("saga", Order())

    await request(service)
    await service.settle()

    assert await named(service) == [free]
    assert (await service.engine.view("s1")).status == "compensated"


@pytest.mark.parametrize("taken", TAKEN)
async def test_a_saga_that_parks_gets_the_next_free_one(taken: tuple[int, ...]) -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = service_of(patient_call, remote)
    free = await take(service, taken)

    outcome = await service.run_saga("saga", Order())

    assert await named(service) == [free]
    assert outcome.saga.status == "completed"
    assert remote.requests == ["send s1/1"] * 2
