"""docs/evolve-an-event.md: what older code has stored, read by today's."""

import pytest

from eventstore import Batch, NewEvent, UnknownSchema
from tests.docs.howto.evolving import LOANS, LendBook, Loan
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.testing import MemoryService

OLD = [
    NewEvent("BookLookedAt", {"copy_id": "c1"}),
    NewEvent("BookLent", {"copy_id": "c1", "reader": "ana", "weeks": 2}),
    NewEvent("BookGivenBack", {"copy_id": "c1"}),
    NewEvent("BookLent", {"copy_id": "c1", "reader": "bo", "weeks": 1}),
    NewEvent("BookReturnedLate", {"copy_id": "c1", "days_late": 3}),
]


async def test_a_stream_of_old_events_has_todays_state() -> None:
    service = MemoryService(LOANS, [])
    await service.store.append([Batch("loan-c1", 0, OLD)])

    loan = await CommandHandler(service.store, service.codec).load("loan", "c1")

    assert loan.state == Loan(reader=None, fines=60)
    assert loan.version == 5
    assert [event.type for event in await service.stream("loan-c1")] == [event.type for event in OLD]


@pytest.mark.parametrize(("stored", "days"), [({"weeks": 1}, 7), ({}, 14)])
def test_an_old_command_is_todays(stored: dict[str, int], days: int) -> None:
    command = EventCodec(LOANS).command("LendBook", {"copy_id": "c1", "reader": "ana"} | stored, 1)

    assert command == LendBook(copy_id="c1", reader="ana", days=days)


async def test_a_version_of_tomorrow_is_refused() -> None:
    service = MemoryService(LOANS, [])
    await service.store.append([Batch("loan-c1", 0, [NewEvent("BookLent", {}, schema_version=3)])])

    with pytest.raises(UnknownSchema):
        await CommandHandler(service.store, service.codec).load("loan", "c1")
