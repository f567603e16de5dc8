"""The decider: an aggregate as three pure pieces, after Jérémie Chassaing's functional event sourcing.

initial                      the state before the first event
decide(state, command)       -> the events the command causes, or Rejected
evolve(state, event)         -> the state after the event
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

from domain.upcaster import Upcaster


class Command(BaseModel):
    """A request in the imperative. Its class name is its durable name.

    `data_subject` names the field with the id of the person whose personal fields (domain.personal) it has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: ClassVar[int] = 1
    data_subject: ClassVar[str | None] = None


class Event(BaseModel):
    """A fact in the past tense. Its class name is its durable name."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: ClassVar[int] = 1


class State(BaseModel):
    """What `decide` needs to know; always a fold of events, never stored as truth."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rejected(Exception):
    """The business says no. The saga compensates; a direct command is answered 409."""

    def __init__(self, reason: str, *, code: str = "rejected", data: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.data = data or {}


C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)
S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Decider(Generic[C, E, S]):
    """One aggregate. `commands` and `events` are the unions that `decide` and `evolve` match on.

    Upcasters are for what older code has stored: `upcasters` for its events, `command_upcasters` for commands
    in the journals of sagas.

    Its state is kept every `snapshot_every` events (0: never), so that it is not folded from the first event
    each time. Raise `state_version` whenever `evolve` makes another state of the same events: states that the
    old one made are not used any more then. A changed schema of the state is noticed without.
    """

    category: str
    key: Callable[[C], str]
    initial: S
    decide: Callable[[S, C], list[E]]
    evolve: Callable[[S, E], S]
    commands: Any
    events: Any
    upcasters: tuple[Upcaster, ...] = ()
    command_upcasters: tuple[Upcaster, ...] = ()
    state_version: int = 1
    snapshot_every: int = 100

    def stream(self, key: str) -> str:
        return f"{self.category}-{key}"

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """The state after `events`, starting from `state` or from the initial one."""
        folded = self.initial if state is None else state
        for event in events:
            folded = self.evolve(folded, event)
        return folded

    def command_types(self) -> tuple[type[Command], ...]:
        return get_args(self.commands) or (self.commands,)

    def event_types(self) -> tuple[type[Event], ...]:
        return get_args(self.events) or (self.events,)
