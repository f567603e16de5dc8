"""Entries of journals pass upcasters as well: names change, some are gone, versions stay the stream's."""

import pytest

from domain import Catalog
from domain.upcaster import changed, dropped, renamed
from eventstore import Batch, NewEvent, UnknownSchema
from tests.unit.workflows.toys import CODEC, Order, do, service_of
from workflows.saga import Saga, journal
from workflows.saga.codec import EventCodec
from workflows.saga.state import catch_up, read_state
from workflows.saga.summary import summarise
from workflows.saga.testing import MemoryService

OLD = [
    NewEvent("SagaAsked", {"saga": "saga", "input": {"name": "order"}}),
    NewEvent("Yawned", {}),
    NewEvent("Yawned", {}),
]


async def one_step(saga: Saga, _order: Order) -> None:
    await do(saga, "a")


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> EventCodec:
    """That of a kernel which once had other entries."""
    upcasters = (
        renamed("SagaAsked", 1, to="SagaAsked", at=2, change=lambda data: data | {"saga_version": 1}),
        renamed(
            "SagaAsked",
            2,
            to="SagaRequested",
            change=lambda data: {"name": data.pop("saga")} | data,
        ),
        dropped("Yawned", 1),
    )
    monkeypatch.setattr(journal, "UPCASTERS", upcasters)
    return EventCodec(Catalog([]))


async def with_old_entries() -> MemoryService:
    service = service_of(one_step)
    await service.store.append([Batch("saga-s1", 0, OLD[:2])])
    return service


async def test_a_journal_of_an_older_kernel_is_read(codec: EventCodec) -> None:
    service = await with_old_entries()

    state = await read_state(service.store, codec, "s1")

    assert state is not None
    assert (state.name, state.saga_version, state.input) == ("saga", 1, {"name": "order"})
    assert (state.version, state.status) == (2, "queued")


async def test_the_summary_has_the_version_of_the_journal(codec: EventCodec) -> None:
    service = await with_old_entries()
    summary = None
    for event in await service.stream("saga-s1"):
        summary = summarise(codec, event, summary)

    assert summary is not None
    assert (summary.name, summary.version) == ("saga", 2)


async def test_entries_that_are_gone_are_caught_up_with(codec: EventCodec) -> None:
    service = await with_old_entries()
    state = await read_state(service.store, codec, "s1")
    assert state is not None
    await service.store.append([Batch("saga-s1", 2, OLD[2:])])

    assert await catch_up(service.store, codec, state) == []
    assert state.version == 3


async def test_an_entry_of_a_newer_kernel_is_not_misread() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(), saga_id="s1")
    newer = NewEvent("Parked", {"until": "noon"}, schema_version=2)
    await service.store.append([Batch("saga-s1", 1, [newer])])

    with pytest.raises(UnknownSchema, match="Parked version 2 is newer than version 1"):
        await read_state(service.store, CODEC, "s1")


def test_the_kernels_own_upcasters_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "UPCASTERS", (changed("Parked", 1, lambda data: data),))

    with pytest.raises(Exception, match="the upcaster of Parked version 1 leads nowhere"):
        EventCodec(Catalog([]))
