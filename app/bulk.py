"""One action on many sagas, one after the other: what it would do to each, or what it did.

Sagas are found in the read model, which lags; whether one still is what the filter says is decided on its
journal, in the append that acts. One that refuses does not stop the others.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

import psycopg
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.positions import Position
from app.problems import InvalidRequest, family_of
from app.readmodels.sagas import SagaFilter, SagaList, SagaRow
from domain import Event
from domain.values import Id
from eventstore import RecordedEvent, StoreUnavailable
from eventstore.validation import MAX_VERSION
from workflows.saga import SagaEngine, journal, operations
from workflows.saga.commands import Contention
from workflows.saga.engine import Decide
from workflows.saga.errors import NotPossible, SagaError, SagaMoved, SagaNotFound
from workflows.saga.state import SagaState, read_state
from workflows.saga.summary import SagaStatus

SAGAS_MAX: Final = 500
"""As many does one request touch, at most."""

LATER_MAX: Final = 1_000
"""So many entries after the version that was seen are looked through for the same request."""

Action = Literal["compensate", "retry", "resume", "skip", "abandon", "signal"]
_ENTRIES: Final[Mapping[Action, type[Event]]] = {
    "compensate": journal.CompensationRequested,
    "retry": journal.RetryRequested,
    "resume": journal.Resumed,
    "skip": journal.StepSkipped,
    "abandon": journal.SagaAbandoned,
    "signal": journal.SignalReceived,
}

log = structlog.get_logger(__name__)


class SeenSaga(BaseModel):
    """A saga as a dry run has shown it."""

    model_config = ConfigDict(extra="forbid")

    saga_id: Id
    status: SagaStatus
    journal_version: int = Field(ge=1, le=MAX_VERSION)

    def still(self, state: SagaState) -> bool:
        """Whether it is as it was seen. One that has a run may have gone on, but not to another status: what
        can be asked of it counts once by itself."""
        return state.status == self.status and (state.version == self.journal_version or not state.idle)


class BulkOutcome(BaseModel):
    """What became of one saga. `unknown`: the database did not answer in time, look at the saga."""

    model_config = ConfigDict(extra="forbid")

    saga_id: str
    name: str
    status: SagaStatus
    journal_version: int | None = None
    outcome: Literal["would-act", "acted", "nothing-to-do", "refused", "failed", "unknown"]
    code: str | None = None
    detail: str | None = None


class BulkAnswer(BaseModel):
    """Saga by saga, newest first. `next` is the `after` of a request that goes on, null at the end."""

    dry_run: bool
    action: Action
    outcomes: list[BulkOutcome]
    next: str | None


@dataclass(frozen=True, slots=True)
class BulkAction:
    """What to do to which sagas. `decide` says it for one; those in `seen`, by id, must be as they were.

    `reason` is that of the request, or the id of its signal: by it the same request is known again.
    """

    action: Action
    decide: Decide
    wanted: SagaFilter
    actor: str
    dry_run: bool
    seen: Mapping[str, SeenSaga] = field(default_factory=dict)
    reason: str | None = None

    def decide_if_wanted(self, state: SagaState, next_run: int) -> Event | None:
        """Raises NotPossible for a saga that the filter does not mean any more, and SagaMoved."""
        seen = self.seen.get(state.saga_id)
        if seen is not None and not seen.still(state):
            raise SagaMoved(state.saga_id, state.version)
        if self.wanted.status not in (None, state.status):
            raise NotPossible(f"the filter does not mean it any more: it is {state.status}")
        if not self.wanted.attributes.items() <= state.attributes.items():
            raise NotPossible("the filter does not mean it any more: its attributes have changed")
        return self.decide(state, next_run)

    def made(self, entry: RecordedEvent) -> bool:
        """Whether an entry of a journal is what this request asks for."""
        told = entry.data.get("id" if self.action == "signal" else "reason")
        same = (entry.data.get("actor"), told) == (self.actor, self.reason)
        return same and entry.type == _ENTRIES[self.action].__name__


async def deciding(
    engine: SagaEngine, action: Action, actor: str, reason: str, more: Mapping[str, Any]
) -> Decide:
    """The decision on one saga that an action comes to; `more` is what only this one takes."""
    if action == "signal":
        return await engine.deciding_signal(**more, actor=actor)
    decide: Mapping[str, Decide] = {
        "compensate": partial(operations.compensate, actor=actor, reason=reason, **more),
        "retry": partial(operations.retry, actor=actor, reason=reason),
        "resume": partial(operations.resume, actor=actor, reason=reason),
        "skip": partial(operations.skip, actor=actor, reason=reason),
        "abandon": partial(operations.abandon, actor=actor, reason=reason),
    }
    return decide[action]


async def act_on_all(
    sagas: SagaList,
    engine: SagaEngine,
    asked: BulkAction,
    *,
    seconds_max: float,
    limit: int = SAGAS_MAX,
    before: int | None = None,
    timeline: int | None = None,
) -> BulkAnswer:
    """Act on the sagas of a page one at a time, for `seconds_max` at most. `next` is of the timeline."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds_max
    async with asyncio.timeout(seconds_max):
        rows, following = await sagas.page(asked.wanted, limit=limit, before=before)
    outcomes: list[BulkOutcome] = []
    for row in rows:
        if outcomes and clock() >= end:
            following = row.position + 1
            break
        outcomes.append(await _outcome(engine, asked, row, seconds_max))
        if outcomes[-1].outcome == "unknown":  # as it would be for the others; this one is listed again
            following = row.position + 1
            break
    following_token = None if following is None else str(Position(following, timeline))
    return BulkAnswer(dry_run=asked.dry_run, action=asked.action, outcomes=outcomes, next=following_token)


