"""What the sagas of the simulation act on: tallies in our store, and another system with tombstones."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from domain import Catalog, Command, Decider, Event, Rejected, State
from workflows.saga import Call

FEW = 2
"""As many of a tally are `few`: a refusal that depends on its state."""


class Do(Command):
    tally: str
    effect: str
    manner: str = "ok"


class Undo(Command):
    tally: str
    effect: str
    manner: str = "ok"


class Done(Event):
    effect: str


class Undone(Event):
    effect: str


class Tally(State):
    effects: tuple[str, ...] = ()


class Message(BaseModel):
    """`manner` and `undo_manner` say how the other side behaves."""

    effect: str
    manner: str = "ok"
    undo_manner: str = "ok"


class Sent(BaseModel):
    effect: str


class News(BaseModel):
    """The data of a signal."""

    text: str


SEND = Call("send", Message, Sent)
ASK = Call("ask", Message, Sent)
UNSEND = Call("unsend", Message, Sent)


def catalog_of(refuses: Callable[[Command], bool]) -> Catalog:
    """The tallies, whose decider refuses what `refuses` says and what is not there to be undone."""

    def decide(tally: Tally, command: Any) -> list[Event]:
        if refuses(command):
            raise Rejected(f"{command.effect} is refused", code="refused")
        if isinstance(command, Do):
            if command.manner == "few" and len(tally.effects) >= FEW:
                raise Rejected(f"{len(tally.effects)} already", code="full")
            return [Done(effect=command.effect)]
        if command.effect not in tally.effects:
            raise Rejected(f"{command.effect} was not done", code="not-done")
        return [Undone(effect=command.effect)]

    return Catalog(
        [Decider("tally", lambda command: command.tally, Tally(), decide, _evolve, Do | Undo, Done | Undone)]
    )


def _evolve(tally: Tally, event: Any) -> Tally:
    if isinstance(event, Done):
        return Tally(effects=(*tally.effects, event.effect))
    left = list(tally.effects)
    left.remove(event.effect)
    return Tally(effects=tuple(left))
