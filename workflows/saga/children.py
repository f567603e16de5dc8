"""Child sagas: requested by a step of their parent, and telling it of their end.

The request of the child and the parent's entry are one append; so are the child's end and the news of it in
the parent's journal. A parent waits parked. It is told of an end only: a child that is stuck waits for its
operator, and its parent with it.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import BaseModel

from domain import Event
from eventstore import NO_STREAM, AppendRefused, Batch, EventStore, WrongExpectedVersion
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.definition import SAGA_ID, Registry, SagaDefinition, checked_saga_id
from workflows.saga.errors import Halted, Waiting
from workflows.saga.execution import Execution, dump, fitting
from workflows.saga.runs import RUNS_TAKEN_MAX, run_request
from workflows.saga.state import SagaState, read_state
from workflows.saga.step_state import StepState
from workflows.saga.steps import refused
from workflows.saga.writer import Scope

RACES_MAX = 30
RACE_PAUSE_SECONDS_MAX = 0.05


@dataclass(frozen=True)
class ChildRequest:
    """A child as the saga asks for it."""

    definition: SagaDefinition
    input: BaseModel
    child: str | None
    detached: bool


async def start_child(execution: Execution, step: str, request: ChildRequest, scope: Scope) -> Any:
    """The result of the child; its id when it is detached. Raises Rejected when it was undone, Waiting."""
    definition, state = request.definition, execution.state
    ids = _ids(execution, step, request)
    child = next((each for each in ids[1:] if _is_that_of(state.steps.get(step), each)), ids[0])
    asked = {"saga_id": child, "input": dump(request.input)}
    known = execution.recorded(step, "child", definition.name, asked)
    if known is None:
        await _start(execution, step, ids, request, scope)
        known = state.steps[step]
    if known.rejection is not None:
        if known.child_refused_past_pivot:
            raise Halted("rejected-after-pivot", f"{definition.name}: {known.rejection.detail}", step)
        raise refused(known.rejection)
    if known.status == "started":
        raise Waiting(None, f"waits for the end of {child}", children=frozenset({step}))
    if request.detached:
        return known.result
    return fitting(definition.result.validate_python, known.result, step, definition.name)


def _ids(execution: Execution, step: str, request: ChildRequest) -> list[str]:
    """The ids that the child may have, in order: the given one may be that of an earlier round's child."""
    number = execution.round_of(step)
    if request.child is None:
        return [child_id(execution.state.saga_id, step, number)]
    return [request.child] if number == 1 else [request.child, _with_suffix(request.child, f":{number}")]


def _is_that_of(step: StepState | None, child: str) -> bool:
    return step is not None and step.asked.get("saga_id") == child


async def _start(
    execution: Execution, step: str, ids: list[str], request: ChildRequest, scope: Scope
) -> None:
    """Start the child under the first id that no child of an earlier round has."""
    for child in ids:
        if await _is_started(execution, step, child, request, scope):
            return
        if not await _was_started_by(execution, child):
            break
    await _refuse(execution, step, child, request, scope)


async def _is_started(
    execution: Execution, step: str, child: str, request: ChildRequest, scope: Scope
) -> bool:
    """Start the child with the first run that DBOS does not have: it may have some of a direct start that
    never came to its journal. False when there is a saga of its id."""
    for run in range(1, 1 + RUNS_TAKEN_MAX):
        try:
            await _append_start(execution, step, child, run, request, scope)
        except AppendRefused:
            continue
        except WrongExpectedVersion:
            return False
        return True
    return False


async def _append_start(
    execution: Execution, step: str, child: str, run: int, request: ChildRequest, scope: Scope
) -> None:
    state, definition, detached = execution.state, request.definition, request.detached
    requested = journal.SagaRequested(
        name=definition.name,
        saga_version=definition.version,
        input=request.input.model_dump(mode="json"),
        parent=None if detached else journal.Parent(saga_id=state.saga_id, step=step),
        attributes=definition.attributes_of(request.input),
        run=run,
    )
    stream = journal.journal_stream(checked_saga_id(child))
    batch = Batch(stream, NO_STREAM, [execution.codec.encode(requested, execution.metadata(step))])
    attachment = run_request(definition.lane, definition.name, child, run)
    entry = journal.ChildStarted(
        step=step, saga=definition.name, child=child, input=dump(request.input), detached=detached
    )
    await execution.writer.append(entry, batches=[batch], attachment=attachment, forward=True, scope=scope)


