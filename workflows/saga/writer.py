"""The one writer of a run's journal, and the fence of the run.

Every append expects the version that this execution knows. When it loses, somebody else wrote: another
execution (this one gives up), or an operator (no further step starts). What an execution has lost it has lost
for good: it knows the journal's version by then, so nothing but this writer would keep a step that runs
beside the one that lost from appending.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain import Event
from eventstore import Appended, Batch, EventStore, WrongExpectedVersion
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.errors import (
    Closed,
    Interrupted,
    Outdated,
    Overtaken,
    Stopping,
    StoreAway,
    Superseded,
)
from workflows.saga.state import SagaState, catch_up

RACES_MAX = 100


@dataclass(eq=False)
class Scope:
    """Steps and branches that run side by side. When one has failed, or was cut short (`broken`), no other
    step starts, here or further in. `lost` is set when a branch fails; that of a step is in the journal."""

    steps: frozenset[str] = frozenset()
    parent: "Scope | None" = None
    broken: bool = False
    lost: bool = False

    def failed(self, state: SagaState) -> bool:
        """Whether one of them, or of those around them, has failed. A child that was refused past the pivot
        has not: it halts the saga, and is tried anew."""
        steps = (step for number in self.steps if (step := state.steps.get(number)))
        return (
            self.lost
            or any(step.refused_or_failed and not step.child_refused_past_pivot for step in steps)
            or (self.parent is not None and self.parent.failed(state))
        )

    def closed(self, state: SagaState) -> bool:
        """Whether no further step may start in it."""
        return self._cut_short() or self.failed(state)

    def lasting(self) -> "Scope":
        """The same for a call that must succeed: only a cut closes it."""
        return Scope(broken=self._cut_short())

    def _cut_short(self) -> bool:
        return self.broken or (self.parent is not None and self.parent._cut_short())


ALONE = Scope()


@dataclass
class JournalWriter:
    """Appends to the journal of one saga for one execution of one run, and keeps `state` up to date."""

    store: EventStore
    codec: EventCodec
    state: SagaState
    run: int
    execution: str
    executor: str
    stopping: Callable[[], bool] = lambda: False
    _unwritten: list[Event] = field(default_factory=list)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _lost: type[Superseded] | type[Overtaken] | None = None

    def __post_init__(self) -> None:
        if self.state.execution != self.execution or self.state.has_news:
            self.note(journal.RunStarted(run=self.run, execution=self.execution, executor=self.executor))

    def note(self, entry: Event) -> None:
        """Write `entry` with the next append. What is lost with a crash before it had no effect."""
        self._unwritten.append(entry)

    @property
    def attributes(self) -> dict[str, str]:
        """The search attributes, those included that the next append will write."""
        noted = [entry.attributes for entry in self._unwritten if isinstance(entry, journal.Tagged)]
        return {name: value for each in (self.state.attributes, *noted) for name, value in each.items()}

    def metadata(self, **more: Any) -> dict[str, Any]:
        """Who, why and for whom: goes with every event that this saga causes."""
        state = self.state
        return {
            "correlation_id": state.correlation_id,
            "causation_id": str(state.causes.latest),
            "actor": state.on_behalf_of or journal.NOBODY,
            **more,
        }

    async def append(
        self,
        *entries: Event,
        batches: Sequence[Batch] = (),
        attachment: Mapping[str, Any] | None = None,
        forward: bool = False,
        outcome: bool = False,
        scope: Scope = ALONE,
        guard: Callable[[], None] = lambda: None,
    ) -> Appended:
        """Append `entries` to the journal, with `batches` of other streams, in one transaction.

        `forward` entries start something: they are refused once compensation has been requested, or a step
        of `scope` has failed. The `outcome` of a call that was announced is written even while the process
        is shutting down: whoever goes on need not wait for the call's deadline. `guard` raises when the
        journal, as it is by now, speaks against the entries.

        Raises WrongExpectedVersion when one of `batches` lost, Interrupted, Closed, Outdated, Overtaken,
        Superseded, Stopping.
        """
        async with self._lock:
            for _ in range(RACES_MAX):
                self._check_fence()
                if self.stopping() and not outcome:
                    raise Stopping
                if forward:
                    self.check_open(scope)
                guard()
                self._forget_what_has_not_happened()
                new = [*self._unwritten, *entries]
                try:
                    appended = await self._try(new, batches, attachment)
                except WrongExpectedVersion as lost:
                    if lost.stream != journal.journal_stream(self.state.saga_id):
                        raise
                    await self._catch_up()
                    continue
                for entry in new:
                    self.state.apply(entry, self.state.version + 1, appended.recorded_at)
                self.state.position = appended.position
                del self._unwritten[: len(new) - len(entries)]
                return appended
            raise StoreAway(f"the journal of {self.state.saga_id} moved under {RACES_MAX} tries")

    async def _try(
        self, entries: list[Event], batches: Sequence[Batch], attachment: Mapping[str, Any] | None
    ) -> Appended:
        metadata = self.metadata()
        own = Batch(
            journal.journal_stream(self.state.saga_id),
            self.state.version,
            [self.codec.encode(entry, metadata) for entry in entries],
        )
        return await self.store.append([*batches, own], attachment=attachment)

    async def _catch_up(self) -> None:
        """Take in what others wrote, and note whether the run is lost to another execution."""
        tail = await catch_up(self.store, self.codec, self.state)
        if any(map(self._is_foreign_run, tail)):
            self._lost = Superseded
        elif self._unannounced and self.state.has_news:
            # Our RunStarted would say that the function has seen the end of the child.
            self._lost = Overtaken
        elif not all(isinstance(entry, journal.FROM_OUTSIDE) for entry in tail):
            # Our own RunStarted is not written yet: after it, no earlier execution can append.
            self._lost = Overtaken

    @property
    def _unannounced(self) -> bool:
        return any(isinstance(entry, journal.RunStarted) for entry in self._unwritten)

    def _is_foreign_run(self, entry: Event) -> bool:
        return isinstance(entry, journal.RunStarted) and entry.execution != self.execution

    def _check_fence(self) -> None:
        if self.state.idle_for(self.run):
            raise Outdated(self.state.saga_id)
        if self._lost is not None:
            raise self._lost(self.state.saga_id)

    def check_open(self, scope: Scope) -> None:
        """Whether a step of `scope` may start. Raises Interrupted, Closed."""
        if self.state.compensating:
            raise Interrupted
        if scope.closed(self.state):
            raise Closed

    def _forget_what_has_not_happened(self) -> None:
        """A pivot that was on its way when compensation was requested has not happened."""
        if self.state.compensating:
            self._unwritten = [entry for entry in self._unwritten if isinstance(entry, journal.RunStarted)]
