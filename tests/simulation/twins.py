"""The same schedules on Postgres: each operation on the real store and on its twin, each answer compared.

The kernel gets the answers of Postgres. Nothing that a schedule draws depends on them, so that a seed is one
schedule here as well: as long as the stores agree.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from eventstore import Appended, AppendRefused, Batch, CommandId, EventStoreError, RecordedEvent
from eventstore.memory import MemoryEventStore
from eventstore.snapshots import Dump, MemorySnapshots, Snapshot
from tests.simulation.invariants import Witness
from tests.simulation.postgres import EPOCH, MICROSECOND, Append, Offer, RealStore, collect
from tests.simulation.schedule import Figures, Schedule, Size
from tests.simulation.store import SimulatedStore, at_once
from tests.simulation.trouble import STORE_FAULTS
from tests.simulation.world import Underway, World
from workflows.saga.runs import run_id

WINDOWS = (0.0, 0.02, 0.3, 1.0)
"""How long the appender is busy with its last call: what arrives meanwhile is the next one."""
BREAKS = 0.003
"""How often the connections break before an operation."""
STRAY_ROWS = 0.02
"""How often, before a call, DBOS has got a row that no journal names."""


@dataclass
class Queued(Append):
    """An append that waits for the next call."""

    underway: Underway


class Plain:
    """What the in-memory store answers at once."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store

    def read_stream(self, stream: str, **limits: Any) -> AsyncIterator[RecordedEvent]:
        return MemoryEventStore.read_stream(self._store, stream, **limits)


