"""A saga that events start: once for each event, however often it is delivered."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from domain import Event
from eventstore import Batch, RecordedEvent
from tests.unit.workflows.toys import CODEC, TALLIES, Do, Done, Undo, Undone
from workflows.saga import NOTHING, OnEvent, Saga, SagaDefinition
from workflows.saga.definition import checked_saga_id
from workflows.saga.errors import SagaConflict
from workflows.saga.on_event import id_from_event
from workflows.saga.starter import Starter
from workflows.saga.testing import MemoryService

EVENT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Follow(BaseModel):
    tally: str


async def follow(saga: Saga, asked: Follow) -> None:
    await saga.execute(Do(tally=f"after-{asked.tally}"), compensate=NOTHING)


def definition(on: OnEvent[Any], name: str = "follow") -> SagaDefinition:
    return SagaDefinition(name, follow, input=Follow, on=on)


def service_of(saga: SagaDefinition) -> MemoryService:
    return MemoryService(TALLIES, [saga])


def starter_of(service: MemoryService) -> Starter:
    (saga,) = service.registry
    return Starter(service.engine, saga)


async def deliver(service: MemoryService, *, times: int = 1) -> None:
    """Hand over all that has happened until now."""
    starter = starter_of(service)
    events = [event async for event in service.store.read_all()]
    for event in events * times:
        await starter(event)


async def journals(service: MemoryService) -> dict[str, list[RecordedEvent]]:
    found: dict[str, list[RecordedEvent]] = {}
    async for event in service.store.read_all(category="saga"):
        found.setdefault(event.stream, []).append(event)
    return found


ON_DONE = OnEvent(Done, input=lambda event: Follow(tally=event.tally))


async def test_an_event_starts_its_saga_with_the_input_made_from_it() -> None:
    service = service_of(definition(ON_DONE))
    await service.apply(Do(tally="a"))
    (event,) = await service.stream("tally-a")

    await deliver(service)
    await service.settle()

    outcome = await service.outcome(f"follow-{event.event_id}")
    assert outcome.saga.status == "completed"
    assert outcome.saga.input == {"tally": "a"}
    assert outcome.commands == [Do(tally="after-a")]


async def test_an_event_that_is_delivered_again_starts_nothing() -> None:
    service = service_of(definition(ON_DONE))
    await service.apply(Do(tally="a"), Do(tally="b"))

    await deliver(service, times=3)

    assert len(await journals(service)) == 2


async def test_other_events_start_nothing() -> None:
    service = service_of(definition(ON_DONE))
    await service.apply(Do(tally="a"), Undo(tally="a"))

    await deliver(service)

    assert len(await journals(service)) == 1


async def test_several_types_of_events_may_start_a_saga() -> None:
    on = OnEvent[Done | Undone]((Done, Undone), input=lambda event: Follow(tally=event.tally))
    service = service_of(definition(on))
    await service.apply(Do(tally="a"), Undo(tally="a"))

    await deliver(service)

    assert len(await journals(service)) == 2


async def test_the_saga_belongs_to_what_the_event_belongs_to_and_names_it_as_its_cause() -> None:
    service = service_of(definition(ON_DONE))
    event = CODEC.encode(Done(tally="a"), {"correlation_id": "order-7", "actor": "ana"})
    await service.store.append([Batch("tally-a", 0, [event])])

    await deliver(service)
    await service.settle()

    ((requested, *_),) = (await journals(service)).values()
    assert requested.metadata == {"correlation_id": "order-7", "causation_id": str(event.event_id)}
    (done,) = await service.stream("tally-after-a")
    assert done.metadata["correlation_id"] == "order-7"
    assert done.metadata["causation_id"] == str(requested.event_id)


async def test_an_entry_of_a_journal_is_no_event_of_the_domain() -> None:
    service = service_of(definition(ON_DONE))
    await service.store.append([Batch("saga-x", 0, [CODEC.encode(Done(tally="a"), {})])])

    await deliver(service)

    assert list(await journals(service)) == ["saga-x"]


def broken(_event: Event) -> Follow:
    raise KeyError("no such tally")


@pytest.mark.parametrize(
    ("make", "error"), [(broken, KeyError), (lambda _event: {"tally": 7}, ValidationError)]
)
async def test_an_event_that_gives_no_input_is_refused_and_starts_nothing(
    make: Any, error: type[Exception]
) -> None:
    service = service_of(definition(OnEvent(Done, input=make)))
    await service.apply(Do(tally="a"))

    with pytest.raises(error):
        await deliver(service)

    assert await journals(service) == {}


async def test_another_version_of_the_code_that_makes_another_input_starts_no_second_one() -> None:
    service = service_of(definition(ON_DONE))
    await service.apply(Do(tally="a"))
    await deliver(service)
    changed = definition(OnEvent(Done, input=lambda event: Follow(tally=f"{event.tally}-changed")))
    (event,) = await service.stream("tally-a")

    await Starter(service.engine, changed)(event)

    ((requested,),) = (await journals(service)).values()
    assert requested.data["input"] == {"tally": "a"}


async def test_an_id_that_another_saga_has_taken_is_a_conflict() -> None:
    follower = definition(ON_DONE)
    service = MemoryService(TALLIES, [follower, SagaDefinition("other", follow, input=Follow)])
    await service.apply(Do(tally="a"))
    (event,) = await service.stream("tally-a")
    await service.engine.start("other", {"tally": "a"}, saga_id=id_from_event("follow", event.event_id))

    with pytest.raises(SagaConflict):
        await Starter(service.engine, follower)(event)


async def test_the_memory_service_delivers_to_all_its_sagas() -> None:
    service = MemoryService(TALLIES, [definition(ON_DONE), definition(ON_DONE, "also")])
    await service.apply(Do(tally="a"))

    await service.deliver()
    await service.deliver()

    assert sorted(stream.partition("-")[2].partition("-")[0] for stream in await journals(service)) == [
        "also",
        "follow",
    ]


def test_the_subscription_of_a_saga_is_named_after_it() -> None:
    assert starter_of(service_of(definition(ON_DONE))).name == "start-follow"


@pytest.mark.parametrize("name", ["follow", "x" * 80, "x" * 81, "x" * 500, "späte Mahnung"])
def test_the_id_has_the_bounds_of_an_id(name: str) -> None:
    saga_id = id_from_event(name, EVENT_ID)

    assert checked_saga_id(saga_id) == saga_id
    assert saga_id.endswith(str(EVENT_ID))


def test_the_id_is_the_same_in_every_version_of_the_code() -> None:
    """An event that is delivered again after a deploy must find its saga."""
    assert id_from_event("follow", EVENT_ID) == "follow-01890a5d-ac96-774b-bcce-b302099a8057"


def test_ids_of_long_names_that_begin_alike_are_different() -> None:
    assert id_from_event("x" * 81, EVENT_ID) != id_from_event("x" * 82, EVENT_ID)
