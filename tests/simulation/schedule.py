"""One schedule: everything that happens, from the start of its sagas until nothing can happen any more."""

import gc
import random
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any
from uuid import UUID

from domain import Command
from eventstore import RecordedEvent
from tests.simulation.effects import ASK, SEND, UNSEND, News, catalog_of
from tests.simulation.executors import Executors
from tests.simulation.invariants import Witness
from tests.simulation.loop import Endless
from tests.simulation.people import OPERATIONS, SIGNALS, People
from tests.simulation.programs import Author, Plan, Player
from tests.simulation.remote import Remote
from tests.simulation.replays import replay_all
from tests.simulation.rows import Rows
from tests.simulation.sightings import Sightings
from tests.simulation.store import QuickCodec, SimulatedStore
from tests.simulation.trouble import Trouble
from tests.simulation.world import World
from workflows.saga import CallDefinition, Registry, Saga, SagaDefinition, SagaEngine
from workflows.saga.shapes import journal_shape
from workflows.saga.state import SagaState

HANDLES_MAX = 150_000
ROUNDS = 8
UUID_CHARS = 36


@dataclass(frozen=True)
class Size:
    """How much there is in a schedule. A schedule that fails is shrunk by making these smaller."""

    sagas: int
    faults: int
    signals: int
    operations: int
    actions: int

    @classmethod
    def of(cls, rng: Random) -> "Size":
        return cls(
            sagas=rng.choice((1, 1, 1, 2, 3)),
            faults=rng.choice((0, 1, 2, 4, 8)),
            signals=rng.choice((0, 1, 3, 6)),
            operations=rng.choice((0, 0, 1, 2, 4)),
            actions=rng.choice((2, 3, 4)),
        )


@dataclass(frozen=True)
class Figures:
    """What happened in a schedule."""

    seed: int
    violations: list[str]
    noted: list[tuple[float, object]]
    sagas: int
    events: int
    crashes: int
    pauses: int
    ends: tuple[str, ...]

    @property
    def trace(self) -> list[tuple[float, str]]:
        """Everything that happened, and when."""
        return [(seconds, str(noted)) for seconds, noted in self.noted]

    @property
    def digest(self) -> str:
        """What tells this schedule from another one."""
        trace = "\n".join(f"{seconds:.6f} {text}" for seconds, text in self.trace)
        return sha256(trace.encode()).hexdigest()


