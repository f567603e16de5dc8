"""Plan a meeting: book the room, order lunch from a caterer, book the projector."""

from typing import Final

from pydantic import BaseModel

from domain import Command
from domain.values import Id, Quantity
from tests.docs.example.resource import BookResource, FreeResource
from workflows.saga import Call, Saga, SagaDefinition


class PlanMeeting(Command):
    meeting_id: Id
    room: Id
    projector: Id
    people: Quantity


class MeetingPlanned(BaseModel):
    lunch: str


class Lunch(BaseModel):
    meeting_id: Id
    people: Quantity


class LunchOrdered(BaseModel):
    number: str


class LunchCancelled(BaseModel):
    pass


ORDER_LUNCH: Final = Call("order-lunch", Lunch, LunchOrdered)
CANCEL_LUNCH: Final = Call("cancel-lunch", Lunch, LunchCancelled)


async def plan_meeting(saga: Saga, asked: PlanMeeting) -> MeetingPlanned:
    """All three, or none of them."""
    meeting = asked.meeting_id
    await saga.execute(
        BookResource(resource_id=asked.room, meeting_id=meeting),
        compensate=FreeResource(resource_id=asked.room, meeting_id=meeting),
    )
    lunch = Lunch(meeting_id=meeting, people=asked.people)
    ordered = await saga.call(ORDER_LUNCH, lunch, compensate=CANCEL_LUNCH.of(lunch))
    await saga.execute(
        BookResource(resource_id=asked.projector, meeting_id=meeting),
        compensate=FreeResource(resource_id=asked.projector, meeting_id=meeting),
    )
    return MeetingPlanned(lunch=ordered.number)


PLAN_MEETING: Final = SagaDefinition("plan-meeting", plan_meeting, input=PlanMeeting)
