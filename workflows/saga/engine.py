"""What the outside asks of sagas: start one, look at one, stop one, wake one that fell asleep.

Each request is one append under the expected version. Whether it must also name and enqueue a run is decided
from the journal's state at that version; if the journal moves meanwhile the request is decided again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError
from uuid_utils.compat import uuid7

from domain import Event
from eventstore import AppendRefused, Batch, EventStore, WrongExpectedVersion
from workflows.saga import journal, operations
from workflows.saga.children import NO_NEWS, News, news_of
from workflows.saga.codec import EventCodec
from workflows.saga.commands import Contention
from workflows.saga.definition import Registry, checked_saga_id
from workflows.saga.direct import DirectRuns, Moves, RunExists
from workflows.saga.errors import SagaMoved, SagaNotFound, UnknownSignal
from workflows.saga.runs import run_request
from workflows.saga.starting import Asked, Origin, check_batch, start_all
from workflows.saga.state import SagaState, catch_up, read_state
from workflows.saga.view import SagaView, view

RACES_MAX = 30
POLL_SECONDS_FIRST = 0.03
POLL_SECONDS_MAX = 0.25
POLL_SECONDS_HERE = 1.0

Protect = Callable[[Sequence[BaseModel]], Awaitable[Sequence[BaseModel]]]
"""What is done to inputs and signals that come in, before anything is compared or recorded."""


async def as_they_are(models: Sequence[BaseModel]) -> Sequence[BaseModel]:
    return models


Decide = Callable[[SagaState, int], Event | None]
"""What to append to the journal of a saga, None for nothing; the number is that of the run it may name."""


@dataclass(frozen=True, slots=True)
class Started:
    """A saga that exists now. `created` tells a new one from the same request made again."""

    saga: SagaView
    created: bool


@dataclass(frozen=True)
class SagaEngine:
    """The requests that users and operators make."""

    store: EventStore
    registry: Registry
    codec: EventCodec
    protect: Protect = as_they_are
    direct: DirectRuns | None = None
    moves: Moves = field(default_factory=Moves)

    async def start(
        self,
        name: str,
        saga_input: dict[str, Any] | BaseModel,
        *,
        saga_id: str | None = None,
        actor: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        at: datetime | None = None,
        direct: bool = False,
    ) -> Started:
        """Request a saga; it is durable, and its first run enqueued, when this returns.

        `direct`: its first run may begin in this process, at once. Not from within a run.

        The same id and input again give the same saga. With `at`, which must have an offset, it starts then,
        by the database's clock. `causation_id` is the event that starts it. Raises UnknownSaga,
        InvalidSagaId, SagaConflict, pydantic.ValidationError, ValueError.
        """
        [asked] = await self._asked(name, [(saga_id, saga_input)], at)
        origin = {"actor": actor, "correlation_id": correlation_id, "causation_id": causation_id}
        given = saga_id is not None or asked.definition.id is not None
        if direct and (saga := await self._begin_here(asked, origin, given=given)):
            return Started(saga, created=True)
        created = await start_all(self.store, self.codec, [asked], origin)
        return Started(await self.view(asked.saga_id), created=bool(created))

    async def start_many(
        self,
        name: str,
        sagas: Sequence[tuple[str | None, dict[str, Any] | BaseModel]],
        *,
        actor: str | None = None,
        correlation_id: str | None = None,
    ) -> list[Started]:
        """Request up to 64 sagas, each an id or None and an input, in one transaction: all or none.

        One that was requested before is answered as it is. Raises InvalidBatch, UnknownSaga, InvalidSagaId,
        SagaConflict, pydantic.ValidationError.
        """
        asked = await self._asked(name, sagas)
        check_batch(asked)
        created = await start_all(
            self.store, self.codec, asked, {"actor": actor, "correlation_id": correlation_id}
        )
        return [Started(await self.view(each.saga_id), each.saga_id in created) for each in asked]

    async def _asked(
        self,
        name: str,
        sagas: Sequence[tuple[str | None, dict[str, Any] | BaseModel]],
        at: datetime | None = None,
    ) -> list[Asked]:
        definition = self.registry.saga(name)
        came = [definition.input.model_validate(saga_input) for _, saga_input in sagas]
        inputs = await self.protect(came)
        return [
            replace(Asked.of(definition, protected, saga_id, at), came=as_it_came)
            for (saga_id, _), as_it_came, protected in zip(sagas, came, inputs, strict=True)
        ]

    async def _begin_here(self, asked: Asked, origin: Origin, *, given: bool) -> SagaView | None:
        """The saga, begun in this process; None when that cannot be, or it exists. `given`: its id may have
        been asked for before."""
        if self.direct is None or asked.start_at is not None or not self.direct.takes(asked.definition):
            return None
        if given:  # else a row would be left for nothing
            first = self.store.read_stream(journal.journal_stream(asked.saga_id), limit=1)
            if [event async for event in first] or not self.direct.takes(asked.definition):
                return None
        request = partial(asked.requested, self.store, self.codec, origin)
        with suppress(RunExists, WrongExpectedVersion):
            return await self.direct.begin(asked.definition, asked.saga_id, request)
        return None

    async def view(self, saga_id: str) -> SagaView:
        """Raises SagaNotFound."""
        return view(await self._state(saga_id))

    async def wait(self, saga_id: str, timeout_seconds: float, known: SagaView | None = None) -> SagaView:
        """The saga once it has ended or is stuck, or as it is after the timeout. Raises SagaNotFound.

        Who has just been given the saga says so: what is `known` is not read again before it may have moved.
        """
        pause = POLL_SECONDS_FIRST
        with self.moves.of(saga_id) as moved:
            state = None if known else await self._state(saga_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    while state is None or not state.at_rest:
                        # Its run may be in another process, which does not tell.
                        here = self.moves.here(saga_id)
                        with suppress(TimeoutError):
                            async with asyncio.timeout(POLL_SECONDS_HERE if here else pause):
                                await moved.event.wait()
                        if moved.state is not None and moved.state.at_rest:
                            return view(moved.state)
                        moved.event.clear()
                        pause = min(pause * 1.5, POLL_SECONDS_MAX)
                        state = await self._later(saga_id, state)
        return view(state or await self._state(saga_id))

    async def _later(self, saga_id: str, state: SagaState | None) -> SagaState:
        if state is None:
            return await self._state(saga_id)
        await catch_up(self.store, self.codec, state)
        return state

    async def compensate(
        self,
        saga_id: str,
        *,
        actor: str,
        reason: str,
        to_step: str | None = None,
        force: bool = False,
        expected_version: int | None = None,
    ) -> SagaView:
        """Stop the saga and undo it, wholly or back to a step; asking twice does nothing twice.

        Running: no further step starts. Waiting, stuck or ended: a new run executes the compensations. By
        force what blocks it is left aside, and listed at the end.

        This and what follows act on any version of the journal, or on the expected one only. Raises
        SagaNotFound, SagaMoved, CannotCompensate.
        """
        decide = partial(operations.compensate, actor=actor, reason=reason, to_step=to_step, force=force)
        return await self.request(saga_id, decide, actor, expected_version)

    async def retry(
        self, saga_id: str, *, actor: str, reason: str, expected_version: int | None = None
    ) -> SagaView:
        """Try now what waits for its next attempt, or anew what made the saga stuck.

        Raises SagaNotFound, SagaMoved, NotPossible.
        """
        decide = partial(operations.retry, actor=actor, reason=reason)
        return await self.request(saga_id, decide, actor, expected_version)

    async def resume(
        self, saga_id: str, *, actor: str, reason: str, expected_version: int | None = None
    ) -> SagaView:
        """Let a stuck saga go on from where it stopped. Raises SagaNotFound, SagaMoved, NotPossible."""
        decide = partial(operations.resume, actor=actor, reason=reason)
        return await self.request(saga_id, decide, actor, expected_version)

    async def skip(
        self,
        saga_id: str,
        *,
        actor: str,
        reason: str,
        step: str | None = None,
        expected_version: int | None = None,
    ) -> SagaView:
        """Leave out the compensation that made it stuck. Raises SagaNotFound, SagaMoved, NotPossible."""
        decide = partial(operations.skip, actor=actor, reason=reason, step=step)
        return await self.request(saga_id, decide, actor, expected_version)

    async def abandon(
        self, saga_id: str, *, actor: str, reason: str, expected_version: int | None = None
    ) -> SagaView:
        """End the saga as it is. Raises SagaNotFound, SagaMoved, NotPossible."""
        decide = partial(operations.abandon, actor=actor, reason=reason)
        return await self.request(saga_id, decide, actor, expected_version)

    async def signal(
        self, saga_id: str, signal: str, data: Any, *, signal_id: str | None = None, actor: str
    ) -> SagaView:
        """Hand a signal to the saga; one that comes before its `receive` waits. The same id counts once.

        Raises SagaNotFound, UnknownSignal, NotPossible, SignalConflict, SignalTooLarge, TooManySignals,
        pydantic.ValidationError.
        """
        decide = await self.deciding_signal(signal, data, signal_id=signal_id, actor=actor)
        return await self.request(saga_id, decide, actor)

    async def deciding_signal(
        self, signal: str, data: Any, *, signal_id: str | None = None, actor: str
    ) -> Decide:
        """The decision on a signal to whatever saga it is handed to; raises what `signal` does."""
        signal_id, now = signal_id or str(uuid7()), await self.store.now()
        protected = await self._protected_signal(signal, data)

        def decide(state: SagaState, next_run: int) -> Event | None:
            expected = self._signal_type(state, signal)
            checked = expected.model_validate(protected.get(expected, data)).model_dump(mode="json")
            return operations.signal(
                state, next_run, name=signal, signal_id=signal_id, data=checked, actor=actor, now=now
            )

        return decide

    async def _protected_signal(self, signal: str, data: Any) -> dict[type[BaseModel], BaseModel]:
        """The data as each type that a signal of this name has, as far as it fits."""
        found: dict[type[BaseModel], BaseModel] = {}
        for expected in {saga.signals[signal] for saga in self.registry if signal in saga.signals}:
            with suppress(ValidationError):  # told to whoever sends it to a saga that receives this type
                [found[expected]] = await self.protect([expected.model_validate(data)])
        return found

    def _signal_type(self, state: SagaState, signal: str) -> type[BaseModel]:
        signals = self.registry.saga(state.name).signals
        try:
            return signals[signal]
        except KeyError:
            known = ", ".join(sorted(signals)) or "none"
            raise UnknownSignal(f"{state.name} receives no signal {signal!r}; it receives {known}") from None

    async def name_next_run(self, saga_id: str, run: int, reason: str) -> SagaView:
        """Name and enqueue the run after `run`, unless the saga moved on meanwhile. Raises SagaNotFound."""

        def request(state: SagaState, next_run: int) -> Event | None:
            return None if state.idle_for(run) else journal.RunNamed(run=next_run, reason=reason)

        return await self.request(saga_id, request, "reconciler")

    async def halt(self, saga_id: str, run: int, error: str) -> SagaView:
        """Make a saga stuck that does not come forward, unless it moved on meanwhile. Raises SagaNotFound."""

        def request(state: SagaState, _next_run: int) -> Event | None:
            return None if state.idle_for(run) else journal.SagaStuck(reason="no-progress", error=error)

        return await self.request(saga_id, request, "supervisor")

    async def request(
        self, saga_id: str, decide: Decide, actor: str, expected_version: int | None = None
    ) -> SagaView:
        """Append what `decide` makes of the saga as it is; with an expected version only if it is that one.

        Raises SagaNotFound, SagaMoved, and what `decide` raises.
        """
        taken = 0
        for _ in range(RACES_MAX):
            state = await self._state(saga_id)
            if expected_version not in (None, state.version):
                raise SagaMoved(saga_id, state.version)
            entry = decide(state, state.named_run + taken + 1)
            if entry is None:
                return view(state)
            metadata = {
                "correlation_id": state.correlation_id,
                # A signal is no answer to the one before it; what operators ask for often is.
                "causation_id": str(state.request_id if _is_signal(entry) else state.causes.latest),
                "actor": actor,
            }
            run = getattr(entry, "run", None)
            stream = journal.journal_stream(saga_id)
            own = Batch(stream, state.version, [self.codec.encode(entry, metadata)])
            news = await self._news(state, entry, taken, actor)
            lane = self.registry.lane(state.name)
            named = run_request(lane, state.name, saga_id, run) if run is not None else news.attachment
            try:
                await self.store.append([own, *news.batches], attachment=named)
            except WrongExpectedVersion:
                continue
            except AppendRefused:
                taken += 1  # DBOS has a run of that number, which this journal does not know: skip it
                continue
            return await self.view(saga_id)
        raise Contention(f"the journal of {saga_id} moved under {RACES_MAX} tries")

    async def _news(self, state: SagaState, entry: Event, taken: int, actor: str) -> News:
        if not isinstance(entry, journal.SagaAbandoned):
            return NO_NEWS
        return await news_of(self.store, self.codec, self.registry, state, entry, taken, actor)

    async def _state(self, saga_id: str) -> SagaState:
        state = await read_state(self.store, self.codec, checked_saga_id(saga_id))
        if state is None:
            raise SagaNotFound(f"there is no saga {saga_id!r}")
        return state


def _is_signal(entry: Event) -> bool:
    return isinstance(entry, journal.SignalReceived)
