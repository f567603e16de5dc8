"""An aggregate: its state now or as it was, and what each version changed."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from app.api.aggregates import aggregate_at
from app.api.past import MomentOf
from app.api.requests import Key, RuntimeOf, in_time
from app.console.rendering import page
from eventstore.validation import MAX_VERSION

router = APIRouter(include_in_schema=False)

HISTORY_PAGE: Final = 20


@router.get("/console/aggregates/{category}/{key}")
async def aggregate(
    request: Request,
    category: str,
    key: Key,
    runtime: RuntimeOf,
    moment: MomentOf,
    start: Annotated[int | None, Query(alias="from", ge=1, le=MAX_VERSION)] = None,
) -> Response:
    """Its state at a version, a time, a position or now; its history back from there, or from `from`.

    Raises NotFound, NotReached, NotThereYet, UnknownName.
    """
    async with in_time(runtime):
        folded, last = await aggregate_at(runtime, category, key, moment)
        newest = folded if moment.is_now else await runtime.handler.load(category, key)
        changes, following = await runtime.past.history(
            category, key, start or folded.version, HISTORY_PAGE, backwards=True
        )
    return page(
        request,
        "aggregate.html",
        category=category,
        key=key,
        folded=folded,
        last=last,
        state=folded.state.model_dump(mode="json"),
        is_now=moment.is_now,
        newest=newest.version,
        changes=changes,
        following=following,
        start=start,
        sagas=sorted({saga for each in changes if (saga := each.event.metadata.get("saga_id"))}),
    )
