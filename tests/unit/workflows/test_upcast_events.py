"""Events of older code: aggregates, and the sagas that they start, see them as they are today."""

from dataclasses import replace
from typing import Any

import pytest

from domain import Catalog, Event
from domain.catalog import AnyDecider
from domain.upcaster import dropped, renamed
from eventstore import Batch, BrokenChain, NewEvent, UnknownSchema, UpcastFailed
from tests.unit.workflows import tomorrow
from tests.unit.workflows.tomorrow import COUNTERS, DECIDER, Counter, Noted, TakenBack
from tests.unit.workflows.toys import TALLIES, Do, Done, Order, Undo
from workflows.saga import OnEvent, Saga, SagaDefinition
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Folded
from workflows.saga.starter import Starter
from workflows.saga.testing import MemoryService


async def of_today() -> MemoryService:
    """A service with events of today, and tomorrow's code."""
    service = MemoryService(TALLIES, [])
    await service.apply(Do(tally="a"), Do(tally="a"), Undo(tally="a"))
    service.deploy(COUNTERS, [])
    return service


async def load(service: MemoryService) -> Folded:
    return await CommandHandler(service.store, service.codec).load("tally", "a")


async def test_an_aggregate_is_folded_from_what_its_events_became() -> None:
    service = await of_today()

    folded = await load(service)

    assert folded.state == Counter(count=1, noted=2)
    assert folded.version == 3  # of the stream: parts of a split share the version of what is stored


async def test_commands_go_on_after_the_version_that_is_stored() -> None:
    service = await of_today()

    await service.apply(tomorrow.Do(counter="a"))

    stored = [(event.version, event.type, event.schema_version) for event in await service.stream("tally-a")]
    assert stored[3:] == [(4, "Done", 2), (5, "Noted", 1)]
    assert (await load(service)).state == Counter(count=2, noted=3)


async def test_what_is_stored_stays_as_it_is() -> None:
    service = await of_today()
    before = await service.stream("tally-a")

    await load(service)

    assert [(event.type, event.data) for event in before[:1]] == [("Done", {"tally": "a"})]
    assert await service.stream("tally-a") == before


async def test_an_event_newer_than_the_code_stops_who_would_read_it() -> None:
    service = await of_today()
    newer = NewEvent("Done", {"counter": "a", "by": "ana"}, schema_version=3)
    await service.store.append([Batch("tally-a", 3, [newer])])

    with pytest.raises(UnknownSchema, match="Done version 3 is newer than version 2"):
        await load(service)


async def follow(_saga: Saga, _order: Order) -> None:
    pass


def follower(*events: type[Event]) -> SagaDefinition:
    on = OnEvent(events, input=lambda event: Order(name=type(event).__name__))
    return SagaDefinition("follow", follow, Order, on=on)


async def test_a_saga_is_started_by_an_event_that_had_another_name() -> None:
    service = await of_today()
    service.deploy(COUNTERS, [follower(TakenBack)])
    undone = (await service.stream("tally-a"))[2]

    await service.deliver()
    await service.deliver()

    saga = await service.engine.view(f"follow-{undone.event_id}")
    assert saga.input == {"name": "TakenBack"}


async def test_each_part_of_a_split_event_starts_its_own_saga_once() -> None:
    service = await of_today()
    service.deploy(COUNTERS, [follower(Noted, tomorrow.Done)])
    done = (await service.stream("tally-a"))[0]

    await service.deliver()
    appends = service.store.appends
    await service.deliver()

    started = [await service.engine.view(f"follow-{done.event_id}{part}") for part in ("", ".2")]
    assert [saga.input for saga in started] == [{"name": "Done"}, {"name": "Noted"}]
    journals = {event.stream async for event in service.store.read_all() if event.stream.startswith("saga-")}
    assert len(journals) == 4  # two events, two parts each
    assert service.store.appends == appends + 4  # and all of them are refused


async def test_what_a_saga_is_not_started_by_is_no_poison_to_it() -> None:
    service = await of_today()
    service.deploy(COUNTERS, [follower(TakenBack)])
    for version, event in enumerate([NewEvent("Eaten", {}), NewEvent("Done", {"nonsense": 1})], start=3):
        await service.store.append([Batch("tally-a", version, [event])])

    await service.deliver()


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (NewEvent("TakenBack", {"counter": "a", "by": "ana"}, schema_version=2), UnknownSchema),
        (NewEvent("Undone", {"nonsense": 1}), UpcastFailed),
    ],
)
async def test_what_it_is_started_by_and_cannot_be_read_is_poison(
    event: NewEvent, error: type[Exception]
) -> None:
    service = await of_today()
    service.deploy(COUNTERS, [follower(TakenBack)])
    await service.store.append([Batch("tally-a", 3, [event])])
    recorded = (await service.stream("tally-a"))[3]

    with pytest.raises(error):
        await Starter(service.engine, follower(TakenBack))(recorded)


def aggregate(category: str, commands: Any, events: Any, **upcasters: Any) -> AnyDecider:
    return replace(
        DECIDER,
        **{
            "category": category,
            "commands": commands,
            "events": events,
            "upcasters": (),
            "command_upcasters": (),
        }
        | upcasters,
    )


def test_a_catalog_with_a_broken_chain_makes_no_codec() -> None:
    with pytest.raises(BrokenChain, match="Do version 1 has no upcaster"):
        EventCodec(Catalog([aggregate("tally", tomorrow.Do, Noted)]))


def test_a_command_stays_one_command() -> None:
    with pytest.raises(BrokenChain, match="the upcaster of Old version 1: a command stays one"):
        EventCodec(Catalog([aggregate("tally", Do, Noted, command_upcasters=(dropped("Old", 1),))]))


def test_an_old_name_belongs_to_one_aggregate() -> None:
    tally = aggregate("tally", Do, Done)
    other = aggregate("other", Undo, Noted, upcasters=(renamed("Done", 1, to="Noted"),))

    with pytest.raises(BrokenChain, match="Done is a name of two aggregates"):
        EventCodec(Catalog([tally, other]))
