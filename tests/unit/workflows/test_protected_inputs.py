"""What comes in is protected before anything is recorded or compared: inputs of every start, and signals."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel, ValidationError

from domain.personal import Personal, PersonalText, with_texts
from domain.values import Name
from tests.unit.workflows.toys import TALLIES, Do, Done
from workflows.saga import NOTHING, OnEvent, Saga, SagaDefinition
from workflows.saga.errors import SagaConflict, UnknownSignal
from workflows.saga.scheduled_start import start_scheduled
from workflows.saga.schedules import Schedule
from workflows.saga.starter import Starter
from workflows.saga.testing import MemoryService

NAME = "Hanna Moos"


class Greet(BaseModel):
    data_subject: ClassVar[str] = "person_id"

    person_id: str = "p1"
    name: Annotated[Name, Personal()] = PersonalText(NAME)


class Call(Greet):
    loud: bool


async def child(saga: Saga, asked: Greet) -> str:
    await saga.execute(Do(tally="greeted"), compensate=NOTHING)
    return asked.name


CHILD = SagaDefinition("child", child, Greet)


async def greet(saga: Saga, asked: Greet) -> str:
    of_child = await saga.start(CHILD, asked)
    said = await saga.receive("answer", Greet)
    return f"{of_child} {said.name}"


def token(text: str) -> str:
    return f"personal:1:{'k' * 22}:{text.encode().hex()};"


async def protect(models: Sequence[BaseModel]) -> Sequence[BaseModel]:
    def seal(text: str, subject: str | None) -> str:
        plain = isinstance(text, PersonalText) and not text.is_token
        assert not plain or subject == "p1"
        return PersonalText(token(text)) if plain else text

    return [with_texts(model, seal) for model in models]


@pytest.fixture
def service() -> MemoryService:
    by_event = SagaDefinition(
        "by-event", child, Greet, on=OnEvent(Done, input=lambda event: Greet(name=f"{NAME} {event.tally}"))
    )
    by_clock = SagaDefinition("by-clock", child, Greet, schedule=Schedule("0 3 * * *", lambda _: Greet()))
    sagas = [
        SagaDefinition("greet", greet, Greet, signals={"answer": Greet}),
        SagaDefinition("called", greet, Greet, signals={"answer": Call}),
        CHILD,
        by_event,
        by_clock,
    ]
    service = MemoryService(TALLIES, sagas)
    service.engine = replace(service.engine, protect=protect)
    return service


async def recorded(service: MemoryService) -> str:
    return repr([event async for event in service.store.read_all()])


async def test_a_saga_its_child_and_its_signal(service: MemoryService) -> None:
    await service.engine.start("greet", {"person_id": "p1", "name": NAME}, saga_id="s1")
    await service.settle()
    await service.engine.signal("s1", "answer", {"name": NAME}, actor="ana")
    await service.settle()

    saga = await service.engine.view("s1")
    assert saga.status == "completed"
    assert saga.result == f"{token(NAME)} {token(NAME)}"
    assert NAME not in await recorded(service)


async def test_the_same_start_again_is_the_same_saga_and_another_name_is_not(service: MemoryService) -> None:
    assert (await service.engine.start("greet", Greet(), saga_id="s1")).created
    assert not (await service.engine.start("greet", Greet(), saga_id="s1")).created
    with pytest.raises(SagaConflict):
        await service.engine.start("greet", Greet(name="Eva"), saga_id="s1")


async def test_a_start_from_before_anything_was_protected_is_recognised(service: MemoryService) -> None:
    await replace(service.engine, protect=as_before).start("greet", Greet(), saga_id="s1")

    assert not (await service.engine.start("greet", Greet(), saga_id="s1")).created


async def as_before(models: Sequence[BaseModel]) -> Sequence[BaseModel]:
    return models


async def test_many_at_once_by_event_and_by_clock(service: MemoryService) -> None:
    await service.engine.start_many("child", [("c1", Greet()), ("c2", {"name": NAME})])
    await service.apply(Do(tally="x"))
    definitions = {saga.name: saga for saga in service.registry}
    for event in [event async for event in service.store.read_all()]:
        await Starter(service.engine, definitions["by-event"])(event)
    await start_scheduled(service.engine, "by-clock", datetime(2026, 1, 1, 3, tzinfo=UTC))

    text = await recorded(service)
    assert text.count(token(NAME)) == 3
    assert text.count(token(f"{NAME} x")) == 1
    assert NAME not in text


async def test_a_signal_has_the_type_of_the_saga_that_it_is_for(service: MemoryService) -> None:
    """Of one name there may be several types; what does not fit one of them fits another."""
    for name in ("greet", "called"):
        await service.engine.start(name, Greet(), saga_id=name)
    loud = {"name": NAME, "loud": True}

    await service.engine.signal("called", "answer", loud, actor="ana")
    await service.engine.signal("greet", "answer", {"name": NAME}, actor="ana")

    with pytest.raises(ValidationError):
        await service.engine.signal("called", "answer", {"name": NAME}, actor="ana")
    with pytest.raises(UnknownSignal):
        await service.engine.signal("called", "nobody", loud, actor="ana")
    assert NAME not in await recorded(service)
