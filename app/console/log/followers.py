"""Projections and subscriptions: where they stand, and what an operator does with one."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.projections import (
    DecisionRequest,
    DiscardRequest,
    PromoteRequest,
    RetryRequest,
    ReturnRequest,
    SkipEventRequest,
    Target,
)
from app.api.requests import CorrelationOf, Key, RuntimeOf, in_time, validated
from app.console.forms import actor_of, filled_in
from app.console.rendering import page, see_other
from eventstore import RecordedEvent
from eventstore.decisions import stream_of
from eventstore.differences import diff
from eventstore.errors import FollowerConflict
from eventstore.parking import retry as retry_parked
from eventstore.parking import skip as skip_parked
from eventstore.projections import Slot
from eventstore.promotion import Promotion
from eventstore.standings import slots_of

router = APIRouter(include_in_schema=False)

PAGE: Final = "/console/projections"
DIFF_SECONDS_MAX: Final = 60.0
"""A sample is compared; the API compares all rows."""
DECISIONS_SHOWN: Final = 10


@router.get(PAGE)
async def projections(request: Request, runtime: RuntimeOf) -> Response:
    """All that follow the log."""
    async with in_time(runtime):
        found = await runtime.standings.all()
        safe = await runtime.store.safe_position()
    return page(request, "projections.html", followers=[(each, slots_of(each)) for each in found], safe=safe)


@router.get(PAGE + "/{name}")
async def projection(request: Request, name: Key, runtime: RuntimeOf) -> Response:
    """One of them, what was decided about it, and the buttons for what its state allows."""
    async with in_time(runtime):
        found = await runtime.standings.one(name)
        read = runtime.store.read_stream(stream_of(found.kind, name), backwards=True, limit=DECISIONS_SHOWN)
        decisions: list[RecordedEvent] = [event async for event in read]
    return page(
        request,
        "projection.html",
        follower=found,
        slots=slots_of(found),
        decisions=decisions,
        stream=stream_of(found.kind, name),
    )


@router.get(PAGE + "/{name}/diff")
async def difference(
    request: Request,
    name: Key,
    runtime: RuntimeOf,
    other: Annotated[Literal["staging", "previous"] | None, Query(alias="with")] = None,
) -> Response:
    """A sample of what is served against a rebuild, or the previous tables, at one position of the log."""
    async with asyncio.timeout(DIFF_SECONDS_MAX):
        view = await runtime.standings.one(name)
        if view.staging is None and view.previous is None:
            raise FollowerConflict(name, "there is neither a rebuild nor a previous read model")
        slot = Slot(other) if other else Slot.PREVIOUS if view.staging is None else Slot.STAGING
        found = await diff(runtime.rebuilds, name, slot)
    return page(request, "projection_diff.html", name=name, diff=found)


async def _pressed(
    request: Request, name: Key, runtime: RuntimeOf, correlation: CorrelationOf
) -> tuple[Target, dict[str, str]]:
    """The follower, and the fields that were filled in. Raises InvalidRequest."""
    return Target(runtime, name, actor_of(request), correlation.own), await filled_in(request)


Pressed = Annotated[tuple[Target, dict[str, str]], Depends(_pressed)]


async def _done(target: Target, asked: Awaitable[Any], flash: str, seconds: float = 0.0) -> Response:
    await target.answer(asked, seconds=seconds)
    return see_other(f"{PAGE}/{target.name}", flash)


@router.post(PAGE + "/{name}/retry")
async def retry(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(RetryRequest, fields)
    checkpoint = form.of.checkpoint(target.name)
    return await _done(target, retry_parked(target.runtime.pool, checkpoint, target.by(form)), "retried")


class _SkipForm(SkipEventRequest):
    """Only the event that the page has shown is left out: a form sent twice leaves out no second one."""

    position: int


@router.post(PAGE + "/{name}/skip")
async def skip(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(_SkipForm, fields)
    checkpoint = form.of.checkpoint(target.name)
    asked = skip_parked(target.runtime.pool, checkpoint, target.by(form), form.position)
    return await _done(target, asked, "done")


@router.post(PAGE + "/{name}/rebuild")
async def rebuild(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(DecisionRequest, fields)
    return await _done(target, target.runtime.rebuilds.start(target.name, target.by(form)), "rebuilding")


@router.post(PAGE + "/{name}/pause")
async def pause(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(DecisionRequest, fields)
    return await _done(target, target.runtime.rebuilds.pause(target.name, target.by(form)), "paused")


@router.post(PAGE + "/{name}/resume")
async def resume(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(DecisionRequest, fields)
    return await _done(target, target.runtime.rebuilds.resume(target.name, target.by(form)), "done")


@router.post(PAGE + "/{name}/promote")
async def promote(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(PromoteRequest, fields)
    asked = Promotion(target.runtime.rebuilds).promote(target.name, target.by(form), form.wait_seconds)
    return await _done(target, asked, "promoted", form.wait_seconds)


class _ReturnForm(ReturnRequest):
    """`began`: of the tables that the page has shown as the previous ones. A form sent twice would take its
    own return back."""

    began: str


@router.post(PAGE + "/{name}/return")
async def return_(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(_ReturnForm, fields)
    async with in_time(target.runtime):
        view = await target.runtime.standings.one(target.name)
    if view.previous is None or view.previous.began_at.isoformat() != form.began:
        if view.live.began_at.isoformat() == form.began:
            return see_other(f"{PAGE}/{target.name}", "unchanged")
        raise FollowerConflict(target.name, "it is not as the page has shown it; look again")
    asked = Promotion(target.runtime.rebuilds).return_(
        target.name, target.by(form), form.wait_seconds, stale=form.stale
    )
    return await _done(target, asked, "returned", form.wait_seconds)


@router.post(PAGE + "/{name}/discard")
async def discard(pressed: Pressed) -> Response:
    target, fields = pressed
    form = validated(DiscardRequest, fields)
    asked = target.runtime.rebuilds.discard(target.name, target.by(form), form.of)
    return await _done(target, asked, "discarded")
