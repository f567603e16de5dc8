"""The smallest world in which a saga can go wrong: tallies, and a remote side with tombstones."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from domain import Catalog, Command, Decider, Event, Rejected, State
from eventstore import Appended, Batch, RecordedEvent
from workflows.saga import (
    NOTHING,
    Call,
    CallDefinition,
    CompensatingCall,
    Registry,
    Retry,
    Saga,
    SagaDefinition,
    Transient,
    journal,
)
from workflows.saga.codec import EventCodec
from workflows.saga.context import Step
from workflows.saga.runs import SHARED, run_request
from workflows.saga.state import read_state
from workflows.saga.testing import HookedStore, MemoryService


class Do(Command):
    """Adds one to a tally, every time: what happens twice is seen twice."""

    tally: str
    note: str = ""


class Undo(Command):
    tally: str


class Done(Event):
    tally: str


class Undone(Event):
    tally: str


class Tally(State):
    count: int = 0


def decide(tally: Tally, command: Do | Undo) -> list[Event]:
    if isinstance(command, Do):
        return [Done(tally=command.tally)]
    if tally.count == 0:
        raise Rejected(f"{command.tally} was not done", code="not-done")
    return [Undone(tally=command.tally)]


def evolve(tally: Tally, event: Event) -> Tally:
    return Tally(count=tally.count + (1 if isinstance(event, Done) else -1))


TALLIES = Catalog(
    [Decider("tally", lambda command: command.tally, Tally(), decide, evolve, Do | Undo, Done | Undone)]
)
CODEC = EventCodec(TALLIES)


class Message(BaseModel):
    text: str = "hello"


class Sent(BaseModel):
    number: int


SEND = Call("send", Message, Sent)
UNSEND = Call("unsend", Message, Sent)

Refuse = Callable[[Command], bool]
SagaFunction = Callable[[Saga, Any], Awaitable[Any]]

Behaviour = Callable[[str], Awaitable[None]]
"""What happens to a request with this key before the remote side acts; it may raise."""


async def obliging(_key: str) -> None:
    """Acts at once."""


def failing(*errors: Exception | None) -> Behaviour:
    """One of `errors` a request, in order (None: it acts); the last one for ever."""
    left = list(errors)

    async def fail(_key: str) -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return fail


class Remote:
    """Another system: acts once a key, forgets what is cancelled, refuses a key that was cancelled."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.sent: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.before_send: Behaviour = obliging
        self.before_unsend: Behaviour = obliging

    def calls(self) -> list[CallDefinition[Any, Any]]:
        return [CallDefinition(SEND, self.send), CallDefinition(UNSEND, self.unsend)]

    async def send(self, _message: Message, key: str) -> Sent:
        self.requests.append(f"send {key}")
        await self.before_send(key)
        if key in self.cancelled:
            raise Rejected("cancelled before", code="cancelled")
        return Sent(number=self.sent.setdefault(key, len(self.sent) + 1))

    async def unsend(self, _message: Message, key: str) -> Sent:
        self.requests.append(f"unsend {key}")
        await self.before_unsend(key)
        self.cancelled.add(key)
        return Sent(number=self.sent.pop(key, 0))


class SlowStore(HookedStore):
    """Every append takes a while, so that steps side by side overlap."""

    async def append(self, *args: Any, **more: Any) -> Appended:
        await asyncio.sleep(0.001)
        return await super().append(*args, **more)


AWAY = Transient("nobody answers")
ONCE = Retry(attempts=1)
TWICE = Retry(attempts=2, first_wait_seconds=0.1)
SLOWLY = Retry(attempts=3, first_wait_seconds=30)
TIMEOUT = timedelta(seconds=10)


class Order(BaseModel):
    """The input of the sagas of these tests."""

    name: str = "order"


def do(saga: Saga, tally: str) -> Step[list[Event]]:
    return saga.execute(Do(tally=tally), compensate=Undo(tally=tally))


def send(saga: Saga, retry: Retry = ONCE, undo: CompensatingCall | None = None) -> Step[Sent]:
    return saga.call(SEND, Message(), compensate=undo or UNSEND.of(Message()), retry=retry, timeout=TIMEOUT)


def send_for_ever(saga: Saga) -> Step[Sent]:
    """A call whose effect needs no undo."""
    return saga.call(SEND, Message(), compensate=NOTHING, retry=TWICE, timeout=TIMEOUT)


async def one_call(saga: Saga, _order: Order) -> dict[str, int]:
    return {"number": (await send(saga)).number}


async def call_twice(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga, TWICE)


def service_of(
    function: SagaFunction,
    remote: Remote | None = None,
    refuse: Refuse = lambda _: False,
    store: type[HookedStore] = HookedStore,
) -> MemoryService:
    """A service whose only saga is `function`, under the name `saga`."""
    calls = (remote or Remote()).calls()
    sagas = [SagaDefinition("saga", function, Order)]
    return MemoryService(TALLIES, sagas, calls, refuse=refuse, store=store)


def refusing(*tallies: str) -> Refuse:
    """Refuses to do these tallies; undoing is not refused."""
    return lambda command: isinstance(command, Do) and command.tally in tallies


async def counts(service: MemoryService) -> dict[str, int]:
    """How often each tally is done and not undone."""
    events = [event async for event in service.store.read_all(category="tally")]
    tally: Counter[str] = Counter()
    for event in events:
        tally[event.data["tally"]] += 1 if event.type == "Done" else -1
    return dict(tally)


History = list[tuple[str, dict[str, Any]]]
ATTEMPTS = frozenset({"StepStarted", "StepFailed", "Parked", "CompensationAttempted"})


def history(events: list[RecordedEvent]) -> History:
    """Type and data of events, without the entries that differ from one execution to another."""
    return [(event.type, event.data) for event in events if event.type != "RunStarted"]


def without_attempts(entries: History) -> History:
    """A journal without what a repeated attempt of a call adds to it."""
    return [entry for entry in entries if entry[0] not in ATTEMPTS]


async def histories(service: MemoryService) -> dict[str, History]:
    """Every stream as `history` sees it."""
    events = [event async for event in service.store.read_all()]
    return {
        stream: history([event for event in events if event.stream == stream])
        for stream in {event.stream for event in events}
    }


def deploy(service: MemoryService, function: SagaFunction, version: int = 1) -> None:
    """The next process runs this code."""
    sagas = [SagaDefinition("saga", function, Order, version)]
    service.registry = Registry(sagas, service.registry.calls)


async def request(service: MemoryService) -> None:
    """An operator stops the saga."""
    await service.engine.compensate("s1", actor="ana", reason="changed her mind")


async def resume(service: MemoryService) -> None:
    """Name a new run of the stuck saga, and run it."""
    state = await read_state(service.store, CODEC, "s1")
    assert state is not None
    run = state.named_run + 1
    entry = CODEC.encode(journal.RunNamed(run=run, reason="resumed"), {})
    batch = Batch(journal.journal_stream("s1"), state.version, [entry])
    await service.store.append([batch], attachment=run_request(SHARED, "saga", "s1", run))
    await service.settle()