class Schedule:
    """The world of one seed."""

    prefix = ""
    """Of the names of all sagas and tallies."""

    def __init__(self, seed: int, size: Size | None = None, pace: float = 1.0) -> None:
        random.seed(seed)
        rng = Random(seed)
        self.seed = seed
        drawn = Size.of(rng)  # also when another is asked for: so the same seed meets the same luck
        self.size = size or drawn
        self.rng = rng
        rate = rng.choice((0.01, 0.03, 0.1, 0.3))
        slowness = rng.choice((0.0, 0.05, 0.2, 0.5))
        self.trouble = Trouble(rng, self.size.faults, rate, slowness)
        self.world = World(rng, self.trouble)
        self.rows = Rows(self.world)
        self.remote = Remote(self.world)
        self.codec = QuickCodec(catalog_of(self._refuses))
        self.witness = Witness(self.rows, self.remote, self.codec)
        self.sightings = Sightings(self.world)
        self.store = self.make_store()
        self.author = Author(rng, self.size.actions, pace, self.prefix)
        self.definition = SagaDefinition("saga", self._play, Plan, signals=dict.fromkeys(SIGNALS, News))
        self.registry = self.make_registry()
        self.people = People(self.world, SagaEngine(self.store, self.registry, self.codec), self.witness)
        self.executors = Executors(self.world, self.store, self.rows, self.witness, self.registry, self.codec)
        self.healed = False

    def make_store(self) -> SimulatedStore:
        """The store, which tells of every commit."""
        return SimulatedStore(self.world, self.rows.enqueue, self._committed)

    def make_registry(self) -> Registry:
        """The saga, and the calls of the other side as it is now."""
        return Registry([self.definition], self._calls())

    def _calls(self) -> list[CallDefinition[Any, Any]]:
        remote = self.remote
        return [
            CallDefinition(SEND, remote.send),
            CallDefinition(ASK, remote.send, resolver=remote.resolve),
            CallDefinition(UNSEND, remote.unsend),
        ]

    async def _play(self, saga: Saga, plan: Plan) -> str:
        laps = self.author.programs[plan.program].laps
        sighting = self.sightings.begin(saga)
        player = Player(lambda: self.definition, plan, sighting)
        await player.play(saga, laps[plan.lap])
        if plan.lap + 1 < len(laps):
            saga.continue_as(Plan(program=plan.program, lap=plan.lap + 1))
        return saga.id

    def _refuses(self, command: Command) -> bool:
        assert hasattr(command, "manner")
        if command.manner == "until healed":
            return not self.healed
        return bool(command.manner == "no")

    def _committed(self, events: list[RecordedEvent]) -> None:
        for event in events:
            self.world.note(Told(event))
        for rule in self.witness.commit(events):
            self.world.violated(rule)
        for event in events:
            self._keep_or_forget_snapshot(event)

    def _keep_or_forget_snapshot(self, event: RecordedEvent) -> None:
        """As other processes might, at any time."""
        state = self.witness.states.get(event.stream.removeprefix("saga-"))
        if state is not None and event.position % 3 == 0:
            shape = journal_shape(SagaState)
            self.store.snapshots.offer(
                event.stream, shape.fingerprint, lambda: (state.version, shape.dump(state))
            )
        elif event.position % 7 == 0:
            self.store.snapshots.forget(event.stream)

    def run(self) -> Figures:
        """Let it all happen."""
        self._plan()
        try:
            self._until_idle()
            self._end_well()
            replay_all(self)
            self.audit()
        except Endless as endless:
            self.world.violated(str(endless))
        for error in self.world.loop.errors:
            self.world.violated(error)
        for event in self.codec.changed():
            self.world.violated(f"the entry {event.stream} {event.version} was changed")
        figures = self._figures()
        self.world.loop.close()
        return figures

    def audit(self) -> None:
        """What else must hold at the end."""

    def _plan(self) -> None:
        world, rng = self.world, self.rng
        ids = [f"{self.prefix}s{number}" for number in range(1, self.size.sagas + 1)]
        for saga_id in ids:
            self.author.program(saga_id)
            plan = Plan(program=saga_id)
            world.later(rng.random() * 3, self.people.start, saga_id, plan)
            if rng.random() < 0.2:
                world.later(rng.random() * 3, self.people.start, saga_id, plan)
        for number in range(self.size.signals):
            signal_id = f"n{number if rng.random() < 0.8 else 0}"
            world.later(self._some_time(), self._signal, signal_id)
        for _ in range(self.size.operations):
            world.later(self._some_time(), self._operate)
        world.later(45.0, self._calm_down)

    def _some_time(self) -> float:
        return self.rng.choice((0.3, 2.0, 8.0, 30.0)) * self.rng.random()

    def _any_saga(self) -> str:
        return self.rng.choice(sorted(self.witness.states) or [f"{self.prefix}s1"])

    def _signal(self, signal_id: str) -> None:
        self.people.signal(self._any_saga(), self.rng.choice(SIGNALS), signal_id)

    def _operate(self) -> None:
        saga_id = self._any_saga()
        for _ in range(self.rng.choice((1, 1, 2))):
            self.people.operate(saga_id, self.rng.choice(OPERATIONS))

    def _calm_down(self) -> None:
        self.trouble.over = self.remote.healed = True

    def _until_idle(self) -> None:
        self.world.loop.run_until_idle(HANDLES_MAX)
        for rule in self.witness.at_rest():
            self.world.violated(rule)

    def _end_well(self) -> None:
        """What was refused is refused no more; then people help those that wait or are stuck."""
        self.healed = self.rng.random() < 0.8
        for number in range(ROUNDS):
            if self.world.violations or not self._help(number):
                return
            self._until_idle()

    def _help(self, number: int) -> bool:
        asked = False
        for saga_id, state in sorted(self.witness.states.items()):
            if state.status == "stuck":
                choices = (
                    "resume",
                    "resume",
                    "retry",
                    "skip",
                    "skip",
                    "compensate",
                    "compensate to",
                    "abandon",
                )
                self.people.operate(saga_id, self.rng.choice((*choices, "force", "force to")))
                asked = True
            for name in state.signals_awaited if state.parked else ():
                if self.rng.random() < 0.9:
                    self.people.signal(saga_id, name, f"late{number}")
                    asked = True
        if not asked and self.rng.random() < 0.15:
            self.people.operate(self._any_saga(), self.rng.choice(OPERATIONS))
            asked = True
        return asked

    def _figures(self) -> Figures:
        return Figures(
            self.seed,
            self.world.violations,
            self.world.trace,
            len(self.witness.states),
            len(self.store.everything()),
            self.world.crashes,
            self.world.pauses,
            tuple(state.status for state in self.witness.states.values()),
        )


@dataclass(frozen=True)
class Told:
    """What the trace says of an event. Most traces are never read."""

    event: RecordedEvent

    def __str__(self) -> str:
        event = self.event
        return f"{event.stream} {event.version} {event.type} {_told(event.data)}"


def _told(data: dict[str, Any]) -> str:
    left_out = ("result", "argument", "command", "input", "traceback", "compensation", "attributes", "data")
    kept = {name: value for name, value in data.items() if value is not None and name not in left_out}
    return " ".join(f"{name}={value}" for name, value in kept.items() if not _is_uuid(value))


def _is_uuid(value: object) -> bool:
    if not isinstance(value, str) or len(value) != UUID_CHARS:
        return False
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def run(seed: int, size: Size | None = None) -> Figures:
    """What happens under this seed."""
    gc.disable()  # see SimulatedLoop.close
    try:
        return Schedule(seed, size).run()
    finally:
        gc.collect(0)  # while it is warm: the garbage of many schedules takes five times as long
        gc.enable()