class TwinSnapshots(MemorySnapshots):
    """The same for snapshots. What is offered or discarded is seen to before the next operation."""

    def __init__(self, store: "TwinStore", world: World, real: RealStore) -> None:
        super().__init__(Plain(store))
        self._store = store
        self._world = world
        self._real = real
        self._waiting: list[Offer | str] = []

    async def read(
        self, stream: str, fingerprint: str, *, to: int | None = None
    ) -> AsyncIterator[Snapshot | RecordedEvent]:
        def operation() -> list[Snapshot | RecordedEvent]:
            self._store.prepare()
            found = self._real.read_snapshot(stream, fingerprint, to)
            expected = at_once(collect(super(TwinSnapshots, self).read(stream, fingerprint, to=to)))
            self._store.compare(f"the snapshot of {stream}", *map(_snapshots, (found, expected)))
            self._store.compare_events(f"a read of {stream}", *map(_events, (found, expected)))
            return found

        for each in await self._world.io(operation, STORE_FAULTS):
            yield each

    def offer(self, stream: str, fingerprint: str, dump: Dump) -> None:
        version, state = dump()
        super().offer(stream, fingerprint, lambda: (version, state))
        self._waiting.append((stream, fingerprint, lambda: (version, state)))

    def forget(self, stream: str) -> None:
        super().forget(stream)
        self._waiting.append(stream)

    def see_to(self) -> None:
        """Let Postgres have what was offered and discarded since."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._real.see_to(waiting)


def _snapshots(found: Sequence[Snapshot | RecordedEvent]) -> list[tuple[int, Any]]:
    return [(each.version, each.state) for each in found if isinstance(each, Snapshot)]


def _events(found: Sequence[Snapshot | RecordedEvent]) -> list[RecordedEvent]:
    return [each.last if isinstance(each, Snapshot) else each for each in found]


class TwinStore(SimulatedStore):
    """The real store, and the in-memory one that says what it must answer."""

    def __init__(
        self,
        world: World,
        on_append: Callable[[Mapping[str, Any]], None],
        on_commit: Callable[[list[RecordedEvent]], None],
        real: RealStore,
        luck: Random,
    ) -> None:
        super().__init__(world, on_append, on_commit)
        self._real = real
        self.luck = luck
        self._queue: list[Queued] = []
        self.snapshots: TwinSnapshots = TwinSnapshots(self, world, real)
        self.first_position = real.safe_position()
        self.positions: dict[int, int] = {}
        self.expected_runs: dict[str, dict[str, Any]] = {}
        self.plant: Callable[[], str | None] = lambda: None

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        def operation() -> Any:
            if not self._queue:
                self._world.later(self.luck.choice(WINDOWS), self._commit)
            self._queue.append(Queued(batches, command, attachment, Underway()))
            return self._queue[-1].underway

        return await self._world.io(operation, STORE_FAULTS)  # type: ignore[no-any-return]

    def _commit(self) -> None:
        queued, self._queue = self._queue, []
        self.prepare()
        if self.luck.random() < STRAY_ROWS and (run := self.plant()):
            self._real.enqueue(run)
        answers = self._real.append(queued)
        for each, answer in zip(queued, answers, strict=True):
            try:
                expected = self._append_now(each.batches, each.command, each.attachment)
            except EventStoreError as error:
                expected = error
            self._compare_answers(each, answer, expected)
            each.underway.end(answer)

    def _compare_answers(self, each: Append, answer: Any, expected: Any) -> None:
        if isinstance(expected, Appended):
            if not expected.duplicate and isinstance(answer, Appended):
                self.positions[expected.position] = answer.position
                self._expect_runs(each, expected.recorded_at)
            expected = replace(expected, position=self.told(expected.position))
            self.compare(f"an append to {_streams(each)}", answer, expected)
        else:
            self.compare(f"an append to {_streams(each)}", _told(answer), _told(expected))

    def _expect_runs(self, each: Append, at: datetime) -> None:
        for request in (each.attachment or {}).get("runs", ()):
            run = dict(request)
            delay = run.pop("delay_ms")
            run["status"] = "ENQUEUED" if delay is None else "DELAYED"
            milliseconds = ((at - EPOCH) // MICROSECOND + 500) // 1000
            run["delayed_until"] = None if delay is None else milliseconds + delay
            self.expected_runs[run["id"]] = run

    def _read_now(
        self, stream: str, after: int, to: int | None, limit: int | None, backwards: bool
    ) -> list[RecordedEvent]:
        self.prepare()
        found = self._real.read_stream(stream, after=after, to=to, limit=limit, backwards=backwards)
        expected = super()._read_now(stream, after, to, limit, backwards)
        self.compare_events(f"a read of {stream}", found, expected)
        return found

    async def now(self) -> datetime:
        return await self._world.io(self._look_at_clock, STORE_FAULTS)

    def _look_at_clock(self) -> datetime:
        self.prepare()
        now = self._real.now()
        self.compare("the clock", now, self._world.now())
        return now

    async def read_all(self, *arguments: Any, **limits: Any) -> AsyncIterator[RecordedEvent]:
        raise AssertionError("no run reads all streams")
        yield

    def prepare(self) -> None:
        """What comes before each operation on Postgres."""
        self._real.set_clock(self._world.now())
        self.snapshots.see_to()
        if self.luck.random() < BREAKS:
            self._real.break_connections()

    def compare_events(self, what: str, found: list[RecordedEvent], expected: list[RecordedEvent]) -> None:
        """Whether the same events were found. Positions apart: those of appends that lost stay unused."""
        ends = [replace(each, commit_position=self.told(each.commit_position)) for each in expected]
        placed = [replace(event, position=here.position) for event, here in zip(ends, found, strict=False)]
        self.compare(what, found, placed + ends[len(placed) :])

    def told(self, position: int) -> int:
        """Where Postgres has what the twin has there; 0 if it has not."""
        return self.positions.get(position, 0)

    def compare(self, what: str, found: object, expected: object) -> None:
        """Whether Postgres and memory say the same."""
        if found != expected:
            self._world.violated(f"the stores differ in {what}: Postgres {found!r}, memory {expected!r}")


class OnPostgres(Schedule):
    """The world of one seed, on the real store. Its sagas and tallies have names of their own there."""

    store: TwinStore

    def __init__(self, seed: int, real: RealStore, size: Size | None = None) -> None:
        self._real = real
        self.prefix = f"w{next(real.worlds)}-"
        self._stray: set[str] = set()
        super().__init__(seed, size)
        self.store.plant = self._plant

    def _plant(self) -> str | None:
        """Somebody takes the number that the next run of a saga would have."""
        states = self.witness.states
        if not states:
            return None
        state = states[self.store.luck.choice(sorted(states))]
        run = run_id(state.saga_id, state.named_run + 1)
        if not self.rows.plant(run):
            return None
        self._stray.add(run)
        return run

    def make_store(self) -> SimulatedStore:
        luck = Random(self.seed)
        return TwinStore(self.world, self.rows.enqueue, self._committed, self._real, luck)

    def audit(self) -> None:
        """Everything once more, as Postgres has it by now."""
        if self.world.violations:
            return
        found = self._real.read_all(self.store.first_position)
        self._compare_order(found)
        for stream, expected in self.store._streams.items():
            self.store.compare_events(stream, [each for each in found if each.stream == stream], expected)
        again = Witness(self.rows, self.remote, self.codec)
        again.signals = self.witness.signals
        for rule in (*again.take(found), *again.at_rest()):
            self.world.violated(f"as Postgres has it: {rule}")
        runs = self._real.runs(self.prefix)
        for run in self._stray:
            del runs[run]
        self.store.compare("the runs", runs, self.store.expected_runs)
        self.store.compare("the rows", runs.keys() | self._stray, self.rows.rows.keys())

    def _compare_order(self, found: list[RecordedEvent]) -> None:
        """The commits come one after the other, each whole."""
        positions = [event.position for event in found]
        ends = [event.commit_position for event in found]
        if positions != sorted(set(positions)) or ends != sorted(ends):
            self.world.violated(
                f"the order of all events is broken: {list(zip(positions, ends, strict=True))}"
            )


def _streams(append: Append) -> str:
    return ", ".join(f"{batch.stream} at {batch.expected_version}" for batch in append.batches)


def _told(answer: Any) -> Any:
    """What a caller can learn from a refusal."""
    known = isinstance(answer, EventStoreError) and not isinstance(answer, AppendRefused)
    return (type(answer), vars(answer)) if known else type(answer)


def run_on(real: RealStore, seed: int, size: Size | None = None) -> Figures:
    """What happens under this seed on the real store."""
    return OnPostgres(seed, real, size).run()
