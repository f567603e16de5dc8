"""The page of one saga."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.requests import RuntimeOf, SagaId, in_time
from app.console.rendering import page
from app.console.saga.reading import address_of, saga_page
from app.console.saga.signals import signal_forms
from eventstore.validation import MAX_VERSION

router = APIRouter(include_in_schema=False)

Before = Annotated[int | None, Query(ge=1, le=MAX_VERSION)]
"""The version of the journal that its page begins with; it goes back from there."""


@router.get("/console/sagas/{saga_id}")
async def show(request: Request, saga_id: SagaId, runtime: RuntimeOf, before: Before = None) -> Response:
    """Raises SagaNotFound."""
    async with in_time(runtime):
        found = await saga_page(runtime, saga_id, before)
    return page(
        request,
        "saga.html",
        root=address_of(saga_id),
        p=found,
        s=found.saga,
        forms=signal_forms(runtime.registry, found.state.name, found.may.signals),
        before=before,
    )
