"""Clients and operators: what they ask for, when, and again when no answer came."""

from collections.abc import Awaitable, Callable
from typing import Any

from eventstore import StoreUnavailable
from tests.simulation.invariants import Witness
from tests.simulation.loop import Process
from tests.simulation.programs import Plan
from tests.simulation.world import World
from workflows.saga import SagaEngine, SagaView
from workflows.saga.commands import Contention
from workflows.saga.errors import SagaError

TRIES = 3
SIGNALS = ("red", "blue")
OPERATIONS = (
    "compensate",
    "compensate",
    "compensate to",
    "compensate to",
    "force",
    "force to",
    "retry",
    "resume",
    "resume",
    "skip",
    "abandon",
    "halt",
    "name a run",
)


class People:
    """Everybody who asks the engine for something. Each request is a process of its own, and may die."""

    def __init__(self, world: World, engine: SagaEngine, witness: Witness) -> None:
        self._world = world
        self._engine = engine
        self._witness = witness
        self._requests = 0
        self.started: set[str] = set()

    def start(self, saga_id: str, plan: Plan) -> None:
        async def ask() -> None:
            await self._engine.start("saga", plan, saga_id=saga_id)
            self.started.add(saga_id)

        self._ask(f"start {saga_id}", ask)

    async def view(self, saga_id: str) -> SagaView:
        return await self._engine.view(saga_id)

    def signal(self, saga_id: str, name: str, signal_id: str) -> None:
        async def ask() -> None:
            await self._engine.signal(saga_id, name, {"text": signal_id}, signal_id=signal_id, actor="eve")
            self._witness.signals[saga_id, signal_id] = name

        self._ask(f"signal {saga_id} {name} {signal_id}", ask)

    def operate(self, saga_id: str, operation: str) -> None:
        """One of OPERATIONS, decided on the saga as it is when it is asked for."""
        self._ask(f"{operation} {saga_id}", lambda: self._operation(saga_id, operation))

    async def _operation(self, saga_id: str, operation: str) -> None:
        engine, state = self._engine, self._witness.states.get(saga_id)
        who = {"actor": "ana", "reason": "she wants it"}
        steps = sorted(state.steps) if state is not None else []
        asked: Awaitable[Any]
        match operation:
            case "compensate" | "force":
                asked = engine.compensate(saga_id, force=operation == "force", **who)
            case "compensate to" | "force to":
                step = self._world.rng.choice(steps) if steps else "1"
                asked = engine.compensate(saga_id, to_step=step, force=operation == "force to", **who)
            case "retry":
                asked = engine.retry(saga_id, **who)
            case "resume":
                asked = engine.resume(saga_id, **who)
            case "skip":
                asked = engine.skip(saga_id, **who)
            case "abandon":
                asked = engine.abandon(saga_id, **who)
            case "halt":
                asked = engine.halt(saga_id, state.named_run if state else 1, "told to")
            case _:
                asked = engine.name_next_run(saga_id, state.named_run if state else 1, "no row")
        await asked

    def _ask(self, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        self._requests += 1
        client = Process(f"client {self._requests}")
        self._world.spawn(client, self._insist(client, what, ask))

    async def _insist(self, client: Process, what: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask, and again when there was no answer: what is asked for twice must count once."""
        world = self._world
        for _ in range(TRIES):
            world.note(f"{client.name} asks: {what}")
            try:
                await ask()
            except (StoreUnavailable, Contention) as error:
                world.note(f"{client.name}: {what}: {type(error).__name__}")
            except SagaError as no:
                world.note(f"{client.name}: {what}: {type(no).__name__} {no}")
                return
            except Exception as bug:
                world.violated(f"{what}: {bug!r}")
                return
            else:
                world.note(f"{client.name}: {what}: done")
                return
