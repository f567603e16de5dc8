"""The toys one deployment later: fields and names have changed, and one event has become two."""

from typing import Any

from pydantic import BaseModel

from domain import Catalog, Command, Decider, Event, Rejected, State
from domain.upcaster import Json, changed, renamed, split
from tests.unit.workflows.toys import ONCE, Message, Order, Remote, Sent
from workflows.saga import Call, CallDefinition, Saga, SagaDefinition


class Do(Command):
    schema_version = 2

    counter: str


class TakeBack(Command):
    """Was called Undo."""

    counter: str


class Done(Event):
    schema_version = 2

    counter: str


class Noted(Event):
    """Was said by Done."""

    counter: str


class TakenBack(Event):
    """Was called Undone."""

    counter: str


class Counter(State):
    count: int = 0
    noted: int = 0


def decide(counter: Counter, command: Do | TakeBack) -> list[Event]:
    if isinstance(command, Do):
        return [Done(counter=command.counter), Noted(counter=command.counter)]
    if counter.count == 0:
        raise Rejected(f"{command.counter} was not done", code="not-done")
    return [TakenBack(counter=command.counter)]


def evolve(counter: Counter, event: Event) -> Counter:
    match event:
        case Noted():
            return Counter(count=counter.count, noted=counter.noted + 1)
        case Done():
            return Counter(count=counter.count + 1, noted=counter.noted)
        case _:
            return Counter(count=counter.count - 1, noted=counter.noted)


def to_counter(data: Json) -> Json:
    return {"counter": data["tally"]}


def to_two(data: Json) -> list[tuple[str, Json]]:
    return [("Done", to_counter(data)), ("Noted", to_counter(data))]


DECIDER: Decider[Any, Any, Counter] = Decider(
    "tally",
    lambda command: command.counter,
    Counter(),
    decide,
    evolve,
    Do | TakeBack,
    Done | Noted | TakenBack,
    upcasters=(
        split("Done", 1, {"Done": 2, "Noted": 1}, to_two),
        renamed("Undone", 1, to="TakenBack", change=to_counter),
    ),
    command_upcasters=(
        changed("Do", 1, to_counter),
        renamed("Undo", 1, to="TakeBack", change=to_counter),
    ),
)
COUNTERS = Catalog([DECIDER])


class Letter(BaseModel):
    body: str = "hello"


def to_letter(message: Json) -> Json:
    """What had its default is not in the journal."""
    return {"body": message["text"]} if "text" in message else {}


POST = Call("post", Letter, Sent, upcasters=(renamed("send", 1, to="post", change=to_letter),))
UNPOST = Call("unsend", Letter, Sent, version=2, upcasters=(changed("unsend", 1, to_letter),))


def calls(remote: Remote) -> list[CallDefinition[Any, Any]]:
    async def post(letter: Letter, key: str) -> Sent:
        return await remote.send(Message(text=letter.body), key)

    async def unpost(letter: Letter, key: str) -> Sent:
        return await remote.unsend(Message(text=letter.body), key)

    return [CallDefinition(POST, post), CallDefinition(UNPOST, unpost)]


async def all_of_it(saga: Saga, _order: Order) -> list[str]:
    """What the toys of today do, in tomorrow's words."""
    events = await saga.execute(Do(counter="a"), compensate=TakeBack(counter="a"))
    await saga.call(POST, Letter(body="x"), compensate=UNPOST.of(Letter(body="x")), retry=ONCE)
    await saga.receive("go", Message)
    await saga.execute(Do(counter="b"), compensate=TakeBack(counter="b"))
    return [type(event).__name__ for event in events]


def definition(function: Any = all_of_it) -> SagaDefinition:
    return SagaDefinition("saga", function, Order, signals={"go": Message})
