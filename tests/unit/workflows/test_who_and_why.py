"""Every event says who asked and why; its cause is older, and leads back to a request from outside."""

from uuid import UUID

import pytest

from eventstore import RecordedEvent
from tests.unit.workflows.family import begun, go, serving
from tests.unit.workflows.test_every_feature import service_for
from tests.unit.workflows.test_resolver import Asked
from tests.unit.workflows.toys import AWAY, TWICE, Message, Order, Remote, do, failing, send
from workflows.saga import Saga, SagaDefinition
from workflows.saga.testing import MemoryService


async def log(service: MemoryService) -> list[RecordedEvent]:
    return [event async for event in service.store.read_all()]


async def check_every_event(service: MemoryService) -> None:
    """Who, the correlation, and the cause of each; of steps also command, saga and step."""
    events = await log(service)
    positions = {event.event_id: event.position for event in events}
    for event in events:
        metadata, named = event.metadata, f"{event.type} at {event.position}"
        assert metadata["actor"], named
        assert metadata["correlation_id"], named
        if "causation_id" in metadata:
            assert positions[UUID(metadata["causation_id"])] < event.position, named
        else:
            assert metadata["command_id"], named
        if event.stream.startswith("tally-"):
            assert metadata["command_id"].startswith(f"{metadata['saga_id']}/{metadata['step']}"), named


@pytest.mark.parametrize("refused", [(), ("last",)], ids=["forward", "undone"])
async def test_every_feature_says_who_and_why(refused: tuple[str, ...]) -> None:
    service = service_for(Asked(), *refused)
    await service.engine.start("saga", Order(), saga_id="s1", actor="eva")
    await service.settle()
    await service.engine.signal("s1", "go", {"text": "go"}, signal_id="go-1", actor="bob")
    await service.settle()
    await service.engine.compensate("s1", force=True, actor="carol", reason="a test")
    await service.settle()

    await check_every_event(service)

    events = await log(service)
    assert {event.type for event in events} >= {"ChildStarted", "ChildEnded", "SignalReceived", "Continued"}
    actors = {event.metadata["actor"] for event in events}
    assert actors == ({"eva", "bob"} if refused else {"eva", "bob", "carol"})  # nothing is left to undo
    assert {event.metadata["correlation_id"] for event in events} == {"s1"}


async def waits(saga: Saga, _order: Order) -> None:
    await do(saga, "before")
    await saga.receive("go", Message)
    await do(saga, "after")


async def test_what_follows_a_signal_was_caused_by_it() -> None:
    service = await begun(waits)
    await go(service)
    await service.settle()

    (requested, *_), before, after = await _of(service, "saga-s1", "tally-before", "tally-after")
    signal = await _entry(service, "SignalReceived")

    assert before[0].metadata["causation_id"] == str(requested.event_id)
    assert after[0].metadata["causation_id"] == str(signal.event_id)
    assert signal.metadata["causation_id"] == str(requested.event_id)
    assert (signal.metadata["actor"], after[0].metadata["actor"]) == ("ana", "anonymous")


async def test_a_signal_that_nobody_took_yet_causes_nothing() -> None:
    service = serving(waits)
    await service.engine.start("saga", Order(), saga_id="s1")
    await go(service)
    await service.settle()

    requested = await _entry(service, "SagaRequested")
    ((before, *_),) = await _of(service, "tally-before")

    assert before.metadata["causation_id"] == str(requested.event_id)


async def calls(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga, TWICE)
    await saga.receive("go", Message)


async def test_what_operators_ask_for_is_theirs_and_follows_what_they_asked_before() -> None:
    remote = Remote()
    remote.before_unsend = failing(AWAY)
    service = await begun(calls, calls=remote.calls())
    await service.engine.compensate("s1", actor="bob", reason="he looked")
    await service.settle()
    remote.before_unsend = failing(None)
    await service.engine.retry("s1", actor="carol", reason="it is back")
    await service.settle()

    asked, again = await _entry(service, "CompensationRequested"), await _entry(service, "RetryRequested")
    done, undone = (await _of(service, "tally-a"))[0]
    requested, ended = await _entry(service, "SagaRequested"), await _entry(service, "SagaCompensated")

    assert [each.metadata["actor"] for each in (done, asked, again, undone, ended)] == [
        "anonymous", "bob", "carol", "bob", "bob",
    ]  # fmt: skip
    causes = [each.metadata["causation_id"] for each in (asked, again, undone, ended)]
    assert causes == [str(each.event_id) for each in (requested, asked, again, again)]
    await check_every_event(service)


async def part(saga: Saga, _order: Order) -> None:
    await do(saga, "part")
    await saga.receive("go", Message)


PART = SagaDefinition("part", part, Order, signals={"go": Message})


async def whole(saga: Saga, _order: Order) -> None:
    await saga.start(PART, Order())


async def test_a_child_belongs_to_the_step_of_its_parent_and_its_end_to_the_one_who_ended_it() -> None:
    service = serving(whole, PART)
    await service.engine.start("saga", Order(), saga_id="s1", actor="eva")
    await service.settle()
    await service.engine.abandon("s1.1", actor="bob", reason="he looked")
    await service.settle()

    (asked, *_), (parent, *_) = await _of(service, "saga-s1.1", "saga-s1")
    told = await _entry(service, "ChildEnded")

    assert asked.metadata == {
        "correlation_id": "s1",
        "causation_id": str(parent.event_id),
        "actor": "eva",
        "command_id": "s1/1",
        "saga_id": "s1",
        "step": "1",
    }
    assert (told.metadata["saga_id"], told.metadata["actor"]) == ("s1.1", "bob")
    assert told.metadata["causation_id"] == str(asked.event_id)
    await check_every_event(service)


async def test_a_parent_undoes_its_child_on_behalf_of_who_asked_it_to() -> None:
    service = await begun(whole, PART)
    await service.engine.compensate("s1", actor="bob", reason="he looked")
    await service.settle()

    ((_, undone),) = await _of(service, "tally-part")

    assert (undone.metadata["actor"], undone.metadata["saga_id"]) == ("bob", "s1.1")
    await check_every_event(service)


async def _of(service: MemoryService, *streams: str) -> list[list[RecordedEvent]]:
    return [await service.stream(stream) for stream in streams]


async def _entry(service: MemoryService, name: str) -> RecordedEvent:
    """The entry of this type; there is one."""
    (found,) = [event for event in await log(service) if event.type == name]
    return found
