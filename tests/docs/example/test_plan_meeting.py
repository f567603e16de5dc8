"""The example of docs/write-a-saga.md: on memory, with the real kernel."""

from typing import Any

import pytest

from domain import Catalog, Rejected
from tests.docs.example.plan_meeting import (
    CANCEL_LUNCH,
    ORDER_LUNCH,
    PLAN_MEETING,
    Lunch,
    LunchCancelled,
    LunchOrdered,
    PlanMeeting,
)
from tests.docs.example.resource import BookResource, FreeResource, resource
from workflows.saga import CallDefinition
from workflows.saga.testing import MemoryService, killed_at

MEETING = PlanMeeting(meeting_id="m1", room="blue", projector="p1", people=6)
FREE_ROOM = FreeResource(resource_id="blue", meeting_id="m1")
LUNCH = Lunch(meeting_id="m1", people=6)


class Caterer:
    """The other side: one lunch a key, and a tombstone for a key that was cancelled."""

    def __init__(self) -> None:
        self.lunches: set[str] = set()
        self.cancelled: set[str] = set()

    def calls(self) -> list[CallDefinition[Any, Any]]:
        return [CallDefinition(ORDER_LUNCH, self.order), CallDefinition(CANCEL_LUNCH, self.cancel)]

    async def order(self, _lunch: Lunch, key: str) -> LunchOrdered:
        if key in self.cancelled:
            raise Rejected("this order was cancelled", code="cancelled")
        self.lunches.add(key)
        return LunchOrdered(number=f"lunch {key}")

    async def cancel(self, _lunch: Lunch, key: str) -> LunchCancelled:
        self.lunches.discard(key)
        self.cancelled.add(key)
        return LunchCancelled()


def service_of(caterer: Caterer) -> MemoryService:
    return MemoryService(Catalog([resource]), [PLAN_MEETING], caterer.calls())


async def test_a_meeting_has_its_room_lunch_and_projector() -> None:
    caterer = Caterer()

    outcome = await service_of(caterer).run_saga("plan-meeting", MEETING)

    assert outcome.saga.status == "completed"
    assert outcome.saga.result == {"lunch": "lunch s1/2"}
    assert outcome.compensations == []
    assert caterer.lunches == {"s1/2"}


async def test_a_projector_that_is_taken_gives_lunch_and_room_back() -> None:
    caterer = Caterer()
    service = service_of(caterer)
    await service.apply(BookResource(resource_id="p1", meeting_id="another"))

    outcome = await service.run_saga("plan-meeting", MEETING)

    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert outcome.saga.error.code == "taken"
    assert outcome.compensations == [LUNCH, FREE_ROOM]
    assert caterer.lunches == set()


@pytest.mark.parametrize("append", range(2, 7))
async def test_a_process_killed_before_any_append_makes_no_difference(append: int) -> None:
    caterer = Caterer()
    service = service_of(caterer)
    service.store.before_append = killed_at(append)

    outcome = await service.run_saga("plan-meeting", MEETING)

    assert service.store.appends > append
    assert outcome.saga.status == "completed"
    assert outcome.commands[0] == BookResource(resource_id="blue", meeting_id="m1")
    assert len(outcome.commands) == 3
    assert caterer.lunches == {"s1/2"}