async def _was_started_by(execution: Execution, child: str) -> bool:
    """Whether this saga has started the one that has the id."""
    request = execution.store.read_stream(journal.journal_stream(child), limit=1)
    return any([event.metadata.get("saga_id") == execution.state.saga_id async for event in request])


async def _refuse(execution: Execution, step: str, child: str, request: ChildRequest, scope: Scope) -> None:
    """Record that the id of the child is taken. Raises Halted past the pivot."""
    name, reason = request.definition.name, f"the saga id {child} is taken"
    if execution.pivoted:
        raise Halted("rejected-after-pivot", f"{name}: {reason}", step)
    taken = journal.StepRejected(
        step=step,
        name=name,
        kind="child",
        command={"saga_id": child, "input": dump(request.input)},
        reason=reason,
        code="saga-conflict",
    )
    await execution.writer.append(taken, forward=True, scope=scope)


def child_id(parent: str, step: str, number: int) -> str:
    """The default id of a child: its parent's and the step; a digest of the parent's when that is too long.

    `number` counts how often the saga went back, began anew, or tried a child again: what is started again
    has another id. It does not look like a step of the child, which may have children too.
    """
    return _with_suffix(parent, f".{step}" + (f":{number}" if number > 1 else ""))


def _with_suffix(saga_id: str, suffix: str) -> str:
    longer = saga_id + suffix
    return longer if SAGA_ID.fullmatch(longer) else sha256(saga_id.encode()).hexdigest() + suffix


@dataclass(frozen=True)
class News:
    """What goes into the parent's journal in the append of a child's end."""

    batches: list[Batch]
    attachment: Mapping[str, Any] | None


NO_NEWS = News([], None)


async def news_of(
    store: EventStore,
    codec: EventCodec,
    registry: Registry,
    state: SagaState,
    end: Event,
    taken: int = 0,
    actor: str | None = None,
) -> News:
    """What to tell the parent of `state`, also one that has ended: it may be opened again at this moment.
    DBOS has `taken` runs of which the parent's journal does not know. `actor` is who ended it, if not the
    saga itself."""
    parent = await read_state(store, codec, state.parent.saga_id) if state.parent else None
    if state.parent is None or parent is None:
        return NO_NEWS
    step = state.parent.step
    run = parent.named_run + 1 + taken if parent.parked and step in parent.children_awaited else None
    told = _told(step, state, end, run)
    metadata = {
        "correlation_id": parent.correlation_id,
        "causation_id": str(state.causes.latest),
        "actor": actor or state.on_behalf_of or journal.NOBODY,
        "saga_id": state.saga_id,
    }
    batch = Batch(journal.journal_stream(parent.saga_id), parent.version, [codec.encode(told, metadata)])
    lane = registry.lane(parent.name)
    attachment = run_request(lane, parent.name, parent.saga_id, run) if run is not None else None
    return News([batch], attachment)


async def _news(execution: Execution, entry: Event, taken: int) -> News:
    return await news_of(execution.store, execution.codec, execution.registry, execution.state, entry, taken)


def _told(step: str, state: SagaState, end: Event, run: int | None) -> journal.ChildEnded:
    if isinstance(end, journal.SagaCompleted):
        return journal.ChildEnded(
            step=step, child=state.saga_id, status="completed", result=end.result, run=run
        )
    status: Any = "abandoned" if isinstance(end, journal.SagaAbandoned) else "compensated"
    left = end.left if isinstance(end, journal.SagaAbandoned) else []
    return journal.ChildEnded(
        step=step, child=state.saga_id, status=status, cause=state.cause, left=left, run=run
    )


async def end(execution: Execution, entry: Event, *, forward: bool = False) -> None:
    """Record the end of the saga, and tell its parent in the same append. Raises Waiting under contention."""
    taken = 0
    for _ in range(RACES_MAX):
        news = await _news(execution, entry, taken)
        try:
            await execution.writer.append(
                entry, batches=news.batches, attachment=news.attachment, forward=forward
            )
        except WrongExpectedVersion:  # the parent's journal moved: other children end too
            await asyncio.sleep(random.uniform(0, RACE_PAUSE_SECONDS_MAX))
        except AppendRefused:
            taken += 1
        else:
            return
    raise await execution.contended(f"the journal of the parent moved under {RACES_MAX} tries")
