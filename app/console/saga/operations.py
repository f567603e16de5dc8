"""The buttons of a saga's page: each asks the engine for one thing, in the name of who is signed in.

A page says which version of the saga it showed. When the saga rests, only that version is acted on: of two
operators one wins, and the other is told what the first has done. A saga that goes on by itself would be
another one at once; then the engine's own rules keep two requests from being two deeds.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from app.api.operations import StepNumber
from app.api.requests import Key, Reason, RuntimeOf, SagaId, in_time, validated
from app.console.forms import actor_of, filled_in
from app.console.rendering import page, see_other
from app.console.saga.permitted import permitted
from app.console.saga.reading import address_of, moves, state_of
from app.console.saga.signals import signal_fields
from app.problems import FieldError, InvalidRequest
from app.runtime import Runtime
from domain.values import Id
from eventstore import RecordedEvent
from eventstore.validation import MAX_VERSION
from workflows.saga import SagaView
from workflows.saga.errors import SagaMoved, UnknownSignal
from workflows.saga.journal import journal_stream
from workflows.saga.preview import preview

router = APIRouter(include_in_schema=False)

LATER_MAX: Final = 50
"""So many entries after the version of the page are looked at for what somebody else has asked for."""
OPERATIONS: Final[Mapping[str, str]] = {
    "RetryRequested": "retried",
    "Resumed": "resumed",
    "StepSkipped": "skipped",
    "SagaAbandoned": "abandoned",
    "CompensationRequested": "compensating",
}
"""What operators ask for, by the entry that says so, and the flash of who asked for it."""


WORDS: Final[Mapping[str, str]] = {
    "RetryRequested": "try again",
    "Resumed": "resume it",
    "StepSkipped": "leave out the compensation of",
    "SagaAbandoned": "abandon it",
    "CompensationRequested": "undo it",
}


class ReasonForm(BaseModel):
    """What every button sends. `version` is that of the journal which the page has shown."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    version: int | None = None


class SkipForm(ReasonForm):
    step: StepNumber | None = None


class _HowFar(BaseModel):
    to_step: StepNumber | None = None
    force: bool = False


class UndoForm(ReasonForm, _HowFar):
    pass


@dataclass(frozen=True, slots=True)
class Operator:
    """Who has sent a form about a saga, and its fields."""

    request: Request
    runtime: Runtime
    saga_id: str
    actor: str
    fields: dict[str, str]

    @property
    def root(self) -> str:
        return address_of(self.saga_id)

    async def act(self, kind: str, ask: Callable[..., Awaitable[SagaView]], form: ReasonForm) -> Response:
        """Ask the engine, and go back to the saga: or say who was first."""
        more = form.model_dump(exclude={"reason", "version"}, exclude_unset=True)
        try:
            async with in_time(self.runtime):
                saga = await ask(
                    self.saga_id, actor=self.actor, reason=form.reason, expected_version=form.version, **more
                )
        except SagaMoved:
            return await self._moved(kind, form)
        if kind == "CompensationRequested" and not _is_ours(saga, self.actor, form):
            return see_other(self.root, "unchanged")
        return see_other(self.root, OPERATIONS[kind])

    async def _moved(self, kind: str, form: ReasonForm) -> Response:
        """The saga is another one by now: because of this very form, sent twice, or of somebody else."""
        assert form.version is not None, "only with a version can a saga have moved"
        async with in_time(self.runtime):
            stream = journal_stream(self.saga_id)
            read = self.runtime.store.read_stream(stream, after=form.version, limit=LATER_MAX)
            later = [event async for event in read if event.type in OPERATIONS]
            state = await state_of(self.runtime, self.saga_id)
        if any(_says(event, kind, self.actor, form.reason) for event in later):
            return see_other(self.root, OPERATIONS[kind])
        return page(
            self.request,
            "saga_moved.html",
            412,
            root=self.root,
            saga_id=self.saga_id,
            state=state,
            later=later,
            words=WORDS,
            reason=form.reason,
            shown=form.version,
        )


