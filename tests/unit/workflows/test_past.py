"""A saga at a position: which aggregates are shown, and where a slider stops."""

import pytest

from domain import Catalog
from tests.unit.workflows.toys import TALLIES, Do, Order, counts, do, refusing, service_of
from workflows import past as module
from workflows.past import NotReached, NotThereYet, Past, SagaThen
from workflows.saga import NOTHING, Saga
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.errors import SagaNotFound
from workflows.saga.testing import MemoryService


def past_of(service: MemoryService, catalog: Catalog = TALLIES) -> Past:
    return Past(service.store, CommandHandler(service.store, EventCodec(catalog)))


def tallies(then: SagaThen) -> dict[str, int]:
    return {each.stream: each.folded.state.count for each in then.aggregates if each.folded}  # type: ignore[attr-defined]


async def three_steps(saga: Saga, _order: Order) -> None:
    for tally in "abc":
        await do(saga, tally)


async def stops_of(past: Past) -> list[int]:
    """All positions at which something of the saga changed, as a slider finds them."""
    then = await past.saga("s1")
    stops = [then.stops.first]
    while (following := (await past.saga("s1", stops[-1])).stops.next) is not None:
        stops.append(following)
    assert stops[-1] == then.stops.last
    return stops


async def test_at_every_position_steps_and_their_events_are_there_together() -> None:
    service = service_of(three_steps, refuse=refusing("c"))
    await service.run_saga("saga", Order())
    past = past_of(service)
    end = await service.store.safe_position()

    for position in range(1, end + 1):
        then = await past.saga("s1", position)
        done = {
            step.stream: 0 if step.undone else 1
            for step in then.state.in_order()
            if step.status in ("succeeded", "rejected")
        }
        done.pop("tally-c", None)
        assert {stream: count for stream, count in tallies(then).items() if stream != "tally-c"} == done
        assert then.stops.current <= position < (then.stops.next or end + 1)
        assert (then.stops.previous or 0) < then.stops.current


async def test_a_slider_stops_at_every_append_of_the_saga_and_comes_back() -> None:
    service = service_of(three_steps)
    await service.run_saga("saga", Order())
    past = past_of(service)
    journal = await service.stream("saga-s1")

    stops = await stops_of(past)

    assert stops == sorted({entry.commit_position for entry in journal})
    back = [(await past.saga("s1", stop)).stops.previous for stop in stops]
    assert back == [None, *stops[:-1]]


async def test_what_it_touched_before_it_began_anew_is_shown() -> None:
    async def anew(saga: Saga, order: Order) -> None:
        await saga.execute(Do(tally=order.name), compensate=NOTHING)
        if order.name == "order":
            saga.pivot()
            saga.continue_as(Order(name="second"))

    service = service_of(anew)
    await service.run_saga("saga", Order())

    then = await past_of(service).saga("s1")

    assert (
        tallies(then)
        == {"tally-order": 1, "tally-second": 1}
        == {f"tally-{name}": count for name, count in (await counts(service)).items()}
    )
    assert then.all_touched


async def test_of_very_many_aggregates_the_last_ones_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_of(three_steps)
    await service.run_saga("saga", Order())

    monkeypatch.setattr(module, "AGGREGATES_MAX", 2)
    then = await past_of(service).saga("s1")

    assert (tallies(then), then.all_touched) == ({"tally-b": 1, "tally-c": 1}, False)


async def test_an_aggregate_that_the_code_does_not_know_is_named() -> None:
    service = service_of(three_steps)
    await service.run_saga("saga", Order())

    then = await past_of(service, Catalog([])).saga("s1")

    assert [(each.stream, each.folded) for each in then.aggregates] == [
        ("tally-a", None),
        ("tally-b", None),
        ("tally-c", None),
    ]


async def test_looking_back_leaves_nothing_behind_that_commands_are_decided_on() -> None:
    service = service_of(three_steps)
    await service.run_saga("saga", Order())
    past = past_of(service)
    first = (await past.saga("s1")).stops.first

    await past.saga("s1", first)
    await past.history("tally", "a", None, 10)

    assert not past.handler._cache


async def test_before_it_began_and_after_the_end_of_the_log_there_is_no_answer() -> None:
    service = service_of(three_steps)
    await service.apply(Do(tally="z"))
    await service.run_saga("saga", Order())
    past = past_of(service)
    end = await service.store.safe_position()

    with pytest.raises(NotThereYet):
        await past.saga("s1", 1)
    with pytest.raises(NotReached) as told:
        await past.saga("s1", end + 1)
    with pytest.raises(SagaNotFound):
        await past.saga("nobody")
    assert told.value.known == {"safe_position": end}


async def test_what_it_had_touched_grows_from_stop_to_stop() -> None:
    service = service_of(three_steps)
    await service.run_saga("saga", Order())
    past = past_of(service)

    [first, *steps, _] = await stops_of(past)

    every = ["tally-a", "tally-b", "tally-c"]
    assert await past.touched("s1", first - 1) == ([], True)
    assert await past.touched("s1", first) == ([], True)
    assert [await past.touched("s1", stop) for stop in steps] == [(every[:n], True) for n in (1, 2, 3)]
