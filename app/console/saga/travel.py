"""A saga and all that it touches as they were: a slider over the positions at which something changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from app.api.positions import PastPosition, on_this_timeline
from app.api.requests import RuntimeOf, SagaId, in_time
from app.console.rendering import page, see_other
from app.console.saga.changes import Changed, changed_at
from app.console.saga.reading import STEPS_MAX, address_of, drawn, state_of
from app.console.saga.stops import STOPS_MAX, STREAMS_MAX, Stops, stops_around
from app.console.saga.timeline import Timeline
from app.positions import POSITION_MAX
from app.runtime import Runtime
from workflows.past import NotThereYet, SagaThen, Touched
from workflows.saga.journal import journal_stream
from workflows.saga.view import SagaView, view

router = APIRouter(include_in_schema=False)

_STOP_MAX: Final = 2 * STOPS_MAX


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where the slider goes, and the streams that the saga has touched by then.

    The log does not change behind `last`, so the slider has the same stops whenever it is asked for again.
    """

    saga_id: str
    first: int
    last: int
    streams: list[str]
    all_touched: bool

    async def stops(self, runtime: Runtime, position: int) -> Stops:
        """Those nearest to the position."""
        streams = [journal_stream(self.saga_id), *self.streams[-STREAMS_MAX:]]
        place = min(max(position, self.first), self.last)
        return await stops_around(runtime.store, streams, place, self.first, self.last)


@dataclass(frozen=True, slots=True)
class Then:
    """What the page shows. `at` is the instant of the stop, `later` what the saga had not touched yet."""

    saga: SagaView
    then: SagaThen
    span: Span
    stops: Stops
    at: datetime
    changed: list[Changed]
    later: list[Touched]
    timeline: Timeline | None
    not_drawn: int

    @property
    def journal(self) -> Changed | None:
        """What the stop says of the saga itself; None when it is of an aggregate only."""
        stream = journal_stream(self.span.saga_id)
        return next((each for each in self.changed if each.stream == stream), None)


@router.get("/console/sagas/{saga_id}/travel")
async def travel(
    request: Request,
    saga_id: SagaId,
    runtime: RuntimeOf,
    position: PastPosition,
    stop: Annotated[int | None, Query(ge=0, le=_STOP_MAX)] = None,
    end: Annotated[int | None, Query(ge=0, le=POSITION_MAX)] = None,
) -> Response:
    """The saga at a position; without one at the last stop.

    `stop` counts from 0 the stops of the slider of a page: of one that showed `position`, with a slider up to
    `end`. It leads to the position of that stop. Raises SagaNotFound, NotReached.
    """
    root = address_of(saga_id)
    async with in_time(runtime):
        place = await on_this_timeline(runtime.pool, position)
        span = await _span(runtime, saga_id, end)
        if stop is not None:
            stops = await span.stops(runtime, span.last if place is None else place)
            return see_other(f"{root}/travel", position=str(stops.at(stop)))
        try:
            found = await _then(runtime, span, place)
        except NotThereYet as early:
            began = early.known
            return page(request, "saga_not_yet.html", 404, root=root, span=span, asked=place, **began)
    return page(
        request,
        "saga_travel.html",
        root=root,
        t=found,
        s=found.saga,
        steps=found.saga.steps[-STEPS_MAX:],
    )


async def _span(runtime: Runtime, saga_id: str, end: int | None) -> Span:
    """Of a saga that has ended up to its end; else as far as the log has come, since others may change what
    it touches. Raises SagaNotFound."""
    state, safe = await state_of(runtime, saga_id), await runtime.store.safe_position()
    last = min(state.position, safe) if state.ended else safe
    if end is not None:
        last = min(last, end)
    read = runtime.store.read_stream(journal_stream(saga_id), limit=1)
    first = (await anext(read)).commit_position
    streams, all_touched = await runtime.past.touched(saga_id, last)
    return Span(saga_id, first, max(first, last), streams, all_touched)


async def _then(runtime: Runtime, span: Span, position: int | None) -> Then:
    """Raises NotReached, NotThereYet."""
    stops = await span.stops(runtime, span.last if position is None else position)
    then = await runtime.past.saga(span.saga_id, stops.current if position is None else position)
    touched = [each.stream for each in then.aggregates]
    not_yet = [stream for stream in span.streams if stream not in touched]
    changed = await changed_at(
        runtime.past, [journal_stream(span.saga_id), *touched, *not_yet], stops.current
    )
    at = changed[0].events[-1].recorded_at
    timeline, not_drawn = await drawn(runtime, then.state, at)
    return Then(
        saga=view(then.state),
        then=then,
        span=span,
        stops=stops,
        at=at,
        changed=changed,
        later=[await runtime.past.aggregate_at(stream, then.position) for stream in not_yet],
        timeline=timeline,
        not_drawn=not_drawn,
    )
