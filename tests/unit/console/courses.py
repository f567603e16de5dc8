"""Courses of sagas that ran."""

from app.console.saga.segments import Course, course_of
from tests.unit.workflows.toys import CODEC
from workflows.saga.state import SagaState, read_state
from workflows.saga.testing import MemoryService


async def course(service: MemoryService) -> Course:
    recorded = await service.stream("saga-s1")
    return course_of((event.recorded_at, entry) for event in recorded for entry in CODEC.decode(event))


async def state(service: MemoryService) -> SagaState:
    found = await read_state(service.store, CODEC, "s1")
    assert found is not None
    return found


def told(course: Course) -> dict[str, list[tuple[str, str]]]:
    """Of each step what was done, and what came of it."""
    return {lane.step: [(each.kind, each.outcome) for each in lane.segments] for lane in course.in_order()}
