"""Steps to come. What a function will ask for nobody knows before it does; what others of its name have asked
for from here on is in their journals."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from app.console.saga.segments import Lane
from app.readmodels.sagas import SagaFilter
from app.runtime import Runtime
from eventstore.errors import UnknownSchema
from workflows.saga.journal import journal_stream
from workflows.saga.state import SagaState, read_state

PRECEDENTS_MAX: Final = 5
"""So many of the newest that completed are looked at, ..."""
PRECEDENT_ENTRIES_MAX: Final = 500
"""... if their journals are no longer than this: the page is made again at each change."""
EXPECTED_MAX: Final = 20
"""So many steps are told, the next ones."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The steps that `saga_id`, a completed saga, went on with from where another one is now, as lanes in
    which nothing has happened. `more` counts those that are not among `lanes`."""

    saga_id: str
    lanes: tuple[Lane, ...]
    more: int


async def expected_of(runtime: Runtime, state: SagaState) -> Expected | None:
    """As the newest saga went on that completed, has the same code, and took the same steps so far. None if
    there is none, and of a saga that takes no further step."""
    if state.ended or state.compensating:
        return None
    alike = SagaFilter(name=state.name, status="completed")
    rows, _ = await runtime.sagas.page(alike, limit=PRECEDENTS_MAX)
    for row in rows:
        if row.version != state.saga_version or await _is_long(runtime, row.saga_id):
            continue
        with suppress(UnknownSchema):  # newer code has written in it: this page needs no other saga
            other = await read_state(runtime.store, runtime.codec, row.saga_id)
            if other is not None and goes_before(other, state):
                return _what_follows(other, state)
    return None


async def _is_long(runtime: Runtime, saga_id: str) -> bool:
    more = runtime.store.read_stream(journal_stream(saga_id), after=PRECEDENT_ENTRIES_MAX, limit=1)
    return any([True async for _ in more])


def goes_before(other: SagaState, state: SagaState) -> bool:
    """Whether the other one took all steps that this one has taken."""
    return all(
        (same := other.steps.get(step.step)) is not None and same.name == step.name
        for step in state.steps.values()
    )


def _what_follows(other: SagaState, state: SagaState) -> Expected:
    lanes = [
        Lane(step.step, step.name, step.kind) for step in other.in_order() if step.step not in state.steps
    ]
    return Expected(other.saga_id, tuple(lanes[:EXPECTED_MAX]), max(len(lanes) - EXPECTED_MAX, 0))
