"""Sagas that an event starts: one for each event, however often the event is delivered."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from domain import Event

E = TypeVar("E", bound=Event)

_IN_BOUNDS: Final = re.compile(r"[A-Za-z0-9._:-]{1,80}")


@dataclass(frozen=True)
class OnEvent(Generic[E]):
    """Start the saga by each event of this type, or of these types, with the input made from it.

    `input` is a pure function. An event that it raises for, or whose input is not valid, is poison: the
    subscription of this saga waits before it.

    A definition that is new, or gets its `on` later, begins with the events that are appended after its
    first process has started: what happened before had nothing to do with it. With `from_start` it begins
    with the first event that was ever stored. Once it has begun the choice has no effect.
    """

    event: type[E] | tuple[type[E], ...]
    input: Callable[[E], BaseModel | dict[str, Any]]
    from_start: bool = False

    @property
    def types(self) -> frozenset[str]:
        """The durable names of the events."""
        events = self.event if isinstance(self.event, tuple) else (self.event,)
        return frozenset(event.__name__ for event in events)


def id_from_event(saga: str, event_id: UUID, number: int = 1) -> str:
    """The id of the saga that an event starts; the name is replaced by its digest if it is no part of ids.

    `number` tells apart the events that a stored one was split into.
    """
    name = saga if _IN_BOUNDS.fullmatch(saga) else sha256(saga.encode()).hexdigest()
    return f"{name}-{event_id}" + (f".{number}" if number > 1 else "")