def _says(event: RecordedEvent, kind: str, actor: str, reason: str) -> bool:
    return event.type == kind and (event.data.get("actor"), event.data.get("reason")) == (actor, reason)


def _is_ours(saga: SagaView, actor: str, form: ReasonForm) -> bool:
    requested = saga.requested
    return requested is not None and (requested.actor, requested.reason) == (actor, form.reason)


async def _operator(request: Request, saga_id: SagaId, runtime: RuntimeOf) -> Operator:
    """Raises InvalidRequest."""
    return Operator(request, runtime, saga_id, actor_of(request), await filled_in(request))


OperatorOf = Annotated[Operator, Depends(_operator)]


def _form(model: type[ReasonForm], fields: Mapping[str, str]) -> Any:
    """Raises InvalidRequest."""
    form = validated(model, dict(fields))
    if form.version is not None and not 0 < form.version <= MAX_VERSION:
        raise InvalidRequest([FieldError(field="version", message="is no version")])
    return form


@router.get("/console/sagas/{saga_id}/undo")
async def look(
    request: Request, saga_id: SagaId, runtime: RuntimeOf, to_step: str = "", force: bool = False
) -> Response:
    """What undoing would do, and the form that asks for it. Raises SagaNotFound, InvalidRequest."""
    asked = validated(_HowFar, {"to_step": to_step or None, "force": force})
    async with in_time(runtime):
        state = await state_of(runtime, saga_id)
        seen = await preview(runtime.store, runtime.codec, saga_id, to_step=asked.to_step, force=asked.force)
    return page(
        request,
        "saga_undo.html",
        root=address_of(saga_id),
        s=state,
        u=seen,
        may=permitted(state, []),
        moves=moves(state),
        to_step=asked.to_step,
        force=asked.force,
    )


@router.post("/console/sagas/{saga_id}/undo")
async def undo(by: OperatorOf) -> Response:
    return await by.act("CompensationRequested", by.runtime.engine.compensate, _form(UndoForm, by.fields))


@router.post("/console/sagas/{saga_id}/retry")
async def retry(by: OperatorOf) -> Response:
    return await by.act("RetryRequested", by.runtime.engine.retry, _form(ReasonForm, by.fields))


@router.post("/console/sagas/{saga_id}/resume")
async def resume(by: OperatorOf) -> Response:
    return await by.act("Resumed", by.runtime.engine.resume, _form(ReasonForm, by.fields))


@router.post("/console/sagas/{saga_id}/skip")
async def skip(by: OperatorOf) -> Response:
    return await by.act("StepSkipped", by.runtime.engine.skip, _form(SkipForm, by.fields))


@router.post("/console/sagas/{saga_id}/abandon")
async def abandon(by: OperatorOf) -> Response:
    return await by.act("SagaAbandoned", by.runtime.engine.abandon, _form(ReasonForm, by.fields))


class _SignalId(BaseModel):
    id: Id


@router.post("/console/sagas/{saga_id}/signals/{signal}")
async def signal(by: OperatorOf, signal: Key) -> Response:
    """The id is of the form, so that the same form sent again is the same signal. Raises InvalidRequest,
    UnknownSignal."""
    signal_id = validated(_SignalId, {"id": by.fields.get("id", "")}).id
    async with in_time(by.runtime):
        state = await state_of(by.runtime, by.saga_id)
        model = by.runtime.registry.saga(state.name).signals.get(signal)
        if model is None:
            raise UnknownSignal(f"{state.name} receives no signal {signal!r}")
        data = signal_fields(model).data(by.fields)
        try:
            await by.runtime.engine.signal(by.saga_id, signal, data, signal_id=signal_id, actor=by.actor)
        except ValidationError as error:
            raise InvalidRequest.of(error) from None
    return see_other(by.root, "signalled")
