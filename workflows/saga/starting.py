"""Starting sagas: what is asked for, in one append, and whether it was asked for before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from uuid_utils.compat import uuid7

from eventstore import (
    NO_STREAM,
    Appended,
    AppendRefused,
    Batch,
    EventStore,
    RecordedEvent,
    WrongExpectedVersion,
)
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.definition import SagaDefinition, checked_saga_id
from workflows.saga.errors import InvalidBatch, SagaConflict
from workflows.saga.runs import RUNS_TAKEN_MAX, run_request
from workflows.saga.state import SagaState, fold, read_state

BATCH_SAGAS_MAX: Final = 64

Origin = Mapping[str, str | None]
"""Who asks and why: actor, correlation_id, causation_id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One saga that somebody asks for. It starts at once, or at `start_at` by the database's clock.

    `came` is the input as it came in, before it was protected: so it was recorded when nothing was.
    `first_run` is the number of the run that it begins with, which is not 1 when DBOS has one of that id.
    """

    definition: SagaDefinition
    saga_id: str
    input: BaseModel
    start_at: datetime | None = None
    came: BaseModel | None = None
    first_run: int = 1

    @classmethod
    def of(
        cls,
        definition: SagaDefinition,
        saga_input: dict[str, Any] | BaseModel,
        saga_id: str | None,
        start_at: datetime | None = None,
    ) -> "Asked":
        """Raises InvalidSagaId, pydantic.ValidationError, ValueError."""
        asked = definition.input.model_validate(saga_input)
        named = saga_id or (definition.id(asked) if definition.id else str(uuid7()))
        return cls(definition, checked_saga_id(named), asked, None if start_at is None else in_utc(start_at))

    def seen_at(self, now: datetime) -> "Asked":
        """The same, at once if its time has come."""
        return replace(self, start_at=None) if self.start_at and self.start_at <= now else self

    def request(self, codec: EventCodec, origin: Origin) -> Batch:
        entry = journal.SagaRequested(
            name=self.definition.name,
            saga_version=self.definition.version,
            input=self.input.model_dump(mode="json"),
            attributes=self.definition.attributes_of(self.input),
            start_at=self.start_at,
            run=self.first_run,
        )
        given = {name: value for name, value in origin.items() if value}
        metadata = {
            "correlation_id": self.saga_id,
            "actor": journal.NOBODY,
            "command_id": self.saga_id,
        } | given
        return Batch(journal.journal_stream(self.saga_id), NO_STREAM, [codec.encode(entry, metadata)])

    async def requested(self, store: EventStore, codec: EventCodec, origin: Origin) -> SagaState:
        """Request it without naming a run to DBOS, which has it already. The saga as it is then.

        Raises WrongExpectedVersion when there is one of this id.
        """
        batch = self.request(codec, origin)
        appended = await store.append([batch])
        state = fold(codec, [as_recorded(batch, appended)])
        assert state is not None, "a journal that begins with SagaRequested is one"
        return state

    def run(self, now: datetime) -> dict[str, Any]:
        """The request for its first run."""
        definition = self.definition
        delay = (self.start_at - now).total_seconds() if self.start_at else None
        return run_request(
            definition.lane, definition.name, self.saga_id, self.first_run, delay_seconds=delay
        )

    def is_that_of(self, state: SagaState) -> bool:
        """Whether the saga was started by the same request: today's defaults count for both, times do not."""
        try:
            same_input = self.definition.input.model_validate(state.first_input) in (self.input, self.came)
        except ValidationError:
            return False
        return state.name == self.definition.name and same_input


def as_recorded(batch: Batch, appended: Appended) -> RecordedEvent:
    """The only event of the first append to a stream, as it would be read."""
    [event] = batch.events
    return RecordedEvent(
        position=appended.position,
        commit_position=appended.position,
        stream=batch.stream,
        version=1,
        event_id=event.event_id,
        type=event.type,
        schema_version=event.schema_version,
        data=dict(event.data),
        metadata=dict(event.metadata),
        recorded_at=appended.recorded_at,
    )


def in_utc(time: datetime) -> datetime:
    """Raises ValueError for a time that does not say when it is."""
    if time.tzinfo is None:
        raise ValueError("the time to start at must have an offset from UTC")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time to start at is out of range") from None


def check_batch(asked: Sequence[Asked]) -> None:
    """Raises InvalidBatch."""
    if not 1 <= len(asked) <= BATCH_SAGAS_MAX:
        raise InvalidBatch(f"a batch has 1 to {BATCH_SAGAS_MAX} sagas, not {len(asked)}")
    seen: set[str] = set()
    for each in asked:
        if each.saga_id in seen:
            raise InvalidBatch(f"{each.saga_id!r} is in the batch twice")
        seen.add(each.saga_id)


async def start_all(store: EventStore, codec: EventCodec, asked: Sequence[Asked], origin: Origin) -> set[str]:
    """Request all of them in one transaction, or none. Gives the ids of those that did not exist.

    Raises SagaConflict when the id of one is taken by another request.
    """
    now = await store.now() if any(each.start_at for each in asked) else datetime.now(UTC)
    new = [each.seen_at(now) for each in asked]
    while new:
        runs = [run for each in new for run in each.run(now)["runs"]]
        try:
            await store.append([each.request(codec, origin) for each in new], attachment={"runs": runs})
        except WrongExpectedVersion:  # at least one of them exists: so this comes to an end
            new = [each for each in new if not await _exists(store, codec, each)]
        except AppendRefused as refused:  # a run is left of a start that never came to its journal
            if new[0].first_run == RUNS_TAKEN_MAX:
                ids = new[0].saga_id if len(new) == 1 else "one of them"
                raise SagaConflict(f"{RUNS_TAKEN_MAX} runs of {ids} are left without a journal") from refused
            new = [replace(each, first_run=each.first_run + 1) for each in new]
        else:
            break
    return {each.saga_id for each in new}


async def _exists(store: EventStore, codec: EventCodec, asked: Asked) -> bool:
    """Raises SagaConflict when it was made by another request."""
    state = await read_state(store, codec, asked.saga_id)
    if state is not None and not asked.is_that_of(state):
        raise SagaConflict(f"{asked.saga_id!r} is taken by a {state.name} saga with another input")
    return state is not None
