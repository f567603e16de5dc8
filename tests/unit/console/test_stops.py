"""Where the slider stops, and what changed there."""

import pytest

from app.console.saga import stops as module
from app.console.saga.changes import changed_at
from app.console.saga.stops import Stops, stops_around
from tests.unit.workflows.family import begun, go
from tests.unit.workflows.test_past import past_of
from tests.unit.workflows.toys import Do, Order, do, service_of
from workflows.saga import Saga
from workflows.saga.testing import MemoryService

STREAMS = ["saga-s1", "tally-a", "tally-b"]


async def two(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")


async def ran() -> MemoryService:
    service = service_of(two)
    await service.apply(Do(tally="a"))
    await service.run_saga("saga", Order())
    await service.apply(Do(tally="b"))
    return service


async def around(service: MemoryService, position: int) -> Stops:
    journal = await service.stream("saga-s1")
    first, last = journal[0].commit_position, journal[-1].commit_position
    return await stops_around(service.store, STREAMS, position, first, last)


async def test_a_slider_goes_from_the_first_change_to_the_last_and_back() -> None:
    service = await ran()
    journal = await service.stream("saga-s1")
    expected = sorted({event.commit_position for event in journal})

    seen, stops = [], await around(service, journal[0].commit_position)
    while True:
        seen.append(stops.current)
        assert stops.positions == expected
        assert stops.previous == (seen[-2] if len(seen) > 1 else None)
        if stops.following is None:
            break
        stops = await around(service, stops.following)

    assert seen == expected
    assert (stops.earlier, stops.later) == (False, False)


async def test_changes_of_its_aggregates_by_others_are_stops_too() -> None:
    async def waits(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.receive("go", Order, timeout=None)

    service = await begun(waits)
    before = await service.store.safe_position()
    await service.apply(Do(tally="a"))
    await go(service)
    await service.settle()

    end = await service.store.safe_position()
    stops = await stops_around(service.store, ["saga-s1", "tally-a"], before, 1, end)

    assert stops.following == before + 1
    [changed] = await changed_at(past_of(service), ["saga-s1", "tally-a"], before + 1)
    assert changed.stream == "tally-a"
    assert [(each.path, each.old, each.new) for each in changed.differences] == [("/count", 1, 2)]


async def test_between_two_stops_it_stands_at_the_one_before() -> None:
    service = await ran()
    stops = await around(service, 3)
    between = max(each for each in range(2, 20) if each not in stops.positions and each < stops.positions[-1])

    found = await around(service, between)

    assert found.current < between
    assert found.following is not None
    assert found.following > between


async def test_of_very_many_the_nearest_are_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOPS_MAX", 2)

    async def many(saga: Saga, _order: Order) -> None:
        for _ in range(10):
            await do(saga, "a")

    service = service_of(many)
    await service.run_saga("saga", Order())
    every = sorted({event.commit_position for event in await service.stream("saga-s1")})

    stops = await around(service, every[5])

    assert stops.positions == every[3:8]
    assert (stops.current, stops.earlier, stops.later) == (every[5], True, True)
    assert [stops.at(number) for number in (-1, 0, 99)] == [every[3], every[3], every[7]]


async def test_one_append_changes_the_saga_and_its_aggregate_together() -> None:
    service = await ran()
    [_, own] = await service.stream("tally-a")

    [journal, tally] = await changed_at(past_of(service), STREAMS, own.commit_position)

    assert (journal.stream, tally.stream) == ("saga-s1", "tally-a")
    assert [event.type for event in journal.events][-1] == "StepSucceeded"
    assert ("add", "/steps/1") in {(each.op, each.path) for each in journal.differences}
    assert [(each.path, each.old, each.new) for each in tally.differences] == [("/count", 1, 2)]
    assert not any("updated_at" in each.path for each in journal.differences)


async def test_the_first_append_adds_everything() -> None:
    service = await ran()
    first = (await service.stream("saga-s1"))[0].commit_position

    [journal] = await changed_at(past_of(service), STREAMS, first)

    assert {each.op for each in journal.differences} == {"add"}
    assert {each.path: each.new for each in journal.differences}["/status"] == "queued"