async def _outcome(engine: SagaEngine, asked: BulkAction, row: SagaRow, seconds_max: float) -> BulkOutcome:
    """What became of one saga, whatever is wrong with it."""
    said = BulkOutcome(saga_id=row.saga_id, name=row.name, status=row.status, outcome="refused")
    try:
        async with asyncio.timeout(seconds_max):
            await (_weigh if asked.dry_run else _act)(engine, asked, said)
    except ValidationError as error:
        said.code, said.detail = "invalid", str(InvalidRequest.of(error, "data"))
    except SagaMoved as error:
        said.code = family_of(error).code
        said.detail = f"it is not any more as it was seen: {said.status} now, at version {error.version}"
    except (SagaError, Contention) as error:
        said.code, said.detail = family_of(error).code, str(error)
    except (StoreUnavailable, TimeoutError, psycopg.OperationalError, psycopg.InterfaceError) as error:
        said.outcome, said.code = "unknown", family_of(error).code
    except Exception as error:
        log.exception("saga cannot be acted on", saga_id=row.saga_id, action=asked.action)
        said.outcome, said.code = "failed", family_of(error).code
    return said


async def _weigh(engine: SagaEngine, asked: BulkAction, said: BulkOutcome) -> None:
    state = await read_state(engine.store, engine.codec, said.saga_id)
    if state is None:
        raise SagaNotFound(f"there is no saga {said.saga_id!r}")
    said.status, said.journal_version = state.status, state.version
    entry = asked.decide_if_wanted(state, state.named_run + 1)
    said.outcome = "nothing-to-do" if entry is None else "would-act"
    said.detail = _effect(entry, state)


async def _act(engine: SagaEngine, asked: BulkAction, said: BulkOutcome) -> None:
    entry: Event | None = None
    effect: str | None = None

    def decide(state: SagaState, next_run: int) -> Event | None:
        nonlocal entry, effect
        said.status = state.status
        entry = asked.decide_if_wanted(state, next_run)
        effect = _effect(entry, state)
        return entry

    try:
        saga = await engine.request(said.saga_id, decide, asked.actor)
    except SagaMoved:
        if not await _made_before(engine, asked, said.saga_id):
            raise
        said.outcome, said.detail = "nothing-to-do", "this very request has done it already"
        return
    said.status, said.journal_version = saga.status, saga.journal_version
    said.outcome = "nothing-to-do" if entry is None else "acted"
    said.detail = effect


async def _made_before(engine: SagaEngine, asked: BulkAction, saga_id: str) -> bool:
    """Whether the same request, sent twice, is why the saga is not as it was seen."""
    stream, version = journal.journal_stream(saga_id), asked.seen[saga_id].journal_version
    read = engine.store.read_stream(stream, after=version, limit=LATER_MAX)
    return any([asked.made(entry) async for entry in read])


def _effect(entry: Event | None, state: SagaState) -> str:
    """What an entry means for the saga that it is about to be appended to."""
    match entry:
        case journal.CompensationRequested(to_step=to_step):
            effect = f"undo {len(state.plan(to_step))} steps"
        case journal.RetryRequested():
            effect = "try again now"
        case journal.Resumed():
            effect = "go on from where it stopped"
        case journal.StepSkipped(step=step):
            effect = f"leave out the compensation of step {step}"
        case journal.SagaAbandoned(left=left):
            effect = f"end it; {len(left)} steps stay as they are"
        case journal.SignalReceived(run=run):
            effect = "keep the signal until it is received" if run is None else "wake it by the signal"
        case _:
            effect = "it is so already"
    return effect
