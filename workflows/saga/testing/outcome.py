"""What became of a saga: read from its journal, and from those of the sagas that it started."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, TypeAdapter

from domain import Event
from eventstore import EventStore, RecordedEvent
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.definition import Registry
from workflows.saga.journal import Cause
from workflows.saga.summary import SagaStatus
from workflows.saga.view import SagaView, StepView


@dataclass(frozen=True)
class Outcome:
    """What became of a saga.

    Commands, calls and compensations are those that took effect, in their order; those of the sagas that it
    started and waited for are among them. `children` are these, as they are themselves.
    """

    saga: SagaView
    journal: list[Event]
    commands: list[BaseModel]
    compensations: list[BaseModel]
    children: "list[Outcome]" = field(default_factory=list)
    result_type: TypeAdapter[Any] = field(default_factory=lambda: TypeAdapter(Any))

    @property
    def result(self) -> Any:
        """What the function returned, with its type; None unless it has. Raises pydantic.ValidationError."""
        completed = self.saga.status == "completed"
        return self.result_type.validate_python(self.saga.result) if completed else None

    @property
    def status(self) -> SagaStatus:
        return self.saga.status

    @property
    def error(self) -> Cause | None:
        """Why it compensates, or is stuck."""
        return self.saga.error

    @property
    def steps(self) -> list[StepView]:
        return self.saga.steps

    @property
    def entries(self) -> list[str]:
        """The names of the journal's entries."""
        return [type(entry).__name__ for entry in self.journal]


@dataclass
class Reading:
    """Takes journals apart: what was asked for, and what of it took effect."""

    store: EventStore
    codec: EventCodec
    registry: Registry

    async def family(self, saga_id: str) -> tuple[list[RecordedEvent], list[str]]:
        """The journals of a saga and of all below it, in the order of the log; and its own children."""
        own = [event async for event in self.store.read_stream(journal.journal_stream(saga_id))]
        started = [event.data for event in own if event.type == journal.ChildStarted.__name__]
        children = [entry["child"] for entry in started if not entry["detached"]]
        below = [event for child in children for event in (await self.family(child))[0]]
        return sorted([*own, *below], key=lambda event: event.position), children

    def effects(self, events: list[RecordedEvent]) -> tuple[list[BaseModel], list[BaseModel]]:
        """The commands and calls that succeeded, and the compensations."""
        asked: dict[tuple[str, str], BaseModel] = {}
        undo: dict[tuple[str, str], BaseModel] = {}
        done: list[BaseModel] = []
        undone: list[BaseModel] = []
        for event in events:
            [entry] = self.codec.decode(event)
            place = (event.stream, getattr(entry, "step", None) or "")
            match entry:
                case journal.StepStarted():
                    asked[place] = self.argument(entry.name, entry.argument, entry.argument_version)
                case journal.StepSucceeded(kind="execute"):
                    done.append(self.codec.command(entry.name, entry.command, entry.command_version))
                case journal.StepSucceeded(kind="call"):
                    done.append(asked[place])
                case journal.StepCompensated() if place in undo:
                    undone.append(undo[place])
            if isinstance(entry, journal.StepStarted | journal.StepSucceeded) and entry.compensation:
                undo[place] = self._compensation(entry.compensation)
        return done, undone

    def argument(self, call: str, argument: dict[str, Any], version: int) -> BaseModel:
        return self.registry.stored_call(call, argument, version)[1]

    def _compensation(self, stored: journal.StoredCompensation) -> BaseModel:
        if stored.kind == "command":
            return self.codec.command(stored.name, stored.data, stored.data_version)
        return self.argument(stored.name, stored.data, stored.data_version)
