"""What the outside asks of sagas: start one, look at one, stop one, wake one that fell asleep.

Each request is one append under the expected version. Whether it must also name and enqueue a run is decided
from the journal's state at that version; if the journal moves meanwhile the request is decided again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from domain import Event
from eventstore import AppendRefused, Batch, EventStore, WrongExpectedVersion
from workflows.saga import journal, operations
from workflows.saga.children import NO_NEWS, News, news_of
from workflows.saga.codec import EventCodec
from workflows.saga.commands import Contention
from workflows.saga.definition import Registry, checked_saga_id
from workflows.saga.errors import SagaMoved, SagaNotFound, UnknownSignal
from workflows.saga.runs import run_request
from workflows.saga.starting import Asked, check_batch, start_all
from workflows.saga.state import SagaState, catch_up, read_state
from workflows.saga.view import SagaView, view

RACES_MAX = 30
POLL_SECONDS_FIRST = 0.01
POLL_SECONDS_MAX = 0.25

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
    ) -> Started:
        """Request a saga; it is durable, and its first run enqueued, when this returns.

        The same id and input again give the same saga. With `at`, which must have an offset, it starts then,
        by the database's clock. `causation_id` is the event that starts it. Raises UnknownSaga,
        InvalidSagaId, SagaConflict, pydantic.ValidationError, ValueError.
        """
        asked = Asked.of(self.registry.saga(name), saga_input, saga_id, at)
        origin = {"actor": actor, "correlation_id": correlation_id, "causation_id": causation_id}
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
        definition = self.registry.saga(name)
        asked = [Asked.of(definition, saga_input, saga_id) for saga_id, saga_input in sagas]
        check_batch(asked)
        created = await start_all(
            self.store, self.codec, asked, {"actor": actor, "correlation_id": correlation_id}
        )
        return [Started(await self.view(each.saga_id), each.saga_id in created) for each in asked]

    async def view(self, saga_id: str) -> SagaView:
        """Raises SagaNotFound."""
        return view(await self._state(saga_id))

    async def wait(self, saga_id: str, timeout_seconds: float) -> SagaView:
        """The saga once it has ended or is stuck, or as it is after the timeout. Raises SagaNotFound."""
        state = await self._state(saga_id)
        pause = POLL_SECONDS_FIRST
        try:
            async with asyncio.timeout(timeout_seconds):
                while not state.at_rest:
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, POLL_SECONDS_MAX)
                    await catch_up(self.store, self.codec, state)
        except TimeoutError:
            pass
        return view(state)

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

        def decide(state: SagaState, next_run: int) -> Event | None:
            checked = self._signal_type(state, signal).model_validate(data).model_dump(mode="json")
            return operations.signal(
                state, next_run, name=signal, signal_id=signal_id, data=checked, actor=actor, now=now
            )

        return decide

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
                "causation_id": str(state.request_id),
                "actor": actor,
            }
            run = getattr(entry, "run", None)
            stream = journal.journal_stream(saga_id)
            own = Batch(stream, state.version, [self.codec.encode(entry, metadata)])
            news = await self._news(state, entry, taken)
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

    async def _news(self, state: SagaState, entry: Event, taken: int) -> News:
        if not isinstance(entry, journal.SagaAbandoned):
            return NO_NEWS
        return await news_of(self.store, self.codec, self.registry, state, entry, taken)

    async def _state(self, saga_id: str) -> SagaState:
        state = await read_state(self.store, self.codec, checked_saga_id(saga_id))
        if state is None:
            raise SagaNotFound(f"there is no saga {saga_id!r}")
        return state
