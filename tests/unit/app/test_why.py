"""From any event of a log the links lead back to who asked for it, or say where they end."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from app.why import LINKS_MAX, Link, Why
from eventstore import Batch, NewEvent, RecordedEvent
from eventstore.memory import MemoryEventStore
from tests.unit.workflows.family import begun
from tests.unit.workflows.test_every_feature import service_for
from tests.unit.workflows.test_resolver import Asked
from tests.unit.workflows.test_who_and_why import PART, log, whole
from tests.unit.workflows.toys import Order


async def chain(store: MemoryEventStore, event: RecordedEvent) -> list[Link]:
    return await Why(store).chain(event)


@pytest.mark.parametrize("refused", [(), ("last",)], ids=["forward", "undone"])
async def test_every_event_of_every_feature_leads_to_a_request(refused: tuple[str, ...]) -> None:
    service = service_for(Asked(), *refused)
    await service.engine.start("saga", Order(), saga_id="s1", actor="eva")
    await service.settle()
    await service.engine.signal("s1", "go", {"text": "go"}, signal_id="go-1", actor="bob")
    await service.settle()
    await service.engine.compensate("s1", force=True, actor="carol", reason="a test")
    await service.settle()

    for event in await log(service):
        links = await chain(service.store, event)
        named = [link.says for link in links]
        assert (links[-1].kind, links[-1].actor) == ("request", "eva"), named
        assert len(links) <= 12, named


async def test_the_event_of_a_child_leads_through_its_step_and_its_parent() -> None:
    service = await begun(whole, PART)
    (event,) = await service.stream("tally-part")

    links = await chain(service.store, event)

    assert [link.says for link in links] == [
        "Done",
        "step 1 of saga s1.1: Do",
        "saga s1.1 (part) was requested",
        "step 1 of saga s1 started part as s1.1",
        "saga s1 (saga) was requested",
        "anonymous asked for it, as s1",
    ]
    assert (links[0].command_id, links[0].saga_id, links[0].step) == ("s1.1/1", "s1.1", "1")
    assert [link.kind for link in links] == ["event", "entry", "entry", "entry", "entry", "request"]


async def test_what_an_operator_undid_leads_through_what_he_asked_for() -> None:
    service = await begun(whole, PART)
    await service.engine.compensate("s1", actor="bob", reason="he looked")
    await service.settle()
    (_, undone) = await service.stream("tally-part")

    links = await chain(service.store, undone)

    assert [link.says for link in links] == [
        "Undone",
        "step 1 of saga s1.1 was undone",
        "saga s1.1 was asked to be undone: he looked",
        "step 1 of saga s1 was to be undone",
        "saga s1 was asked to be undone: he looked",
        "saga s1 (saga) was requested",
        "anonymous asked for it, as s1",
    ]
    assert {link.actor for link in links[:5]} == {"bob"}


async def test_an_event_that_a_direct_command_caused_names_it() -> None:
    event = await _recorded({"actor": "ana", "command_id": "c-7", "correlation_id": "t-1"})

    links = await chain(*event)

    assert [(link.kind, link.says) for link in links] == [
        ("event", "Happened"),
        ("request", "ana asked for it, as c-7"),
    ]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"actor": "ana", "reason": "compared", "error": None}, "ana asked for it: compared"),
        ({"actor": "ana", "reason": None, "error": "ValueError: 7"}, "ana asked for it: ValueError: 7"),
    ],
)
async def test_a_decision_about_a_read_model_says_its_reason(data: dict[str, Any], says: str) -> None:
    store = MemoryEventStore()
    await store.append(
        [Batch("projection-orders", 0, [NewEvent("ProjectionPromoted", data, {"actor": "ana"})])]
    )
    (event,) = [event async for event in store.read_all(0)]

    assert [link.says for link in await chain(store, event)] == ["ProjectionPromoted", says]


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "it does not say who asked for it"),
        ({"causation_id": str(UUID(int=7))}, f"its cause, event {UUID(int=7)}, is not in this log"),
        ({"causation_id": "no id"}, "its cause, event no id, is not in this log"),
        ({"saga_id": "s9", "step": "1"}, "no entry of saga s9 was recorded together with this"),
    ],
)
async def test_a_link_that_is_missing_is_said(metadata: dict[str, Any], says: str) -> None:
    links = await chain(*await _recorded(metadata))

    assert (links[-1].kind, links[-1].says) == ("missing", says)


async def test_links_in_a_circle_come_to_an_end() -> None:
    store, (one, other) = MemoryEventStore(), (uuid4(), uuid4())
    await store.append(
        [
            Batch("a-1", 0, [NewEvent("A", {}, {"causation_id": str(other)}, event_id=one)]),
            Batch("b-1", 0, [NewEvent("B", {}, {"causation_id": str(one)}, event_id=other)]),
        ]
    )

    found = await store.find(one)
    assert found is not None
    links = await chain(store, found)

    assert [link.says for link in links] == ["A", "B", "position 1 again: the links go in a circle"]


async def test_a_cause_that_is_younger_is_none() -> None:
    store, later = MemoryEventStore(), uuid4()
    await store.append([Batch("a-1", 0, [NewEvent("A", {}, {"causation_id": str(later)})])])
    await store.append([Batch("b-1", 0, [NewEvent("B", {}, event_id=later)])])

    (first, _) = [event async for event in store.read_all()]
    links = await chain(store, first)

    assert (links[-1].kind, links[-1].says) == ("cut", "its cause, position 2, is younger than itself")


async def test_a_long_chain_is_cut() -> None:
    store, before = MemoryEventStore(), uuid4()
    for number in range(LINKS_MAX + 5):
        event = NewEvent("A", {}, {"causation_id": str(before)} if number else {"actor": "ana"})
        await store.append([Batch("a-1", number, [event])])
        before = event.event_id
    last = await store.find(before)
    assert last is not None

    links = await chain(store, last)

    assert len(links) == LINKS_MAX + 1
    assert links[-1].kind == "cut"


async def _recorded(metadata: dict[str, Any]) -> tuple[MemoryEventStore, RecordedEvent]:
    store = MemoryEventStore()
    await store.append([Batch("a-1", 0, [NewEvent("Happened", {}, metadata)])])
    (event,) = [event async for event in store.read_all()]
    return store, event
