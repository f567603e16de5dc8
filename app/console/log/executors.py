"""The processes that run sagas, what they have in hand, and whose runs they took over."""

from collections import Counter
from typing import Final

from fastapi import APIRouter, Request, Response

from app.api.requests import RuntimeOf, in_time
from app.console.log.queries import WINDOW_EVENTS, takeovers
from app.console.rendering import page
from app.executors.listing import BURIED_HOURS, LISTED_MAX, read_executors

router = APIRouter(include_in_schema=False)

RUNS_SHOWN: Final = 100


@router.get("/console/executors")
async def executors(request: Request, runtime: RuntimeOf) -> Response:
    """Those that live, those that are silent, and those that were buried of late."""
    async with in_time(runtime):
        runs = await runtime.runs.pending()
        found = await read_executors(runtime.pool, Counter(run.executor_id for run in runs))
        taken_over = await takeovers(runtime)
    return page(
        request,
        "executors.html",
        executors=found,
        full=len(found) == LISTED_MAX,
        listed_max=LISTED_MAX,
        hours=BURIED_HOURS,
        taken_over=taken_over,
        window=WINDOW_EVENTS,
        own=runtime.lease.executor_id,
        runs=runs[:RUNS_SHOWN],
        more_runs=len(runs) - RUNS_SHOWN,
    )
