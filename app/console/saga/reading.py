"""What the page of a saga shows, read from its journal, and bounded however long that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final
from urllib.parse import quote

from app.console.saga.expected import Expected, expected_of
from app.console.saga.permitted import Permitted, permitted
from app.console.saga.segments import Lane, course_of
from app.console.saga.timeline import Timeline, timeline_of
from app.runtime import Runtime
from eventstore import RecordedEvent
from workflows.saga.errors import SagaNotFound, UnknownSaga
from workflows.saga.journal import journal_stream
from workflows.saga.preview import PreviewView, preview
from workflows.saga.state import SagaState, read_state
from workflows.saga.view import SagaView, StepView, view

DRAWN_MAX: Final = 2_000
"""So many entries, the last ones, make the timeline; the preview of a longer journal has its own page."""
STEPS_MAX: Final = 100
ENTRIES_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class SagaPage:
    """A saga as its page has it. `not_drawn` and `steps_left_out` count what is earlier than what is shown;
    `earlier` is the version of the journal at which the next page of it begins."""

    state: SagaState
    saga: SagaView
    now: datetime
    timeline: Timeline | None
    not_drawn: int
    expected: Expected | None
    steps: list[StepView]
    steps_left_out: int
    entries: list[RecordedEvent]
    earlier: int | None
    may: Permitted
    undo: PreviewView | None

    @property
    def moves(self) -> bool:
        return moves(self.state)


async def saga_page(runtime: Runtime, saga_id: str, before: int | None) -> SagaPage:
    """The page of a saga; its journal back from the version `before`. Raises SagaNotFound."""
    state = await state_of(runtime, saga_id)
    saga, now = view(state), await runtime.store.now()
    expected = await expected_of(runtime, state)
    timeline, not_drawn = await drawn(runtime, state, now, expected.lanes if expected else ())
    to = state.version if before is None else min(before, state.version)
    entries = await _entries(runtime, saga_id, to)
    undo = None
    if state.version <= DRAWN_MAX and state.plan():
        undo = await preview(runtime.store, runtime.codec, saga_id)
    return SagaPage(
        state=state,
        saga=saga,
        now=now,
        timeline=timeline,
        not_drawn=not_drawn,
        expected=expected,
        steps=saga.steps[-STEPS_MAX:],
        steps_left_out=max(len(saga.steps) - STEPS_MAX, 0),
        entries=entries[:ENTRIES_PAGE],
        earlier=entries[ENTRIES_PAGE].version if len(entries) > ENTRIES_PAGE else None,
        may=permitted(state, signals_of(runtime, state.name)),
        undo=undo,
    )


def address_of(saga_id: str) -> str:
    """Where its page is."""
    return f"/console/sagas/{quote(saga_id)}"


def moves(state: SagaState) -> bool:
    """Whether it goes on by itself, so that nobody can name the version that it will have."""
    return state.status in ("queued", "running", "compensating")


async def state_of(runtime: Runtime, saga_id: str) -> SagaState:
    """Raises SagaNotFound."""
    state = await read_state(runtime.store, runtime.codec, saga_id)
    if state is None:
        raise SagaNotFound(f"there is no saga {saga_id!r}")
    return state


def signals_of(runtime: Runtime, name: str) -> list[str]:
    """The signals that sagas of this name receive; none of one that is not defined any more."""
    try:
        return list(runtime.registry.saga(name).signals)
    except UnknownSaga:
        return []


async def drawn(
    runtime: Runtime, state: SagaState, now: datetime, expected: Sequence[Lane] = ()
) -> tuple[Timeline | None, int]:
    """The timeline of the saga as this state has it, at the instant `now`, with the steps that are expected;
    how many earlier entries it leaves out."""
    recorded = await _last_entries(runtime, state)
    decoded = ((event.recorded_at, entry) for event in recorded for entry in runtime.codec.decode(event))
    planned = [step.step for step in state.plan(state.undo_to) if step.undo.status != "compensating"]
    to_come = planned if state.compensating and not state.ended else []
    timeline = timeline_of(course_of(decoded), to_come, None if state.ended else now, expected)
    return timeline, state.version - len(recorded)


async def _last_entries(runtime: Runtime, state: SagaState) -> list[RecordedEvent]:
    """The entries to draw: the last ones since the saga began, or began anew, in their order."""
    read = runtime.store.read_stream(
        journal_stream(state.saga_id), to=state.version, limit=DRAWN_MAX, backwards=True
    )
    backwards = [event async for event in read]
    return list(takewhile(lambda event: event.version >= state.began_at_version, backwards))[::-1]


async def _entries(runtime: Runtime, saga_id: str, to: int) -> list[RecordedEvent]:
    read = runtime.store.read_stream(journal_stream(saga_id), to=to, limit=ENTRIES_PAGE + 1, backwards=True)
    return [event async for event in read]
