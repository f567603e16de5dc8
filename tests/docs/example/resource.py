"""Something that one meeting at a time can have: a room, a projector."""

from typing import assert_never

from domain import Command, Decider, Event, Rejected, State
from domain.values import Id


class BookResource(Command):
    resource_id: Id
    meeting_id: Id


class FreeResource(Command):
    resource_id: Id
    meeting_id: Id


class ResourceBooked(Event):
    resource_id: Id
    meeting_id: Id


class ResourceFreed(Event):
    resource_id: Id
    meeting_id: Id


ResourceCommand = BookResource | FreeResource
ResourceEvent = ResourceBooked | ResourceFreed


class Resource(State):
    meeting_id: str | None = None


def decide(resource: Resource, command: ResourceCommand) -> list[ResourceEvent]:
    resource_id, meeting_id = command.resource_id, command.meeting_id
    booked = resource.meeting_id == meeting_id
    match command:
        case BookResource() if not booked and resource.meeting_id is not None:
            raise Rejected(f"{resource_id} is taken", code="taken", data={"by": resource.meeting_id})
        case BookResource():
            return [] if booked else [ResourceBooked(resource_id=resource_id, meeting_id=meeting_id)]
        case FreeResource():
            return [ResourceFreed(resource_id=resource_id, meeting_id=meeting_id)] if booked else []
        case _:
            assert_never(command)


def evolve(_: Resource, event: ResourceEvent) -> Resource:
    match event:
        case ResourceBooked(meeting_id=meeting_id):
            return Resource(meeting_id=meeting_id)
        case ResourceFreed():
            return Resource()
        case _:
            assert_never(event)


resource: Decider[ResourceCommand, ResourceEvent, Resource] = Decider(
    category="resource",
    key=lambda command: command.resource_id,
    initial=Resource(),
    decide=decide,
    evolve=evolve,
    commands=ResourceCommand,
    events=ResourceEvent,
)
